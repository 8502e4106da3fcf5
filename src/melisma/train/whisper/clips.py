"""Clips that a Whisper can learn from: found, spelt and counted once, in files that every process maps into memory.

A manifest is read as it streams by. What cannot be learnt from is left out, each with a reason; what remains is kept in
the folder of the training, so that going on begins at once.
"""

from __future__ import annotations

import json
import shutil
from array import array
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from melisma.core.errors import InputError, OutputError
from melisma.core.records import Int64
from melisma.data.manifest import Utterance, read
from melisma.train.clip_audio import SAMPLE_RATE, Sound, Sounds, read_samples
from melisma.train.left_out import Tally
from melisma.train.whisper.processor import Group
from melisma.train.whisper.targets import Segment, Target, Wording
from melisma.train.whisper.tokenizer import Spelling, Tokens

_ROUNDED_S = 0.1  # that a manifest may say more, or less, than the file has
_KEY = "key.json"  # written last: without it, or with another key, all is made anew


@dataclass(frozen=True, slots=True)
class Clips:
    """Clips by number. A million take some 300 MB on the disk; a process reads what it needs, and holds none of it.

    Parameters
    ----------
    folder : Path
        Where the arrays lie.
    languages : tuple of str
        Whisper's codes, by number.
    first : int64 [n]
        Sample of its file that each begins with.
    n_samples : int32 [n]
        How long it is, at 16 kHz.
    file, language, speaker : int32 [n]
        Numbers of its file, its language and its speaker; without a name, its recording stands for the speaker.
    timed : bool [n]
        Whether the times of its segments are those of words.
    segments : int64 [n + 1]
        Where the segments of each begin.
    spans : float32 [n_segments, 2]
        Seconds from the beginning of the clip.
    labels, label_bounds : int32 [sum], int64 [n_segments + 1]
        Ids of the text of all segments on end, and where those of each begin.
    paths, path_bounds, texts, text_bounds, ids, id_bounds, names, name_bounds : uint8 [sum], int64 [n + 1]
        Files, texts, names of the clips and of the speakers on end, in UTF-8.
    """

    folder: Path
    languages: tuple[str, ...]
    first: Int64
    n_samples: npt.NDArray[np.int32]
    file: npt.NDArray[np.int32]
    language: npt.NDArray[np.int32]
    speaker: npt.NDArray[np.int32]
    timed: npt.NDArray[np.bool_]
    segments: Int64
    spans: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int32]
    label_bounds: Int64
    paths: npt.NDArray[np.uint8]
    path_bounds: Int64
    texts: npt.NDArray[np.uint8]
    text_bounds: Int64
    ids: npt.NDArray[np.uint8]
    id_bounds: Int64
    names: npt.NDArray[np.uint8]
    name_bounds: Int64

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.first)

    def __reduce__(self) -> tuple[Any, ...]:
        """Send where they lie to another process, not what they are."""
        return _load, (self.folder,)

    @property
    def seconds(self) -> npt.NDArray[np.float64]:
        """Of audio, by clip."""
        return self.n_samples / SAMPLE_RATE

    @property
    def n_labels(self) -> Int64:
        """Tokens of the text of each with two timestamps a segment, int64 [n]."""
        counts: Int64 = np.diff(self.label_bounds[self.segments]) + 2 * np.diff(self.segments)
        return counts

    def path_of(self, clip: int) -> Path:
        """Return the file of a clip."""
        return Path(_part(self.paths, self.path_bounds, int(self.file[clip])))

    def text_of(self, clip: int) -> str:
        """Return what is learnt of a clip, without a space before it: what it is judged by."""
        return _part(self.texts, self.text_bounds, clip)

    def id_of(self, clip: int) -> str:
        """Return its name in the manifest."""
        return _part(self.ids, self.id_bounds, clip)

    def speaker_of(self, clip: int) -> str:
        """Return the name of its speaker; empty where it is not known."""
        return _part(self.names, self.name_bounds, int(self.speaker[clip]))

    def language_of(self, clip: int) -> str:
        """Return Whisper's code of its language."""
        return self.languages[int(self.language[clip])]

    def segments_of(self, clip: int) -> list[tuple[float, float, list[int]]]:
        """Return the segments of a clip: seconds from its beginning, and the ids of the text."""
        found = []
        for k in range(int(self.segments[clip]), int(self.segments[clip + 1])):
            start, end = self.spans[k].tolist()
            found.append((start, end, self.labels[self.label_bounds[k] : self.label_bounds[k + 1]].tolist()))
        return found

    @classmethod
    def load(cls, folder: Path, key: str) -> Self | None:
        """Open them; None if they are not there, damaged, or of another key."""
        try:
            if json.loads((folder / _KEY).read_text(encoding="utf-8"))["key"] != key:
                return None
            return _load(folder)  # type: ignore[return-value]
        except (OSError, ValueError, KeyError, EOFError):
            return None


_ARRAYS = tuple(each.name for each in fields(Clips) if each.name not in ("folder", "languages"))


def _path(strings: _Strings, number: int) -> Path:
    data = strings.data[strings.bounds[number] : strings.bounds[number + 1]]
    return Path(data.decode("utf-8", "surrogateescape"))


def _part(data: npt.NDArray[np.uint8], bounds: Int64, number: int) -> str:
    return data[bounds[number] : bounds[number + 1]].tobytes().decode("utf-8", "surrogateescape")


def _load(folder: Path) -> Clips:
    said = json.loads((folder / _KEY).read_text(encoding="utf-8"))
    arrays: dict[str, Any] = {}
    for name in _ARRAYS:
        found = np.load(folder / f"{name}.npy", mmap_mode="r" if said["sizes"][name] else None, allow_pickle=False)
        if found.size != said["sizes"][name]:
            raise ValueError(f"{folder}/{name}.npy was changed")
        arrays[name] = found
    return Clips(folder, tuple(said["languages"]), **arrays)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a clip must be: its length in seconds, and the tokens that are left for its text."""

    min_s: float
    max_s: float
    max_labels: int


@dataclass(frozen=True, slots=True)
class Reader:
    """What turns an utterance into labels."""

    group: Group
    tokens: Tokens
    spelling: Spelling
    wording: Wording
    limits: Limits


class _Strings:
    """Strings on end, and where each begins."""

    def __init__(self) -> None:
        self.data, self.bounds = bytearray(), array("q", [0])

    def add(self, text: str) -> int:
        self.data += text.encode("utf-8", "surrogateescape")
        self.bounds.append(len(self.data))
        return len(self.bounds) - 2


class Table:
    """Clips as they are found, in arrays that grow."""

    def __init__(self) -> None:
        self.first, self.n_samples, self.file, self.language, self.speaker = (array("q") for _ in range(5))
        self.timed, self.segments, self.spans = array("b"), array("q", [0]), array("f")
        self.labels, self.label_bounds = array("i"), array("q", [0])
        self.paths, self.texts, self.ids, self.names = (_Strings() for _ in range(4))
        self.tally, self.times_unused = Tally(), 0
        self._last: Path | None = None
        self._languages: dict[str, int] = {}
        self._speakers: dict[tuple[str, str], int] = {}
        self._said: dict[int, int] = {}  # the first clip of a length that says a text

    def is_copy(self, sound: Sound, n_samples: int, text: str) -> bool:
        """Whether a clip that was taken says the same, in the same samples; only clips of one length are read."""
        other = self._said.setdefault(hash((n_samples, text)), len(self.first))
        if other == len(self.first):
            return False
        first = read_samples(_path(self.paths, self.file[other]), self.first[other], n_samples)
        return np.array_equal(first, read_samples(sound.path, sound.first, n_samples))

    def take(self, utterance: Utterance, code: str, sound: Sound, n_samples: int, target: Target, ids: Any) -> None:
        """Take a clip; `ids` are those of each segment."""
        if sound.path != self._last:
            self.paths.add(str(sound.path))
            self._last = sound.path
        self.file.append(len(self.paths.bounds) - 2)
        self.first.append(sound.first)
        self.n_samples.append(n_samples)
        self.language.append(self._languages.setdefault(code, len(self._languages)))
        self.speaker.append(self._speaker(utterance))
        self.timed.append(target.timed)
        self.texts.add(target.text.strip())
        self.ids.add(utterance.id)
        for segment, spelt in zip(target.segments, ids, strict=True):
            self.spans.extend((segment.start_s, segment.end_s))
            self.labels.extend(spelt)
            self.label_bounds.append(len(self.labels))
        self.segments.append(len(self.label_bounds) - 1)

    def _speaker(self, utterance: Utterance) -> int:
        name = utterance.speaker_id
        key = (name, "") if name else ("", utterance.recording_id or utterance.audio)
        if key not in self._speakers:
            self._speakers[key] = self.names.add(name)
        return self._speakers[key]

    def save(self, folder: Path, key: str) -> Clips:
        """Write the clips, whole or not at all, and open them.

        Raises
        ------
        OutputError
            If they cannot be written.
        """
        arrays = self._arrays()
        partial = folder.with_name(f".{folder.name}.part")
        try:
            for old in (partial, folder):
                shutil.rmtree(old, ignore_errors=True)
            partial.mkdir(parents=True)
            for name, values in arrays.items():
                np.save(partial / f"{name}.npy", values, allow_pickle=False)
            said = {"key": key, "languages": [*self._languages], "sizes": {n: v.size for n, v in arrays.items()}}
            (partial / _KEY).write_text(json.dumps(said), encoding="utf-8")
            partial.rename(folder)
        except OSError as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise OutputError(f"cannot write {folder}: {error.strerror or error}") from error
        return _load(folder)

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        numbers = {"n_samples": np.int32, "file": np.int32, "language": np.int32, "speaker": np.int32}
        numbers |= {"timed": np.bool_, "labels": np.int32}  # type: ignore[dict-item]
        arrays: dict[str, npt.NDArray[Any]] = {name: np.array(getattr(self, name), k) for name, k in numbers.items()}
        arrays |= {name: np.array(getattr(self, name), np.int64) for name in ("first", "segments", "label_bounds")}
        arrays["spans"] = np.array(self.spans, np.float32).reshape(-1, 2)
        for name in ("path", "text", "id", "name"):
            strings: _Strings = getattr(self, f"{name}s")
            arrays[f"{name}s"] = np.frombuffer(bytes(strings.data), np.uint8)
            arrays[f"{name}_bounds"] = np.array(strings.bounds, np.int64)
        return arrays


def find_clips(reader: Reader, sounds: Sounds, tell: Callable[[float], None]) -> Table:
    """Read a manifest and take what can be learnt from.

    Parameters
    ----------
    reader : Reader
        Turns utterances into labels.
    sounds : Sounds
        The audio of the manifest.
    tell : callable
        Told the share of the manifest that is read.
    """
    table, size = Table(), max(1, sounds.manifest.stat().st_size)
    codes: dict[str, str | InputError] = {}
    for line, utterance in enumerate(read(sounds.manifest)):
        if line % 256 == 0:
            tell(min(1.0, line * 200 / size))
        reason = _take(table, utterance, reader, sounds, _code(codes, utterance.language, reader))
        if reason:
            table.tally.add(utterance.id, reason)
    return table


def _code(codes: dict[str, str | InputError], language: str, reader: Reader) -> str | InputError:
    if language not in codes:
        try:
            codes[language] = reader.group.code(language, reader.tokens)
        except InputError as error:
            codes[language] = error
    return codes[language]


def unfit(utterance: Utterance, reader: Reader, codes: dict[str, str | InputError]) -> str | None:
    """Say why an utterance cannot be learnt from by what its line says, before anybody looks at its audio.

    Parameters
    ----------
    utterance : Utterance
        The line.
    reader : Reader
        What is learnt.
    codes : dict
        Takes note of languages that were looked up.
    """
    code, limits = _code(codes, utterance.language, reader), reader.limits
    if isinstance(code, InputError):
        return str(code)
    if reader.wording.target(utterance, code) is None:
        return f"no {reader.wording.field}"
    if utterance.duration + _ROUNDED_S < limits.min_s:
        return f"shorter than {limits.min_s:g} s"
    if utterance.duration - _ROUNDED_S > limits.max_s:
        return f"longer than {limits.max_s:g} s: `melisma data segment` cuts it"
    return None


def _take(table: Table, utterance: Utterance, reader: Reader, sounds: Sounds, code: str | InputError) -> str | None:
    """Take a clip into the table, or say why not."""
    limits = reader.limits
    if isinstance(code, InputError):
        return str(code)
    target = reader.wording.target(utterance, code)
    if target is None:
        return f"no {reader.wording.field}"
    sound = sounds.look(utterance)
    if isinstance(sound, str):
        return sound
    n_samples = min(round(utterance.duration * SAMPLE_RATE), sound.n_samples)
    if n_samples < (utterance.duration - _ROUNDED_S) * SAMPLE_RATE:
        return "its file ends before it does"
    if n_samples < limits.min_s * SAMPLE_RATE:
        return f"shorter than {limits.min_s:g} s"
    if n_samples > limits.max_s * SAMPLE_RATE:
        return f"longer than {limits.max_s:g} s: `melisma data segment` cuts it"
    spelt = [reader.spelling.ids(segment.text) for segment in target.segments]
    if sum(map(len, spelt)) + 2 * len(spelt) > limits.max_labels:
        whole = Target((Segment(0.0, utterance.duration, target.text),), False)
        target, spelt = whole, [reader.spelling.ids(whole.text)]
    if sum(map(len, spelt)) + 2 > limits.max_labels:
        return f"its text takes more than {limits.max_labels} tokens"
    if table.is_copy(sound, n_samples, target.text):
        return "a copy: another clip has its audio and its text"
    table.take(utterance, code, sound, n_samples, target, spelt)
    table.times_unused += bool(utterance.words) and not target.timed
    return None
