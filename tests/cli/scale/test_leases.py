from __future__ import annotations

import json

from melisma.cli.main import app
from melisma.scale.local import LocalExecutor
from melisma.scale.protocol import Task
from melisma.testing.executors import Script, leave_in_hand


def test_what_killed_runs_had_in_hand_is_told_and_forgotten(runner, tmp_path):
    journal = tmp_path / ".songs.journal"
    tasks = [Task("a.mp3", 1), Task("b.mp3", 2)]
    for n_in_hand in (2, 1, 1):
        leave_in_hand(journal, Script(), tasks[:n_in_hand])
    said = json.loads(runner.invoke(app, ["scale", "leases", str(journal), "--json"]).stdout)
    assert [(each["task"], each["runs"]) for each in said["leases"]] == [("a.mp3", 3), ("b.mp3", 1)]
    assert all(each["holder"].startswith("process ") and each["since"].endswith("+00:00") for each in said["leases"])
    first, second = LocalExecutor(1).run(Script(), tasks, journal=journal)
    assert (first.value, second.value) == (None, 4)
    shown = runner.invoke(app, ["scale", "leases", str(journal), "--forget"])
    assert "a.mp3" in shown.stdout
    assert shown.stdout.endswith("1 in hand when runs were killed, now forgotten\n")
    assert [each.value for each in LocalExecutor(1).run(Script(), tasks, journal=journal)] == [2, 4]
    assert runner.invoke(app, ["scale", "leases", str(journal)]).stdout == "0 in hand when runs were killed\n"


def test_a_file_that_is_not_there_is_refused_and_not_made(runner, tmp_path):
    refused = runner.invoke(app, ["scale", "leases", str(tmp_path / "j")])
    assert refused.exit_code == 2
    assert "is no journal" in refused.stderr
    assert not (tmp_path / "j").exists()


def test_a_file_of_something_else_is_no_journal_and_nobody_is_told_to_delete_it(runner, tmp_path):
    (tmp_path / "song.txt").write_text("la la la\n")
    refused = runner.invoke(app, ["scale", "leases", str(tmp_path / "song.txt")])
    assert refused.exit_code == 2
    assert "is no journal" in refused.stderr
    assert "delete" not in refused.stderr
    assert (tmp_path / "song.txt").read_text() == "la la la\n"
