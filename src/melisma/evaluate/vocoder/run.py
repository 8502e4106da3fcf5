"""A test of a vocoder: lines of a corpus said again, beside their recordings, a copy-mean baseline and noise."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from melisma.core.errors import InputError
from melisma.core.files import sha256_of
from melisma.core.records import Float32
from melisma.core.settings import n_threads
from melisma.data.units.speak import THEMSELVES, spoken_of
from melisma.evaluate.vocoder import samples
from melisma.evaluate.vocoder.copy_mean import CopyMean, Sums
from melisma.evaluate.vocoder.rate import AddUp, Rate, opened_encoder, rated_of
from melisma.evaluate.vocoder.result import Result, Sample
from melisma.scale.local import LocalExecutor
from melisma.scale.protocol import Executor, Task
from melisma.units import codebook_file, vocoders
from melisma.units.clock import SAMPLE_RATE, TIMEBASE
from melisma.units.encoder import EncoderConfig
from melisma.units.line import UnitLine
from melisma.units.vocoders import NetVocoder
from melisma.units.voice import Spoken

_PART_S = 60.0  # of speech that a process learns a baseline from at once


@dataclass(frozen=True, slots=True)
class Settings:
    """How a vocoder is tested.

    Parameters
    ----------
    n_samples : int
        Lines, at most.
    seed : int
        Another one draws others.
    speaker : str
        Who speaks; "same" for each line's own speaker.
    with_pitch : bool
        Whether the vocoder is told the pitch of the recordings.
    baseline_s : float
        Seconds of speech that the copy-mean baseline is learnt from.
    encoder : EncoderConfig
        Of the corpus; its threads are one for each process.
    """

    n_samples: int = 20
    seed: int = 0
    speaker: str = THEMSELVES
    with_pitch: bool = False
    baseline_s: float = 1200.0
    encoder: EncoderConfig = field(default_factory=EncoderConfig)


@dataclass(frozen=True, slots=True, eq=False)
class Sounds:
    """What is to be listened to of a sample, float32 [n_samples] at 16 kHz, by system."""

    line: UnitLine
    sounds: dict[str, Float32]


def rate_vocoder(
    corpus: Path,
    vocoder: Path,
    settings: Settings,
    *,
    keep: Callable[[int, Sounds], None],
    executor: Executor | None = None,
    tell: Callable[[str, float], None] = lambda *_: None,
    shared: Path | None = None,
) -> Result:
    """Test a vocoder on lines of a corpus.

    The vocoder speaks in this process, before all else and with nothing beside it: its speed is a measure. Everything
    else is measured by the processes of the executor, and comes out the same for any number of them.

    Parameters
    ----------
    corpus : Path
        Folder of the corpus, with its recordings.
    vocoder : Path
        File of the vocoder; beside it may be a list of what its training held out.
    settings : Settings
        How.
    keep : callable
        Given the number and the sounds of each sample, as they come: only one is in memory.
    executor : Executor, optional
        Whose processes see the files of this machine; all cores of it without.
    tell : callable
        Told a stage and its share.
    shared : Path, optional
        Folder in which processes leave files for each other and for this one, all of which go; one of the system's for
        such without it, which other nodes of a cluster do not see.

    Raises
    ------
    InputError
        If there is nothing to test on, or the vocoder speaks units of another codebook.
    EngineUnavailable
        If the encoder of the corpus cannot be had here.
    """
    book = codebook_file.read(corpus)
    config = replace(settings.encoder, threads=1)
    opened_encoder(str(corpus), book.sha256, config)
    opened = _opened(vocoder, corpus, book.sha256)
    held_out = samples.held_out_ids(vocoder.parent)
    chosen = samples.choose(corpus, held_out, settings.n_samples, settings.seed)
    executor = executor or LocalExecutor()
    with tempfile.TemporaryDirectory(prefix=".melisma-vocoder-test-", dir=shared) as scratch:
        said = _said(opened, chosen.lines, settings, corpus, Path(scratch))
        learnable = samples.others(corpus, held_out, chosen, settings.seed, settings.baseline_s)
        baseline = _baseline(learnable, AddUp(str(corpus), scratch, book.k), executor, tell)
        baseline.write(Path(scratch) / Rate.BASELINE)
        stage = Rate(str(corpus), scratch, str(corpus), book.sha256, config, settings.seed)
        found = tuple(_rated(chosen.lines, said, stage, executor, keep, tell))
    return Result(
        facts=opened.facts,
        file=vocoder.name,
        sha256=sha256_of(vocoder),
        samples=found,
        held_out=chosen.held_out,
        chance=_chance(chosen.lines),
        baseline_s=baseline.seconds,
        threads=n_threads(),
    )


def _opened(vocoder: Path, corpus: Path, codebook: str) -> NetVocoder:
    opened = vocoders.open_vocoder(vocoder)
    if opened.facts.codebook != codebook:
        raise InputError(f"{vocoder} speaks units of another codebook than that of {corpus}")
    return opened


@dataclass(frozen=True, slots=True)
class _Said:
    """What the vocoder made of a line: as whom, samples, and how long it took."""

    speaker: str | None
    n_samples: int
    seconds: float


def _said(vocoder: NetVocoder, lines: Sequence[UnitLine], settings: Settings, corpus: Path, place: Path) -> list[_Said]:
    """Say all lines, and write what comes of it for those who measure it."""
    vocoder.synthesize(Spoken(lines[0].frames()[:100]))  # the first run makes room, and is no measure of speed
    found = []
    for number, line in enumerate(lines):
        spoken = spoken_of(line, vocoder.facts, settings.speaker, corpus if settings.with_pitch else None)
        began = time.perf_counter()
        samples_made = vocoder.synthesize(spoken).samples
        seconds = time.perf_counter() - began
        np.save(place / Rate.said(number), samples_made)
        found.append(_Said(spoken.speaker, len(samples_made), seconds))
    return found


def _baseline(
    lines: Iterable[UnitLine], stage: AddUp, executor: Executor, tell: Callable[[str, float], None]
) -> CopyMean:
    """Learn the means of units from lines, a minute at a time: sums of the same minutes, whoever makes them."""
    sums = Sums(stage.k)
    for outcome in executor.run(stage, list(_minutes(lines)), progress=tell):
        if outcome.error is not None:
            raise InputError(f"the baseline cannot be learnt: {outcome.error}")
        path = Path(stage.out) / outcome.value
        sums.add_file(path)
        path.unlink()
    return sums.means()


def _minutes(lines: Iterable[UnitLine]) -> Iterator[Task]:
    texts: list[str] = []
    seconds, number = 0.0, 0
    for line in lines:
        texts.append(line.to_json())
        seconds += TIMEBASE.seconds(line.n_frames)
        if seconds >= _PART_S:
            yield Task(str(number), (f"sums-{number}.npz", texts))
            texts, seconds, number = [], 0.0, number + 1
    if texts:
        yield Task(str(number), (f"sums-{number}.npz", texts))


def _rated(
    lines: Sequence[UnitLine],
    said: Sequence[_Said],
    stage: Rate,
    executor: Executor,
    keep: Callable[[int, Sounds], None],
    tell: Callable[[str, float], None],
) -> Iterator[Sample]:
    tasks = [Task(str(number), (number, line.to_json())) for number, line in enumerate(lines)]
    for number, outcome in enumerate(executor.run(stage, tasks, progress=tell)):
        if outcome.error is not None:
            raise InputError(f"{lines[number].id}: {outcome.error}")
        line, made, path = lines[number], said[number], Path(stage.scratch) / Rate.sounds(number)
        with np.load(path, allow_pickle=False) as found:
            keep(number, Sounds(line, {name: found[name] for name in found.files}))
        path.unlink()
        seconds = outcome.value["n_samples"] / SAMPLE_RATE
        about = (seconds, line.speaker_id, made.speaker, made.n_samples / SAMPLE_RATE, made.seconds)
        yield Sample(line.id, *about, rated_of(outcome.value["rated"]))


def _chance(lines: Sequence[UnitLine]) -> float:
    """Return how often two units differ that are drawn as often as they are said."""
    counts = Counter(unit for line in lines for unit in line.frames())
    total = sum(counts.values())
    return 1 - sum((n / total) ** 2 for n in counts.values())
