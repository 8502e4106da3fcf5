"""What a Whisper learns from: clips packed to 30 s, their labels with language, task and times, made in the workers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from melisma.core.errors import InputError
from melisma.core.files import make_folder, sha256_of, write_atomically
from melisma.core.records import Float32
from melisma.data import manifest as manifests
from melisma.data.augment.effects import Speed, Tempo
from melisma.data.augment.recipe import Recipe
from melisma.train.clip_audio import SAMPLE_RATE, Sounds, read_samples
from melisma.train.left_out import Tally
from melisma.train.whisper.clips import Clips, Limits, Reader, Table, find_clips, unfit
from melisma.train.whisper.config import WINDOW_S, WhisperTrainingConfig
from melisma.train.whisper.packing import Plan, Rules, Sizes, Window
from melisma.train.whisper.processor import group_of
from melisma.train.whisper.targets import Wording
from melisma.train.whisper.tokenizer import Spelling, Tokens, tokens_of

_FORM = 2  # of what is kept: another one is made anew
_AUGMENT = 23  # what a generator is for: part of its seed
_N_SAMPLES = round(WINDOW_S * SAMPLE_RATE)
# Of the labels: language, task, <|notimestamps|> and <|endoftext|>.
_AROUND = 4
Tell = Callable[[str, float], None]
_CLIPS, REPORT = "clips", "report.json"


@dataclass(frozen=True, slots=True)
class Example:
    """A window as it is learnt.

    Parameters
    ----------
    samples : float32 [n_samples]
        At 16 kHz, 30 s at most.
    labels : tuple of int
        From the language's token, or what follows `<|startoftranscript|>`, to `<|endoftext|>`.
    window : Window
        Which.
    seconds : float
        Of the clips, without silence between them.
    """

    samples: Float32
    labels: tuple[int, ...]
    window: Window
    seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a manifest: clips and hours by language, windows of the first pass, and what was left out.

    Parameters
    ----------
    clips, windows : int
        How many.
    hours : float
        Of the clips.
    fill : float
        Share of the 30 s of the first pass's windows that is clips.
    by_language : dict
        Code → clips and hours.
    timed : int
        Clips whose segments have the times of words; those of the others begin and end with the clip.
    times_unused : int
        Clips whose words have times that are not used: those of other words than the text's, or too many.
    left_out : dict
        Reason → how many.
    such_as : dict
        Reason → the first few ids.
    """

    clips: int
    hours: float
    windows: int
    fill: float
    by_language: dict[str, dict[str, float]]
    timed: int
    times_unused: int
    left_out: dict[str, int]
    such_as: dict[str, list[str]]


class Windows(Dataset[Example]):
    """Windows by their plan; picklable, for workers that are spawned.

    A worker needs no plan: a `Window` says all. What is drawn for one depends on it and the seed alone.

    Parameters
    ----------
    clips : Clips
        All of them.
    tokens : Tokens
        Of the processor.
    config : WhisperTrainingConfig
        How they are packed, and the seed.
    """

    def __init__(self, clips: Clips, tokens: Tokens, config: WhisperTrainingConfig) -> None:
        self.clips, self.tokens, self.config = clips, tokens, config
        self.recipe: Recipe | None = None
        self.single = False
        self.found: dict[str, Any] = {"times_unused": 0, "left_out": {}, "such_as": {}}
        self._plan: Plan | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the plan behind: it is the main process that asks it."""
        return {**self.__dict__, "_plan": None}

    def with_recipe(self, recipe: Recipe | None) -> Windows:
        """Return them changed on the fly by a recipe; where it makes clips longer, fewer are packed together."""
        found = self._copy()
        found.recipe = recipe
        return found

    def alone(self) -> Windows:
        """Return each clip by itself, in the order of the manifest, without times: to be judged by."""
        found = self._copy()
        found.recipe, found.single = None, True
        return found

    def _copy(self) -> Windows:
        found = Windows(self.clips, self.tokens, self.config)
        found.recipe, found.single, found.found = self.recipe, self.single, self.found
        return found

    @property
    def rules(self) -> Rules:
        """How they are packed."""
        config = self.config
        return Rules(
            seed=config.seed,
            share=config.pack,
            timed=config.timestamps,
            gap_s=config.pack_gap_s,
            room_s=WINDOW_S / slowest(self.recipe),
            room_labels=config.max_labels - _AROUND,
        )

    def plan(self, epoch: int) -> tuple[Window, ...]:
        """Return the windows of a pass over the clips, in the order in which they are learnt."""
        if self.single:
            return tuple(Window(epoch, i, (i,)) for i in range(len(self.clips)))
        return self._planned().windows(epoch)

    def _planned(self) -> Plan:
        if self._plan is None:
            clips = self.clips
            sizes = Sizes(
                clips.seconds, clips.n_labels, clips.language.astype(np.int64), clips.speaker.astype(np.int64)
            )
            self._plan = Plan(sizes, self.rules)
        return self._plan

    def __len__(self) -> int:
        """Return how many windows the first pass has."""
        return len(self.clips) if self.single else len(self.plan(0))

    def __getitem__(self, key: Window | int) -> Example:
        """Return a window, or that of the first pass by its number."""
        window = self._numbered(key) if isinstance(key, int) else key
        samples, starts = self._samples(window)
        scale = 1.0
        if self.recipe is not None:
            rng = np.random.default_rng([self.config.seed, _AUGMENT, window.epoch, window.index])
            changed = self.recipe.apply(samples, SAMPLE_RATE, rng)
            # What would not fit into 30 s is learnt as it is: nothing is cut off.
            if len(changed.samples) <= _N_SAMPLES:
                samples, scale = changed.samples, changed.time_scale
        return Example(samples, tuple(self.labels(window, starts, scale)), window, self.seconds(window))

    def _numbered(self, number: int) -> Window:
        return Window(0, number, (number,)) if self.single else self.plan(0)[number]

    def seconds(self, window: Window) -> float:
        """Return the seconds of a window's clips, without silence between them."""
        return float(self.clips.n_samples[list(window.clips)].sum()) / SAMPLE_RATE

    def _samples(self, window: Window) -> tuple[Float32, list[float]]:
        """Return the audio of a window, and the second at which each of its clips begins."""
        gap = round(self.config.pack_gap_s * SAMPLE_RATE)
        lengths = [int(self.clips.n_samples[clip]) for clip in window.clips]
        samples = np.zeros(sum(lengths) + gap * (len(lengths) - 1), np.float32)
        at, starts = 0, []
        for clip, n in zip(window.clips, lengths, strict=True):
            samples[at : at + n] = read_samples(self.clips.path_of(clip), int(self.clips.first[clip]), n)
            starts.append(at / SAMPLE_RATE)
            at += n + gap
        return samples, starts

    def labels(self, window: Window, starts: list[float], scale: float = 1.0) -> list[int]:
        """Return what a window is learnt as, without `<|startoftranscript|>`; the decoder is given that before it.

        Parameters
        ----------
        window : Window
            Which.
        starts : list of float
            The second at which each of its clips begins.
        scale : float
            What was at t seconds is at t · scale.
        """
        language = self.clips.language_of(window.clips[0])
        found = self.tokens.prompt(language, self.config.task, timed=window.timed)
        for clip, at in zip(window.clips, starts, strict=True):
            for start, end, ids in self.clips.segments_of(clip):
                if window.timed:
                    found += [self.tokens.time((at + start) * scale), *ids, self.tokens.time((at + end) * scale)]
                else:
                    found += ids
        return [*found, self.tokens.end]

    @cached_property
    def report(self) -> Report:
        """What became of the manifest."""
        clips, windows = self.clips, self.plan(0)
        hours = float(clips.seconds.sum()) / 3600
        by_language = {}
        for number, code in enumerate(clips.languages):
            own = clips.seconds[clips.language == number]
            by_language[code] = {"clips": len(own), "hours": round(float(own.sum()) / 3600, 4)}
        return Report(
            clips=len(clips),
            hours=round(hours, 4),
            windows=len(windows),
            fill=round(hours * 3600 / WINDOW_S / len(windows), 4) if windows else 0.0,
            by_language=by_language,
            timed=int(clips.timed.sum()),
            **self.found,
        )


def slowest(recipe: Recipe | None) -> float:
    """Return by how much a recipe makes audio longer at most."""
    scale = 1.0
    for effect in recipe.effects if recipe is not None else ():
        if isinstance(effect, (Speed, Tempo)) and effect.probability > 0:
            scale *= max(1.0, 1 / effect.factor[0])
    return scale


def build(
    manifest: Path, folder: Path, config: WhisperTrainingConfig, processor: Any, tell: Tell, jobs: int | None = None
) -> Windows:
    """Prepare the windows of a manifest; what an earlier run has prepared for the same is used again.

    Audio that is not WAV or FLAC at 16 kHz with one channel is decoded once, here, so that workers only read.

    Parameters
    ----------
    manifest : Path
        JSONL of utterances.
    folder : Path
        What is prepared goes there, such as RUN/prepared/train: `clips`, `sounds`, and `report.json`.
    config : WhisperTrainingConfig
        What is trained.
    processor : transformers.WhisperProcessor
        Of `open_processor`.
    tell : callable
        Told stages and shares.
    jobs : int, optional
        Processes that decode.

    Raises
    ------
    InputError
        If no clip can be learnt from; the commonest reason is named.
    OutputError
        If the folder cannot be written.
    """
    make_folder(folder)
    reader = reader_of(config, processor)
    key = _key(manifest, config, reader, processor)
    windows = _kept(folder, key, reader, config)
    if windows is not None:
        return windows
    check_lines(manifest, reader)
    sounds = Sounds(manifest, folder / "sounds")
    sounds.prepare(jobs, lambda _, share: tell("decoding", share))
    table = find_clips(reader, sounds, lambda share: tell("reading clips", share))
    _check_some(table, manifest)
    windows = Windows(table.save(folder / _CLIPS, key), reader.tokens, config)
    left = table.tally.left_out
    windows.found = {"times_unused": table.times_unused, "left_out": left.counts, "such_as": left.shown}
    said = json.dumps({**asdict(windows.report), "unreadable": sounds.failed}, ensure_ascii=False, indent=1) + "\n"
    write_atomically(folder / REPORT, said.encode("utf-8", "backslashreplace"))
    return windows


def _kept(folder: Path, key: str, reader: Reader, config: WhisperTrainingConfig) -> Windows | None:
    """Return what an earlier run has prepared of the same; None if there is none, or it is damaged."""
    clips = Clips.load(folder / _CLIPS, key)
    if clips is None:
        return None
    windows = Windows(clips, reader.tokens, config)
    try:
        said = json.loads((folder / REPORT).read_text(encoding="utf-8"))
        windows.found = {name: said[name] for name in windows.found}
    except (OSError, ValueError, KeyError):
        return None  # it was killed between the two
    return windows


def reader_of(config: WhisperTrainingConfig, processor: Any) -> Reader:
    """Return what turns the utterances of a manifest into what is learnt."""
    tokens, group = tokens_of(processor), group_of(processor).with_script(config.script)
    limits = Limits(config.min_clip_s, config.max_clip_s, config.max_labels - _AROUND)
    return Reader(group, tokens, Spelling(processor), Wording(group.script, config.text), limits)


def _key(manifest: Path, config: WhisperTrainingConfig, reader: Reader, processor: Any) -> str:
    """Return what tells one preparation of a manifest from another."""
    vocabulary = hashlib.sha256(processor.tokenizer.backend_tokenizer.to_str().encode()).hexdigest()
    said = [_FORM, str(manifest.resolve()), sha256_of(manifest), vocabulary, config.text]
    said += [config.min_clip_s, config.max_clip_s, config.max_labels, reader.group.model_dump(mode="json")]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def check_lines(manifest: Path, reader: Reader) -> None:
    """Refuse a manifest of which no line could be learnt from, before hours of its audio are decoded."""
    tally, codes = Tally(), dict[str, str | InputError]()
    for utterance in manifests.read(manifest):
        reason = unfit(utterance, reader, codes)
        if reason is None:
            return
        tally.add(utterance.id, reason)
    raise _nothing(manifest, tally)


def _check_some(table: Table, manifest: Path) -> None:
    if not len(table.first):
        raise _nothing(manifest, table.tally)


def _nothing(manifest: Path, tally: Tally) -> InputError:
    left = tally.left_out
    reason = next(iter(left.counts), "")
    why = f": {left.shown[reason][0]} and others are left out, {reason}" if reason else ": it is empty"
    return InputError(f"{manifest} holds no clip that can be learnt from{why}")
