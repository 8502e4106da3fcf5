"""Several engines on the same songs: same samples, same lyrics, repeated, averaged, and held against thresholds."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from melisma.core.errors import InputError
from melisma.core.files import sha256_of
from melisma.core.settings import n_threads
from melisma.evaluate import align as evaluation
from melisma.evaluate.bench_figures import (
    Errors,
    Repeated,
    Verdict,
    figures,
    gain_over,
    judge,
    mean,
    pooled,
    repeated,
)
from melisma.evaluate.bench_run import BenchSong, EngineRuns, Facts, Progress, Samples, facts_of, read, run_engine
from melisma.metrics import alignment as metrics
from melisma.pipeline import tiers
from melisma.pipeline.settings import AUTO, RouterSettings

THIS_RUN = "this run"


@dataclass(frozen=True, slots=True)
class SongFacts:
    """What was measured on: hashes are SHA-256 of the files, so that a later run can tell whether they are the same."""

    song_id: str
    language: str
    n_words: int
    n_lines: int
    duration_s: float
    audio_sha256: str
    lyrics_sha256: str
    gold_sha256: str


@dataclass(frozen=True, slots=True)
class SongResult:
    """What one engine made of one song; `errors` are those of the first repeat, `note` says why the song is lost."""

    song_id: str
    figures: Repeated
    errors: Errors
    lost: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class EngineResult:
    """What one engine made of all songs; nothing is measured where `facts.missing` says why it could not run."""

    facts: Facts
    songs: tuple[SongResult, ...] = ()
    mean_of_songs: Repeated | None = None
    pooled: Repeated | None = None
    gain: float | None = None
    verdict: Verdict | None = None
    load_s: float = 0.0
    peak_mb: int | None = None

    @property
    def lost(self) -> tuple[str, ...]:
        """Songs without any timing, or with over half of their words off by more than a second."""
        return tuple(song.song_id for song in self.songs if song.lost)

    @property
    def go(self) -> bool:
        """Whether the engine ran and no threshold fails."""
        return self.verdict is not None and self.verdict.go


@dataclass(frozen=True, slots=True)
class Baseline:
    """What gains are measured against: an engine of this run or an earlier one, and its AAE over all words."""

    engine: str
    aae: float
    source: str  # THIS_RUN, or the file
    gold: frozenset[str] = frozenset()  # SHA-256 of the true times of its songs
    audio: frozenset[str] = frozenset()  # SHA-256 of their recordings

    def check(self, songs: Sequence[SongFacts]) -> None:
        """Refuse, with InputError, to compare with a run on other songs.

        Recordings may differ: a folder of synthetic songs made on another machine has the same words at the same
        times, and samples that differ in their last bits.
        """
        if self.source != THIS_RUN and self.gold != {song.gold_sha256 for song in songs}:
            raise InputError(f"{self.source} is a run on other songs: a gain needs the same ones")


@dataclass(frozen=True, slots=True)
class Bench:
    """A whole benchmark."""

    songs: tuple[SongFacts, ...]
    engines: tuple[EngineResult, ...]
    repeats: int
    machine: str
    baseline: Baseline | None = None

    @property
    def go(self) -> bool:
        """Whether every engine may go."""
        return all(engine.go for engine in self.engines)


@dataclass(frozen=True, slots=True)
class BenchConfig:
    """What a caller may turn.

    Parameters
    ----------
    engines : tuple of str
        Names of installed engines, or "auto"; `auto` reads each file itself, since it chooses who listens.
    repeats : int
        How often each song is aligned by each engine.
    baseline : Baseline, optional
        Of an earlier run, see `bench_files.read_baseline`.
    baseline_engine : str, optional
        One of `engines`, to measure gains against where there is no earlier run.
    """

    engines: tuple[str, ...]
    repeats: int = 3
    baseline: Baseline | None = None
    baseline_engine: str | None = None

    def check(self) -> None:
        """Refuse, before any song is read, what cannot be measured, with InputError."""
        if not self.engines:
            raise InputError("a benchmark needs the name of an engine at least")
        for name in self.engines:
            if name != AUTO:
                tiers.check_name(name)
                if tiers.is_place(name):
                    tiers.engine_named(name)  # a folder that is not there is said before any song is read
        if len(set(self.engines)) < len(self.engines):
            raise InputError(f"an engine is named twice: {', '.join(self.engines)}")
        if self.repeats < 1:
            raise InputError(f"repeats is a positive number, not {self.repeats}")
        if self.baseline_engine is not None and self.baseline is None and self.baseline_engine not in self.engines:
            raise InputError(f"the baseline {self.baseline_engine!r} is none of the engines of this run")


def bench(directory: Path, config: BenchConfig, progress: Progress | None = None) -> Bench:
    """Let every engine align every song of a folder, and measure.

    Parameters
    ----------
    directory : Path
        Holds one folder per song, as `melisma.evaluate.align` describes it.
    progress : callable, optional
        Called with "<engine> <song>" and the share of all work that is done.

    Raises
    ------
    InputError
        If the folder holds no songs or a broken one, an engine has no such name, or the baseline is of other songs.
    """
    config.check()
    songs = tuple(read(song) for song in evaluation.find_songs(directory))
    settings = RouterSettings.from_env()
    known = [facts_of(name, settings) for name in config.engines]
    results: list[EngineResult] = []
    with TemporaryDirectory(prefix="melisma-bench-") as folder:
        samples = Samples(Path(folder))
        facts = tuple(_facts(song, samples) for song in songs)
        if config.baseline:
            config.baseline.check(facts)
        for k, engine in enumerate(known):
            tell = _within(progress, k, len(known))
            runs = (
                EngineRuns(engine)
                if engine.missing
                else run_engine(engine, songs, config.repeats, samples, Path(folder), tell)
            )
            results.append(summarise(runs, songs, [song.duration_s for song in facts]))
    baseline = config.baseline or _of_this_run(results, config.baseline_engine)
    judged = tuple(with_verdict(result, baseline) for result in results)
    return Bench(facts, judged, config.repeats, machine(), baseline)


def summarise(runs: EngineRuns, songs: Sequence[BenchSong], durations_s: Sequence[float]) -> EngineResult:
    """Compute the figures of an engine: by song, their mean, and over all words together."""
    if runs.facts.missing:
        return EngineResult(runs.facts)
    lines = [song.lines for song in songs]
    by_song = [
        [figures(run.errors, of, run.seconds, duration) for run in repeats]
        for repeats, of, duration in zip(runs.runs, lines, durations_s, strict=True)
    ]
    by_repeat = list(zip(*runs.runs, strict=True))
    together = [
        pooled(
            [run.errors for run in repeat],
            lines,
            float(np.nansum([run.seconds for run in repeat])),
            sum(d for run, d in zip(repeat, durations_s, strict=True) if not run.note),
        )
        for repeat in by_repeat
    ]
    results = [
        SongResult(
            song.song.song_id,
            repeated(of),
            repeats[0].errors,
            any(bool(run.note) or metrics.is_lost(metrics.evaluate(run.errors)) for run in repeats),
            next((run.note for run in repeats if run.note), ""),
        )
        for song, of, repeats in zip(songs, by_song, runs.runs, strict=True)
    ]
    means = [mean([of[r] for of in by_song]) for r in range(len(by_repeat))]
    return EngineResult(
        runs.facts,
        tuple(results),
        repeated(means),
        repeated(together),
        load_s=runs.load_s,
        peak_mb=runs.peak_mb,
    )


def with_verdict(result: EngineResult, baseline: Baseline | None) -> EngineResult:
    """Judge an engine; the baseline itself is not held against itself."""
    if result.pooled is None:
        return result
    words = result.pooled.mean
    itself = baseline is not None and baseline.source == THIS_RUN and baseline.engine == result.facts.name
    gain = None if baseline is None or itself else gain_over(words.aae, baseline.aae)
    return replace(result, gain=gain, verdict=judge(words, len(result.lost), gain))


def _of_this_run(results: Sequence[EngineResult], name: str | None) -> Baseline | None:
    if name is None:
        return None
    found = next(result for result in results if result.facts.name == name)
    if found.pooled is None:
        raise InputError(f"the baseline {name!r} cannot run here: {found.facts.missing}")
    return Baseline(name, found.pooled.mean.aae, THIS_RUN)


def _within(progress: Progress | None, k: int, n: int) -> Progress:
    """Make the progress of one engine of several a share of the whole."""

    def tell(stage: str, share: float) -> None:
        if progress:
            progress(stage, (k + share) / n)

    return tell


def _facts(song: BenchSong, samples: Samples) -> SongFacts:
    gold = song.song.lyrics.parent / "gold.csv"
    return SongFacts(
        song.song.song_id,
        song.song.language,
        len(song.song.words),
        int(song.lines.max()) + 1,
        samples.duration_s(song.song),
        sha256(song.song.audio),
        sha256(song.song.lyrics),
        sha256(gold),
    )


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits; InputError if it cannot be read."""
    try:
        return sha256_of(path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def version() -> str:
    """Return the version of the package that measures."""
    return metadata.version("melisma")


def machine() -> str:
    """Say on what the times were taken."""
    python = platform.python_version()
    return f"{platform.system()} {platform.machine()}, {n_threads()} threads, Python {python}"
