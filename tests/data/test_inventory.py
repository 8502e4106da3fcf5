from __future__ import annotations

import csv
import json
import os
import shutil

import numpy as np
import pytest
import soundfile

from melisma.core.errors import InputError
from melisma.data import inventory_files, manifest
from melisma.data.inventory_files import Outputs
from melisma.scale.local import LocalExecutor


def sound(path, seconds: float = 1.5, rate: int = 16000, seed: int = 0):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).uniform(-0.3, 0.3, (int(seconds * rate), 2 if seed % 2 else 1))
    soundfile.write(path, noise, rate)
    return path


@pytest.fixture
def uploads(tmp_path):
    folder = tmp_path / "uploads"
    sound(folder / "hr" / "one.wav", seed=1)
    (folder / "hr" / "one.txt").write_text("Dobar dan, kako ste danas?", encoding="utf-8")
    sound(folder / "hr" / "two.flac", 2.0, 22050, seed=2)
    (folder / "hr" / "two.lrc").write_text("[00:00.10]Prvi red\n[00:01.00]Drugi red\n", encoding="utf-8")
    (folder / "hr" / "two.info.json").write_text(
        json.dumps(
            {
                "id": "abc",
                "title": "=1+1\u202e",
                "uploader": "Ana",
                "license": "Creative Commons Attribution license (reuse allowed)",
                "webpage_url": "https://example.org/watch?v=abc",
                "url": "javascript:alert(1)",
                "upload_date": "20240102",
            }
        ),
        encoding="utf-8",
    )
    sound(folder / "three.wav", seed=3)
    shutil.copy(folder / "three.wav", folder / "three (1).wav")
    (folder / "metadata.csv").write_text(
        "original_filename;speaker_id;language;sentence\nthree.wav;ana;Serbian;Добар дан\nhr/one.wav;mia;;\n",
        encoding="utf-8",
    )
    (folder / "notes.pdf").write_bytes(b"%PDF")
    (folder / "-broken.mp3").write_bytes(bytes(2000))
    return folder


def taken(folder, tmp_path, **wanted):
    outputs = Outputs(tmp_path / "out" / "table.csv", tmp_path / "out" / "all.jsonl", **wanted)
    found, n_lines = inventory_files.write(folder, outputs, executor=LocalExecutor(1))
    with outputs.table.open(encoding="utf-8", newline="") as file:
        rows = {row["filename"]: row for row in csv.DictReader(file)}
    return found, rows, {each.id: each for each in manifest.read(outputs.manifest)}, n_lines


def test_a_row_says_what_a_file_is(uploads, tmp_path):
    found, rows, _, _ = taken(uploads, tmp_path)
    assert list(rows) == ["./-broken.mp3", "three (1).wav", "three.wav", "hr/one.wav", "hr/two.flac"]
    one = rows["hr/one.wav"]
    assert (one["duration_s"], one["sample_rate"], one["channels"], one["container"]) == ("1.5", "16000", "2", "wav")
    assert (one["has_transcript"], one["transcript_file"], one["n_characters"]) == ("yes", "one.txt", "26")
    assert (one["language"], one["language_from"], one["speaker_id"]) == ("hr", "name", "mia")
    assert int(one["size_bytes"]) == (uploads / "hr" / "one.wav").stat().st_size
    assert len(one["sha256"]) == 64
    assert found.counts["files"] == 5


def test_where_it_comes_from_is_read_from_what_lies_beside_it(uploads, tmp_path):
    two = taken(uploads, tmp_path)[1]["hr/two.flac"]
    assert two["title"] == "'=1+1"  # no formula, and nothing that turns the line around
    assert (two["artist"], two["date"], two["id"]) == ("Ana", "20240102", "abc")
    assert two["source_url"] == two["source"] == "https://example.org/watch?v=abc"
    assert "CC-BY" in two["license"]


def test_copies_are_told_by_the_first_of_them(uploads, tmp_path):
    found, rows, lines, _ = taken(uploads, tmp_path, untranscribed=True)
    assert (rows["three (1).wav"]["duplicate"], rows["three.wav"]["duplicate_of"]) == ("no", "three (1).wav")
    assert found.counts["duplicates"] == 1
    assert [name for name in lines if name.startswith("three")] == ["three"]  # it alone has a text


def test_a_table_names_language_and_text(uploads, tmp_path):
    (uploads / "three (1).wav").unlink()
    _, rows, lines, _ = taken(uploads, tmp_path)
    assert (rows["three.wav"]["language"], rows["three.wav"]["language_from"]) == ("sr", "metadata")
    assert lines["three"].transcript == "Добар дан"


def test_the_manifest_has_what_can_be_used(uploads, tmp_path):
    _, _, lines, n_lines = taken(uploads, tmp_path)
    assert sorted(lines) == ["hr/one", "hr/two", "three"]
    assert n_lines == 3
    two = lines["hr/two"]
    assert (two.transcript, two.duration, two.language) == ("Prvi red\nDrugi red", 2.0, "hr")
    assert manifest.audio_path(tmp_path / "out" / "all.jsonl", two).samefile(uploads / "hr" / "two.flac")
    assert two.model_extra["source_url"] == "https://example.org/watch?v=abc"
    sound(uploads / "four.wav", seed=4)
    assert sorted(taken(uploads, tmp_path)[2]) == ["hr/one", "hr/two", "three"]
    assert sorted(taken(uploads, tmp_path, untranscribed=True)[2]) == ["four", "hr/one", "hr/two", "three"]


def test_what_cannot_be_read_is_a_row_and_a_problem(uploads, tmp_path):
    (uploads / "hr" / "one.txt").write_bytes(b"\0\1\2\3" * 100)
    (uploads / "hr" / "two.info.json").write_text("[" * 100_000, encoding="utf-8")
    (uploads / "metadata.csv").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    found, rows, lines, _ = taken(uploads, tmp_path)
    assert "broken.mp3" in rows["./-broken.mp3"]["error"]
    assert rows["hr/one.wav"]["has_transcript"] == "no"
    kinds = {(each.item, each.kind) for each in found.problems}
    assert {("-broken.mp3", "unreadable"), ("hr/one.wav", "beside"), ("hr/two.flac", "beside")} <= kinds
    assert ("metadata.csv", "table") in kinds
    assert sorted(lines) == ["hr/two"]


def test_a_text_in_another_language_than_its_folder_is_told(uploads, tmp_path):
    (uploads / "hr" / "one.txt").write_text(
        "Good morning, this is a song about the river and the sea.", encoding="utf-8"
    )
    found, rows, _, _ = taken(uploads, tmp_path)
    assert rows["hr/one.wav"]["language"] == "hr"
    assert [each.message for each in found.problems if each.item == "hr/one.wav"] == [
        "its name says hr, its text looks like en"
    ]


def test_a_file_that_changed_is_looked_at_again_and_no_other(uploads, tmp_path):
    taken(uploads, tmp_path)
    (uploads / "hr" / "one.txt").write_text("Drugi tekst", encoding="utf-8")
    _, rows, lines, _ = taken(uploads, tmp_path)
    assert (rows["hr/one.wav"]["n_characters"], lines["hr/one"].transcript) == ("11", "Drugi tekst")


def test_any_number_of_processes_gives_the_same(uploads, tmp_path):
    inventory_files.write(uploads, Outputs(tmp_path / "a.csv", tmp_path / "a.jsonl"), executor=LocalExecutor(1))
    inventory_files.write(uploads, Outputs(tmp_path / "b.csv", tmp_path / "b.jsonl"), executor=LocalExecutor(2))
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()


def test_a_name_that_is_not_utf_8_is_a_row_but_no_line(tmp_path):
    folder = tmp_path / "up"
    sound(folder / "a.wav")
    os.rename(folder / "a.wav", os.fsencode(folder) + b"/a\xff.wav")
    found, rows, lines, _ = taken(folder, tmp_path, untranscribed=True)
    assert list(rows) == ["a\\udcff.wav"]
    assert lines == {}
    assert [each.kind for each in found.problems] == ["name"]


def test_what_was_set_aside_is_not_listed(uploads, tmp_path):
    from pathlib import Path

    from melisma.data import moves

    plan = moves.Plan("x", uploads, [moves.Move(Path("three (1).wav"), Path("duplicates/three (1).wav"))])
    moves.apply(plan, uploads / "duplicates" / "moves-1.jsonl")
    assert "duplicates/three (1).wav" not in taken(uploads, tmp_path)[1]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_is_no_recording_and_is_not_waited_for(uploads, tmp_path):
    os.mkfifo(uploads / "pipe.wav")
    row = taken(uploads, tmp_path)[1]["pipe.wav"]
    assert ("is a pipe" in row["error"], row["sha256"]) == (True, "")


def test_a_folder_without_recordings_is_one_sentence_and_nothing_is_written(tmp_path):
    (tmp_path / "empty").mkdir()
    for folder, why in ((tmp_path / "empty", "there is no recording in"), (tmp_path / "gone", "is no folder")):
        with pytest.raises(InputError, match=why):
            inventory_files.write(folder, Outputs(tmp_path / "out" / "table.csv"))
    assert not (tmp_path / "out").exists()


def test_the_small_manifest_takes_languages_in_turn(tmp_path):
    lines = [
        manifest.Utterance(id=f"{code}{i}", audio="a.wav", duration=5, transcript="x", language=code)
        for code, n in (("hr", 20), ("sr", 2), ("bs", 5))
        for i in range(n)
    ]
    lines.append(manifest.Utterance(id="long", audio="a.wav", duration=500, transcript="x", language="de"))
    manifest.write(tmp_path / "run1.jsonl", lines)
    small = inventory_files.write_small(tmp_path / "run1.jsonl", 9)
    assert small.name == "run1_small.jsonl"
    found = [each.language for each in manifest.read(small)]
    assert {code: found.count(code) for code in ("hr", "sr", "bs", "de")} == {"hr": 3, "sr": 2, "bs": 4, "de": 0}
    assert small.read_bytes() == inventory_files.write_small(tmp_path / "run1.jsonl", 9).read_bytes()


def spoken_copies(folder, *names: str):
    """One recording under several names."""
    sound(folder / names[0])
    for name in names[1:]:
        shutil.copy(folder / names[0], folder / name)
    return folder


def test_of_copies_the_one_with_a_text_is_in_the_manifest(tmp_path):
    folder = spoken_copies(tmp_path / "up", "a.wav", "b.wav", "c.wav")
    (folder / "b.txt").write_text("Dobar dan", encoding="utf-8")
    (folder / "c.txt").write_text("Dobar dan", encoding="utf-8")
    for wanted in (False, True):
        _, rows, lines, n_lines = taken(folder, tmp_path, untranscribed=wanted)
        assert (list(lines), n_lines) == (["b"], 1)
        assert lines["b"].transcript == "Dobar dan"
        assert [rows[name]["duplicate_of"] for name in ("a.wav", "b.wav", "c.wav")] == ["", "a.wav", "a.wav"]


def test_a_copy_stands_for_one_whose_name_no_manifest_can_hold(tmp_path):
    folder = spoken_copies(tmp_path / "up", "a.wav", "b.wav")
    (folder / "b.txt").write_text("Dobar dan", encoding="utf-8")
    os.rename(folder / "a.wav", os.fsencode(folder) + b"/a\xff.wav")
    found, _, lines, _ = taken(folder, tmp_path)
    assert [each.kind for each in found.problems] == ["name"]
    assert list(lines) == ["b"]


def test_a_recording_without_a_sample_is_told_as_such(tmp_path):
    sound(tmp_path / "up" / "a.wav", 0.0)
    found, _, lines, _ = taken(tmp_path / "up", tmp_path, untranscribed=True)
    assert ([(each.kind, each.message) for each in found.problems], lines) == ([("empty", "it holds no sound")], {})


def test_folders_that_are_not_looked_through_are_told(uploads, tmp_path, monkeypatch):
    sound(tmp_path / "disk" / "far.wav")
    (uploads / "sr").symlink_to(tmp_path / "disk")
    sound(uploads / "locked" / "near.wav")
    listed = os.scandir

    def refused(path="."):
        if os.path.basename(os.fspath(path)) == "locked":
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", refused)
    found, rows, _, _ = taken(uploads, tmp_path)
    told = {each.item: each.message for each in found.problems if each.kind == "folder"}
    assert told == {
        "sr": "a link to a folder, which is not followed: name that folder itself",
        "locked": "it cannot be listed: Permission denied",
    }
    assert "hr/one.wav" in rows
    assert not {"sr/far.wav", "locked/near.wav"} & set(rows)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_pipes_beside_a_recording_are_told_and_not_waited_for(tmp_path):
    sound(tmp_path / "up" / "a.wav")
    for name in ("a.txt", "a.info.json", "metadata.csv"):
        os.mkfifo(tmp_path / "up" / name)
    found, rows, _, _ = taken(tmp_path / "up", tmp_path, untranscribed=True)
    assert rows["a.wav"]["duration_s"] == "1.5"
    assert [each.kind for each in found.problems] == ["beside", "beside", "table"]
    assert all(each.message.endswith("is no file") for each in found.problems)


def test_a_path_that_is_too_long_for_an_id_is_cut(tmp_path):
    folder = tmp_path / "up"
    deep = folder.joinpath(*["x" * 200] * 6)
    for name in ("a", "b"):
        deep.mkdir(parents=True, exist_ok=True)
        sound(folder / f"{name}.wav", seed=ord(name)).rename(deep / f"{name}.wav")  # libsndfile writes to no such path
    found, _, lines, _ = taken(folder, tmp_path, untranscribed=True)
    assert not found.problems
    assert [
        (len(name), manifest.audio_path(tmp_path / "out" / "all.jsonl", each).name) for name, each in lines.items()
    ] == [
        (1000, "a.wav"),
        (1000, "b.wav"),
    ]
