"""Damaged recordings end in a result or a sentence, never in a traceback, a crash or a hang."""

import contextlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from melisma.audio.decode import MAX_DURATION_S, decode
from melisma.core.errors import MelismaError

NAMES = ("song.wav", "song.flac", "song.mp3", "song.ogg", "song.opus", "song.m4a")
MAX_S = 60.0  # the song has 2 s; a damaged header or time stamp may stretch it


@pytest.fixture(scope="module")
def originals(encode) -> dict[str, bytes]:
    """The song in each format; the last two only where there is an ffmpeg to make them."""
    found = {name: encode(name).read_bytes() for name in NAMES[:4]}
    if shutil.which("ffmpeg"):
        found["song.opus"] = encode("song.opus", "-c:a", "libopus").read_bytes()
        found["song.m4a"] = encode("song.m4a", "-c:a", "aac").read_bytes()
    return found


def damage(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Flip bytes (half of the time in the header), cut, cut a piece out, splice with another file, or zero a run."""
    raw = bytearray(data)
    kind = rng.integers(6)
    at = int(rng.integers(len(raw)))
    if kind <= 1:
        reach = len(raw) if kind else min(len(raw), 256)
        for _ in range(int(rng.integers(1, 24))):
            raw[int(rng.integers(reach))] = int(rng.integers(256))
    elif kind == 2:
        del raw[at:]
    elif kind == 3:
        del raw[at : at + int(rng.integers(1, 4000))]
    elif kind == 4:
        raw[at:] = other[int(rng.integers(len(other))) :]
    else:
        run = int(rng.integers(1, 4000))
        raw[at : at + run] = bytes(len(raw[at : at + run]))
    return bytes(raw)


def survives(path: Path) -> bool:
    """Decode; return whether there was a result, which has to be sound."""
    try:
        result = decode(path, max_duration_s=MAX_S)
    except MelismaError as error:
        said = str(error)
        result = None
    if result is None:
        assert said.isprintable()
        assert len(said) > len(str(path))
        return False
    samples = result.waveform.samples
    assert samples.dtype == np.float32
    assert len(samples) > 0
    assert np.isfinite(samples).all()
    assert result.waveform.duration_s <= MAX_S < MAX_DURATION_S
    return True


def rounds(n: int, seed: int, originals: dict[str, bytes], folder: Path) -> tuple[int, int]:
    """Decode `n` damaged files; return how many gave a result and how many an error."""
    rng = np.random.default_rng(seed)
    names = sorted(originals)
    n_results = 0
    for k in range(n):
        name, other = names[k % len(names)], names[int(rng.integers(len(names)))]
        path = folder / name
        path.write_bytes(damage(originals[name], originals[other], rng))
        n_results += survives(path)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
    return n_results, n - n_results


def test_damaged_files_end_in_a_result_or_a_sentence(originals, tmp_path):
    n_results, _ = rounds(48, 1, originals, tmp_path)
    assert n_results > 20  # most damage leaves something to hear


@pytest.mark.slow
def test_a_thousand_damaged_files_end_in_a_result_or_a_sentence(originals, tmp_path):
    n_results, n_errors = rounds(1000, 2, originals, tmp_path)
    assert n_results > 500
    assert n_errors > 50


@pytest.mark.parametrize("name", NAMES[:4])
def test_every_short_beginning_of_a_file(name, originals, tmp_path, no_ffmpeg):
    for n in (*range(1, 60, 4), 100, 200, 500, 1000, 4000):
        path = tmp_path / name
        path.write_bytes(originals[name][:n])
        survives(path)


def test_random_bytes(tmp_path):
    rng = np.random.default_rng(3)
    for k in range(6):
        path = tmp_path / "noise.mp3"
        path.write_bytes(rng.bytes(20_000) if k % 2 else b"\xff\xfb\x90\x00" + rng.bytes(20_000))
        survives(path)
