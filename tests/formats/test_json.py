from __future__ import annotations

import json
from dataclasses import replace

import pytest
from format_cases import QUICK, SONG, alignments, golden, got, make
from hypothesis import given

from melisma.core.errors import FormatError
from melisma.core.records import LEAD, Alignment, Line, Repeat, Word
from melisma.core.timebase import Timebase
from melisma.formats._characters import without_surrogates
from melisma.formats.json import read, write

WORD = '{"text": "a", "start_ms": 1, "end_ms": 2, "confidence": 0.5, "line": 0}'
LINE = '{"text": "a", "start_ms": 1, "end_ms": 2, "words": [0, 1]}'


def document(words: str = WORD, lines: str = LINE, duration: str = "9", more: str = "") -> str:
    return (
        f'{{"schema": "melisma.alignment/1", "duration_ms": {duration}, "words": [{words}], "lines": [{lines}]{more}}}'
    )


def test_the_golden_file_is_written_and_read():
    assert write(SONG) == golden("song.json")
    assert read(golden("song.json")) == SONG


@QUICK
@given(alignments())
def test_everything_survives(alignment: Alignment):
    words = tuple(replace(word, text=without_surrogates(word.text)) for word in alignment.words)
    assert read(write(alignment)) == replace(alignment, words=words)


@QUICK
@given(alignments())
def test_the_record_is_that_of_the_issue(alignment: Alignment):
    found = json.loads(write(alignment))
    assert list(found) == [
        "schema", "text", "language", "duration_ms", "engine", "engine_version", "model_id", "model_revision",
        "confidence_avg", "word_count", "words", "lines",
    ]  # fmt: skip
    assert found["word_count"] == len(found["words"]) == len(alignment.words)
    for word in found["words"]:
        assert list(word) == ["text", "start_ms", "end_ms", "confidence", "line"] + ["unsung"] * (
            word["start_ms"] is None
        )
    for k, line in enumerate(found["lines"]):
        assert list(line) == ["text", "start_ms", "end_ms", "words", "stanza"]
        first, stop = line["words"]
        assert all(word["line"] == k for word in found["words"][first:stop])
        assert line["text"] == " ".join(word["text"] for word in found["words"][first:stop])


def test_other_clocks_are_rounded_to_milliseconds_halves_up():
    clock = Timebase(16_000, 24)  # a tick is 1.5 ms
    alignment = Alignment((Word("a", 0, 1, 3, timebase=clock),), (Line(0, 1),), 5, clock)
    assert got(read(write(alignment))) == [("a", 2, 5, 0)]


def test_a_confidence_that_is_no_number_is_not_known():
    alignment = Alignment((Word("a", 0, 0, 1, float("nan")), Word("b", 0, 1, 2, 1 / 3)), (Line(0, 2),), 5)
    assert [word.confidence for word in read(write(alignment)).words] == [None, 0.3333]


def test_a_file_of_an_older_version_says_nothing_of_voices_repeats_and_warnings():
    read_back = read(document())
    assert (read_back.words[0].voice, read_back.words[0].expected_error_ms) == (LEAD, None)
    assert (read_back.repeats, read_back.warnings) == ((), ())


def test_a_warning_is_one_line_that_no_terminal_obeys():
    assert read(document(more=', "warnings": ["a\\u001b[2J\\n b"]')).warnings == ("a\ufffd[2J b",)


def test_an_expected_error_that_is_no_number_is_not_known():
    words = tuple(Word("a", 0, 0, 1, expected_error_ms=error) for error in (float("nan"), float("inf"), -1.0, 12.34))
    back = read(write(Alignment(words, (Line(0, 4),), 5)))
    assert [word.expected_error_ms for word in back.words] == [None, None, None, 12.3]


def test_repeats_of_another_clock_are_rounded_to_milliseconds():
    clock = Timebase(16_000, 24)  # a tick is 1.5 ms
    word = Word("a", 0, 1, 3, timebase=clock)
    made = Alignment((word,), (Line(0, 1),), 9, clock, repeats=(Repeat(0, 1, 3, 5),))
    assert read(write(made)).repeats == (Repeat(0, 1, 5, 8),)


def test_unknown_keys_are_passed_over():
    assert got(read(document(more=', "later": {"a": [1]}'))) == [("a", 1, 2, 0)]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "line 1: this is no JSON"),
        ("[]", "Input should be a valid dictionary|object"),
        ('{"schema": "melisma.alignment/2"}', "schema: Input should be 'melisma.alignment/1'"),
        (document()[:-1], "line 1: this is no JSON"),
        (document(duration="NaN"), "NaN is no JSON number"),
        (document(duration="1e3"), "duration_ms: Input should be a valid integer"),
        (document(duration="1" * 5000), "this is no JSON: Exceeds the limit"),
        (document(duration="-1"), "duration_ms: Input should be greater than or equal to 0"),
        (document(duration="9999999999999"), "duration_ms: Input should be less than"),
        (document(duration="true"), "duration_ms: Input should be a valid integer"),
        (document(WORD.replace("1,", '"1",', 1)), r"words\[0\].start_ms: Input should be a valid integer"),
        (document(WORD.replace("1,", "-1,", 1)), r"words\[0\].start_ms"),
        (document(WORD.replace("1,", "null,", 1)), "both null with unsung true"),
        (document(WORD.replace('"line"', '"unsung": true, "line"')), "both null with unsung true"),
        (document(WORD.replace("0.5", "1.5")), r"words\[0\].confidence"),
        (document(WORD.replace('"line"', '"voice": "choir", "line"')), r"words\[0\].voice: Input should be 'lead' or"),
        (document(WORD.replace('"line"', '"expected_error_ms": -1, "line"')), r"words\[0\].expected_error_ms"),
        (document(more=', "repeats": [{"lines": [0, 2], "start_ms": 0, "end_ms": 9}]'), "repeat 0 holds lines"),
        (document(more=', "repeats": [{"lines": [0], "start_ms": 0, "end_ms": 9}]'), r"repeats\[0\].lines"),
        (document(more=', "warnings": [1]'), r"warnings\[0\]: Input should be a valid string"),
        (document(WORD.replace("0.5", '0.5, "confidence": 0.5')), "the key 'confidence' stands twice"),
        (document(WORD.replace('"a"', '"a b"')), "is not one whitespace-free word"),
        (document(WORD.replace('"a"', '"\\ud800"')), r"words\[0\].text"),
        (document(WORD.replace("2,", "99,")), "outside 0..9"),
        (document(WORD.replace("2,", "0,")), "spans 1..0"),
        (
            document(f"{WORD}, {WORD.replace('1,', '0,', 1)}", LINE.replace("[0, 1]", "[0, 2]")),
            "before the word in front",
        ),
        (document(lines=LINE.replace("[0, 1]", "[0, 2]")), "stand in no line|lines|words"),
        (document(lines=LINE.replace("[0, 1]", "[0]")), r"lines\[0\].words"),
        (document(lines=""), "1 words stand in no line"),
        (document(more=', "x": ' + "[" * 100_000 + "]" * 100_000), "nested too deeply"),
    ],
)
def test_what_is_no_alignment_is_refused_with_the_place(text: str, fault: str):
    with pytest.raises(FormatError, match=fault):
        read(text)


def test_an_empty_alignment_survives():
    empty = Alignment((), (), 1234, language="fr")
    assert read(write(empty)) == empty


def test_a_byte_order_mark_is_passed_over():
    assert read("\ufeff" + write(make([[("a", 0, 1)]], 2))).duration == 2
