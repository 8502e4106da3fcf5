"""Engines at work for a benchmark: each in a process of its own, on samples that were decoded once.

What an engine loads stays in its process, so that its peak memory is its own, and one that crashes takes nothing with
it but the song it was at.
"""

from __future__ import annotations

import multiprocessing
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from melisma.audio import decode
from melisma.audio.probe import probe
from melisma.core import plugins
from melisma.core.errors import InputError, MelismaError
from melisma.core.records import Lyrics, Waveform
from melisma.evaluate import align as evaluation
from melisma.evaluate.bench_figures import Errors
from melisma.pipeline import lyrics as lyrics_files
from melisma.pipeline import tiers
from melisma.pipeline.settings import AUTO, RouterSettings

Progress = Callable[[str, float], None]
_HIGHEST = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)
_NEVER = 1_000_000_000  # failures; a benchmark measures an engine that fails, it does not leave it alone


@dataclass(frozen=True, slots=True)
class BenchSong:
    """A song ready for every engine: its lyrics read, and the line of each word, int64 [n_words]."""

    song: evaluation.Song
    lyrics: Lyrics
    lines: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Facts:
    """What an engine says of itself, and what stands in its way; `missing` is empty where nothing does."""

    name: str
    version: str = ""
    model_id: str = ""
    model_revision: str = ""
    licence: str = ""
    device: str = ""
    sample_rate: int = 0  # Hz; 0 where the engine takes the file itself
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """One walk of one engine over one song: signed errors in seconds, wall seconds, and why it failed, if it did."""

    errors: Errors
    seconds: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class EngineRuns:
    """All walks of one engine: `runs[song][repeat]`; without any where something is missing.

    `load_s` is how long the model took to load, `peak_mb` the most memory that the process ever held, interpreter and
    libraries included; None where the machine does not tell.
    """

    facts: Facts
    runs: tuple[tuple[Run, ...], ...] = ()
    load_s: float = 0.0
    peak_mb: int | None = None


def read(song: evaluation.Song) -> BenchSong:
    """Read the lyrics of a song.

    Raises
    ------
    InputError
        If they cannot be read, or their words are not those of the gold file.
    """
    lyrics = lyrics_files.read(song.lyrics)
    if lyrics.words != song.words:
        raise InputError(f"{song.lyrics}: its {len(lyrics.words)} words are not the {len(song.words)} of gold.csv")
    lines = [k for k, line in enumerate(lyrics.lines) for _ in line.words]
    return BenchSong(song, lyrics, np.array(lines, np.int64))


def facts_of(engine: str, settings: RouterSettings) -> Facts:
    """Say of an engine what it is and whether it can run here, without loading its model."""
    if engine == AUTO:
        return Facts(AUTO)
    try:
        found = tiers.engine_named(engine).facts
    except plugins.BrokenPlugin as error:
        return Facts(engine, missing=_sentence(error))
    said = Facts(
        engine,
        found.version,
        found.model_id,
        found.model_revision,
        found.licence.spdx,
        found.device,
        found.sample_rate,
    )
    try:
        tiers.usable(engine, settings, chosen=True)
    except MelismaError as error:
        return replace(said, missing=_sentence(error))
    return said


class Samples:
    """Recordings, each decoded once for each sample rate, kept in a folder for the processes of the engines."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[tuple[str, int], Path | str] = {}

    def of(self, song: evaluation.Song, sample_rate: int) -> Path | str:
        """Return the file of a song's samples, float32 [n_samples], or the sentence that says why there is none."""
        key = song.song_id, sample_rate
        if key not in self._known:
            path = self._folder / f"{len(self._known)}.npy"
            try:
                np.save(path, decode.load(song.audio, sample_rate=sample_rate).samples)
                self._known[key] = path
            except MelismaError as error:
                self._known[key] = _sentence(error)
        return self._known[key]

    def duration_s(self, song: evaluation.Song) -> float:
        """Return the length of a song, 0 where its recording cannot be read: it is lost to every engine."""
        try:
            return probe(song.audio).duration_s or 0.0
        except MelismaError:
            return 0.0


class Worker:
    """The process of one engine; a new one takes the place of one that died."""

    def __init__(self) -> None:
        # "spawn": onnxruntime's threads do not survive a fork.
        self._context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(1, self._context)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown(cancel_futures=True)

    def load(self, engine: str) -> tuple[float, str, str]:
        """Load the engine's model; return the seconds that took, its revision, and why it failed, if it did."""
        try:
            return self._pool.submit(load, engine).result()
        except BrokenProcessPool:
            self._pool = ProcessPoolExecutor(1, self._context)
            return 0.0, "", "its process died while it loaded the model"

    def run(self, engine: str, song: BenchSong, samples: Path | None, settings: RouterSettings) -> Run:
        """Align one song once; a process that dies costs the song, and nothing else."""
        try:
            return self._pool.submit(run, engine, song, samples, settings).result()
        except BrokenProcessPool:
            self._pool = ProcessPoolExecutor(1, self._context)
            return lost(song, "the engine's process died: was there enough memory?")

    def peak_mb(self) -> int | None:
        """Return the most memory that the process ever held, in MB."""
        return self._pool.submit(peak_mb).result()


def run_engine(
    facts: Facts, songs: Sequence[BenchSong], repeats: int, samples: Samples, folder: Path, tell: Progress
) -> EngineRuns:
    """Let one engine align every song, `repeats` times one after the other.

    Parameters
    ----------
    facts : Facts
        Of the engine, with nothing missing.
    folder : Path
        For what the router remembers: a benchmark neither sees nor changes the breakers of this machine.
    tell : callable
        Called with "<engine> <song>" and the share of the engine's work that is done.
    """
    settings = RouterSettings.from_env()
    settings = replace(settings, state=folder, breaker=replace(settings.breaker, failures=_NEVER))
    with Worker() as worker:
        load_s, revision, missing = worker.load(facts.name)
        if missing:
            return EngineRuns(replace(facts, missing=missing))
        found: list[tuple[Run, ...]] = []
        for k, song in enumerate(songs):
            path = samples.of(song.song, facts.sample_rate) if facts.sample_rate else None
            if isinstance(path, str):
                found.append((lost(song, path),) * repeats)
            else:
                found.append(tuple(worker.run(facts.name, song, path, settings) for _ in range(repeats)))
            tell(f"{facts.name} {song.song.song_id}", (k + 1) / len(songs))
        known = replace(facts, model_revision=revision or facts.model_revision)
        return EngineRuns(known, tuple(found), load_s, worker.peak_mb())


def lost(song: BenchSong, reason: str) -> Run:
    """Make the run of a song of which no word is timed."""
    return Run(np.full(len(song.song.words), np.nan), float("nan"), f"lost: {reason}")


# What the process of an engine does.


def load(engine: str) -> tuple[float, str, str]:
    """Load a model; see `Worker.load`."""
    if engine == AUTO:
        return 0.0, "", ""
    begun = time.perf_counter()
    try:
        made = tiers.engine_named(engine)
        made.load()
    except MelismaError as error:
        return 0.0, "", _sentence(error)
    return time.perf_counter() - begun, made.facts.model_revision, ""


def run(engine: str, song: BenchSong, samples: Path | None, settings: RouterSettings) -> Run:
    """Align one song once and compare it with its truth; whatever goes wrong is a lost song that says so."""
    from melisma.pipeline.align import AlignConfig, align

    rate = 0 if samples is None else tiers.engine_named(engine).facts.sample_rate
    audio = song.song.audio if samples is None else Waveform(np.load(samples), rate)
    config = AlignConfig(language=song.song.language, engine=engine, settings=settings, track_id=song.song.song_id)
    begun = time.perf_counter()
    try:
        alignment = align(audio, song.lyrics, config=config)
    except Exception as error:  # whatever breaks one song must not cost the others theirs; the note reports it
        return lost(song, _sentence(error))
    seconds = time.perf_counter() - begun
    scored = evaluation.score(song.song, alignment)
    return Run(scored.errors, seconds, scored.note)


def peak_mb() -> int | None:
    """Return the most memory that this process ever held, in MB, where Linux tells."""
    try:
        found = _HIGHEST.search(Path("/proc/self/status").read_text(encoding="ascii", errors="replace"))
    except OSError:
        return None
    return round(int(found[1]) / 1024) if found else None


def _sentence(error: Exception) -> str:
    said = str(error) if isinstance(error, MelismaError) else f"{type(error).__name__}: {error}"
    return " ".join(said.split())
