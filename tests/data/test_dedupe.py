from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from melisma.core.errors import InputError
from melisma.data import manifest, moves, set_aside
from melisma.data.dedupe import Item, Search, find
from melisma.data.manifest import Utterance
from melisma.data.set_aside import Asked
from melisma.scale.local import LocalExecutor

RATE = 16000


def speech(seed: int, seconds: float = 3.0):
    """Syllables of harmonics, as loud and as high as they come; no two seeds alike."""
    rng = np.random.default_rng(seed)
    at = np.arange(int(seconds * RATE)) / RATE
    sound = np.zeros(len(at))
    for syllable in range(int(seconds * 5)):
        loud = np.exp(-(((at - (syllable + rng.uniform(0.3, 0.8)) / 5) / 0.06) ** 2))
        pitch = rng.uniform(90, 220)
        sound += loud * sum(rng.uniform(0, 1) * np.sin(2 * np.pi * pitch * h * at) for h in range(2, 16))
    return (0.4 * sound / np.abs(sound).max()).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "uploads"
    made.mkdir()
    return made


def write(path: Path, samples, rate: int = RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.round(32767 * np.asarray(samples)).astype(np.int16), rate)  # exact in every lossless file
    return path


def found(paths: list[Path], **search):
    items = [Item(path.stem, path) for path in paths]
    result = find(items, Search(**search), executor=LocalExecutor(1))
    told = [(items[c.number].id, items[c.kept].id, c.kind) for c in result.copies]
    return told, [(items[c.number].id, items[c.kept].id) for c in result.parts]


def test_every_kind_of_copy_is_told_by_its_kind(folder):
    one, other = speech(1), speech(2)
    paths = [write(folder / "a.flac", one), write(folder / "other.wav", other), write(folder / "b.wav", one)]
    paths.append(Path(shutil.copy(folder / "other.wav", folder / "c.wav")))
    paths.append(write(folder / "d.ogg", 0.5 * one[3000:]))
    copies, parts = found(paths)
    # Of the two lossless ones, the one with more bytes a second is kept.
    assert copies == [("a", "b", "sound"), ("c", "other", "file"), ("d", "b", "near")]
    assert parts == []


def test_bytes_alone_are_compared_without_decoding(folder):
    paths = [
        write(folder / "a.wav", speech(1)),
        write(folder / "b.flac", speech(1)),
        folder / "c.mp3",
        folder / "d.mp3",
    ]
    for path in paths[2:]:
        path.write_bytes(b"no sound at all")
    assert found(paths, exact=True) == ([("d", "c", "file")], [])


def test_pieces_are_told_apart_and_taken_for_copies_when_asked(folder):
    whole = speech(3, 8.0)
    paths = [write(folder / "piece.wav", whole[40000:80000]), write(folder / "whole.wav", whole)]
    assert found(paths) == ([], [("piece", "whole")])
    assert found(paths, parts=True) == ([("piece", "whole", "part")], [])


def test_silence_is_no_copy_of_another_silence(folder):
    paths = [write(folder / "a.wav", np.zeros(RATE)), write(folder / "b.wav", np.zeros(2 * RATE))]
    assert found(paths) == ([], [])


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        ({"worth": (True,)}, {"worth": (False,)}, "second"),  # with a transcript rather than without
        ({"cut": 8000}, {}, "second"),  # the longer
        ({"suffix": ".ogg"}, {"suffix": ".wav"}, "second"),  # the lossless
        ({"cut": 800}, {"suffix": ".ogg"}, "first"),  # a little longer is not enough
        ({}, {"worth": ()}, "first"),  # the first, if nothing else tells
    ],
)
def test_which_one_is_kept(folder, first, second, kept):
    items = []
    for name, how in (("first", first), ("second", second)):
        path = write(folder / f"{name}{how.get('suffix', '.wav')}", speech(5)[how.get("cut", 0) :])
        items.append(Item(name, path, worth=how.get("worth", ())))
    [copy] = find(items, Search(), executor=LocalExecutor(1)).copies
    assert items[copy.kept].id == kept


def test_what_is_only_a_copy_of_a_copy_is_kept(folder):
    whole = speech(6, 6.0)
    items = [
        Item("middle", write(folder / "middle.wav", whole), worth=(True,)),
        Item("early", write(folder / "early.wav", whole[: int(4.5 * RATE)]), worth=(False,)),
        Item("late", write(folder / "late.wav", whole[int(1.6 * RATE) :]), worth=(True,)),
    ]
    assert [(c.number, c.kept) for c in find(items, Search(), executor=LocalExecutor(1)).copies] == [(0, 1)]


def test_copies_that_say_something_else_are_told(folder):
    one = write(folder / "a.wav", speech(1))
    other = Path(shutil.copy(one, folder / "b.wav"))
    items = [Item("a", one, text="Dobar dan!"), Item("b", other, text="laku noć")]
    [problem] = find(items, Search(), executor=LocalExecutor(1)).problems
    assert (problem.item, problem.kind) == ("b", "text")
    items[1] = Item("b", other, text="dobar, dan")
    assert find(items, Search(), executor=LocalExecutor(1)).problems == ()


def test_parts_of_one_file_are_told_apart_by_where_they_are(folder):
    path = write(folder / "a.wav", np.concatenate([speech(1), speech(2), speech(1)]))
    items = [Item(str(i), path, (3.0 * i, 3.0)) for i in range(3)] + [Item("again", path, (3.0, 3.0))]
    copies = find(items, Search(), executor=LocalExecutor(1)).copies
    assert [(c.number, c.kept, c.kind) for c in copies] == [(2, 0, "near"), (3, 1, "file")]


def test_what_cannot_be_read_is_told_and_never_a_copy(folder):
    items = [Item("gone", folder / "gone.wav"), Item("bad", folder / "bad.wav"), Item("bad2", folder / "bad2.wav")]
    for name in ("bad", "bad2"):
        (folder / f"{name}.wav").write_bytes(bytes(500))
    result = find(items, Search(), executor=LocalExecutor(1))
    assert result.copies == ()
    assert [(each.item, each.kind) for each in result.problems] == [
        ("gone", "missing"),
        ("bad", "unreadable"),
        ("bad2", "unreadable"),
    ]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
@pytest.mark.parametrize("exact", [True, False])
def test_a_pipe_is_no_recording_and_is_not_waited_for(folder, exact):
    os.mkfifo(folder / "a.wav")
    found = find([Item("a", folder / "a.wav")], Search(exact), executor=LocalExecutor(1))
    assert "is a pipe" in found.problems[0].message


def test_any_number_of_processes_finds_the_same(folder):
    paths = [write(folder / f"{i}.wav", speech(i % 4, 1.5 + 0.2 * (i % 3))) for i in range(8)]
    items = [Item(path.stem, path) for path in paths]
    assert find(items, Search(), executor=LocalExecutor(1)) == find(items, Search(), executor=LocalExecutor(2))


def tree(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and "moves-" not in p.name}


def test_copies_of_a_folder_go_with_their_texts_and_come_back(folder, tmp_path):
    beside = ("song (1).txt", "song (1).info.json", "song (1).2.txt")
    write(folder / "hr" / "song.wav", speech(1))
    shutil.copy(folder / "hr" / "song.wav", folder / "hr" / "song (1).wav")
    for name in ("song.txt", "song.info.json", *beside, "notes.txt"):
        (folder / "hr" / name).write_text("{}", encoding="utf-8")
    before = tree(folder)
    journal = tmp_path / "journal"
    dry = set_aside.run(Asked(folder, Search()), journal, executor=LocalExecutor(1))
    assert (tree(folder), dry.applied, dry.counts["files_to_move"]) == (before, False, 4)
    done = set_aside.run(Asked(folder, Search(), apply=True), journal, executor=LocalExecutor(1))
    assert (done.applied, done.counts["files_moved"]) == (True, 4)
    assert tree(folder) == {
        "hr/song.wav",
        "hr/song.txt",
        "hr/notes.txt",
        "hr/song.info.json",
        *(f"duplicates/hr/{name}" for name in ("song (1).wav", *beside)),
    }
    again = set_aside.run(Asked(folder, Search(), apply=True), journal, executor=LocalExecutor(1))
    assert (again.counts["recordings"], again.counts["copies"]) == (1, 0)
    moves.undo(Path(done.details["undo"]))
    assert tree(folder) == before


def corpus(folder: Path) -> Path:
    write(folder / "a.wav", speech(1))
    write(folder / "b.flac", speech(1))
    write(folder / "c.wav", speech(2))
    lines = [
        Utterance(id="a", audio="../uploads/a.wav", duration=3.0),
        Utterance(id="b", audio="../uploads/b.flac", duration=3.0, transcript="dobar dan"),
        Utterance(id="c", audio="../uploads/c.wav", duration=3.0),
        Utterance(id="c again", audio="../uploads/c.wav", duration=3.0),
    ]
    path = folder.parent / "manifests" / "m.jsonl"
    manifest.write(path, lines)
    return path


def test_a_manifest_is_written_without_copies_and_only_files_without_use_go(folder, tmp_path):
    path = corpus(folder)
    out = tmp_path / "out" / "unique.jsonl"
    done = set_aside.run(Asked(path, Search(), apply=True, output=out), tmp_path / "journal", executor=LocalExecutor(1))
    assert [each.id for each in manifest.read(out)] == ["b", "c"]
    assert [manifest.audio_path(out, each).exists() for each in manifest.read(out)] == [True, True]
    assert tree(folder) == {"b.flac", "c.wav", "duplicates/a.wav"}
    assert {(c["id"], c["kept"], c["kind"]) for c in done.details["copies"]} == {
        ("a", "b", "sound"),
        ("c again", "c", "file"),
    }
    first = out.read_bytes()
    again = set_aside.run(
        Asked(path, Search(), apply=True, output=out), tmp_path / "journal", executor=LocalExecutor(1)
    )
    assert (out.read_bytes(), again.counts["set_aside_earlier"], again.problems) == (first, 1, [])


def test_a_move_that_was_cut_short_is_finished_by_the_next_run(folder, tmp_path, monkeypatch):
    path = corpus(folder)
    shutil.copy(folder / "a.wav", folder / "a2.wav")
    lines = [*manifest.read(path), Utterance(id="a2", audio="../uploads/a2.wav", duration=3.0)]
    manifest.write(path, lines)
    unlink, n_calls = Path.unlink, []

    def stop(self, missing_ok=False):
        if self.suffix == ".wav":
            n_calls.append(self)
            if len(n_calls) == 2:
                raise KeyboardInterrupt
        unlink(self, missing_ok)

    monkeypatch.setattr(Path, "unlink", stop)
    with pytest.raises(KeyboardInterrupt):
        set_aside.run(Asked(path, Search(), apply=True), tmp_path / "journal", executor=LocalExecutor(1))
    monkeypatch.undo()
    out = tmp_path / "unique.jsonl"
    done = set_aside.run(Asked(path, Search(), apply=True, output=out), tmp_path / "journal", executor=LocalExecutor(1))
    assert tree(folder) == {"b.flac", "c.wav", "duplicates/a.wav", "duplicates/a2.wav"}
    assert done.counts["set_aside_earlier"] == 2
    assert [each.id for each in manifest.read(out)] == ["b", "c"]


def test_the_report_of_validate_mentions_them(folder, tmp_path):
    report = set_aside.run(Asked(corpus(folder), Search()), tmp_path / "journal", executor=LocalExecutor(1))
    place = tmp_path / "validation_report.json"
    place.write_text(json.dumps({"command": "data validate", "details": {"kept": 1}}), encoding="utf-8")
    set_aside.mention(place, report)
    said = json.loads(place.read_text(encoding="utf-8"))
    assert said["details"]["kept"] == 1
    assert said["details"]["duplicates"]["counts"]["copies"] == 2
    place.write_text("[", encoding="utf-8")
    set_aside.mention(place, report)
    assert place.read_text(encoding="utf-8") == "["


def test_a_folder_without_recordings_is_one_sentence(folder, tmp_path):
    with pytest.raises(InputError, match="there is no recording in"):
        set_aside.run(Asked(folder, Search()), tmp_path / "journal", executor=LocalExecutor(1))


def test_lines_that_come_twice_under_one_id_stay_once(folder, tmp_path):
    line = Utterance(id="a", audio=str(write(folder / "a.wav", speech(1))), duration=3.0)
    other = Utterance(id="a", audio=str(write(folder / "b.wav", speech(2))), duration=3.0)
    joined = tmp_path / "joined.jsonl"
    manifest.write(joined, [line, other, line])
    out = tmp_path / "unique.jsonl"
    set_aside.run(Asked(joined, Search(), output=out), tmp_path / "journal", executor=LocalExecutor(1))
    assert [Path(each.audio).name for each in manifest.read(out)] == ["a.wav", "b.wav"]


def test_of_a_link_the_link_goes_and_the_file_that_it_leads_to_stays(folder, tmp_path):
    write(folder / "a.wav", speech(1))
    archive = Path(shutil.copy(folder / "a.wav", tmp_path / "archive.wav"))
    (folder / "linked (1).wav").symlink_to(archive)
    done = set_aside.run(Asked(folder, Search(), apply=True), tmp_path / "journal", executor=LocalExecutor(1))
    assert tree(folder) == {"a.wav", "duplicates/linked (1).wav"}
    assert archive.is_file()
    assert not archive.is_symlink()
    moves.undo(Path(done.details["undo"]))
    assert (folder / "linked (1).wav").readlink() == archive


@pytest.mark.parametrize(
    ("source", "target"),
    [("../../letters.txt", "letters.txt"), ("b.wav", "../../startup.desktop"), ("b.wav", "outside/startup.desktop")],
)
def test_a_journal_that_came_with_a_corpus_moves_nothing_outside_of_it(folder, tmp_path, source, target):
    write(folder / "b.wav", speech(1))
    (tmp_path / "letters.txt").write_text("mine", encoding="utf-8")
    (tmp_path / "outside").mkdir()
    (folder / "duplicates").mkdir()
    (folder / "duplicates" / "outside").symlink_to(tmp_path / "outside")
    names = [os.path.normpath(f"uploads/duplicates/{name}") for name in (source, target)]
    said = [{"schema": moves.SCHEMA, "root": "../.."}, {"from": names[0], "to": names[1]}]
    (folder / "duplicates" / "moves-1.jsonl").write_text("\n".join(map(json.dumps, said)), encoding="ascii")
    with pytest.raises(InputError, match=r"moves-1\.jsonl would move .* no file of this corpus"):
        set_aside.run(Asked(folder, Search(), apply=True), tmp_path / "journal", executor=LocalExecutor(1))
    assert (folder / "b.wav").is_file()
    assert (tmp_path / "letters.txt").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["letters.txt", "outside", "uploads"]
    assert not list((tmp_path / "outside").iterdir())
