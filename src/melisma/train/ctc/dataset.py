"""Clips that a network can learn from: found, spelt and counted once, in arrays of a few dozen bytes a clip.

A manifest is read as it streams by. What cannot be learnt from is left out, each with a reason; what remains is kept in
the folder of the training, so that going on begins at once.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from melisma.core.errors import OutputError
from melisma.core.records import Float32, Int64
from melisma.data.manifest import Utterance, read
from melisma.train.clip_audio import SAMPLE_RATE, Sound, Sounds
from melisma.train.ctc.vocabulary import Speller, check_language, frames_needed, words_of
from melisma.train.left_out import LeftOut, Tally

_FORM = "3"  # of the files kept: another one is made anew

NpArray = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Clips:
    """Clips by number; a million take some 60 MB beside their labels and the names of their files.

    Parameters
    ----------
    owner : int32 [n]
        Of `names`, the file of each clip.
    first : int64 [n]
        Sample of the file that it begins with.
    n_samples : int32 [n]
        How long it is, at 16 kHz.
    labels, label_bounds : int32 [sum], int64 [n + 1]
        Label ids of all clips on end, and where those of each begin.
    line : int64 [n]
        Its place among the utterances of the manifest.
    names, name_bounds : uint8 [sum], int64 [n_files + 1]
        Paths of the files on end, in UTF-8.
    """

    owner: npt.NDArray[np.int32]
    first: Int64
    n_samples: npt.NDArray[np.int32]
    labels: npt.NDArray[np.int32]
    label_bounds: Int64
    line: Int64
    names: npt.NDArray[np.uint8]
    name_bounds: Int64

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.owner)

    @property
    def lengths_s(self) -> Float32:
        """Seconds of each, float32 [n]."""
        return (self.n_samples / np.float32(SAMPLE_RATE)).astype(np.float32)

    @property
    def n_labels(self) -> Int64:
        """Labels of each, int64 [n]."""
        return np.diff(self.label_bounds)

    def labels_of(self, clip: int) -> Int64:
        """Return the label ids of a clip."""
        return self.labels[self.label_bounds[clip] : self.label_bounds[clip + 1]].astype(np.int64)

    def path_of(self, clip: int) -> Path:
        """Return the file of a clip."""
        number = int(self.owner[clip])
        raw = self.names[self.name_bounds[number] : self.name_bounds[number + 1]].tobytes()
        return Path(raw.decode("utf-8", "surrogateescape"))

    def save(self, path: Path, key: str) -> None:
        """Write them, whole or not at all."""
        partial = path.with_name(f".{path.name}.part.npz")
        try:
            np.savez(partial, key=np.array(key), **{each.name: getattr(self, each.name) for each in fields(self)})
            partial.replace(path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise OutputError(f"cannot write {path}: {error.strerror or error}") from error

    @classmethod
    def load(cls, path: Path, key: str) -> Self | None:
        """Read them; None if they are not there, damaged, or of another key."""
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                if str(kept["key"]) != key:
                    return None
                return cls(**{each.name: kept[each.name] for each in fields(cls)})
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return None


@dataclass(frozen=True, slots=True)
class Limits:
    """What a clip must be: its length in seconds, and seconds of an emission frame."""

    min_s: float
    max_s: float
    frame_s: float


class _Table:
    """Clips as they are found, in arrays that grow."""

    def __init__(self) -> None:
        self.owner, self.first, self.n_samples, self.line = (array("q") for _ in range(4))
        self.labels, self.label_bounds = array("i"), array("q", [0])
        self.names, self.name_bounds = bytearray(), array("q", [0])
        self.tally = Tally()
        self._last: Path | None = None

    def take(self, sound: Sound, n_samples: int, ids: Int64, line: int) -> None:
        if sound.path != self._last:
            self.names += str(sound.path).encode("utf-8", "surrogateescape")
            self.name_bounds.append(len(self.names))
            self._last = sound.path
        self.owner.append(len(self.name_bounds) - 2)
        self.first.append(sound.first)
        self.n_samples.append(n_samples)
        self.line.append(line)
        self.labels.extend(ids.tolist())
        self.label_bounds.append(len(self.labels))

    def clips(self) -> Clips:
        return Clips(
            np.array(self.owner, np.int32),
            np.array(self.first, np.int64),
            np.array(self.n_samples, np.int32),
            np.array(self.labels, np.int32),
            np.array(self.label_bounds, np.int64),
            np.array(self.line, np.int64),
            np.frombuffer(bytes(self.names), np.uint8),
            np.array(self.name_bounds, np.int64),
        )


def find_clips(
    speller: Speller, limits: Limits, sounds: Sounds, tell: Callable[[float], None]
) -> tuple[Clips, LeftOut]:
    """Read a manifest and keep what can be learnt from.

    Parameters
    ----------
    speller : Speller
        Turns their words into labels.
    limits : Limits
        What a clip must be.
    sounds : Sounds
        The audio of the manifest.
    tell : callable
        Told the share of the manifest that is read.
    """
    table, size = _Table(), max(1, sounds.manifest.stat().st_size)
    languages: dict[str, str | None] = {}
    for line, utterance in enumerate(read(sounds.manifest)):
        if line % 256 == 0:
            tell(min(1.0, line * 200 / size))
        if utterance.language not in languages:
            languages[utterance.language] = check_language(utterance.language, speller.units)
        reason = languages[utterance.language] or _take(table, line, utterance, speller, limits, sounds)
        if reason:
            table.tally.add(utterance.id, reason)
    return table.clips(), table.tally.left_out


def _take(
    table: _Table, line: int, utterance: Utterance, speller: Speller, limits: Limits, sounds: Sounds
) -> str | None:
    """Take a clip into the table, or say why not."""
    words = words_of(utterance)
    if not words:
        return "no transcript"
    sound = sounds.look(utterance)
    if isinstance(sound, str):
        return sound
    n_samples = min(round(utterance.duration * SAMPLE_RATE), sound.n_samples)
    if n_samples < (utterance.duration - 0.1) * SAMPLE_RATE:
        return "its file ends before it does"
    if n_samples < limits.min_s * SAMPLE_RATE:
        return f"shorter than {limits.min_s:g} s"
    if n_samples > limits.max_s * SAMPLE_RATE:
        return f"longer than {limits.max_s:g} s"
    ids = speller.spell(words, utterance.language).ids
    if not len(ids):
        return "nothing in its transcript can be spelt"
    if frames_needed(ids.tolist()) > n_samples / SAMPLE_RATE / limits.frame_s - 1:
        return "too short for its transcript"
    table.take(sound, n_samples, ids, line)
    return None
