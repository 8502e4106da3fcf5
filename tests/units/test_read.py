"""Corpora of units read back: what was written comes back, what a stranger wrote is refused with its line."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melisma.core.errors import InputError
from melisma.units import read
from melisma.units.line import UnitLine, joined
from melisma.units.read import parse, read_lines

FRAMES = st.lists(st.integers(0, 5), max_size=60)


@given(FRAMES, st.sampled_from([None, "Zé"]), st.floats(0, 1e6))
def test_a_line_comes_back_as_it_was(frames, speaker, start):
    line = UnitLine("a/ü", "a.wav", *joined(frames), start, 1.25, speaker, "pt")
    assert parse(line.to_json()) == line
    assert list(line.frames()) == frames


def test_a_corpus_is_read_by_its_file_or_its_folder(tmp_path):
    lines = [UnitLine(name, "a.wav", (3, 1), (2, 5), 0.5, 0.2) for name in ("a", "b")]
    text = "\ufeff" + lines[0].to_json() + "\r\n\n" + lines[1].to_json()
    (tmp_path / "corpus_timestamped.jsonl").write_text(text, encoding="utf-8")
    assert list(read_lines(tmp_path)) == lines
    assert list(read_lines(tmp_path / "corpus_timestamped.jsonl")) == lines


def _line(**change: object) -> str:
    whole = json.loads(UnitLine("a", "a.wav", (3, 1), (2, 5)).to_json())
    return json.dumps(whole | change)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("[1]", "line 2: Input should be an object"),
        ("{", "line 2: Invalid JSON"),
        (_line(id=""), "line 2: id: "),
        (_line(audio=None), "line 2: audio: "),
        (_line(audio="a\x00b"), "line 2: audio: "),
        (_line(start=-1), "line 2: start: "),
        (_line(duration=1e300), "line 2: duration: "),
        (_line(n_frames=6), "line 2: n_frames: is 6, the runs have 7"),
        (_line(units=[{"unit": -1, "run": 1}], n_frames=1), "line 2: units: 0: unit: "),
        (_line(units=[{"unit": 1e9, "run": 1}], n_frames=1), "line 2: units: 0: unit: "),
        (_line(units=[{"unit": 1, "run": 0}], n_frames=0), "line 2: units: 0: run: "),
        (_line(units=[{"unit": 1, "run": 10**12}], n_frames=10**12), "longer than any recording"),
        (_line(units=[{"unit": 1, "run": 1}] * 2, n_frames=2), "unit 1 stands beside itself"),
        (_line(units=[{"unit": 1, "run": 7, "start": 0.02}]), "start is 0.02 s, its runs say 0 s"),
        (_line(units=[{"unit": 1, "run": 7, "end": 9}]), "end is 9 s, its runs say 0.14 s"),
    ],
)
def test_a_line_of_a_stranger_is_refused(tmp_path, line, why):
    path = tmp_path / "corpus.jsonl"
    path.write_text(_line() + "\n" + line + "\n", encoding="utf-8")
    found = read_lines(path)
    assert next(found).units == (3, 1)
    with pytest.raises(InputError, match=why):
        next(found)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "corpus.jsonl"
    path.write_bytes(b"\xff\xfe{\x00}\x00\n")
    with pytest.raises(InputError, match="line 1: "):
        list(read_lines(path))


def test_a_line_without_an_end_is_not_read_into_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(read, "MAX_LINE", 1 << 20)
    path = tmp_path / "corpus.jsonl"
    path.write_bytes(b" " * (1 << 21))
    with pytest.raises(InputError, match="line 1: is longer than 1 MiB"):
        list(read_lines(path))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none.jsonl cannot be read: No such file"):
        list(read_lines(tmp_path / "none.jsonl"))
