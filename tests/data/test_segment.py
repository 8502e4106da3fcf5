"""Segments: the sound they promise, whole words with their own part of the text, and nothing made twice."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import soundfile

from melisma.core.errors import InputError, UnknownName
from melisma.data import manifest, recordings, segment
from melisma.data.manifest import Utterance
from melisma.data.pieces import Lengths
from melisma.data.segment import Settings
from melisma.models.voice import _windows, voice
from melisma.scale.local import LocalExecutor

RATE = 16000


def tone(seconds: float, level: float = 0.3) -> np.ndarray:
    return (level * np.sin(np.arange(round(seconds * RATE)) * 0.3)).astype(np.float32)


def quiet(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE), np.float32)


def corpus(folder: Path, samples: np.ndarray, **fields) -> Path:
    folder.mkdir(exist_ok=True)
    soundfile.write(folder / "a.wav", samples, RATE, subtype="PCM_16")
    whole = {"id": "song", "audio": "a.wav", "duration": len(samples) / RATE}
    manifest.write(folder / "m.jsonl", [Utterance(**(whole | fields))])
    return folder / "m.jsonl"


def run(path: Path, out: Path, jobs: int = 1, **settings):
    made = segment.write(recordings.read(path), out, Settings(**settings), executor=LocalExecutor(jobs))
    return made, list(manifest.read(out / "manifest.jsonl"))


WORDS = [("jedan", 1.0, 1.5), ("dva,", 1.5, 2.0), ("tri", 4.0, 4.4), ("četiri!", 4.5, 5.0)]
SOUND = np.concatenate([quiet(1), tone(1), quiet(2), tone(1), quiet(1)])
TEXT = "jedan dva,\ntri  četiri!"


def words() -> list[dict]:
    return [{"text": text, "start": start, "end": end} for text, start, end in WORDS]


def test_pieces_between_pauses_take_their_words_and_their_part_of_the_text(tmp_path: Path):
    fields = {"words": words(), "transcript": TEXT, "norm": "jedan dva tri četiri", "license": "CC0-1.0"}
    made, (first, second) = run(corpus(tmp_path / "in", SOUND, **fields), tmp_path / "out")
    assert [first.id, second.id] == ["song/0001", "song/0002"]
    assert [(w.text, w.start, w.end) for w in second.words] == [("tri", 0.1, 0.5), ("četiri!", 0.6, 1.1)]
    assert [first.transcript, second.transcript] == ["jedan dva,", "tri  četiri!"]
    assert [first.norm, second.norm] == ["jedan dva", "tri četiri"]
    assert (second.clip_of, second.recording_id, second.recording_start) == ("song", "a.wav", 3.9)
    assert (second.start, second.duration, second.license) == (0.0, 1.2, "CC0-1.0")
    heard, _ = soundfile.read(tmp_path / "out" / second.audio, dtype="int16")
    whole, _ = soundfile.read(tmp_path / "in" / "a.wav", dtype="int16")
    np.testing.assert_array_equal(heard, whole[round(3.9 * RATE) : round(5.1 * RATE)])
    assert second.sha256 == hashlib.sha256((tmp_path / "out" / second.audio).read_bytes()).hexdigest()
    assert (made.n_words, made.n_words_left_out, made.problems) == (4, 0, [])


def test_a_part_of_a_recording_is_segmented_from_its_own_beginning(tmp_path: Path):
    shifted = [{"text": "tri", "start": 0.5, "end": 1.4}]
    path = corpus(tmp_path / "in", SOUND, start=3.5, duration=2.5, words=shifted, recording_id="tape")
    _, (found,) = run(path, tmp_path / "out")
    assert (found.recording_id, found.recording_start) == ("tape", 3.9)
    assert (found.words[0].start, found.words[0].end) == (0.1, 1.0)


def test_a_text_whose_words_have_no_times_is_not_guessed_at(tmp_path: Path):
    made, found = run(corpus(tmp_path / "in", SOUND, transcript=TEXT), tmp_path / "out")
    assert [each.transcript for each in found] == ["", ""]
    assert [problem.kind for problem in made.problems] == ["transcript"]
    path = corpus(tmp_path / "in", SOUND[: 3 * RATE], transcript=TEXT)
    _, (whole,) = run(path, tmp_path / "whole")
    assert whole.transcript == TEXT


def test_other_words_than_the_text_has_are_taken_as_they_are_timed(tmp_path: Path):
    path = corpus(tmp_path / "in", SOUND, words=words(), transcript="1 2 3", norm="jedan dva tri")
    _, found = run(path, tmp_path / "out")
    assert [(each.transcript, each.norm) for each in found] == [("jedan dva,", ""), ("tri četiri!", "")]


def test_silence_under_a_word_does_not_cut_it(tmp_path: Path):
    spans = [{"text": "ma-ma", "start": 1.2, "end": 4.2}]
    _, found = run(corpus(tmp_path / "in", SOUND, words=spans), tmp_path / "out")
    assert len(found) == 1
    assert len(found[0].words) == 1


def test_chunks_of_lines(tmp_path: Path):
    path = corpus(tmp_path / "in", SOUND, words=words(), transcript=TEXT)
    _, found = run(path, tmp_path / "out", by="lines", lengths=Lengths(0.5, 4.0, 1.0, 0.1))
    assert [each.transcript for each in found] == ["jedan dva,", "tri  četiri!"]
    made, found = run(corpus(tmp_path / "in", SOUND), tmp_path / "none", by="words")
    assert found == []
    assert "align it first" in made.problems[0].message
    assert made.n_failed == 1


def test_the_level_counts_from_the_loudest_where_so_asked(tmp_path: Path):
    path = corpus(tmp_path / "in", SOUND * 0.01)
    assert run(path, tmp_path / "out")[1] == []
    assert run(path, tmp_path / "out")[0].problems[0].kind == "empty"
    assert len(run(path, tmp_path / "relative", relative=True)[1]) == 2


def test_a_pause_is_as_long_as_it_is_said_to_be(tmp_path: Path):
    path = corpus(tmp_path / "in", np.concatenate([tone(2), quiet(0.7), tone(2)]))
    assert len(run(path, tmp_path / "a", pause_s=0.5)[1]) == 2
    assert len(run(path, tmp_path / "b", pause_s=0.8)[1]) == 1


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_again_it_makes_nothing_and_two_processes_make_the_same(tmp_path: Path):
    path = corpus(tmp_path / "in", SOUND, words=words(), transcript=TEXT)
    run(path, tmp_path / "out")
    before = tree(tmp_path / "out")
    made, found = run(path, tmp_path / "out")
    assert made.n_reused == len(found) == 2
    assert tree(tmp_path / "out") == before
    (tmp_path / "out" / found[0].audio).write_bytes(b"torn")
    run(path, tmp_path / "out")
    assert tree(tmp_path / "out") == before
    run(path, tmp_path / "two", jobs=2)
    assert tree(tmp_path / "two") == before


def test_a_recording_that_is_shorter_than_promised_is_told(tmp_path: Path):
    made, found = run(corpus(tmp_path / "in", SOUND, duration=60.0), tmp_path / "out")
    assert found == []
    assert "ends at 6.00 s" in made.problems[0].message


@pytest.mark.parametrize("wrong", [{"silence_db": 3.0}, {"pause_s": 0.0}, {"voice": 1.0}, {"format": "mp3"}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(InputError):
        Settings(**wrong)
    with pytest.raises(UnknownName, match="silence, voice, words"):
        Settings(by="ear")


def test_a_voice_is_told_from_noise_that_is_as_loud():
    """The length is kept however the sound is cut; what a voice is, the model's own card measures."""
    noise = np.random.default_rng(0).standard_normal(5 * RATE).astype(np.float32) * 0.1
    found = voice([noise[:7777], noise[7777:]])
    assert found.shape == (500,)
    assert found.max() < 0.5
    np.testing.assert_array_equal(found, voice([noise]))


def test_hours_are_heard_in_windows_of_one_length():
    cut = list(_windows((np.full(3000, i, np.float32) for i in range(20)), 11_000))
    assert [len(each) for each in cut] == [11_000, 11_000, 11_000, 11_000, 16_000]
    np.testing.assert_array_equal(np.concatenate(cut), np.repeat(np.arange(20, dtype=np.float32), 3000))
