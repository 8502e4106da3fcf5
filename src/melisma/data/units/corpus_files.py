"""The files of a corpus of units: written as its utterances come, and checkpoints that say how far a run is."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from melisma.core.errors import InputError, OutputError
from melisma.core.files import make_folder
from melisma.data import lines
from melisma.units import codebook_file
from melisma.units.line import JSON, TEXT, UnitLine

ONE_JSON = "corpus_timestamped.json"
PROCESSED, CHECKPOINT = "processed_files.txt", "checkpoint.json"
SCHEMA = "melisma.units.checkpoint/1"
EVERY_S = 300.0


@dataclass(frozen=True, slots=True)
class Layout:
    """Which files are written, and how.

    Parameters
    ----------
    dedupe : bool
        Whether equal neighbours are one unit in `all_units_for_bpe.txt`; the frames of 20 ms stand there without.
    one_json : bool
        Whether the corpus is written as one JSON document, too.
    every_s : float
        Seconds from one checkpoint to the next.
    """

    dedupe: bool = True
    one_json: bool = False
    every_s: float = EVERY_S


def plain(layout: Layout) -> dict[str, Any]:
    """Return what of a layout decides the files, as plain JSON."""
    return {"dedupe": layout.dedupe, "one_json": layout.one_json}


@dataclass(slots=True)
class Count:
    """How far a run is."""

    n_utterances: int = 0
    n_done: int = 0
    n_failed: int = 0
    n_recordings: int = 0
    n_frames: int = 0
    n_runs: int = 0
    n_empty: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class CorpusFiles:
    """Files that are being written; `opened` makes one.

    What stood there before stays until the run is through; only the list of recordings that are done and the
    checkpoint follow it.
    """

    folder: Path
    layout: Layout
    about: dict[str, Any]
    count: Count
    usage: Counter[int]
    _processed: IO[str]
    _adders: dict[str, Callable[[str], object]]
    _earlier: int  # utterances of which an earlier run's checkpoint knows: the list is not set back behind them
    _last: float = field(default_factory=time.monotonic)

    def add(self, line: UnitLine) -> None:
        """Write an utterance."""
        said = line.to_json()
        self._adders[JSON](said)
        self._adders[TEXT](" ".join(map(str, line.units if self.layout.dedupe else line.frames())))
        if self.layout.one_json:
            self._adders[ONE_JSON]((",\n" if self.count.n_done else "[\n") + said)
        self.count.n_done += 1
        for unit, run in zip(line.units, line.runs, strict=True):
            self.usage[unit] += run
        self.count.n_frames += line.n_frames
        self.count.n_runs += len(line.units)
        self.count.n_empty += not line.units
        self.count.seconds += line.duration_s

    def fail(self) -> None:
        """Count an utterance of which there are no units."""
        self.count.n_failed += 1

    def done(self, audio: str) -> None:
        """Write down that a recording is done, and a checkpoint if one is due."""
        self.count.n_recordings += 1
        self._processed.write(audio.replace("\n", "\\n").replace("\r", "\\r") + "\n")
        if time.monotonic() - self._last >= self.layout.every_s:
            self.checkpoint()

    def checkpoint(self, *, complete: bool = False) -> None:
        """Say on disk how far the run is, in `checkpoint.json` and `processed_files.txt`."""
        self._last = time.monotonic()
        if not complete and self.count.n_done + self.count.n_failed < max(1, self._earlier):
            return  # nothing to say that the folder does not say already
        self._processed.flush()
        _put_copy(Path(self._processed.name), self.folder / PROCESSED)
        count = asdict(self.count) | {"seconds": round(self.count.seconds, 3)}
        said = {"schema": SCHEMA, "complete": complete, **self.about, **count}
        with lines.writing(self.folder / CHECKPOINT) as write:
            write(json.dumps(said, indent=1))

    def _end(self) -> None:
        if self.layout.one_json:
            self._adders[ONE_JSON]("]" if self.count.n_done else "[]")


@contextmanager
def opened(folder: Path, layout: Layout, about: dict[str, Any], n_utterances: int) -> Iterator[CorpusFiles]:
    """Offer the files of a corpus for writing; all are in place once the block has ended without an error.

    Whatever ends it, a checkpoint says how far it went, unless the process is killed.

    Parameters
    ----------
    folder : Path
        Of the corpus.
    layout : Layout
        Which files.
    about : mapping
        What decides the corpus, for its checkpoint; plain JSON.
    n_utterances : int
        How many there are to do.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    make_folder(folder)
    names = (JSON, TEXT, ONE_JSON) if layout.one_json else (JSON, TEXT)
    with _unfinished(folder / f".{PROCESSED}") as processed:
        count = Count(n_utterances)
        with ExitStack() as stack:
            adders = {name: stack.enter_context(lines.writing(folder / name)) for name in names}
            files = CorpusFiles(folder, layout, about, count, Counter(), processed, adders, _earlier(folder, about))
            try:
                yield files
                files._end()
            except BaseException:
                files.checkpoint()
                raise
        if not layout.one_json:
            _forget(folder / ONE_JSON)
        files.checkpoint(complete=True)


def _forget(path: Path) -> None:
    """Remove what an earlier run said of this corpus, or of another one: nobody could tell."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"cannot remove {path}: {error.strerror or error}") from error


def check_codebook(folder: Path) -> None:
    """Refuse a corpus whose units are of another codebook than the one that lies beside them.

    Raises
    ------
    InputError
        If its checkpoint says so: the codebook was fitted anew, and nothing was encoded with it.
    """
    said = _said(folder).get("codebook")
    if said is not None and (folder / codebook_file.CENTRES).is_file() and codebook_file.read(folder).sha256 != said:
        raise InputError(f"the units of {folder} are of another codebook than lies there now: melisma units encode it")


def _earlier(folder: Path, about: dict[str, Any]) -> int:
    """Return how many utterances the checkpoint of an unfinished run of the same corpus knows of."""
    said = _said(folder)
    same = all(said.get(name) == value for name, value in about.items()) and not said.get("complete")
    try:
        return int(said["n_done"]) + int(said["n_failed"]) if same else 0
    except (ValueError, TypeError, KeyError):
        return 0


def _said(folder: Path) -> dict[str, Any]:
    """Return what a checkpoint says; nothing if there is none, or it is damaged."""
    try:
        said = json.loads((folder / CHECKPOINT).read_bytes()[: 1 << 20])
    except (OSError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


@contextmanager
def _unfinished(path: Path) -> Iterator[IO[str]]:
    """Offer a hidden file that goes when the block ends."""
    try:
        beside = lines.partial_of(path)
        with beside.open("x", encoding="utf-8", errors="backslashreplace") as file:
            lines.hold(file)
            try:
                yield file
            finally:
                beside.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write {error.filename or path}: {error.strerror or error}") from error


def _put_copy(source: Path, target: Path) -> None:
    """Put a copy in place of a file, whole or not at all."""
    beside = lines.partial_of(target)
    try:
        shutil.copyfile(source, beside)
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)
