from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from melisma.store.service import receipts
from melisma.store.service.database import ServiceDatabase
from melisma.store.service.receipts import KEPT, KeyUsed, Receipt
from melisma.store.service.tables import ReceiptRow

CALL, OTHER = "a" * 64, "b" * 64
ANSWER = Receipt(202, {"id": "«job»", "n": [1, None]})


@pytest.fixture
def database(service_url):
    database = ServiceDatabase(service_url)
    yield database
    database.close()


@pytest.fixture
def call(database):
    """Make a call with a key; return its answer and whether work was done for it."""

    def call(owner="anna", key="k", fingerprint=CALL, answer=ANSWER, work=lambda: None):
        with database.begin() as session:
            found = receipts.claim(session, owner, key, fingerprint)
            if found is not None:
                return found, False
            work()
            receipts.fill(session, owner, key, answer)
        return answer, True

    return call


def test_the_same_call_is_answered_the_same(call):
    assert call() == (ANSWER, True)
    assert call(answer=Receipt(500, {})) == (ANSWER, False)


def test_another_call_with_the_key_is_refused(call):
    call()
    with pytest.raises(KeyUsed, match="the idempotency key 'k' was used for another call"):
        call(fingerprint=OTHER)


def test_keys_of_others_are_other_keys(call):
    assert [call(owner)[1] for owner in ("anna", "ben")] == [True, True]


def test_nothing_is_left_of_a_call_that_failed(call):
    def fail():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        call(work=fail)
    assert call() == (ANSWER, True)


def test_of_twins_one_does_the_work_and_the_other_gets_its_answer(call):
    working, finish, found = threading.Event(), threading.Event(), []

    def work():
        working.set()
        assert finish.wait(120)

    first = threading.Thread(target=lambda: found.append(call(work=work)))
    first.start()
    assert working.wait(120)
    second = threading.Thread(target=lambda: found.append(call(answer=Receipt(200, {"id": "twin"}))))
    second.start()
    second.join(0.3)
    assert second.is_alive()  # it waits for the one that works
    finish.set()
    first.join()
    second.join()
    assert sorted(found, key=lambda each: each[1]) == [(ANSWER, False), (ANSWER, True)]


def test_a_key_can_be_used_anew_after_a_day(call, database):
    call()
    with database.begin() as session:
        row = session.get(ReceiptRow, ("anna", "k"))
        row.created_at -= KEPT + timedelta(seconds=1)
    assert call(fingerprint=OTHER) == (ANSWER, True)
