"""Alignments as bytes of a version: what is written comes back equal, and nothing else gets through."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melisma.core.errors import InputError
from melisma.core.records import Alignment, Line, Repeat, Word
from melisma.core.timebase import Timebase
from melisma.store.exact import MAX_BYTES
from melisma.store.service import payload
from melisma.store.service.payload import DamagedVersion

SENTENCE = "a version of an alignment is damaged: "
WORDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12).filter(lambda text: text.split() == [text])
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)


@st.composite
def alignments(draw):
    """Some lines, unsung words among them, on any clock, with everything set that a record can hold."""
    clock = Timebase(draw(st.integers(1, 192_000)), draw(st.integers(1, 4000)))
    duration = draw(st.integers(0, 10_000_000 * clock.sample_rate // clock.stride // 1000))
    words, lines = [], []
    for line in range(draw(st.integers(0, 4))):
        times = sorted(draw(st.lists(st.integers(0, duration), min_size=2, max_size=12)))
        spans = list(zip(times[::2], times[1::2], strict=False))
        lines.append(Line(len(words), len(words) + len(spans), draw(st.integers(0, 3))))
        for span in spans:
            known = draw(st.none() | st.floats(0, 1)), draw(st.none() | st.floats(0, 1e6))
            times_of = span if draw(st.booleans()) else (None, None)
            words.append(Word(draw(WORDS), line, *times_of, known[0], clock, draw(st.integers(0, 1)), known[1]))
    names = [draw(TEXTS) for _ in range(5)]
    repeats = (Repeat(0, len(lines), 0, duration),) if lines and draw(st.booleans()) else ()
    warnings = tuple(draw(st.lists(TEXTS, max_size=3)))
    made = Alignment(tuple(words), tuple(lines), duration, clock, *names, warnings, repeats)
    made.check()
    return made


@given(alignments())
def test_any_alignment_comes_back(made):
    assert payload.read(payload.write(made)) == made


@pytest.fixture
def made() -> Alignment:
    clock = Timebase(16000, 1)
    words = (Word("sing", 0, 8001, 16000, 0.123456789, clock, expected_error_ms=12.345), Word("it", 0, None, None))
    return Alignment((words[0], replace(words[1], timebase=clock)), (Line(0, 2),), 48007, clock, engine="phone")


def opened(made: Alignment) -> dict:
    return json.loads(zlib.decompress(payload.write(made)))


def packed(document: object) -> bytes:
    return zlib.compress(json.dumps(document).encode())


def test_times_and_confidences_are_not_rounded(made):
    assert payload.read(packed(opened(made))).words[0] == made.words[0]


@pytest.mark.parametrize(
    "broken",
    [
        {"warnings": ("\ud800",)},
        {"words": (Word("sing", 0, 8001, 16000, 1.5, Timebase(16000, 1)),), "lines": (Line(0, 1),)},
        {"lines": (Line(0, 1),)},
    ],
)
def test_what_would_not_come_back_cannot_be_kept(made, broken):
    with pytest.raises(InputError, match=r"^this alignment cannot be kept: "):
        payload.write(replace(made, **broken))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ({"schema": "melisma.version/2"}, "schema: Input should be 'melisma.version/1'"),
        ({"more": 1}, "more: Extra inputs are not permitted"),
        ({"alignment": "{}"}, "schema: Field required"),
        ({"exact": {}}, "exact.sample_rate: Field required"),
    ],
)
def test_a_document_that_is_none_is_refused(made, damage, said):
    with pytest.raises(DamagedVersion, match=f"^{SENTENCE}.*{said}"):
        payload.read(packed({**opened(made), **damage}))


def test_times_that_contradict_the_json_are_refused(made):
    document = opened(made)
    document["exact"]["starts"][0] = 9001
    with pytest.raises(DamagedVersion, match="two times of 'sing' contradict each other"):
        payload.read(packed(document))


def test_what_would_fill_the_memory_is_not_unpacked():
    packer = zlib.compressobj()
    bomb = b"".join([packer.compress(b" " * 1_000_000) for _ in range(MAX_BYTES // 1_000_000 + 1)])
    with pytest.raises(DamagedVersion, match="larger than any alignment"):
        payload.read(bomb + packer.flush())


@given(st.binary(max_size=200))
def test_no_bytes_do_anything_but_be_refused(data):
    for given_data in (data, zlib.compress(data)):
        with pytest.raises(DamagedVersion):
            payload.read(given_data)
