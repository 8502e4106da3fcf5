"""Cookies that only we can make, and that end when they should."""

from __future__ import annotations

import stat
import threading

import pytest

from melisma.core.errors import StoreError
from melisma.server.guard.sessions import LASTS_S, Sessions
from melisma.server.guard.tokens import Tokens, digest

ANNA, BERT = digest("token of anna"), digest("token of bert")


@pytest.fixture
def now():
    return [1_800_000_000.0]


@pytest.fixture
def sessions(tmp_path, now):
    """Make those of a process that has started now."""
    return lambda **owners: Sessions(tmp_path, Tokens(owners or {ANNA: "anna", BERT: "bert"}), lambda: now[0])


def test_a_cookie_says_whose_it_is(sessions):
    ours = sessions()
    assert ours.owner(ours.make(ANNA)) == "anna"
    assert ours.owner(ours.make(BERT)) == "bert"


def test_no_two_are_the_same(sessions):
    assert len({sessions().make(ANNA) for _ in range(20)}) == 20


def test_it_holds_over_a_restart_and_in_other_processes(sessions):
    assert sessions().owner(sessions().make(ANNA)) == "anna"


def test_it_ends_in_time(sessions, now):
    cookie = sessions().make(ANNA)
    now[0] += LASTS_S - 1
    assert sessions().owner(cookie) == "anna"
    now[0] += 1
    assert sessions().owner(cookie) is None


def test_it_ends_with_its_token(tmp_path, sessions):
    cookie = sessions().make(ANNA)
    assert Sessions(tmp_path, Tokens({BERT: "bert"})).owner(cookie) is None
    assert Sessions(tmp_path, Tokens({})).owner(cookie) is None


def test_it_ends_for_all_when_it_is_ended(sessions):
    cookie, other = sessions().make(ANNA), sessions().make(ANNA)
    sessions().end(cookie)
    assert sessions().owner(cookie) is None
    assert sessions().owner(other) == "anna"


def test_ends_that_are_long_over_are_forgotten(tmp_path, sessions, now):
    sessions().end(sessions().make(ANNA))
    [kept] = (tmp_path / "sessions-ended").iterdir()
    now[0] += LASTS_S + 1
    sessions().end(sessions().make(ANNA))
    assert kept not in (tmp_path / "sessions-ended").iterdir()


def test_nothing_is_kept_of_what_is_no_cookie_of_ours(tmp_path, sessions):
    """Or anybody could fill the disk, or write where they like."""
    genuine = sessions().make(ANNA)
    head, _, signature = genuine.rpartition(".")
    for cookie in (
        "",
        "../../x",
        head,
        f"{head}.{'0' * 64}",
        "1." + "0" * 32 + ".9999999999." + "0" * 32 + "." + signature,
    ):
        sessions().end(cookie)
    assert not (tmp_path / "sessions-ended").exists()


def test_every_character_of_a_cookie_counts(sessions):
    ours = sessions()
    cookie = ours.make(ANNA)
    for k, character in enumerate(cookie):
        other = "0" if character != "0" else "1"
        assert ours.owner(cookie[:k] + other + cookie[k + 1 :]) is None
        assert ours.owner(cookie[:k] + cookie[k + 1 :]) is None


def test_a_cookie_tells_nothing_of_its_token(sessions):
    cookie = sessions().make(ANNA)
    assert not any(part in cookie for part in (ANNA[k : k + 12] for k in range(52)))


def test_the_key_is_for_its_owner_alone_and_made_once(tmp_path, sessions):
    made = []
    ready = threading.Barrier(8)

    def make():
        ready.wait()
        made.append(sessions().make(ANNA))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {sessions().owner(cookie) for cookie in made} == {"anna"}
    assert len(made) == 8
    assert stat.S_IMODE((tmp_path / "session.key").stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["session.key"]


def test_a_key_that_is_damaged_is_no_key(tmp_path, sessions):
    cookie = sessions().make(ANNA)
    (tmp_path / "session.key").write_bytes(b"")
    assert sessions().owner(cookie) is None
    with pytest.raises(StoreError, match="is damaged: remove it"):
        sessions().make(ANNA)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "data").write_text("a file")
    with pytest.raises(StoreError, match="the key of sessions cannot be"):
        Sessions(tmp_path / "data", Tokens({ANNA: "anna"})).make(ANNA)


def test_an_unknown_token_has_no_owner():
    tokens = Tokens({ANNA.upper(): "anna"})
    assert tokens.owner("token of anna") == "anna"
    for wrong in ("", ANNA, "token of ann", "token of annaa", "x" * 5000, "\ud800", "token of anna\0"):
        assert tokens.owner(wrong) is None
