"""Clips: what is learnt from and what is left out, with the reason; kept, and found again by their key."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from melisma.core.errors import OutputError
from melisma.train.clip_audio import Sounds, read_samples
from melisma.train.ctc.dataset import Clips, Limits, find_clips
from melisma.train.ctc.trained import Units
from melisma.train.ctc.vocabulary import Speller, characters_of, of_corpus

RATE = 16000


@pytest.fixture
def speller():
    return Speller(of_corpus(characters_of(["abcdefgh"])), Units.CHARACTERS)


def written(folder, rows, **sounds):
    """Write audio, by name its seconds (and rate and channels), and a manifest of rows."""
    for name, said in sounds.items():
        seconds, rate, channels, suffix = said
        samples = np.random.default_rng(1).normal(0, 0.1, (int(seconds * rate), channels))
        soundfile.write(folder / f"{name}.{suffix}", samples, rate)
    path = folder / "m.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def row(name, audio, **fields):
    return {"id": name, "audio": audio, "duration": 2.0, "transcript": "abc", "language": "en", **fields}


def found(manifest, speller, folder, jobs=1):
    sounds = Sounds(manifest, folder / "train")
    sounds.prepare(jobs, lambda stage, share: None)
    clips, left = find_clips(speller, Limits(0.5, 5.0, 0.02), sounds, lambda share: None)
    return clips, left, sounds


def test_every_reason_to_leave_a_clip_out_is_counted(tmp_path, speller):
    rows = [
        row("good", "a.wav"),
        row("silent", "a.wav", transcript=" "),
        row("foreign", "a.wav", transcript="!!!"),
        row("short", "a.wav", duration=0.3),
        row("long", "b.wav", duration=9.0),
        row("dense", "a.wav", transcript="abcdefgh " * 20),
        row("beyond", "a.wav", start=1.5),
        row("gone", "nowhere.wav"),
        row("broken", "broken.mp3"),
    ]
    (tmp_path / "broken.mp3").write_bytes(b"no sound at all")
    manifest = written(tmp_path, rows, a=(2.0, RATE, 1, "wav"), b=(10.0, RATE, 1, "wav"))
    clips, left, sounds = found(manifest, speller, tmp_path)
    assert [int(line) for line in clips.line] == [0]
    assert left.counts == {
        "no transcript": 1,
        "nothing in its transcript can be spelt": 1,
        "shorter than 0.5 s": 1,
        "longer than 5 s": 1,
        "too short for its transcript": 1,
        "its file ends before it does": 1,
        "the audio file is not there": 1,
        "the audio cannot be read": 1,
    }
    assert left.shown["too short for its transcript"] == ["dense"]
    assert list(sounds.failed) == ["broken"]


def test_repeats_count_when_a_text_is_held_against_its_frames(tmp_path, speller):
    # 31 frames to spell in: 30 different letters fit, 16 equal ones with blanks between them do not.
    rows = [row("differ", "a.wav", transcript="abcdefgh" * 3), row("equal", "a.wav", transcript="a" * 17)]
    manifest = written(tmp_path, [each | {"duration": 0.65} for each in rows], a=(0.65, RATE, 1, "wav"))
    clips, left, _ = found(manifest, speller, tmp_path)
    assert clips.line.tolist() == [0]
    assert left.shown == {"too short for its transcript": ["equal"]}


def test_plain_audio_is_read_where_it_lies_and_other_audio_is_made_so_once(tmp_path, speller):
    rows = [row("plain", "a.flac", start=0.5, duration=1.0), row("other", "b.wav"), row("mp3", "c.mp3", duration=1.9)]
    sounds = {"a": (2.0, RATE, 1, "flac"), "b": (2.0, 44100, 2, "wav"), "c": (2.0, 22050, 1, "mp3")}
    manifest = written(tmp_path, rows, **sounds)
    clips, _, _ = found(manifest, speller, tmp_path)
    assert [clips.path_of(k).name for k in range(3)] == ["a.flac", "other.wav", "mp3.wav"]
    assert (int(clips.first[0]), int(clips.n_samples[0])) == (8000, 16000)
    for k in (1, 2):
        info = soundfile.info(clips.path_of(k))
        assert (info.format, info.samplerate, info.channels, info.subtype) == ("WAV", RATE, 1, "PCM_16")
    times = [clips.path_of(k).stat().st_mtime_ns for k in (1, 2)]
    assert found(manifest, speller, tmp_path)[0].n_samples.tolist() == clips.n_samples.tolist()
    assert [clips.path_of(k).stat().st_mtime_ns for k in (1, 2)] == times


def test_clips_are_kept_and_known_by_their_key(tmp_path, speller):
    rows, sound = [row("one", "a.wav"), row("two", "ž.wav")], (2.0, RATE, 1, "wav")
    manifest = written(tmp_path, rows, a=sound, ž=sound)
    clips, _, _ = found(manifest, speller, tmp_path)
    path = tmp_path / "clips.npz"
    clips.save(path, "key")
    again = Clips.load(path, "key")
    assert again is not None
    assert again.path_of(1) == tmp_path / "ž.wav"
    assert again.labels_of(0).tolist() == speller.spell(("abc",), "en").ids.tolist()
    assert again.lengths_s.tolist() == [2.0, 2.0]
    assert again.n_labels.tolist() == [3, 3]
    assert Clips.load(path, "other") is None
    path.write_bytes(path.read_bytes()[:100])
    assert Clips.load(path, "key") is None
    assert Clips.load(tmp_path / "none.npz", "key") is None
    with pytest.raises(OutputError, match="cannot write"):
        clips.save(tmp_path / "no" / "folder.npz", "key")


def test_a_file_that_has_become_shorter_is_filled_with_zeros(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(100, 0.5), RATE)
    samples = read_samples(tmp_path / "a.wav", 90, 20)
    assert samples.dtype == np.float32
    assert np.count_nonzero(samples) == 10


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path, speller):
    manifest = written(tmp_path, [row("other", "b.wav")], b=(2.0, 44100, 1, "wav"))
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot"):
        Sounds(manifest, tmp_path / "file" / "train").prepare(1, lambda stage, share: None)
