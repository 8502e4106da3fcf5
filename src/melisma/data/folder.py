"""A folder of recordings as a manifest, for commands that need no transcript to begin with."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from melisma.audio.probe import open_source
from melisma.audio.sndfile import SndfileSource
from melisma.core.errors import AudioError, InputError
from melisma.core.files import make_folder
from melisma.data import cuts, manifest, moves
from melisma.data.manifest import Utterance
from melisma.scale.again import here
from melisma.scale.local import LocalExecutor
from melisma.scale.preview import underlying
from melisma.scale.protocol import Executor, Progress, Task
from melisma.text.encoding import decode

_SUFFIXES = """
aac ac3 aif aiff amr ape au caf flac m4a m4b mka mkv mov mp3 mp4 mpc oga ogg opus tta voc w64 wav webm wma wv
"""
SUFFIXES = frozenset(f".{name}" for name in _SUFFIXES.split())


NAME = ".recordings.jsonl"
_FEW = 4  # recordings for which no process is started
_NONE_S = 1.0  # length of what cannot be read: it is told when it is to be cut


@dataclass(frozen=True, slots=True)
class About:
    """What is known of all recordings of a folder.

    Parameters
    ----------
    language : str
        BCP 47, or "und".
    speaker_by_folder : bool
        Whether the folder that a recording lies in, first below the one given, names who speaks.
    """

    language: str = "und"
    speaker_by_folder: bool = False


@dataclass(frozen=True, slots=True)
class Length:
    """Stage: a recording whose header does not say how long it is → its length in seconds, by decoding it."""

    @property
    def name(self) -> str:
        """Of the stage."""
        return "length"

    def configuration(self) -> str:
        """Return what decides the outcome."""
        return "1"

    def __call__(self, item: str) -> float:
        """Measure one recording."""
        return sum(len(block) for block in cuts.blocks_of(Path(item))) / cuts.SAMPLE_RATE


def listed(
    folder: Path,
    out: Path,
    about: About | None = None,
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write a manifest of the recordings of a folder, with what stands in it below, and return where it is.

    Parameters
    ----------
    folder : Path
        Hidden files and folders, copies that were set aside, and `out` itself, are passed over; a text beside a
        recording, `<name>.txt`, is its transcript.
    out : Path
        Folder that takes the manifest, as `.recordings.jsonl`, and the journal of recordings that had to be decoded.
    about : About, optional
        What is known of all of them.
    executor : Executor, optional
        Who decodes recordings whose headers do not say how long they are; all cores of this machine without.
    progress : callable, optional
        Told of the share that is done.

    Raises
    ------
    InputError
        If there is no recording in it, a name cannot stand in a manifest, or `out` is the folder itself.
    """
    if out.exists() and out.samefile(folder):
        raise InputError(f"{out} is the folder of the recordings: choose another output")
    paths = sorted(path for path in files(folder, out) if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise InputError(f"there is no recording in {folder}")
    _check_names(paths)
    make_folder(out)
    lengths = _Lengths(out, executor, progress).of(paths)
    manifest.write(out / NAME, _utterances(folder, paths, out, lengths, about or About()))
    return out / NAME


def _check_names(paths: list[Path]) -> None:
    for path in paths:
        try:
            str(path).encode("utf-8")
        except UnicodeEncodeError as error:
            raise InputError(f"{str(path)!a}: the name is not in UTF-8, as manifests are: rename it") from error


def files(folder: Path, out: Path | None = None) -> Iterator[Path]:
    """Yield the files below a folder that are not hidden, nor in `out`, nor set aside as `data dedupe` does.

    Links to folders are not followed.

    Raises
    ------
    InputError
        If a folder cannot be listed: what is in it would be missing without a word.
    """
    own = None if out is None else out.resolve()
    for base, folders, names in os.walk(folder, onerror=refuse_unlisted):
        here = Path(base)
        folders[:] = sorted(
            name
            for name in folders
            if not (name.startswith(".") or (here / name).resolve() == own or moves.journals(here / name))
        )
        yield from (here / name for name in names if not name.startswith("."))


def refuse_unlisted(error: OSError) -> None:
    """Refuse a folder that `os.walk` cannot list, with InputError: what is in it would be passed over."""
    raise InputError(f"{error.filename} cannot be listed: {error.strerror or error}") from error


def _utterances(folder: Path, paths: list[Path], out: Path, lengths: list[float], about: About) -> Iterator[Utterance]:
    stems = Counter(path.relative_to(folder).with_suffix("").as_posix() for path in paths)
    own = {path.relative_to(folder).as_posix() for path in paths}
    for path, duration_s in zip(paths, lengths, strict=True):
        name = path.relative_to(folder)
        stem = name.with_suffix("").as_posix()
        # "a.wav" of "a.wav.mp3" may be another file's own name
        identifier = manifest.id_of(stem if stems[stem] == 1 and stem not in own else name.as_posix())
        text = path.with_suffix(".txt")
        yield Utterance(
            id=identifier,
            audio=os.path.relpath(path, out),
            duration=duration_s,
            transcript=decode(text.read_bytes(), str(text)).strip() if text.is_file() else "",
            language=about.language,
            speaker_id=name.parts[0] if about.speaker_by_folder and len(name.parts) > 1 else "",
            recording_id=identifier,
        )


@dataclass(frozen=True, slots=True)
class _Lengths:
    """Tells how long recordings are."""

    out: Path
    executor: Executor | None
    progress: Progress | None

    def of(self, paths: list[Path]) -> list[float]:
        """Return the length of each in seconds, as its header promises it, or by decoding it all."""
        found = [_promised_s(path) for path in paths]
        unknown = [i for i, length in enumerate(found) if length is None]
        few = len(unknown) < _FEW
        executor = here(self.executor) if few else underlying(self.executor or LocalExecutor())
        tasks = [Task(str(paths[i]), str(paths[i]), _signature(paths[i])) for i in unknown]
        outcomes = executor.run(Length(), tasks, journal=self.out / f"{NAME}.journal", progress=self.progress)
        for i, outcome in zip(unknown, outcomes if tasks else (), strict=True):
            found[i] = outcome.value if outcome.error is None else _NONE_S
        return [max(length or 0.0, 1 / cuts.SAMPLE_RATE) for length in found]


def _promised_s(path: Path) -> float | None:
    """Return the length that the header promises, None where it does not."""
    try:
        with open_source(path) as source:
            return source.promised_s if isinstance(source, SndfileSource) else None
    except AudioError:
        return _NONE_S


def _signature(path: Path) -> str:
    about = path.stat()
    return f"{about.st_size} {about.st_mtime_ns}"
