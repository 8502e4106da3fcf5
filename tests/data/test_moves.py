from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from melisma.core.errors import InputError
from melisma.data import moves
from melisma.data.moves import Move, Plan


@pytest.fixture
def folder(tmp_path):
    for name in ("a/one.mp3", "a/two.mp3", "b/three.mp3"):
        path = tmp_path / "uploads" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, encoding="utf-8")
    return tmp_path / "uploads"


def plan(folder: Path, *names: str) -> Plan:
    return Plan("data dedupe", folder, [Move(Path(name), Path("duplicates") / name) for name in names])


def files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.match("moves-*")
    }


def test_files_are_set_aside_and_put_back(folder):
    before = files(folder)
    journal = moves.free_journal(folder / "duplicates")
    assert moves.apply(plan(folder, "a/one.mp3", "b/three.mp3"), journal) == moves.Done(2)
    assert files(folder) == {
        "a/two.mp3": "a/two.mp3",
        "duplicates/a/one.mp3": "a/one.mp3",
        "duplicates/b/three.mp3": "b/three.mp3",
    }
    assert moves.journals(folder / "duplicates") == [journal]
    assert moves.undo(journal) == moves.Done(2)
    assert files(folder) == before
    assert moves.journals(folder / "duplicates") == []
    assert sorted(path.name for path in (folder / "duplicates").iterdir()) == ["moves-1.jsonl.undone"]


def test_a_folder_that_was_moved_can_be_undone_where_it_is_now(folder, tmp_path):
    before = files(folder)
    moves.apply(plan(folder, "a/one.mp3"), folder / "duplicates" / "moves-1.jsonl")
    folder.rename(tmp_path / "elsewhere")
    moves.undo(tmp_path / "elsewhere" / "duplicates" / "moves-1.jsonl")
    assert files(tmp_path / "elsewhere") == before


def test_names_that_are_not_utf_8_come_back_as_they_were(folder):
    name = os.fsdecode(b"a/\xff.mp3")
    (folder / name).write_text("x", encoding="utf-8")
    journal = folder / "duplicates" / "moves-1.jsonl"
    moves.apply(plan(folder, name), journal)
    assert not (folder / name).exists()
    moves.undo(journal)
    assert (folder / name).exists()


@pytest.mark.parametrize(
    ("source", "target", "why"),
    [
        ("a/none.mp3", "duplicates/none.mp3", "there is no such file"),
        ("a/one.mp3", "a/two.mp3", "nothing is written over"),
        ("../outside.mp3", "duplicates/x", "leads out of the folder"),
        ("a/one.mp3", "/etc/x", "leads out of the folder"),
        ("a/one.mp3", "duplicates/../../x", "leads out of the folder"),
    ],
)
def test_a_plan_that_cannot_be_done_is_refused_before_anything_is_moved(folder, source, target, why):
    before = files(folder)
    wrong = Plan("x", folder, [Move(Path("b/three.mp3"), Path("c")), Move(Path(source), Path(target))])
    with pytest.raises(InputError, match=why):
        moves.apply(wrong, folder / "moves-1.jsonl")
    assert files(folder) == before
    assert moves.journals(folder) == []


def test_two_files_to_one_place_are_refused(folder):
    twice = Plan("x", folder, [Move(Path("a/one.mp3"), Path("c")), Move(Path("a/two.mp3"), Path("c"))])
    with pytest.raises(InputError, match="named twice"):
        moves.apply(twice, folder / "moves-1.jsonl")


def test_a_journal_is_never_written_over(folder):
    moves.apply(plan(folder, "a/one.mp3"), folder / "moves-1.jsonl")
    with pytest.raises(InputError, match="is there already"):
        moves.apply(plan(folder, "a/two.mp3"), folder / "moves-1.jsonl")
    assert (folder / "a/two.mp3").exists()
    assert moves.free_journal(folder) == folder / "moves-2.jsonl"


KILLED = """
import os, sys
from pathlib import Path
from melisma.data import moves
at, folder = sys.argv[1], Path(sys.argv[2])
n_calls = 0
def stop(event, args):
    global n_calls
    if event == at:
        n_calls += 1
        if n_calls == int(sys.argv[3]):
            os._exit(9)
sys.addaudithook(stop)
names = ["a/one.mp3", "a/two.mp3", "b/three.mp3"]
plan = moves.Plan("x", folder, [moves.Move(Path(n), Path("duplicates") / n) for n in names])
moves.apply(plan, folder / "duplicates" / "moves-1.jsonl")
"""


@pytest.mark.parametrize("then", ["finish", "undo"])
@pytest.mark.parametrize(("at", "time"), [("os.link", 1), ("os.link", 2), ("os.remove", 1), ("os.remove", 3)])
def test_after_a_kill_it_is_finished_or_taken_back(folder, then, at, time):
    before = files(folder)
    done = subprocess.run([sys.executable, "-c", KILLED, at, str(folder), str(time)], timeout=300, check=False)
    assert done.returncode == 9
    journal = folder / "duplicates" / "moves-1.jsonl"
    if then == "undo":
        assert moves.undo(journal).problems == ()
        assert files(folder) == before
    else:
        assert moves.finish(journal, [folder]).problems == ()
        assert files(folder) == {f"duplicates/{name}": text for name, text in before.items()}
        assert moves.finish(journal, [folder]) == moves.Done(0)


def test_what_has_taken_its_place_stays_and_is_told(folder):
    journal = folder / "duplicates" / "moves-1.jsonl"
    moves.apply(plan(folder, "a/one.mp3", "a/two.mp3"), journal)
    (folder / "a/one.mp3").write_text("another", encoding="utf-8")
    (folder / "duplicates/a/two.mp3").unlink()
    done = moves.undo(journal)
    assert done.n_moved == 0
    assert [(each.item, each.kind) for each in done.problems] == [
        ("duplicates/a/two.mp3", "gone"),
        ("duplicates/a/one.mp3", "not moved"),
    ]
    assert (folder / "a/one.mp3").read_text(encoding="utf-8") == "another"
    assert journal.exists()
    (folder / "a/one.mp3").unlink()
    (folder / "a/two.mp3").write_text("found again", encoding="utf-8")
    assert moves.undo(journal) == moves.Done(1)


def test_without_links_files_are_copied(folder, monkeypatch):
    def refused(*args, **kwargs):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refused)
    before = files(folder)
    journal = folder / "duplicates" / "moves-1.jsonl"
    assert moves.apply(plan(folder, "a/one.mp3"), journal).n_moved == 1
    assert moves.undo(journal).n_moved == 1
    assert files(folder) == before


HEAD = {"schema": moves.SCHEMA, "root": "."}


@pytest.mark.parametrize(
    "rows",
    [
        [],
        ["{"],
        [json.dumps({"schema": "other", "root": "."})],
        [json.dumps(HEAD), "[1]"],
        [json.dumps(HEAD), json.dumps({"from": 1, "to": "x"})],
        [json.dumps(HEAD), json.dumps({"from": "../x", "to": "y"})],
        [json.dumps(HEAD), json.dumps({"from": "x", "to": "/etc/passwd"})],
        ["[" * 100_000],
    ],
)
def test_a_strange_journal_is_one_sentence(tmp_path, rows):
    path = tmp_path / "moves-1.jsonl"
    path.write_text("\n".join(rows), encoding="utf-8")
    with pytest.raises(InputError, match=r"is no journal|leads out of the folder"):
        moves.undo(path)


def test_a_journal_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        moves.undo(tmp_path / "moves-1.jsonl")


def test_a_link_among_the_folders_leads_nowhere_else(folder, tmp_path):
    (tmp_path / "outside").mkdir()
    (folder / "duplicates").symlink_to(tmp_path / "outside")
    with pytest.raises(InputError, match="leads out of the folder"):
        moves.apply(plan(folder, "a/one.mp3"), folder / "moves-1.jsonl")
    assert (folder / "a/one.mp3").is_file()
    assert not list((tmp_path / "outside").iterdir())
