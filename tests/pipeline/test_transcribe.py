"""What was heard, timed exactly: spoken words whose times are known, heard a little off."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import soundfile

from melisma.core.errors import InputError, UnknownName
from melisma.core.records import Alignment, Line, Word
from melisma.core.timebase import Timebase
from melisma.formats import elrc, word_timestamps
from melisma.pipeline import packages, transcript_files
from melisma.pipeline.align import AlignConfig
from melisma.pipeline.file_ids import file_id
from melisma.pipeline.settings import AUTO
from melisma.pipeline.transcribe import engine_for, exact, lyrics_of, merged
from melisma.synth.speech import SAMPLE_RATE
from melisma.synth.voice import speak
from melisma.testing.whisper_checkpoints import save_random_whisper
from melisma.text import espeak
from melisma.text.whisper_languages import LANGUAGES

TEXT = "tiho noći moje zlato spava nad njim oblak plavi dobro jutro dragi ljudi kako ste danas"
CLOCK = Timebase(16_000)


def alignment(words, *, duration=10_000, per_line=4, **more):
    """Make an alignment in ms of (text, start, end, confidence)."""
    lines = tuple(Line(i, min(i + per_line, len(words))) for i in range(0, len(words), per_line))
    made = tuple(Word(text, i // per_line, start, end, sure) for i, (text, start, end, sure) in enumerate(words))
    return Alignment(made, lines, duration, **{"language": "hr", "engine": "ears", "model_id": "m", **more})


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    """Words that a synthesiser speaks one after the other, as a file, with their times in seconds."""
    parts, times, at = [np.zeros(SAMPLE_RATE // 2, np.float32)], [], SAMPLE_RATE // 2
    for word in TEXT.split():
        sound = speak(word, "hr").samples
        times.append((word, at / SAMPLE_RATE, (at + len(sound)) / SAMPLE_RATE))
        gap = np.zeros(SAMPLE_RATE // 8, np.float32)
        parts += [sound / max(1e-6, np.abs(sound).max()) * 0.5, gap]
        at += len(sound) + len(gap)
    path = tmp_path_factory.mktemp("spoken") / "spoken.wav"
    soundfile.write(path, np.concatenate(parts), SAMPLE_RATE)
    return path, times, at / SAMPLE_RATE


def heard_badly(spoken, shift_s=0.25, seed=0):
    """Return the words as a transcriber may time them: each a quarter of a second off, to one side or the other."""
    _, times, length = spoken
    off = np.random.default_rng(seed).choice([-shift_s, shift_s], len(times))
    starts = np.maximum.accumulate([max(0.0, start + by) for (_, start, _), by in zip(times, off, strict=True)])
    ends = [*starts[1:], length]
    rows = [(t[0], round(a * 1000), round(b * 1000), 0.8) for t, a, b in zip(times, starts, ends, strict=True)]
    return alignment(rows, duration=round(length * 1000))


def test_an_aligner_brings_words_nearer_to_where_they_are(spoken, settings):
    heard = heard_badly(spoken)
    made = exact(spoken[0], heard, AlignConfig("hr", settings=settings))
    assert made.aligner == "phone phone-0.2" == made.timed.engine_version.rpartition(" timed by ")[2]
    assert len(made.timed.words) >= made.n_exact > 10
    assert [word.text for word in made.timed.words] == TEXT.split()
    before = [abs(word.start_s - t[1]) for word, t in zip(heard.words, spoken[1], strict=True)]
    after = [abs(word.start_s - t[1]) for word, t in zip(made.timed.words, spoken[1], strict=True)]
    assert np.mean(after) < 0.1 < np.mean(before)
    assert [word.confidence for word in made.heard.words] == [0.8] * len(before)


@pytest.mark.parametrize("words", [["tiho", "noći", "moje", "zlato", "spava"], ["najnepokolebljiviji"] * 60])
def test_words_that_are_not_in_the_recording_keep_the_times_at_which_they_were_heard(tmp_path, settings, words):
    samples = np.random.default_rng(1).normal(0, 0.1, 5 * SAMPLE_RATE).astype(np.float32)
    soundfile.write(tmp_path / "noise.wav", samples, SAMPLE_RATE)
    each = 4000 // len(words)
    rows = [(word, each * i, each * i + each // 2, 0.9) for i, word in enumerate(words)]
    heard = alignment(rows, duration=5000)
    made = exact(tmp_path / "noise.wav", heard, AlignConfig("hr", settings=settings))
    assert not made.aligner
    assert made.timed.words == heard.words
    assert "at which they were heard" in made.timed.warnings[-1]
    assert not any("lyrics" in warning for warning in made.timed.warnings)  # nobody gave any


def test_a_language_that_no_aligner_spells_keeps_the_times_at_which_it_was_heard(spoken, settings):
    unspoken = min(LANGUAGES - set(espeak.languages()) - {"no", "tl"})
    made = exact(spoken[0], replace(heard_badly(spoken), language=unspoken), AlignConfig(settings=settings))
    assert not made.aligner
    assert unspoken in made.timed.warnings[-1]


def test_lines_say_when_they_were_heard():
    lyrics = lyrics_of(alignment([("a", 100, 200, 0.5), ("b", 300, 400, 0.5), ("c", 900, 950, None)], per_line=2))
    assert [(line.words, line.start_ms, line.end_ms) for line in lyrics.lines] == [
        (("a", "b"), 100, 400),
        (("c",), 900, 950),
    ]


def test_a_word_that_the_aligner_surely_finds_is_there_however_badly_it_was_timed_when_heard():
    heard = alignment([("a", 0, 40, 0.9), ("b", 40, 40, 0.9)])
    made = merged(heard, alignment([("a", 1040, 1210, 0.98), ("b", 4000, 4200, 0.97)]))
    assert [(word.start_ms, word.end_ms) for word in made.words] == [(1040, 1210), (4000, 4200)]


def test_a_word_that_the_aligner_does_not_find_or_doubtfully_far_away_stays_where_it_was_heard():
    heard = alignment([("a", 1000, 1200, 0.5), ("b", 1300, 1500, 0.6), ("c", 1600, 1900, 0.7)])
    placed = alignment([("a", 1040, 1210, 0.9), ("b", None, None, None), ("c", 8000, 8200, 0.6)])
    times = [(1040, 1210, 0.5), (1300, 1500, 0.6), (1600, 1900, 0.7)]
    made = merged(heard, placed)
    assert [(word.start_ms, word.end_ms, word.confidence) for word in made.words] == times
    assert (made.engine, made.model_id) == ("ears", "m")


def test_times_of_two_origins_go_forward():
    heard = alignment([("a", 1000, 1200, 0.5), ("b", 1250, 1500, 0.6), ("c", 1600, 1900, 0.7)])
    placed = alignment([("a", 1400, 1900, 0.9), ("b", None, None, None), ("c", 1650, 1900, 0.9)])
    made = merged(heard, placed)
    made.check()
    assert [word.start_ms for word in made.words] == [1400, 1400, 1650]
    assert all(a.end_ms <= b.start_ms for a, b in pairwise(made.words))


def test_words_of_two_clocks_are_merged_on_the_aligners():
    heard = alignment([("a", 1000, 1200, 0.5)])
    word = Word("a", 0, 16_640, 20_000, 0.9, CLOCK)
    placed = Alignment((word,), (Line(0, 1),), 160_000, CLOCK)
    made = merged(heard, placed)
    assert (made.timebase, made.words[0].start_ms) == (CLOCK, 1040)


def test_other_words_are_refused():
    with pytest.raises(ValueError, match="other words"):
        merged(alignment([("a", 0, 1, None)]), alignment([("b", 0, 1, None)]))


def test_an_engine_that_times_known_words_is_no_model_to_hear_with():
    with pytest.raises(InputError, match="hears no words"):
        engine_for("phone", None)


def test_a_model_that_there_is_not_is_refused():
    with pytest.raises(UnknownName, match="no-such-model"):
        engine_for("no-such-model", "hr")


def test_the_record_is_one_of_word_timestamps_and_has_segments():
    heard = alignment([("dobro", 500, 900, 0.81), ("jutro", 950, 1400, 0.5), ("đaci", 3000, 3500, None)], per_line=2)
    files = transcript_files.files(replace(heard, warnings=("so",)), transcript_files.About("id1", "x.mp3", "req-1"))
    said = json.loads(files[transcript_files.RECORD])
    assert (said["file_id"], said["request_id"], said["source"]) == ("id1", "req-1", "transcription")
    assert [(each["start"], each["end"], each["text"]) for each in said["segments"]] == [
        (0.5, 1.4, "dobro jutro"),
        (3.0, 3.5, "đaci"),
    ]
    assert said["segments"][0]["words"][0] == {"word": "dobro", "start": 0.5, "end": 0.9, "probability": 0.81}
    again = word_timestamps.read(files[transcript_files.RECORD].decode())
    assert [(word.text, word.start_ms) for word in again.words] == [("dobro", 500), ("jutro", 950), ("đaci", 3000)]
    sung = elrc.read(files[transcript_files.LRC].decode())
    assert [(word.text, word.start_ms) for word in sung.words] == [("dobro", 500), ("jutro", 950), ("đaci", 3000)]
    assert files[transcript_files.TEXT].decode().splitlines() == [
        "[00:00.500 --> 00:01.400] dobro jutro",
        "[00:03.000 --> 00:03.500] đaci",
    ]


def test_times_of_hours_are_written_with_hours():
    late = Alignment((Word("a", 0, 3_723_004, 3_723_500),), (Line(0, 1),), 4_000_000)
    assert transcript_files.text(late) == "[01:02:03.004 --> 01:02:03.500] a\n"


def test_files_are_replaced_whole(tmp_path):
    transcript_files.write(tmp_path / "a" / "b", {"x": b"old"})
    transcript_files.write(tmp_path / "a" / "b", {"x": b"new"})
    assert [(path.name, path.read_bytes()) for path in (tmp_path / "a" / "b").iterdir()] == [("x", b"new")]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a b", "a-b"),
        ("Čovek (live) – 1", "Covek-live-1"),
        ("..", None),
        ("", None),
        ("песма", None),
        ("x" * 300, None),
    ],
)
def test_names_of_files_become_names_of_folders(name, expected):
    got = file_id(name)
    assert got == expected if expected else got.partition("-")[0] in ("recording", "x" * 91)
    from melisma.core.artifacts import checked

    assert checked(got) == got


def test_two_names_of_other_scripts_are_two_folders():
    assert file_id("песма") != file_id("нова")


def test_a_language_has_a_model_of_its_own(tmp_path, monkeypatch):
    folder = save_random_whisper(tmp_path / "whisper").parent / "transformers"
    monkeypatch.setenv("MELISMA_STATE_DIR", str(tmp_path / "state"))
    packages.add("ours", folder)
    packages.set_default("hr", "ours")
    assert engine_for("", "hr") == "ours"
    assert engine_for("", "fr") == AUTO
    assert engine_for(str(folder), "fr") == f"path:{folder}"
