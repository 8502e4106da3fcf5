"""Small recordings, made on the spot."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile


@pytest.fixture(scope="session")
def song() -> np.ndarray:
    """Two seconds of stereo at 44.1 kHz, float32 [n, 2]: soft noise, then loud, with a click each half second."""
    rng = np.random.default_rng(7)
    x = 1e-3 * rng.standard_normal((88_200, 2))
    x[44_100:] += 0.1 * rng.standard_normal((44_100, 1))
    for k in range(1, 4):
        x[22_050 * k : 22_050 * k + 30] += 0.5
    return x.astype(np.float32)


@pytest.fixture(scope="session")
def encode(song, tmp_path_factory) -> Callable[..., Path]:
    """Give `encode("name.mp3", "-q:a", "4")`: the song in a file, by ffmpeg where options are given."""
    folder = tmp_path_factory.mktemp("encoded")
    wav = folder / "song.wav"
    soundfile.write(wav, song, 44100)

    def encoded(name: str, *options: str) -> Path:
        path = folder / name
        if path.exists():
            return path
        if not options and path.suffix in (".wav", ".flac", ".mp3", ".ogg"):
            soundfile.write(path, song, 44100)
            return path
        ffmpeg = shutil.which("ffmpeg")
        if ffmpeg is None:
            pytest.skip("needs ffmpeg")
        command = [ffmpeg, "-nostdin", "-v", "error", "-y", "-i", str(wav), *options, str(path)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        return path

    return encoded


@pytest.fixture
def no_ffmpeg(monkeypatch) -> None:
    """Hide ffmpeg."""
    monkeypatch.setattr("melisma.audio.ffmpeg.program", lambda: None)
