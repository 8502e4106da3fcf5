from __future__ import annotations

import json
from itertools import pairwise

import pytest
from format_cases import QUICK, SONG, alignments, expected, golden, got
from hypothesis import given

from melisma.core.errors import FormatError
from melisma.core.records import Alignment
from melisma.formats._characters import without_surrogates
from melisma.formats.word_timestamps import read, write


def test_the_golden_file_is_written_and_read():
    assert write(SONG) == golden("song.words.json")
    back = read(golden("song.words.json"))
    assert got(back) == expected(SONG)
    assert (back.duration_ms, back.language, back.model_id) == (SONG.duration_ms, "fr", "phone 1 melisma-phone abc")


@QUICK
@given(alignments())
def test_words_lines_and_times_survive(alignment: Alignment):
    back = read(write(alignment))
    assert got(back) == expected(alignment, spell=without_surrogates)
    assert [word.confidence for word in back.words] == [word.confidence for word in alignment.words]
    assert (back.duration_ms, back.language, back.warnings) == (alignment.duration_ms, alignment.language, ())


@QUICK
@given(alignments())
def test_a_front_end_finds_a_time_in_every_word(alignment: Alignment):
    found = json.loads(write(alignment))
    assert [word for line in found["lines"] for word in line["words"]] == found["words"]
    assert all(0 <= word["startMs"] <= word["endMs"] <= found["duration_ms"] for word in found["words"])
    assert all(before["startMs"] <= word["startMs"] for before, word in pairwise(found["words"]))
    assert all({"startMs", "endMs", "words", "text"} == set(line) for line in found["lines"])


def test_the_record_of_the_first_service_is_read():
    words = [
        {"word": "one two", "startMs": 0, "endMs": 99.5, "confidence": 1},
        {"word": "b", "startMs": 5000, "endMs": 5001},
    ]
    record = {"text": "x", "words": words, "lines": [{"startMs": 0, "words": words[:1]}], "model_version": "ctc-mms"}
    back = read(json.dumps(record))
    assert got(back) == [("one", 0, 100, 0), ("two", 0, 100, 0), ("b", 5000, 5001, 1)]
    assert (back.model_id, back.duration_ms) == ("ctc-mms", 5001)
    assert "made of the pauses" in back.warnings[0]


def test_words_out_of_order_are_moved_and_it_is_said():
    words = [{"word": "a", "startMs": 50, "endMs": 60}, {"word": "b", "startMs": 40, "endMs": 45}]
    back = read(json.dumps({"words": words, "lines": [{"words": words}]}))
    assert got(back) == [("a", 50, 60, 0), ("b", 50, 50, 0)]
    assert back.warnings[0].startswith("1 word(s) began before the word in front")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{}", "words: Field required"),
        ('{"words": [{"word": "a", "startMs": null, "endMs": 1}]}', r"words\[0\].startMs"),
        ('{"words": [{"word": "a", "startMs": Infinity, "endMs": 1}]}', "Infinity is no JSON number"),
        ('{"words": [{"word": "a", "startMs": 1e999, "endMs": 1}]}', r"words\[0\].startMs"),
        ('{"words": [{"word": 5, "startMs": 0, "endMs": 1}]}', r"words\[0\].word"),
    ],
)
def test_what_is_no_record_is_refused(text: str, fault: str):
    with pytest.raises(FormatError, match=fault):
        read(text)
