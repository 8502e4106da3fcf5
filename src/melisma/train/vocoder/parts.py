"""A corpus of units as arrays that any second can be read from: parts of ten minutes, made once, mapped to memory."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from melisma.audio.decode import load
from melisma.core.errors import AudioError, InputError
from melisma.core.files import make_folder, write_atomically
from melisma.core.records import Float32
from melisma.scale.protocol import Task
from melisma.units.clock import SAMPLE_RATE, STRIDE, TIMEBASE
from melisma.units.line import UnitLine
from melisma.units.pitch import pitch
from melisma.units.read import parse, read_lines

PART_FRAMES = 30_000  # ten minutes
_FULL_SCALE = 32767.0
_PLAIN = frozenset({"WAV", "WAVEX", "RF64", "W64", "FLAC"})


@dataclass(frozen=True, slots=True)
class MakePart:
    """Writes the samples, the units and, if asked, the pitch of some recordings, one after the other.

    Parameters
    ----------
    out : str
        Folder of the parts.
    with_f0 : bool
        Whether pitch is tracked, too.
    k : int
        Units of the codebook; a recording with others is left out.
    """

    out: str
    with_f0: bool
    k: int

    @property
    def name(self) -> str:
        """Of the stage."""
        return "vocoder audio"

    def configuration(self) -> str:
        """Return what decides the arrays."""
        return f"vocoder parts 1, f0 {self.with_f0}, k {self.k}"

    def __call__(self, item: tuple[str, list[str], str]) -> dict[str, Any]:
        """Write a part; say what is in it: frames of each recording, and why others are not."""
        name, lines, root = item
        made: list[tuple[UnitLine, Float32]] = []
        failed: list[tuple[str, str]] = []
        for line, samples in _heard([parse(text) for text in lines], Path(root)):
            if line.units and max(line.units) >= self.k:
                failed.append((line.id, f"its unit {max(line.units)} is none of the codebook's {self.k}"))
            elif isinstance(samples, str):
                failed.append((line.id, samples))
            else:
                made.append((line, samples))
        arrays = {
            "audio": np.concatenate([_int16(samples) for _, samples in made] or [np.zeros(0, np.int16)]),
            "units": np.array([unit for line, _ in made for unit in line.frames()], np.int32),
        }
        if self.with_f0:
            voices = [pitch(samples, line.n_frames) for line, samples in made]
            arrays["f0"] = np.concatenate(voices or [np.zeros(0, np.float32)])
        files = [_write(Path(self.out) / f"{name}.{kind}.npy", array) for kind, array in arrays.items()]
        return {
            "rows": [[line.id, line.n_frames, line.speaker_id] for line, _ in made],
            "failed": failed,
            "files": files,
        }


def tasks(folder: Path) -> Iterator[Task]:
    """Yield what a corpus of units is cut into: lines, in their order, until there are ten minutes of them."""
    lines: list[UnitLine] = []
    n_frames = number = 0
    for line in read_lines(folder):
        lines.append(line)
        n_frames += line.n_frames
        if n_frames >= PART_FRAMES:
            yield _task(number, lines, folder)
            lines, n_frames, number = [], 0, number + 1
    if lines:
        yield _task(number, lines, folder)


def _task(number: int, lines: list[UnitLine], folder: Path) -> Task:
    name, texts = f"part-{number:05}", [line.to_json() for line in lines]
    digest = hashlib.sha256("\n".join(texts).encode("utf-8", "surrogatepass"))
    for audio in dict.fromkeys(line.audio for line in lines):
        try:
            about = (folder / audio).stat()
        except (OSError, ValueError):
            continue  # the stage says so
        digest.update(f"\n{about.st_size} {about.st_mtime_ns}".encode())
    return Task(name, (name, texts, str(folder)), digest.hexdigest())


def _heard(lines: list[UnitLine], root: Path) -> Iterator[tuple[UnitLine, Float32 | str]]:
    """Yield the samples of every recording, 320 for each of its units, or why there are none; a file is opened once."""
    opened: tuple[str, Float32 | str] = ("", "")
    for line in lines:
        first, n_samples = round(line.start_s * SAMPLE_RATE), line.n_frames * STRIDE
        if not n_samples:
            yield line, "it has no units"
            continue
        part: Float32 | str | None = _seek(root / line.audio, first, n_samples)
        if part is None:
            if opened[0] != line.audio:
                opened = line.audio, _decoded(root / line.audio)
            whole = opened[1]
            part = whole if isinstance(whole, str) else whole[first : first + n_samples]
        if not isinstance(part, str) and len(part) < n_samples:
            lasts = TIMEBASE.seconds(line.n_frames)
            part = f"its audio ends after {len(part) / SAMPLE_RATE:.2f} s, its units after {lasts:.2f} s"
        yield line, part


def _seek(path: Path, first: int, n_samples: int) -> Float32 | None:
    """Read part of a file that needs no decoding or turning; None if it is none of that kind."""
    try:
        with soundfile.SoundFile(str(path)) as file:
            if file.format not in _PLAIN or file.samplerate != SAMPLE_RATE or file.channels != 1:
                return None
            file.seek(min(first, file.frames))
            found: Float32 = file.read(n_samples, dtype="float32", always_2d=False)
    except (soundfile.LibsndfileError, OSError, ValueError):
        return None
    return found


def _decoded(path: Path) -> Float32 | str:
    try:
        return load(path, sample_rate=SAMPLE_RATE).samples
    except AudioError as error:
        return str(error)


def _int16(samples: Float32) -> np.ndarray:
    return np.clip(np.round(np.nan_to_num(samples) * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE).astype(np.int16)


def _write(path: Path, array: np.ndarray) -> list[Any]:
    data = io.BytesIO()
    np.save(data, array)
    make_folder(path.parent)  # a container of Modal sees no folder in which nothing lies yet
    write_atomically(path, data.getvalue())
    return [path.name, len(data.getvalue())]


def mapped(path: Path, kind: type[np.generic]) -> np.ndarray:
    """Map an array of a part, [n]; nothing of it is read yet.

    Raises
    ------
    InputError
        If it cannot be, or holds something else.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} cannot be read: remove the folder {path.parent}, it is made again") from error
    if array.dtype != np.dtype(kind) or array.ndim != 1:
        raise InputError(f"{path} holds something else: remove the folder {path.parent}, it is made again")
    return np.asarray(array)
