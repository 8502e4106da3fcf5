"""What the environment says of the service: each variable, and one sentence for what it cannot hold."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from melisma.core.errors import InputError
from melisma.server import settings
from melisma.server.settings import JobSettings, Limits, ServiceSettings, from_environment, hash_token

ANN, BOB = "ann-has-a-long-token", "bob-has-another:one"


def everything(folder: Path) -> dict[str, str]:
    """Return a value other than the usual one for every variable of the service."""
    return {
        "MELISMA_HOST": "[::]",
        "MELISMA_PORT": "9000",
        "MELISMA_DATA_DIR": str(folder / "data"),
        "MELISMA_DATABASE_URL": "postgresql://melisma:secret@db/melisma",
        "MELISMA_LIBRARY_DIR": str(folder),
        "MELISMA_API_TOKENS": f"ann:{ANN},bob:{BOB}",
        "MELISMA_MODELS": "whisper:small, whisper:Systran/faster-whisper-tiny",
        "MELISMA_CORS_ORIGINS": "https://Karaoke.example/, http://localhost:3000",
        "MELISMA_ALLOWED_HOSTS": "Karaoke.example,[::1]",
        "MELISMA_PROXIES": "10.0.0.2, 172.16.0.0/12",
        "MELISMA_MAX_UPLOAD_MB": "20.5",
        "MELISMA_MAX_DURATION_S": "600",
        "MELISMA_MAX_LYRICS_CHARS": "1000",
        "MELISMA_MAX_BODY_MB": "1",
        "MELISMA_REQUESTS_PER_MINUTE": "0",
        "MELISMA_FAILURES_PER_MINUTE": "3",
        "MELISMA_BODY_TIMEOUT_S": "5",
        "MELISMA_MAX_QUEUED_JOBS": "7",
        "MELISMA_WORKERS": "0",
        "MELISMA_QUEUE_REDIS_URL": "redis://:secret@queue:6379/1",
        "MELISMA_JOB_LEASE_S": "60",
        "MELISMA_JOB_ATTEMPTS": "5",
        "MELISMA_JOB_RETRY_S": "0.5",
        "MELISMA_JOB_KEEP_DAYS": "1",
    }


def test_nothing_set_is_the_usual(monkeypatch):
    assert from_environment({}) == ServiceSettings()


def test_every_variable_is_heard(tmp_path):
    found = from_environment(everything(tmp_path))
    assert found == ServiceSettings(
        host="::",
        port=9000,
        data=tmp_path / "data",
        database_url="postgresql://melisma:secret@db/melisma",
        library=tmp_path,
        tokens={hash_token(ANN): "ann", hash_token(BOB): "bob"},
        models=("whisper:small", "whisper:Systran/faster-whisper-tiny"),
        cors_origins=("https://karaoke.example", "http://localhost:3000"),
        allowed_hosts=("karaoke.example", "::1"),
        proxies=("10.0.0.2", "172.16.0.0/12"),
        limits=Limits(20_500_000, 600.0, 1000, 1_000_000, 0, 3, 5.0, 7),
        jobs=JobSettings(0, "redis://:secret@queue:6379/1", 60.0, 5, 0.5, 1.0),
    )


def test_no_field_is_left_without_a_variable(tmp_path):
    found, usual = from_environment(everything(tmp_path)), ServiceSettings()
    same = [each.name for each in fields(usual) if getattr(found, each.name) == getattr(usual, each.name)]
    for part in ("limits", "jobs"):
        ours, theirs = getattr(found, part), getattr(usual, part)
        assert is_dataclass(ours)
        same += [
            f"{part}.{each.name}" for each in fields(ours) if getattr(ours, each.name) == getattr(theirs, each.name)
        ]
    assert same == []


@pytest.mark.parametrize(
    ("name", "said", "sentence"),
    [
        ("MELISMA_HOST", "http://x", "MELISMA_HOST is an address or a host's name, such as 127.0.0.1, not 'http://x'"),
        ("MELISMA_PORT", "http", "MELISMA_PORT is a number, 0 or more, not 'http'"),
        ("MELISMA_PORT", "65536", "MELISMA_PORT is 0 to 65535, not 65536"),
        ("MELISMA_PORT", "80.5", "MELISMA_PORT is a number, 0 or more, not '80.5'"),
        ("MELISMA_LIBRARY_DIR", "/nowhere", "MELISMA_LIBRARY_DIR names no folder that can be read: /nowhere"),
        ("MELISMA_MODELS", "small", "MELISMA_MODELS lists models as ENGINE:MODEL, such as whisper:small; not 'small'"),
        ("MELISMA_MODELS", "whisper:/srv/own", "MELISMA_MODELS names models by size or by their id on the hub"),
        ("MELISMA_MODELS", "path:mine", "MELISMA_MODELS names no folders: melisma models add NAME mine"),
        ("MELISMA_CORS_ORIGINS", "*", "MELISMA_CORS_ORIGINS lists pages as .* not '\\*'"),
        ("MELISMA_CORS_ORIGINS", "https://a.example/page", "MELISMA_CORS_ORIGINS lists pages as https://host or"),
        ("MELISMA_CORS_ORIGINS", "null", "MELISMA_CORS_ORIGINS lists pages"),
        ("MELISMA_CORS_ORIGINS", "https://a.example:x", "MELISMA_CORS_ORIGINS lists pages"),
        ("MELISMA_ALLOWED_HOSTS", "a.example:8765", "MELISMA_ALLOWED_HOSTS lists names without ports"),
        ("MELISMA_ALLOWED_HOSTS", "*", "MELISMA_ALLOWED_HOSTS lists names without ports"),
        ("MELISMA_PROXIES", "proxy", "MELISMA_PROXIES lists addresses such as 10.0.0.2 or 10.0.0.0/24, not 'proxy'"),
        ("MELISMA_MAX_UPLOAD_MB", "-1", "MELISMA_MAX_UPLOAD_MB is a number, 0 or more, not '-1'"),
        ("MELISMA_MAX_UPLOAD_MB", "0", "MELISMA_MAX_UPLOAD_MB is 0.001 to 1e\\+09, not 0"),
        ("MELISMA_MAX_DURATION_S", "inf", "MELISMA_MAX_DURATION_S is a number, 0 or more, not 'inf'"),
        ("MELISMA_FAILURES_PER_MINUTE", "0", "MELISMA_FAILURES_PER_MINUTE is 1 or more, not 0"),
        ("MELISMA_WORKERS", "65", "MELISMA_WORKERS is 0 to 64, not 65"),
        ("MELISMA_JOB_ATTEMPTS", "0", "MELISMA_JOB_ATTEMPTS is 1 to 10, not 0"),
        ("MELISMA_MAX_UPLOAD_MB", "1e308", "MELISMA_MAX_UPLOAD_MB is 0.001 to 1e\\+09, not 1e\\+308"),
        ("MELISMA_MAX_BODY_MB", "1e308", "MELISMA_MAX_BODY_MB is 0.001 to"),
        ("MELISMA_BODY_TIMEOUT_S", "1e300", "MELISMA_BODY_TIMEOUT_S is 0.1 to 86400, not"),
        ("MELISMA_JOB_LEASE_S", "1e300", "MELISMA_JOB_LEASE_S is 1 to 86400, not"),
        ("MELISMA_JOB_RETRY_S", "1e300", "MELISMA_JOB_RETRY_S is 0 to 86400, not"),
        ("MELISMA_JOB_KEEP_DAYS", "1e300", "MELISMA_JOB_KEEP_DAYS is 0 to 36500, not"),
    ],
)
def test_what_a_variable_cannot_hold_is_one_sentence(name, said, sentence):
    with pytest.raises(InputError, match=sentence):
        from_environment({name: said})


@pytest.mark.parametrize(
    ("name", "said", "sentence"),
    [
        ("MELISMA_DATABASE_URL", "mysql://u:SECRET@h/b", "MELISMA_DATABASE_URL is no URL that can be used: write sql"),
        ("MELISMA_QUEUE_REDIS_URL", "http://:SECRET@h", "MELISMA_QUEUE_REDIS_URL is no URL that can be used: write re"),
        ("MELISMA_API_TOKENS", "SECRET-and-no-name-at-all", "entry 1 of MELISMA_API_TOKENS is no NAME:TOKEN"),
        ("MELISMA_API_TOKENS", f"ann:{ANN},two words:SECRET-SECRET-SECRET", "entry 2 of MELISMA_API_TOKENS is no NAME"),
        ("MELISMA_API_TOKENS", "ann:SECRET", "the token of 'ann' in MELISMA_API_TOKENS is too short: give 16"),
        ("MELISMA_API_TOKENS", "ann:sha256:SECRET", "the hash of 'ann' in MELISMA_API_TOKENS has to have 64 hex"),
        (
            "MELISMA_API_TOKENS",
            "ann:SECRET-SECRET-SECRET,bob:SECRET-SECRET-SECRET",
            "'ann' and 'bob' have the same token in MELISMA_API_TOKENS",
        ),
    ],
)
def test_no_sentence_says_what_is_secret(name, said, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        from_environment({name: said})
    assert "SECRET" not in str(caught.value)


def test_tokens_stand_in_a_file_too_and_only_their_hashes_need_to(tmp_path):
    path = tmp_path / "tokens"
    path.write_text(f"# those who may\n\nbob:sha256:{hash_token(BOB).upper()}\nann:{ANN}\n", encoding="utf-8")
    found = from_environment({"MELISMA_API_TOKENS_FILE": str(path), "MELISMA_API_TOKENS": "eve:a-third-long-token"})
    assert found.tokens == {hash_token(ANN): "ann", hash_token(BOB): "bob", hash_token("a-third-long-token"): "eve"}


@pytest.mark.parametrize(("text", "sentence"), [("# nobody\n", "holds no token"), (None, "cannot be read: No such")])
def test_a_file_without_tokens_does_not_open_the_door(tmp_path, text, sentence):
    path = tmp_path / "tokens"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=f"MELISMA_API_TOKENS_FILE names {sentence}"):
        from_environment({"MELISMA_API_TOKENS_FILE": str(path)})


def test_a_secret_in_a_file_is_read(tmp_path):
    path = tmp_path / "url"
    path.write_text("postgresql://melisma:secret@db/melisma\n", encoding="utf-8")
    found = from_environment({"MELISMA_DATABASE_URL_FILE": str(path)})
    assert found.database == "postgresql://melisma:secret@db/melisma"


def test_what_is_given_to_be_read_is_not_changed(tmp_path):
    environ = {"CTC_ALIGN_DEVICE": "cpu"}
    from_environment(environ)
    assert environ == {"CTC_ALIGN_DEVICE": "cpu"}


def test_the_process_hears_the_other_names_when_the_service_starts(monkeypatch):
    monkeypatch.setenv("MELISMA_DEVICE", "")  # so that it is put back behind the test
    monkeypatch.setenv("CTC_ALIGN_DEVICE", "cuda:1")
    from_environment()
    import os

    assert os.environ["MELISMA_DEVICE"] == "cuda:1"


def test_the_usual_database_is_a_file_in_the_data_folder(tmp_path):
    found = from_environment({"MELISMA_DATA_DIR": str(tmp_path)})
    assert found.database == f"sqlite:///{tmp_path}/melisma.sqlite"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "karaoke.example"])
def test_strangers_need_a_token(host):
    with pytest.raises(InputError, match=f"would listen on {host}, where others can reach it, without a token"):
        from_environment({"MELISMA_HOST": host}).check()
    from_environment({"MELISMA_HOST": host, "MELISMA_API_TOKENS": f"ann:{ANN}"}).check()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_nobody_else_reaches_the_loopback_interface(host):
    found = from_environment({"MELISMA_HOST": host})
    found.check()
    assert found.on_loopback
    assert settings.LEAST_TOKEN == 16


@pytest.mark.parametrize("said", ["sqlite://", "postgresql://db:port/melisma"])
def test_a_database_that_cannot_be_is_told_by_its_own_variable(said):
    from melisma.store.service.database import ServiceDatabase

    settings = from_environment({"MELISMA_DATABASE_URL": said})
    with pytest.raises(InputError, match=r"^MELISMA_DATABASE_URL (names no SQLite file|is no URL)"):
        ServiceDatabase(settings.database)
