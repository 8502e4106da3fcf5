from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch")

from melisma.core.errors import InputError  # noqa: E402
from melisma.models.vocoder.inputs import NOBODY, UNKNOWN  # noqa: E402
from melisma.scale.local import LocalExecutor  # noqa: E402
from melisma.train.vocoder import parts  # noqa: E402
from melisma.train.vocoder.material import Segments, Told, Wanted, prepare  # noqa: E402
from melisma.units.line import JSON, UnitLine  # noqa: E402
from melisma.units.read import read_lines  # noqa: E402


@pytest.fixture
def made(corpus, tmp_path, quick):
    """Prepare the corpus with other settings; say what was said, too."""

    def go(said=None, jobs=1, k=6, **changes):
        config = quick.model_copy(update=changes)
        told = None if said is None else Told(say=said.append)
        return prepare(Wanted(corpus, tmp_path / "prepared", config, k), told, LocalExecutor(jobs))

    return go


def test_units_and_samples_stay_together(made, corpus, monkeypatch):
    monkeypatch.setattr(parts, "PART_FRAMES", 100)  # several parts
    material = made()
    lines = {line.id: line for line in read_lines(corpus)}
    rows = [*material.learnt, *material.held_out]
    assert len({row.part for row in rows}) > 2
    assert sorted(row.id for row in rows) == sorted(lines)
    for row in rows:
        units, samples, f0_hz = material.read(row, 2, row.n_frames - 3)
        assert tuple(units) == lines[row.id].frames()[2:-1]
        recorded, _ = soundfile.read(corpus / lines[row.id].audio, dtype="float32")
        assert np.abs(samples - recorded[640 : (row.n_frames - 1) * 320]).max() < 1e-4
        assert (f0_hz == UNKNOWN).all()


def test_units_of_another_codebook_than_lies_there_are_not_learnt(made, corpus, tmp_path):
    (corpus / "checkpoint.json").write_text(json.dumps({"codebook": "0" * 64}))
    with pytest.raises(InputError, match="of another codebook than lies there now"):
        made()
    assert not (tmp_path / "prepared").exists()


def test_whole_speakers_are_held_out_where_there_are_enough(made):
    material = made()
    ours, theirs = ({row.speaker for row in side} for side in (material.learnt, material.held_out))
    assert material.by_speaker
    assert not ours & theirs
    assert len(theirs) == 1
    assert material.speakers == tuple(sorted(ours))


def test_recordings_are_held_out_where_speakers_are_few(made, corpus):
    text = (corpus / JSON).read_text()
    (corpus / JSON).write_text(text.replace('"s2"', '"s0"').replace('"s1"', '"s0"').replace('"s3"', '"s0"'))
    material = made()
    assert not material.by_speaker
    assert material.held_out
    assert material.speakers == ("s0",)
    assert len(material.learnt) + len(material.held_out) == 8


def test_recordings_anywhere_in_files_of_any_format(made, corpus):
    """Two recordings in one long FLAC at 44.1 kHz in stereo, and one whose place in a WAV is told."""
    rng = np.random.default_rng(1)
    sound = np.repeat(0.3 * np.sin(2 * np.pi * 440 * np.arange(44100 * 3) / 44100)[:, None], 2, axis=1)
    soundfile.write(corpus / "long.flac", sound, 44100)
    noise = rng.normal(0, 0.1, 32000).astype(np.float32)
    soundfile.write(corpus / "noise.wav", noise, 16000, subtype="PCM_16")
    more = [
        UnitLine("l1", "long.flac", (1, 2), (20, 20), 0.0, 0.8, "s1"),
        UnitLine("l2", "long.flac", (3,), (50,), 1.5, 1.0, "s1"),
        UnitLine("n", "noise.wav", (4,), (50,), 0.5, 1.0, "s1"),
    ]
    with (corpus / JSON).open("a") as file:
        file.writelines(line.to_json() + "\n" for line in more)
    material = made()
    rows = {row.id: row for row in (*material.learnt, *material.held_out)}
    _, samples, _ = material.read(rows["l2"], 5, 40)
    wanted = 0.3 * np.sin(2 * np.pi * 440 * (np.arange(40 * 320) / 16000 + 1.5 + 0.1))
    assert np.abs(samples - wanted).max() < 0.01
    _, samples, _ = material.read(rows["n"], 0, 50)
    assert np.abs(samples - noise[8000:24000]).max() < 1e-3


def test_what_cannot_be_read_is_left_out_and_named(made, corpus):
    lost = UnitLine("lost", "lost.wav", (1,), (50,), 0.0, 1.0, "s1")
    short = UnitLine("short", "0.wav", (1,), (500,), 0.0, 10.0, "s1")
    (corpus / "junk.wav").write_bytes(b"RIFFjunk")
    junk = UnitLine("junk", "junk.wav", (1,), (50,), 0.0, 1.0, "s1")
    other = UnitLine("other", "0.wav", (1, 6), (10, 10), 0.0, 0.4, "s1")
    with (corpus / JSON).open("a") as file:
        file.writelines(line.to_json() + "\n" for line in (lost, short, junk, other))
    said: list[str] = []
    material = made(said)
    assert len(material.learnt) + len(material.held_out) == 8
    (sentence,) = said
    assert sentence.startswith("4 of 12 recordings are left out: lost: ")
    assert "its audio ends after 0.8" in sentence
    assert sentence.endswith(", and 1 more")
    assert made(k=7).learnt != material.learnt


def test_the_same_arrays_whoever_makes_them_and_only_once(made, tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "PART_FRAMES", 100)
    first = made()
    bits = {path.name: path.read_bytes() for path in (tmp_path / "prepared").glob("*.npy")}
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "prepared").glob("*.npy")}
    assert made().fingerprint() == first.fingerprint()
    assert times == {path: path.stat().st_mtime_ns for path in times}
    min(times).unlink()  # is seen to be gone, and made again
    assert made().fingerprint() == first.fingerprint()
    assert bits == {path.name: path.read_bytes() for path in (tmp_path / "prepared").glob("*.npy")}
    for path in times:
        path.unlink()
    (tmp_path / "prepared" / "parts.journal").unlink()
    assert made(jobs=2).fingerprint() == first.fingerprint()
    assert bits == {path.name: path.read_bytes() for path in (tmp_path / "prepared").glob("*.npy")}


def test_segments_follow_from_seed_and_step(made, quick):
    material = made(speaker=True)
    config = quick.model_copy(update={"speaker": True, "batch_size": 64, "hide": 0.5})
    segments, again = Segments(material, config), Segments(material, config)
    one, same, other = segments.batch(7), again.batch(7), segments.batch(8)
    assert one.units.shape == (64, 20)
    assert one.samples.shape == (64, 6400)
    assert np.array_equal(one.samples, same.samples)
    assert not np.array_equal(one.samples, other.samples)
    assert not np.array_equal(one.samples, segments.batch(7, 1).samples)
    assert set(one.speaker) == {NOBODY, 1, 2, 3}


def test_every_second_is_as_likely_as_any_other(made, quick):
    material = made()
    segments = Segments(material, quick.model_copy(update={"batch_size": 600}))
    lengths = {row.n_frames for row in material.learnt}
    assert len(lengths) > 1
    drawn = segments.batch(0)
    tones = [int(np.argmax(np.abs(np.fft.rfft(each[:320]))[1:])) for each in drawn.samples]
    units = [int(each[0]) for each in drawn.units]
    assert len(set(units)) == 6
    assert all(abs((tone + 1) * 50 - 200 * (1 + unit)) <= 50 for tone, unit in zip(tones, units, strict=True))


def test_a_recording_shorter_than_a_segment_is_said_again(made, quick):
    material = made()
    segments = Segments(material, quick.model_copy(update={"segment_s": 2.0, "batch_size": 8}))
    batch = segments.batch(0)
    assert batch.units.shape == (8, 100)
    assert batch.samples.shape == (8, 32000)
    assert np.array_equal(batch.units[:, :20], np.stack([row[:20] for row in batch.units]))
    periods = {30, 40, 60, 80}
    assert all(any(np.array_equal(row[p:], row[:-p]) for p in periods) for row in batch.units)


def test_pitch_is_tracked_in_the_middle_of_each_unit(made, corpus):
    pytest.importorskip("pyworld")
    t = np.arange(16000 * 2) / 16000
    buzz = sum(0.1 / n * np.sin(2 * np.pi * 120 * n * t) for n in range(1, 20)).astype(np.float32)
    soundfile.write(corpus / "buzz.wav", buzz, 16000)
    with (corpus / JSON).open("a") as file:
        file.write(UnitLine("buzz", "buzz.wav", (1,), (99,), 0.0, 2.0, "s1").to_json() + "\n")
    material = made(f0=True)
    row = next(row for row in (*material.learnt, *material.held_out) if row.id == "buzz")
    f0_hz = material.read(row, 10, 80)[2]
    assert np.abs(f0_hz - 120).max() < 3


@pytest.mark.parametrize("n", [0, 1])
def test_too_little_is_refused(made, corpus, tmp_path, n):
    lines = (corpus / JSON).read_text().splitlines(keepends=True)
    (corpus / JSON).write_text("".join(lines[:n]))
    with pytest.raises(InputError, match="learn"):
        made()
    if not n:
        assert not (tmp_path / "prepared").exists()


def test_damaged_arrays_say_what_to_do(made, tmp_path):
    material = made()
    for path in (tmp_path / "prepared").glob("*.units.npy"):
        path.write_bytes(b"junk")
    from melisma.train.vocoder import material as module

    module._arrays.cache_clear()
    with pytest.raises(InputError, match="remove the folder"):
        material.read(material.learnt[0], 0, 5)


def test_logs_are_plain_json(train):
    folder = train(epochs=1)
    assert json.loads((folder / "training_log.json").read_text())["config"]["batch_size"] == 2
