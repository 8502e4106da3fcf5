"""Prepared audio: exact to the sample, the same bytes however often it is made, and nothing done twice."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from melisma.core.errors import InputError
from melisma.data import manifest, preprocess, recordings
from melisma.data.manifest import Utterance
from melisma.data.preprocess import Settings
from melisma.scale.local import LocalExecutor

RATE = 16000


def tone(seconds: float, level: float = 0.3) -> np.ndarray:
    return (level * np.sin(np.arange(round(seconds * RATE)) * 0.3)).astype(np.float32)


def quiet(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE), np.float32)


def corpus(folder: Path, samples: np.ndarray, *utterances: dict, rate: int = RATE) -> Path:
    folder.mkdir(exist_ok=True)
    soundfile.write(folder / "a.wav", samples, rate, subtype="PCM_16")
    manifest.write(
        folder / "m.jsonl", (Utterance(**({"id": f"u{i}", "audio": "a.wav"} | u)) for i, u in enumerate(utterances))
    )
    return folder / "m.jsonl"


def run(path: Path, out: Path, jobs: int = 1, **settings):
    made = preprocess.write(recordings.read(path), out, Settings(**settings), executor=LocalExecutor(jobs))
    return made, list(manifest.read(out / "manifest.jsonl"))


def samples_of(out: Path, utterance: Utterance) -> np.ndarray:
    samples, rate = soundfile.read(out / utterance.audio, dtype="int16")
    assert rate == RATE
    assert samples.ndim == 1
    return samples


@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_a_cut_is_exact_to_the_sample(tmp_path: Path, kind):
    sound = np.random.default_rng(1).integers(-30000, 30000, 5 * RATE).astype(np.int16)
    path = corpus(tmp_path / "in", sound, {"start": 1.25, "duration": 2.00003}, {"start": 0.5, "duration": 1.5})
    made, found = run(path, tmp_path / "out", format=kind, trim=False)
    assert not made.problems
    assert [each.duration for each in found] == [32000 / RATE, 1.5]
    np.testing.assert_array_equal(samples_of(tmp_path / "out", found[0]), sound[20000:52000])
    np.testing.assert_array_equal(samples_of(tmp_path / "out", found[1]), sound[8000:32000])
    for each in found:
        data = (tmp_path / "out" / each.audio).read_bytes()
        assert each.start == 0
        assert each.sha256 == hashlib.sha256(data).hexdigest()
        assert soundfile.info(tmp_path / "out" / each.audio).subtype == "PCM_16"
    assert [each.recording_start for each in found] == [1.25, 0.5]
    assert {each.recording_id for each in found} == {"a.wav"}


def test_silence_at_the_ends_goes_and_words_move_along(tmp_path: Path):
    sound = np.concatenate([quiet(2), tone(1), quiet(1.5), tone(0.5), quiet(3)])
    words = [{"text": "la", "start": 2.0, "end": 3.0}, {"text": "li", "start": 4.5, "end": 5.0}]
    path = corpus(tmp_path / "in", sound, {"duration": 8.0, "words": words, "dialect": "ikavian"})
    _, (found,) = run(path, tmp_path / "out", keep_s=0.25)
    assert found.duration == 0.25 + 3.0 + 0.25
    assert [(w.text, w.start, w.end) for w in found.words] == [("la", 0.25, 1.25), ("li", 2.75, 3.25)]
    assert found.dialect == "ikavian"
    assert found.recording_start == 1.75


def test_no_word_is_trimmed_though_nothing_is_heard_under_it(tmp_path: Path):
    words = [{"text": "h", "start": 0.31, "end": 0.4}, {"text": "t", "start": 3.9, "end": 3.95}]
    path = corpus(tmp_path / "in", np.concatenate([quiet(2), tone(1), quiet(2)]), {"duration": 5.0, "words": words})
    _, (found,) = run(path, tmp_path / "out", keep_s=0.0)
    assert (found.words[0].start, found.words[1].end) == (0.0, found.duration)
    assert found.duration == 3.95 - 0.31


def test_loudness_is_what_was_asked_and_nothing_clips(tmp_path: Path):
    from melisma.data.loudness import measure

    sound = np.concatenate([tone(3, 0.01), quiet(1)])
    path = corpus(tmp_path / "in", sound, {"duration": 4.0})
    _, (found,) = run(path, tmp_path / "out", lufs=-23.0)
    loud = samples_of(tmp_path / "out", found).astype(np.float32) / 32768
    assert measure([loud], RATE) == pytest.approx(-23.0, abs=0.02)
    _, (found,) = run(path, tmp_path / "out", lufs=0.0)
    assert np.abs(samples_of(tmp_path / "out", found).astype(int)).max() == 32767


def test_what_is_beyond_full_scale_is_turned_down_and_not_cut_off(tmp_path: Path):
    (tmp_path / "in").mkdir()
    soundfile.write(tmp_path / "in" / "a.wav", tone(1, 1.8), RATE, subtype="FLOAT")
    manifest.write(tmp_path / "in" / "m.jsonl", [Utterance(id="u", audio="a.wav", duration=1)])
    _, (found,) = run(tmp_path / "in" / "m.jsonl", tmp_path / "out")
    got = samples_of(tmp_path / "out", found) / 32768
    np.testing.assert_allclose(got, tone(1, 1.0), atol=2e-3)


def test_another_rate_and_more_channels_become_one_channel_of_16_khz(tmp_path: Path):
    stereo = np.random.default_rng(2).uniform(-0.3, 0.3, (44100, 2))
    _, (found,) = run(corpus(tmp_path / "in", stereo, {"duration": 1.0}, rate=44100), tmp_path / "out", trim=False)
    assert found.duration == 1.0
    assert len(samples_of(tmp_path / "out", found)) == RATE


def test_what_cannot_be_prepared_is_told_and_left_out(tmp_path: Path):
    path = corpus(
        tmp_path / "in",
        np.concatenate([tone(2), quiet(2)]),
        {"duration": 2.0},
        {"start": 1.0, "duration": 9.0},
        {"start": 90.0, "duration": 1.0},
        {"start": 2.5, "duration": 1.0},
        {"duration": 1.0, "audio": "gone.wav"},
    )
    made, found = run(path, tmp_path / "out")
    assert [each.id for each in found] == ["u0", "u3"]
    assert [(p.item, p.kind) for p in made.problems] == [
        ("u1", "missing"), ("u2", "missing"), ("u3", "silent"), ("u4", "unreadable"),
    ]  # fmt: skip
    assert "ends at 4.00 s" in made.problems[0].message
    assert "gone.wav" in made.problems[3].message
    assert found[1].duration == 1.0  # silence is kept whole


def tree(folder: Path) -> dict[str, bytes]:
    found = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    return {name: path.read_bytes() for name, path in found.items()}


def test_a_second_run_makes_nothing_and_a_lost_file_again(tmp_path: Path):
    path = corpus(tmp_path / "in", tone(5), {"duration": 2.0}, {"start": 2.0, "duration": 3.0})
    run(path, tmp_path / "out")
    before = tree(tmp_path / "out")
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*.wav")}
    made, _ = run(path, tmp_path / "out")
    assert made.n_reused == 2
    assert {p: p.stat().st_mtime_ns for p in times} == times
    (tmp_path / "out" / "audio" / "u1.wav").unlink()
    made, _ = run(path, tmp_path / "out")
    assert made.n_reused == 0
    assert tree(tmp_path / "out") == before


def test_another_setting_or_recording_is_made_anew(tmp_path: Path):
    path = corpus(tmp_path / "in", np.concatenate([quiet(1), tone(2)]), {"duration": 3.0})
    run(path, tmp_path / "out")
    made, (found,) = run(path, tmp_path / "out", keep_s=0.5)
    assert made.n_reused == 0
    assert found.duration == 2.5
    soundfile.write(tmp_path / "in" / "a.wav", tone(3), RATE, subtype="PCM_16")
    os.utime(tmp_path / "in" / "a.wav", ns=(1, 1))
    made, (found,) = run(path, tmp_path / "out", keep_s=0.5)
    assert made.n_reused == 0
    assert found.duration == 3.0


def test_a_recording_is_never_written_over_by_what_is_made_of_it(tmp_path: Path):
    (tmp_path / "audio").mkdir()
    path = corpus(tmp_path, tone(2), {"duration": 1.0, "id": "a", "audio": "audio/a.wav"})
    (tmp_path / "a.wav").rename(tmp_path / "audio" / "a.wav")
    before = (tmp_path / "audio" / "a.wav").read_bytes()
    made, found = run(path, tmp_path)
    assert found == []
    assert "written over" in made.problems[0].message
    assert (tmp_path / "audio" / "a.wav").read_bytes() == before


@pytest.mark.parametrize("wrong", [{"format": "mp3"}, {"trim_db": 0.0}, {"keep_s": -1.0}, {"lufs": 3.0}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(InputError):
        Settings(**wrong)


def test_two_processes_make_the_bytes_of_one(tmp_path: Path):
    path = corpus(tmp_path / "in", tone(6), {"duration": 2.0}, {"start": 2.0, "duration": 3.0})
    run(path, tmp_path / "one")
    run(path, tmp_path / "two", jobs=2)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


KILLED = """
import os, signal
from melisma.cli.main import run

replace, left = os.replace, 8

def counted(source, target):
    global left
    if str(target).endswith(".wav"):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)  # the ninth is written, and has not its name
    replace(source, target)

os.replace = counted
run()
"""


def test_killed_in_the_middle_it_ends_with_the_bytes_of_a_run_in_peace(tmp_path: Path):
    folder = tmp_path / "in"
    folder.mkdir()
    random = np.random.default_rng(5)
    for i in range(20):
        soundfile.write(folder / f"{i}.wav", random.uniform(-0.3, 0.3, 5 * RATE), RATE, subtype="PCM_16")
    path = folder / "m.jsonl"
    manifest.write(path, (Utterance(id=f"u{i}", audio=f"{i}.wav", duration=5) for i in range(20)))
    out = tmp_path / "out"
    command = [sys.executable, "-c", KILLED, "data", "preprocess", str(path), "-o", str(out), "-j", "1", "-q"]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    n_done = len(list(out.glob("audio/*.wav")))
    assert n_done == 8
    assert not (out / "manifest.jsonl").exists()
    made, _ = run(path, out)
    assert made.n_made == 20
    assert made.n_reused >= n_done - 2
    run(path, tmp_path / "peace")
    assert tree(out) == tree(tmp_path / "peace")
