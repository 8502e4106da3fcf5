"""A folder of sounds to mix in: each decoded once into a WAV of 16 bit, from which excerpts are read by seeking."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import soundfile
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from melisma.audio.decode import load
from melisma.core.errors import InputError, ManifestError, OutputError
from melisma.core.files import make_folder, sha256_of, write_atomically
from melisma.core.records import Float32

MAX_SOUNDS = 100_000
MAX_SOUND_S = 3600.0
MAX_LINE = 65536  # bytes
_SOUND_SUFFIXES = {".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".aac", ".aiff", ".aif"}
_FORM = "sounds/1"  # changes where the same file is cached as other samples


class _Line(BaseModel):
    """What is read of a line of the folder's manifest."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: Annotated[str, Field(min_length=1, max_length=1000)]
    audio: Annotated[str, Field(min_length=1, max_length=4096)]
    kind: str = ""
    license: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Sound:
    """A sound that lies ready: its WAV, how many samples that has, and where it comes from."""

    id: str
    path: Path
    n_samples: int
    kind: str = ""
    license: str = ""
    source: str = ""
    digest: str = ""  # of the file that it was made from


@dataclass(frozen=True, slots=True)
class Sounds:
    """Sounds of one folder, prepared; a few hundred bytes each, whatever their length, and picklable.

    Parameters
    ----------
    sounds : tuple of Sound
        By id.
    rate : int
        Hz.
    """

    sounds: tuple[Sound, ...]
    rate: int
    _by_kind: dict[str, tuple[Sound, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        grouped: dict[str, list[Sound]] = {}
        for sound in self.sounds:
            grouped.setdefault(sound.kind, []).append(sound)
        object.__setattr__(self, "_by_kind", {kind: tuple(group) for kind, group in grouped.items()})

    @classmethod
    def prepare(cls, folder: Path, cache: Path, rate: int = 16000) -> Sounds:
        """Decode the sounds of a folder that are not in the cache yet.

        Parameters
        ----------
        folder : Path
            With a manifest.jsonl of `{id, audio, kind, license, source}`; without one, every sound file in it.
        cache : Path
            Where the WAV files are kept, named by what they were made from.
        rate : int
            Hz.

        Raises
        ------
        InputError
            If the folder holds no sound, or one of them cannot be read; a manifest's line is named.
        OutputError
            If the cache cannot be written.
        """
        lines = _listed(folder)
        if not lines:
            raise InputError(f"{folder} holds no sound")
        digests = [_digest(folder, line) for line in lines]  # a missing file is said before anything is written
        make_folder(cache)
        made = [_prepared(folder, line, digest, cache, rate) for line, digest in zip(lines, digests, strict=True)]
        return cls(tuple(sorted(made, key=lambda sound: sound.id)), rate)

    def of(self, kinds: Sequence[str]) -> tuple[Sound, ...]:
        """Return the sounds of these kinds, or all of them where none is named."""
        if len(kinds) == 1:
            return self._by_kind.get(kinds[0], ())
        return self.sounds if not kinds else tuple(sound for sound in self.sounds if sound.kind in kinds)

    def digest(self) -> str:
        """Return a hash of what the sounds are, wherever they lie."""
        said = "\n".join(f"{sound.id}\t{sound.kind}\t{sound.digest}" for sound in self.sounds)
        return hashlib.sha256(f"{_FORM} {self.rate}\n{said}".encode("utf-8", "surrogatepass")).hexdigest()


def excerpt(sound: Sound, n: int, rng: np.random.Generator) -> Float32:
    """Read n samples from a random place, going round where the sound is shorter; float32 [n].

    Raises
    ------
    InputError
        If the WAV is gone or was changed.
    """
    start = int(rng.integers(sound.n_samples))
    parts, need = [], n
    try:
        with soundfile.SoundFile(sound.path) as file:
            file.seek(start)
            while need > 0:
                part = file.read(min(need, sound.n_samples), dtype="float32")
                if not len(part):
                    file.seek(0)
                    continue
                parts.append(part)
                need -= len(part)
                if need > 0:
                    file.seek(0)
    except (soundfile.SoundFileError, OSError) as error:
        raise _gone(sound) from error
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def beginning(sound: Sound, longest_s: float) -> Float32:
    """Read a sound, or so many seconds of it; float32 [n].

    Raises
    ------
    InputError
        If the WAV is gone or was changed.
    """
    try:
        with soundfile.SoundFile(sound.path) as file:
            return np.asarray(file.read(round(longest_s * file.samplerate), dtype="float32"), np.float32)
    except (soundfile.SoundFileError, OSError) as error:
        raise _gone(sound) from error


def _gone(sound: Sound) -> InputError:
    return InputError(f"the sound {sound.id!r} cannot be read from {sound.path}: was the cache cleared?")


def _listed(folder: Path) -> list[_Line]:
    manifest = folder / "manifest.jsonl"
    if manifest.is_file():
        return _manifest(manifest)
    try:
        names = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.suffix.lower() in _SOUND_SUFFIXES)
    except OSError as error:
        raise InputError(f"cannot read {folder}: {error.strerror or error}") from error
    if len(names) > MAX_SOUNDS:
        raise InputError(f"{folder} holds more than {MAX_SOUNDS:,} sounds")
    return [_Line(id=name.as_posix(), audio=name.as_posix()) for name in names]


def _manifest(path: Path) -> list[_Line]:
    lines: dict[str, _Line] = {}
    try:
        with path.open("rb") as file:
            for number, text in enumerate(iter(lambda: file.readline(MAX_LINE), b""), 1):
                if not text.strip():
                    continue
                try:
                    line = _Line.model_validate_json(text)
                except ValidationError as error:
                    first = error.errors()[0]
                    where = "".join(f"{part}: " for part in first["loc"])
                    raise ManifestError(path, number, f"{where}{first['msg']}") from error
                if line.id in lines:
                    raise ManifestError(path, number, f"the id {line.id!r} is there already")
                lines[line.id] = line
                if len(lines) > MAX_SOUNDS:
                    raise ManifestError(path, number, f"more than {MAX_SOUNDS:,} sounds")
    except OSError as error:
        raise ManifestError(path, None, f"cannot be read: {error.strerror or error}") from error
    return list(lines.values())


def _digest(folder: Path, line: _Line) -> str:
    path = folder / line.audio
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"the sound {line.id!r}: {path} is no file")
        return sha256_of(path)
    except (OSError, ValueError) as error:  # a name with a null character
        said = getattr(error, "strerror", None) or error
        raise InputError(f"the sound {line.id!r}: cannot read {path}: {said}") from error


def _prepared(folder: Path, line: _Line, digest: str, cache: Path, rate: int) -> Sound:
    path = folder / line.audio
    kept = cache / f"{hashlib.sha256(f'{_FORM} {rate} {digest}'.encode()).hexdigest()[:32]}.wav"
    if not kept.exists():
        samples = load(path, sample_rate=rate, max_duration_s=MAX_SOUND_S, downmix="mean").samples
        packed = io.BytesIO()
        soundfile.write(packed, np.clip(samples, -1, 1), rate, format="WAV", subtype="PCM_16")
        write_atomically(kept, packed.getvalue())
    try:
        n_samples = soundfile.info(kept).frames
    except (soundfile.SoundFileError, OSError) as error:
        raise OutputError(f"{kept} is no WAV that can be read: delete it, and it is made anew") from error
    return Sound(line.id, kept.resolve(), n_samples, line.kind, line.license, line.source, digest)
