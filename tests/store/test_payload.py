"""Entries as bytes: what is written comes back equal, and nothing else gets through."""

from __future__ import annotations

import json
import zlib
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melisma.core.errors import CacheError
from melisma.core.records import Alignment, Line, Word
from melisma.core.timebase import Timebase
from melisma.store import payload
from melisma.store.entries import Entry, Source
from melisma.store.payload import DamagedEntry

SENTENCE = "a row of the cache is damaged: "


def test_everything_comes_back(entry):
    """The alignment of the fixture sets every field to something that no default is."""
    plain = Alignment((Word("x", 0, 1, 2),), (Line(0, 1),), 3)
    for f in fields(Alignment):
        assert getattr(entry.alignment, f.name) != getattr(plain, f.name), f.name
    for f in fields(Word):
        assert len({getattr(word, f.name) for word in (*entry.alignment.words, *plain.words)}) > 1, f.name
    assert payload.read(payload.write(entry), entry.digest) == entry


def test_what_was_brought_comes_back(brought):
    for source in (Source.USER_CORRECTED, Source.IMPORTED):
        entry = brought(source)
        assert payload.read(payload.write(entry), entry.digest) == entry


WORDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12).filter(lambda text: text.split() == [text])


@st.composite
def alignments(draw):
    clock = Timebase(draw(st.integers(1, 192_000)), draw(st.integers(1, 4000)))
    duration = draw(st.integers(0, 10_000_000 * clock.sample_rate // clock.stride // 1000))
    times = sorted(draw(st.lists(st.integers(0, duration), max_size=30)))
    words = []
    for start, end in zip(times[::2], times[1::2], strict=False):
        timed = draw(st.booleans())
        sure = draw(st.none() | st.floats(0, 1))
        error = draw(st.none() | st.floats(0, 1e6))
        span = (start, end) if timed else (None, None)
        words.append(Word(draw(WORDS), 0, *span, sure, clock, draw(st.integers(0, 1)), error))
    lines = (Line(0, len(words)),) if words else ()
    warnings = tuple(draw(st.lists(st.text(st.characters(codec="utf-8")), max_size=3)))
    made = Alignment(tuple(words), lines, duration, clock, warnings=warnings)
    made.check()
    return made


@given(alignments())
def test_any_alignment_comes_back(made):
    from datetime import UTC, datetime

    from melisma.store.keys import ResultKey, Track

    track = Track("a", "b")
    entry = Entry(Source.WHISPER, track, made, datetime.now(UTC), None, ResultKey(track, *"cdefgh"))
    assert payload.read(payload.write(entry), entry.digest) == entry


def test_half_a_character_cannot_be_kept(entry):
    broken = replace(entry.alignment, warnings=("\ud800",))
    with pytest.raises(CacheError, match="cannot be kept: it would come back changed"):
        payload.write(replace(entry, alignment=broken))


def opened(entry: Entry) -> dict:
    return json.loads(zlib.decompress(payload.write(entry)))


def packed(document: object) -> bytes:
    return zlib.compress(json.dumps(document).encode())


def test_the_tests_of_damage_begin_with_what_is_whole(entry):
    assert payload.read(packed(opened(entry)), entry.digest) == entry


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ({"schema": "melisma.cached/2"}, "schema: Input should be 'melisma.cached/1'"),
        ({"source": "an oracle"}, "source: Input should be"),
        ({"created_at": "yesterday"}, "created_at: Input should be a valid datetime"),
        ({"created_at": "2026-01-01T00:00:00"}, "created_at: Input should have timezone info"),
        ({"audio_hash": "c" * 64}, "it holds another entry than its key says"),
        ({"key": None}, "what an engine made has a key"),
        ({"source": "imported"}, "what somebody brought has none"),
        ({"more": 1}, "more: Extra inputs are not permitted"),
        ({"alignment": "{}"}, "schema: Field required"),
        ({"alignment": 5}, "alignment: Input should be a valid string"),
    ],
)
def test_a_document_that_is_none_is_refused(entry, damage, said):
    with pytest.raises(DamagedEntry, match=f"^{SENTENCE}.*{said}"):
        payload.read(packed({**opened(entry), **damage}), entry.digest)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("starts", [8001, 16000, 16001, 24007], "zip"),
        ("starts", [8001, 16000, 16001, 240070, None], "outside 0"),
        ("starts", [9001, 16000, 16001, 24007, None], "contradict each other"),
        ("starts", [8001, None, 16001, 24007, None], "has only one of its two times"),
        ("duration", 70000, "two lengths of the recording contradict"),
        ("duration", -1, "greater than or equal to 0"),
        ("confidences", [2.0, None, 1.0, 0.0, None], "less than or equal to 1"),
        ("confidences", [float("nan"), None, 1.0, 0.0, None], "NaN is no JSON number"),
        ("voices", [0, 0, 7, 0, 0], "less than or equal to 1"),
        ("sample_rate", 0, "greater than 0"),
        ("sample_rate", 16000.5, "valid integer"),
        ("warnings", [5], "valid string"),
        ("repeats", [{"first": 1}], "Field required"),
    ],
)
def test_exact_values_that_cannot_be_are_refused(entry, name, value, said):
    document = opened(entry)
    document["exact"][name] = value
    with pytest.raises(DamagedEntry, match=f"^{SENTENCE}.*{said}"):
        payload.read(packed(document), entry.digest)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "cut off"),
        (b"hello", "incorrect header"),
        (packed([])[:-3], "cut off"),
        (zlib.compress(b"\xff\xfe"), "utf-8"),
        (zlib.compress(b"[" * 100_000), "nested too deeply"),
        (packed([]), "Input should be"),
        (packed({}), "Field required"),
        (zlib.compress(b'{"schema": 1, "schema": 2}'), "stands twice"),
    ],
)
def test_bytes_that_are_no_entry_are_refused(data, said):
    with pytest.raises(DamagedEntry, match=f"^{SENTENCE}.*{said}"):
        payload.read(data, "a" * 64)


def test_what_would_fill_the_memory_is_not_unpacked():
    packer = zlib.compressobj()
    bomb = b"".join([packer.compress(b" " * 1_000_000) for _ in range(payload.MAX_BYTES // 1_000_000 + 1)])
    with pytest.raises(DamagedEntry, match="larger than any alignment"):
        payload.read(bomb + packer.flush(), "a" * 64)


@given(st.binary(max_size=200))
def test_no_bytes_do_anything_but_be_refused(data):
    for given_data in (data, zlib.compress(data)):
        with pytest.raises(DamagedEntry):
            payload.read(given_data, "a" * 64)
