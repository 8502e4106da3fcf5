"""Utterances come recording by recording, and ids become safe names."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melisma.core.errors import ManifestError
from melisma.data import manifest, recordings
from melisma.data.manifest import Utterance


def written(path: Path, *pairs: tuple[str, str]) -> Path:
    manifest.write(path, (Utterance(id=i, audio=audio, duration=1) for i, audio in pairs))
    return path


def test_utterances_of_a_recording_come_together_in_their_order(tmp_path: Path):
    path = written(tmp_path / "m.jsonl", ("1", "b.wav"), ("2", "a.wav"), ("3", "b.wav"), ("4", "a.wav"), ("5", "b.wav"))
    found = recordings.read(path)
    assert (len(found), found.n_utterances) == (2, 5)
    assert [(r.path.name, [u.id for u in r.utterances]) for r in found] == [
        ("b.wav", ["1", "3", "5"]),
        ("a.wav", ["2", "4"]),
    ]


def test_an_empty_manifest_has_none(tmp_path: Path):
    found = recordings.read(written(tmp_path / "m.jsonl"))
    assert len(found) == 0
    assert list(found) == []


def test_an_id_that_comes_twice_is_refused(tmp_path: Path):
    with pytest.raises(ManifestError, match=r"line 2: the id 'x' is that of line 1 too"):
        recordings.read(written(tmp_path / "m.jsonl", ("x", "a.wav"), ("x", "b.wav")))


def test_the_first_line_with_an_id_of_another_is_named(tmp_path: Path):
    path = written(tmp_path / "m.jsonl", ("a", "1"), ("b", "2"), ("c", "3"), ("c", "4"), ("a", "5"), ("b", "6"))
    with pytest.raises(ManifestError, match=r"line 4: the id 'c' is that of line 3 too"):
        recordings.read(path)


HOSTILE = [
    "../../etc/passwd",
    "/etc/passwd",
    "..",
    ".",
    "a//b",
    "-rf",
    ".hidden",
    "CON",
    "a\\b",
    "x" * 900,
    "a\0b",
    "~",
]


@pytest.mark.parametrize("identifier", HOSTILE)
def test_a_hostile_id_stays_in_the_folder(identifier, tmp_path: Path):
    name = recordings.file_name(identifier, ".wav")
    assert not name.is_absolute()
    assert ".." not in name.parts
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_bytes(b"")  # a file system takes it
    assert (tmp_path / name).resolve().is_relative_to(tmp_path.resolve())


@given(st.sets(st.text(min_size=1, max_size=40), min_size=2, max_size=30))
def test_no_two_ids_become_one_file_where_case_is_folded_too(ids):
    assert len({recordings.file_name(each, ".wav").as_posix().lower() for each in ids}) == len(ids)
