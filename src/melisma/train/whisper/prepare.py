"""What a Whisper training needs before its first step: a processor, a network, clips, and what they are known by."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from melisma.core.errors import InputError
from melisma.data import manifest as manifests
from melisma.data.augment.recipe import Recipe
from melisma.data.manifest import Utterance, audio_path
from melisma.train.facts import certificate, check_remembered
from melisma.train.whisper import checkpoints
from melisma.train.whisper.begin import check_goes_on, check_same_clips, facts_of
from melisma.train.whisper.clips import Reader, unfit
from melisma.train.whisper.config import WhisperTrainingConfig
from melisma.train.whisper.generation import settle
from melisma.train.whisper.judge import chosen
from melisma.train.whisper.network import Opened, load, open_network, source, trained_with, tuned
from melisma.train.whisper.processor import (
    NewVocabulary,
    group_of,
    new_processor,
    open_processor,
    save_processor,
    set_group,
)
from melisma.train.whisper.progress import Progress
from melisma.train.whisper.targets import Wording
from melisma.train.whisper.trained import PROCESSOR, languages_of
from melisma.train.whisper.windows import Report, Windows, build, check_lines, reader_of

PREPARED = "prepared"
_MOST_TEXTS = 1_000_000  # that a vocabulary is learnt from; more hold hardly a new word
_FAST = {"train": 10, "valid": 5}  # clips that a fast-dev-run looks at
Tell = Callable[[str, float], None]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Sides:
    """The manifests of a training, its folder, and how they are read."""

    train: Path
    valid: Path
    folder: Path
    jobs: int | None = None
    fast: bool = False

    def path(self, side: str) -> Path:
        """Return the manifest of a side."""
        return self.train if side == "train" else self.valid


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that is trained on and with.

    Parameters
    ----------
    model : torch.nn.Module
        The network, of which what is to learn does.
    processor : transformers.WhisperProcessor
        Its own.
    windows, held_out : Windows
        To learn from and to judge by.
    progress : Progress
        Where the training stands.
    """

    model: Any
    processor: Any
    windows: Windows
    held_out: Windows
    progress: Progress


def prepare(
    sides: Sides,
    config: WhisperTrainingConfig,
    recipe: Recipe | None,
    going_on: tuple[Path, Progress] | None,
    tell: Tell,
    say: Say,
) -> Prepared:
    """Prepare a training; what an earlier run has prepared for the same is used again.

    Parameters
    ----------
    sides : Sides
        Manifests and folder.
    config : WhisperTrainingConfig
        What is trained.
    recipe : Recipe, optional
        Changes clips on the fly.
    going_on : Path and Progress, optional
        The checkpoint that it goes on from.
    tell : callable
        Told stages and shares.
    say : callable
        Told what was found.

    Raises
    ------
    InputError
        If there is nothing to learn from, both sides share a speaker or a recording, or the model to begin with was
        trained on data that was removed since.
    """
    tell("reading the manifests", 0.0)
    split = certificate(sides.train, sides.valid)
    if going_on is None:
        check_remembered(config.model)
        base = source(config)
        processor = _processor(config, base, sides)
        opened = open_network(config, base, processor)  # before hours of audio are decoded for it
        used = _few(sides, reader_of(config, processor)) if sides.fast else sides
    else:
        used, processor = sides, open_processor(sides.folder / PROCESSOR)
        check_goes_on(going_on[1].facts, {"data": sides.train, "validation_data": sides.valid}, recipe, sides.folder)
    windows = _windows(used, "train", config, processor, tell).with_recipe(recipe)
    held_out = _windows(used, "valid", config, processor, tell)
    for side, each in (("train", windows), ("valid", held_out)):
        _report(used.path(side), each.report, say)
    if going_on is not None:
        here = {"data": (sides.train, windows), "validation_data": (sides.valid, held_out)}
        check_same_clips(going_on[1].facts, here, sides.folder)
        _check_best(sides.folder, going_on[1], say)
        return Prepared(_again(going_on, config, processor), processor, windows, held_out, going_on[1])
    _report_limit(held_out, config, say)
    shown = {"train": (used.train, windows), "valid": (used.valid, held_out)}
    facts = facts_of(shown, config, opened, base, split, recipe)
    progress = Progress(secrets.token_hex(6), facts)
    _save(processor, sides.folder / PROCESSOR)
    return Prepared(_ready(opened, config, processor, progress), processor, windows, held_out, progress)


def _check_best(run: Path, progress: Progress, say: Say) -> None:
    """Look whether the best checkpoint is still there: what is left behind in the end is to be what was measured."""
    best = progress.best_step
    if best not in (0, progress.step) and checkpoints.fault(checkpoints.path_of(run, best)):
        say(f"the best checkpoint, of step {best:,}, is gone or damaged: the next validation counts as the best")
        progress.forget_best()


def _ready(opened: Opened, config: WhisperTrainingConfig, processor: Any, progress: Progress) -> Any:
    settle(opened.model, processor, languages_of(progress), config.task)
    return tuned(opened.model, config)


def _again(going_on: tuple[Path, Progress], config: WhisperTrainingConfig, processor: Any) -> Any:
    """Return the network of a training that goes on; its weights are those of the checkpoint, once it is loaded."""
    checkpoint, progress = going_on
    if config.tuning == "lora":
        opened = open_network(config, source(config), processor)
        progress.check_base(config.model, opened.fingerprint)
    else:
        opened = Opened(load(checkpoint, **trained_with(config)), str(progress.facts.get("network", "")))
    return _ready(opened, config, processor, progress)


def _processor(config: WhisperTrainingConfig, base: Path | None, sides: Sides) -> Any:
    """Return the processor: the one that is asked for, else that of the checkpoint, else one of the training's text."""
    if config.processor:
        processor = open_processor(config.processor)
    elif base is not None:
        processor = open_processor(base)
    else:
        wording = Wording(config.script, config.text)
        said = (wording.text(each) for each in islice(manifests.read(sides.train), _MOST_TEXTS))
        processor = new_processor((f" {text}" for text in said if text), NewVocabulary(mels=config.shape.mels))
    set_group(processor, group_of(processor).with_script(config.script))
    return processor


def _save(processor: Any, folder: Path) -> None:
    partial = folder.with_name(f".{folder.name}.part")
    for old in (partial, folder):
        shutil.rmtree(old, ignore_errors=True)
    save_processor(processor, partial)
    partial.rename(folder)


def _windows(sides: Sides, side: str, config: WhisperTrainingConfig, processor: Any, tell: Tell) -> Windows:
    return build(sides.path(side), sides.folder / PREPARED / side, config, processor, tell, sides.jobs)


def _report(path: Path, report: Report, say: Say) -> None:
    """Say what is learnt from or judged by, and what is left out."""
    n = report.clips + sum(report.left_out.values())
    languages = ", ".join(f"{code} {amount['hours']:.2f} h" for code, amount in report.by_language.items())
    say(f"{path}: {report.clips:,} of {n:,} clips, {report.hours:.2f} h ({languages}), {report.windows:,} windows")
    for reason, count in report.left_out.items():
        say(f"  left out {count:,}: {reason}, such as {report.such_as.get(reason, ['?'])[0]}")
    if report.times_unused:
        say(f"  the words of {report.times_unused:,} have times that are not used: they are not those of the text")


def _report_limit(held_out: Windows, config: WhisperTrainingConfig, say: Say) -> None:
    """Say where clips are judged whose own words take more tokens than may be said: their ends count as left out."""
    clips = held_out.clips
    n_tokens = (clips.n_labels - 2 * np.diff(clips.segments))[chosen(len(clips), config.validation_clips)]
    n = int((n_tokens > config.max_new_tokens).sum())
    if n:
        say(
            f"  the words of {n:,} of the {len(n_tokens):,} clips that are judged by take up to {n_tokens.max():,} "
            f"tokens: what is behind max_new_tokens ({config.max_new_tokens}) counts as left out"
        )


def _few(sides: Sides, reader: Reader) -> Sides:
    """Write manifests of the first few clips beside what is prepared, so that a fast-dev-run is fast of any corpus."""
    for side in _FAST:
        check_lines(sides.path(side), reader)
    folder = sides.folder / PREPARED
    folder.mkdir(parents=True, exist_ok=True)
    made = {}
    for side, n in _FAST.items():
        made[side] = folder / f"{side}-few.jsonl"
        manifests.write(made[side], islice(_said(sides.path(side), reader), n))
    return Sides(made["train"], made["valid"], sides.folder, sides.jobs, sides.fast)


def _said(path: Path, reader: Reader) -> Iterator[Utterance]:
    codes: dict[str, str | InputError] = {}
    for utterance in manifests.read(path):
        if unfit(utterance, reader, codes) is None:
            yield utterance.model_copy(update={"audio": str(audio_path(path, utterance).resolve())})
