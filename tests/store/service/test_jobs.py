from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from melisma.core.errors import InputError, NotFound, TooManyRequests
from melisma.store.service import jobs as ledger
from melisma.store.service.database import ServiceDatabase
from melisma.store.service.jobs import Chosen, Ending, JobState, NewJob
from melisma.store.service.tables import AlignmentRow, JobRow, SongRow

LEASE_S = 30.0
NEW = NewJob("align", {"text": "l'été «bleu»", "n": 3}, 2, "anna", "a-request")
MOMENT = datetime(2026, 5, 4, tzinfo=UTC)
CAUSE = {"attempt": 1, "kind": "EngineFailed", "detail": "no answer"}
PROBLEM = {"type": "/problems/engine-failed", "status": 502, "detail": "no answer"}

ON_A_SERVER = pytest.mark.parametrize("service_url", ["postgresql"], indirect=True)


@pytest.fixture
def database(service_url):
    database = ServiceDatabase(service_url)
    yield database
    database.close()


@pytest.fixture
def add(database):
    def add(new: NewJob = NEW, **changes):
        with database.begin() as session:
            return ledger.add(session, replace(new, **changes))

    return add


@pytest.fixture
def do(database):
    """Call a function of the ledger in a transaction of its own."""

    def do(function, *arguments):
        with database.begin() as session:
            return function(session, *arguments)

    return do


@pytest.fixture
def change(database):
    """Change columns of a job behind the ledger's back."""

    def change(id: str, **columns):
        with database.begin() as session:
            row = session.get(JobRow, id)
            for name, value in columns.items():
                setattr(row, name, value)

    return change


def song_row(id: str = "a" * 32) -> SongRow:
    texts = dict.fromkeys(("file_name", "title", "artist", "language", "lyrics", "search"), "")
    return SongRow(
        id=id,
        content="c" * 64,
        media_type="audio/mpeg",
        suffix=".mp3",
        size_bytes=1,
        duration_ms=1,
        library_path=None,
        created_at=MOMENT,
        updated_at=MOMENT,
        **texts,
    )


def test_a_new_job_waits_with_everything_that_was_asked_for(add, do):
    job = add()
    assert (job.state, job.kind, job.priority, job.owner, job.request_id) == ("queued", "align", 2, "anna", "a-request")
    assert job.request == {"text": "l'été «bleu»", "n": 3}
    assert (job.result, job.problem, job.causes, job.n_attempts, job.percent) == (None, None, [], 0, 0.0)
    assert do(ledger.get, job.id) == job


def test_a_job_that_is_not_there_is_not_found(do):
    for ask in (ledger.get, ledger.cancel):
        with pytest.raises(NotFound, match="there is no job 'ffff"):
            do(ask, "f" * 32)


@pytest.mark.parametrize(("field", "kind"), [("song_id", "song"), ("alignment_id", "alignment")])
def test_a_job_about_what_is_not_there_is_refused(add, do, field, kind):
    with pytest.raises(NotFound, match=f"there is no {kind}"):
        add(**{field: "e" * 32})
    assert do(ledger.page, Chosen(), None, 10) == ([], None)


def test_a_job_goes_when_its_song_goes(add, database, do):
    with database.begin() as session:
        session.add(song_row())
    job = add(song_id="a" * 32)
    assert do(ledger.claim, job.id, "w", LEASE_S) is not None
    with database.begin() as session:
        session.delete(session.get(SongRow, "a" * 32))
    with pytest.raises(NotFound):
        do(ledger.get, job.id)
    assert do(ledger.finish, job.id, "w", {}) is False


def test_one_owner_may_have_only_so_many_that_are_not_over(add, do):
    first = add(most=2)
    assert do(ledger.claim, first.id, "w", LEASE_S) is not None
    add(most=2)
    with pytest.raises(TooManyRequests, match="2 jobs wait already"):
        add(most=2)
    add(owner="bruno", most=2)
    assert do(ledger.finish, first.id, "w", {})
    add(most=2)


def test_only_one_of_many_gets_a_job(add, database):
    job = add()
    got, ready = [], threading.Barrier(8)

    def take(name: str) -> None:
        ready.wait()
        with database.begin() as session:
            if ledger.claim(session, job.id, name, LEASE_S) is not None:
                got.append(name)

    threads = [threading.Thread(target=take, args=(f"w{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1
    with database.begin() as session:
        now = ledger.get(session, job.id)
    assert (now.state, now.worker, now.n_attempts) == (JobState.RUNNING, got[0], 1)
    assert now.started_at is not None


def test_a_job_is_not_taken_before_its_time(add, do, change):
    job = add()
    change(job.id, not_before=datetime.now(UTC) + timedelta(hours=1))
    assert do(ledger.claim, job.id, "w", LEASE_S) is None
    assert do(ledger.due) == []
    change(job.id, not_before=datetime.now(UTC) - timedelta(seconds=1))
    assert [each.id for each in do(ledger.due)] == [job.id]
    assert do(ledger.claim, job.id, "w", LEASE_S) is not None
    assert do(ledger.due) == []


def test_a_result_is_kept_once(add, do):
    job = add()
    do(ledger.claim, job.id, "w", LEASE_S)
    assert do(ledger.finish, job.id, "w", {"alignment_id": "é"})
    assert not do(ledger.finish, job.id, "w", {"alignment_id": "other"})
    now = do(ledger.get, job.id)
    assert (now.state, now.result, now.percent) == (JobState.DONE, {"alignment_id": "é"}, 100.0)
    assert now.finished_at is not None


def test_a_worker_whose_lease_went_to_another_changes_nothing(add, do):
    job = add()
    do(ledger.claim, job.id, "first", LEASE_S)
    do(ledger.end_try, job.id, "first", Ending(CAUSE))
    assert do(ledger.claim, job.id, "second", LEASE_S) is not None
    before = do(ledger.get, job.id)
    assert do(ledger.renew, job.id, "first", LEASE_S) is None
    assert do(ledger.report, job.id, "first", "decode", 50.0) is None
    assert do(ledger.end_try, job.id, "first", Ending(CAUSE, problem=PROBLEM)) is None
    assert not do(ledger.cancelled, job.id, "first")
    assert not do(ledger.finish, job.id, "first", {})
    assert do(ledger.get, job.id) == before


def test_progress_is_kept_within_its_bounds(add, do):
    job = add()
    do(ledger.claim, job.id, "w", LEASE_S)
    assert do(ledger.report, job.id, "w", "a stage with a name that is much too long", 250.0) is False
    now = do(ledger.get, job.id)
    assert (now.stage, now.percent) == ("a stage with a name that is much", 100.0)


def test_a_try_that_failed_is_followed_by_another_with_its_cause_kept(add, do):
    job = add()
    do(ledger.claim, job.id, "w", LEASE_S)
    now = do(ledger.end_try, job.id, "w", Ending(CAUSE, wait_s=60.0))
    assert (now.state, now.causes, now.n_attempts, now.worker) == (JobState.QUEUED, [CAUSE], 1, "")
    assert now.not_before > now.started_at
    assert do(ledger.claim, job.id, "w", LEASE_S) is None


def test_the_last_try_ends_the_job_with_all_causes(add, do):
    job = add()
    for n in (1, 2):
        do(ledger.claim, job.id, "w", LEASE_S)
        now = do(ledger.end_try, job.id, "w", Ending({"attempt": n}, problem=PROBLEM if n == 2 else None))
    assert (now.state, now.problem, now.n_attempts) == (JobState.FAILED, PROBLEM, 2)
    assert now.causes == [{"attempt": 1}, {"attempt": 2}]
    assert now.finished_at is not None


def test_a_job_that_is_given_back_has_not_been_tried(add, do):
    job = add()
    do(ledger.claim, job.id, "w", LEASE_S)
    now = do(ledger.end_try, job.id, "w", Ending(counted=False))
    assert (now.state, now.n_attempts, now.causes, now.not_before) == (JobState.QUEUED, 0, [], None)


def test_a_job_that_waits_is_cancelled_at_once(add, do):
    job = add()
    assert do(ledger.cancel, job.id).state is JobState.CANCELLED
    assert do(ledger.claim, job.id, "w", LEASE_S) is None
    assert do(ledger.due) == []


def test_who_runs_a_job_hears_that_it_is_to_end(add, do):
    job = add()
    do(ledger.claim, job.id, "w", LEASE_S)
    assert do(ledger.renew, job.id, "w", LEASE_S) is False
    now = do(ledger.cancel, job.id)
    assert (now.state, now.cancel_wanted) == (JobState.RUNNING, True)
    assert do(ledger.renew, job.id, "w", LEASE_S) is True
    assert do(ledger.report, job.id, "w", "decode", 1.0) is True
    assert do(ledger.cancelled, job.id, "w")
    assert do(ledger.get, job.id).state is JobState.CANCELLED


def test_a_job_that_fails_after_it_was_cancelled_is_cancelled(add, do):
    job = add()
    do(ledger.claim, job.id, "w", LEASE_S)
    do(ledger.cancel, job.id)
    assert do(ledger.end_try, job.id, "w", Ending(CAUSE)).state is JobState.CANCELLED


@pytest.mark.parametrize("over", ["done", "failed", "cancelled"])
def test_a_job_that_is_over_stays_as_it_ended(add, do, over):
    job = add()
    do(ledger.claim, job.id, "w", LEASE_S)
    if over == "done":
        do(ledger.finish, job.id, "w", {"x": 1})
    elif over == "failed":
        do(ledger.end_try, job.id, "w", Ending(CAUSE, problem=PROBLEM))
    else:
        do(ledger.cancelled, job.id, "w")
    before = do(ledger.get, job.id)
    assert before.state == over
    assert do(ledger.cancel, job.id) == before
    assert do(ledger.claim, job.id, "w", LEASE_S) is None


def test_what_goes_first_is_due_first(add, do):
    low, high, late = add(priority=0), add(priority=9), add(priority=0)
    assert [job.id for job in do(ledger.due)] == [high.id, low.id, late.id]


def test_a_lease_that_is_over_is_seen_and_one_that_was_renewed_is_not(add, do, change):
    dead, living, renewed = add(), add(), add()
    for job in (dead, living, renewed):
        do(ledger.claim, job.id, job.id[:8], LEASE_S)
        change(job.id, lease_until=MOMENT)
    do(ledger.renew, renewed.id, renewed.id[:8], LEASE_S)
    assert [job.id for job in do(ledger.overdue, [living.id[:8]])] == [dead.id]
    assert {job.id for job in do(ledger.overdue)} == {dead.id, living.id}


@ON_A_SERVER
def test_two_sweepers_do_not_wait_for_each_other(add, do, change, database):
    job = add()
    do(ledger.claim, job.id, "w", LEASE_S)
    change(job.id, lease_until=MOMENT)
    with database.begin() as one, database.begin() as other:
        assert len(ledger.overdue(one)) == 1
        assert ledger.overdue(other) == []


def test_pages_list_the_newest_first_and_nothing_twice(add, do):
    ids = [add().id for _ in range(5)]
    first, cursor = do(ledger.page, Chosen(), None, 2)
    add()
    second, cursor = do(ledger.page, Chosen(), cursor, 2)
    third, cursor = do(ledger.page, Chosen(), cursor, 2)
    assert [job.id for job in (*first, *second, *third)] == ids[::-1]
    assert cursor is None


def test_a_cursor_that_no_page_gave_is_refused(do):
    with pytest.raises(InputError, match="cursor"):
        do(ledger.page, Chosen(), "1' OR 1=1", 2)


def test_jobs_are_chosen_by_song_alignment_owner_and_state(add, do, database):
    with database.begin() as session:
        session.add(song_row())
        session.flush()
        texts = dict.fromkeys(("request", "lyrics", "audio_hash", "text_hash", "source"), "")
        numbers = dict.fromkeys(("version", "n_words", "n_unsung"), 0)
        moments = {"created_at": MOMENT, "updated_at": MOMENT}
        session.add(AlignmentRow(id="b" * 32, song_id="a" * 32, **texts, **numbers, **moments))
    song, alignment, other = add(song_id="a" * 32), add(alignment_id="b" * 32), add(owner="bruno")
    do(ledger.cancel, other.id)
    for chosen, wanted in (
        (Chosen(song_id="a" * 32), {song.id}),
        (Chosen(alignment_id="b" * 32), {alignment.id}),
        (Chosen(owner="anna"), {song.id, alignment.id}),
        (Chosen(state=JobState.CANCELLED), {other.id}),
        (Chosen(), {song.id, alignment.id, other.id}),
    ):
        assert {job.id for job in do(ledger.page, chosen, None, 10)[0]} == wanted


def test_depth_counts_every_state(add, do):
    for _ in range(3):
        job = add()
    do(ledger.claim, job.id, "w", LEASE_S)
    wanted = {JobState.QUEUED: 2, JobState.RUNNING: 1, JobState.DONE: 0, JobState.FAILED: 0, JobState.CANCELLED: 0}
    assert do(ledger.depth) == wanted


def test_only_what_is_long_over_is_pruned(add, do, change):
    old, fresh, waits = add(), add(), add()
    for job in (old, fresh):
        do(ledger.cancel, job.id)
    change(old.id, finished_at=MOMENT)
    change(waits.id, created_at=MOMENT)
    assert do(ledger.prune, 30.0) == 1
    assert {job.id for job in do(ledger.page, Chosen(), None, 10)[0]} == {fresh.id, waits.id}


def test_a_result_that_is_no_json_is_refused_and_the_job_still_runs(add, do):
    job = add()
    do(ledger.claim, job.id, "w", LEASE_S)
    with pytest.raises(ValueError, match="JSON"):
        do(ledger.finish, job.id, "w", {"x": float("nan")})
    assert do(ledger.get, job.id).state is JobState.RUNNING


@ON_A_SERVER
def test_postgresql_gives_the_moment_for_all(database):
    with database.begin() as session:
        first, second = ledger.now(session), ledger.now(session)
    assert first.tzinfo is not None
    assert second > first  # not the moment at which the transaction began
