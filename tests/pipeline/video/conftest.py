"""A short song with known times, and a way to look at pictures of a video."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from melisma.core.records import BACKING, LEAD, Alignment, Line, Word


def made(*lines, duration):
    """Make an alignment of lines of (text, start, end) in ms; a line that begins with a voice is of that voice."""
    words, spans = [], []
    for k, line in enumerate(lines):
        voice, timed = (BACKING, line[1:]) if line[0] == BACKING else (LEAD, line)
        first = len(words)
        words += [Word(text, k, start, end, voice=voice) for text, start, end in timed]
        spans.append(Line(first, len(words)))
    found = Alignment(tuple(words), tuple(spans), duration)
    found.check()
    return found


@pytest.fixture
def song() -> Alignment:
    """Give two lines in eight seconds."""
    return made(
        [("MOON", 1000, 1800), ("OVER", 2000, 2600), ("WATER", 2600, 4000)],
        [("HILL", 4500, 5300), ("AND", 5300, 5600), ("VALE", 5900, 7000)],
        duration=8000,
    )


@pytest.fixture
def sound(tmp_path) -> Path:
    """Give eight seconds of a tone, with a click at 6 s."""
    t = np.arange(8 * 22050) / 22050
    samples = 0.05 * np.sin(2 * np.pi * 220 * t)
    samples[6 * 22050 : 6 * 22050 + 200] = 0.9
    path = tmp_path / "song.flac"
    soundfile.write(path, samples, 22050)
    return path


def pictures(video: Path, fps: int, size: tuple[int, int]) -> np.ndarray:
    """Decode every picture, uint8 [n, height, width, 3]."""
    command = ["ffmpeg", "-v", "error", "-i", video, "-map", "0:v", "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"]
    done = subprocess.run(command, capture_output=True, check=True)
    return np.frombuffer(done.stdout, np.uint8).reshape(-1, size[1], size[0], 3)


def near(picture: np.ndarray, colour: str, within: int = 60) -> np.ndarray:
    """Tell which pixels are of a colour, bool [height, width]."""
    wanted = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)])
    return (np.abs(picture.astype(int) - wanted) <= within).all(axis=2)


@pytest.fixture
def look():
    """Give the two functions above and `made`."""
    from types import SimpleNamespace

    return SimpleNamespace(pictures=pictures, near=near, made=made)
