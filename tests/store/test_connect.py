"""URLs, and what they may not show."""

from __future__ import annotations

import sys

import pytest

from melisma.core.errors import InputError, MissingDependency
from melisma.store import connect


@pytest.mark.parametrize("url", ["sqlite:////a b/c%20d?e.sqlite", "/a b/c%20d?e.sqlite"])
def test_a_sqlite_url_is_a_path_as_it_is(url):
    parsed = connect.parse(url)
    assert str(connect.sqlite_path(parsed)) == "/a b/c%20d?e.sqlite" == connect.shown(url)


@pytest.mark.parametrize("scheme", ["postgresql+psycopg", "postgresql", "postgres"])
def test_postgresql_is_driven_by_psycopg(scheme):
    parsed = connect.parse(f"{scheme}://me:secret@host:5433/base?sslmode=require")
    assert parsed.drivername == "postgresql+psycopg"
    assert connect.sqlite_path(parsed) is None


def test_a_password_is_never_shown():
    assert connect.shown("postgresql://me:secret@host/base") == "postgresql+psycopg://me:***@host/base"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite://", "names no SQLite file"),
        ("sqlite:///", "names no SQLite file"),
        ("sqlite:///:memory:", "names no SQLite file"),
        ("mysql://host/base", "not in 'mysql'"),
        ("postgresql+asyncpg://host/base", "not in 'postgresql.asyncpg'"),
        ("postgresql://me:secret@host:port/base", "is no URL"),
        ("://", "is no URL"),
    ],
)
def test_other_urls_are_refused(url, said):
    with pytest.raises(InputError, match=said) as caught:
        connect.parse(url)
    assert "secret" not in str(caught.value)


def test_a_missing_driver_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingDependency, match=r"pip install 'melisma\[postgres\]'"):
        connect.make_engine(connect.parse("postgresql://host/base"), connect.HURRIED)


@pytest.mark.usefixtures("hurried")
def test_what_the_url_says_of_time_outs_is_heard():
    parsed = connect.parse("postgresql://host/base?connect_timeout=7")
    arguments = connect._postgres_arguments(parsed, connect.HURRIED)
    assert "connect_timeout" not in arguments
    assert "statement_timeout=2000" in arguments["options"]


def test_a_server_that_is_gone_without_a_word_is_noticed(postgres):
    engine = connect.make_engine(connect.parse(postgres.url("postgres")), connect.HURRIED)
    with engine.connect() as connection:
        told = connection.connection.driver_connection.info.get_parameters()
    engine.dispose()
    wanted = {"keepalives_idle": "10", "keepalives_interval": "5", "keepalives_count": "3", "tcp_user_timeout": "25000"}
    assert wanted.items() <= told.items()
