from __future__ import annotations

import os
import sqlite3
import time

import pytest

from melisma.core.errors import OutputError
from melisma.scale.journal import Journal
from melisma.scale.protocol import Outcome, Task
from melisma.testing.executors import Script, leave_in_hand


def kept(path, n: int = 50):
    with Journal(path, Script()) as journal:
        for i in range(n):
            journal.keep(Task(str(i), None, "s"), Outcome(str(i), {"text": "x" * 200, "n": i}))


def test_without_a_path_nothing_is_kept():
    with Journal(None, Script()) as journal:
        journal.keep(Task("a", None), Outcome("a", 1))
        assert journal.find(Task("a", None)) is None


def test_what_is_kept_is_found_by_the_next_run(tmp_path):
    kept(tmp_path / "j")
    with Journal(tmp_path / "j", Script()) as journal:
        assert journal.find(Task("7", None, "s")) == Outcome("7", {"text": "x" * 200, "n": 7}, reused=True)
        assert journal.find(Task("7", None, "other")) is None
        assert journal.find(Task("70", None, "s")) is None


def test_names_that_are_not_utf_8_are_kept_too(tmp_path):
    with Journal(tmp_path / "j", Script()) as journal:
        journal.keep(Task("a\udcff", None), Outcome("a\udcff", "\udcff"))
        assert journal.find(Task("a\udcff", None)) == Outcome("a\udcff", "\udcff", reused=True)


def test_an_empty_file_becomes_a_journal(tmp_path):
    (tmp_path / "j").touch()
    kept(tmp_path / "j")
    with Journal(tmp_path / "j", Script()) as journal:
        assert journal.find(Task("0", None, "s"))


def test_two_at_once_are_refused_and_the_first_goes_on(tmp_path):
    with Journal(tmp_path / "j", Script()) as first:
        with (
            pytest.raises(OutputError, match=r"another run works with .*j: wait for it, or end it"),
            Journal(tmp_path / "j", Script()),
        ):
            pass
        first.keep(Task("a", None), Outcome("a", 1))
        assert first.find(Task("a", None))


def test_the_database_of_another_program_is_refused_and_left_alone(tmp_path):
    with sqlite3.connect(tmp_path / "j") as other:
        other.execute("create table outcome (name text)")
    other.close()
    before = (tmp_path / "j").read_bytes()
    with pytest.raises(OutputError, match="a file of another program"), Journal(tmp_path / "j", Script()):
        pass
    assert (tmp_path / "j").read_bytes() == before


def read_all(path, n: int):
    with Journal(path, Script()) as journal:
        return [journal.find(Task(str(i), None, "s")) for i in range(n)]


def test_a_torn_journal_is_one_sentence(tmp_path):
    kept(tmp_path / "j", 500)
    whole = (tmp_path / "j").read_bytes()
    assert all(read_all(tmp_path / "j", 500))
    (tmp_path / "j").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(OutputError, match="damaged, or no journal: delete it"):
        read_all(tmp_path / "j", 500)


def test_values_that_are_no_json_are_one_sentence(tmp_path):
    kept(tmp_path / "j", 1)
    with sqlite3.connect(tmp_path / "j") as file:
        file.execute("update outcome set value = '{'")
    file.close()
    with (
        Journal(tmp_path / "j", Script()) as journal,
        pytest.raises(OutputError, match="damaged, or no journal"),
    ):
        journal.find(Task("0", None, "s"))


def test_a_folder_in_its_place_is_one_sentence(tmp_path):
    (tmp_path / "j").mkdir()
    with pytest.raises(OutputError, match="cannot keep what is done in"), Journal(tmp_path / "j", Script()):
        pass


def test_what_was_in_hand_when_a_run_was_killed_is_known_to_the_next(tmp_path):
    tasks = [Task("a\udcff", None, "s"), Task("b", None, "s")]
    leave_in_hand(tmp_path / "j", Script(), tasks)
    with Journal(tmp_path / "j", Script()) as journal:
        assert [journal.attempts(task) for task in (*tasks, Task("b", None, "other"))] == [1, 1, 0]
        assert journal.given_up(tasks[0]) is None
        journal.lease(tasks)
        journal.keep(tasks[1], Outcome("b", 1))
    with Journal(tmp_path / "j", Script()) as journal:  # that ended by itself: what was left before is left still
        assert [journal.attempts(task) for task in tasks] == [1, 0]


def test_what_three_killed_runs_had_in_hand_is_given_up_until_it_is_let_go(tmp_path):
    task = Task("song.mp3", None, "s")
    for _ in range(2):
        leave_in_hand(tmp_path / "j", Script(), [task])
    with Journal(tmp_path / "j", Script()) as journal:
        assert journal.given_up(task) is None, "two kills by hand change no result"
    leave_in_hand(tmp_path / "j", Script(), [task])
    with Journal(tmp_path / "j", Script()) as journal:
        assert journal.given_up(task) == Outcome(
            "song.mp3",
            error="song.mp3: it was in hand when 3 runs ended without a word, so it is not tried again until "
            "`melisma scale leases --forget` on j says so",
        )


def test_a_process_that_outlives_a_run_takes_the_blame_from_its_tasks(tmp_path):
    task = Task("a", None, "s")
    with Journal(tmp_path / "j", Script()) as journal:
        witness = journal.witness
    leave_in_hand(tmp_path / "j", Script(), [task])
    for name in (witness.name, "j.outlived-%", "j.outlived-00000000", "j.outlived-_______x"):
        (tmp_path / name).touch()
    with Journal(tmp_path / "j", Script()) as journal:
        assert journal.attempts(task) == 1, "another run's witness"
    with sqlite3.connect(tmp_path / "j") as file:
        ((holder,),) = file.execute("select holder from lease")
    file.close()
    (tmp_path / f"j.outlived-{holder.rpartition(' ')[2]}").touch()
    with Journal(tmp_path / "j", Script()) as journal:
        assert journal.attempts(task) == 0
    assert {each.name for each in tmp_path.iterdir()} >= {"j", "j.outlived-%", "j.outlived-_______x"}


def test_leases_say_who_had_what_in_hand_and_may_be_forgotten(tmp_path):
    tasks = [Task("a", None), Task("b", None)]
    for n_in_hand in (2, 1, 1):
        leave_in_hand(tmp_path / "j", Script(), tasks[:n_in_hand])
    for _ in range(2):  # to look changes nothing
        with Journal(tmp_path / "j", Script()) as journal:
            found = journal.leases()
    assert [(each.key, each.attempts) for each in found] == [("a", 3), ("b", 1)]
    assert all(each.holder.startswith(f"process {os.getpid()} of ") for each in found)
    assert found[0].since > found[1].since > time.time() - 600
    with Journal(tmp_path / "j", Script()) as journal:
        journal.forget_leases()
        assert journal.given_up(tasks[0]) is None
    with Journal(tmp_path / "j", Script()) as journal:
        assert journal.leases() == []


def test_leases_of_another_kind_are_one_sentence(tmp_path):
    kept(tmp_path / "j", 1)
    with sqlite3.connect(tmp_path / "j") as file:
        file.execute("insert into lease values ('a', 'b', 'many', 'c', 1.0)")
    file.close()
    with pytest.raises(OutputError, match="damaged, or no journal"), Journal(tmp_path / "j", Script()):
        pass
