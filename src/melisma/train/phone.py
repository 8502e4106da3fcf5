"""Train the embedded acoustic model: CTC over phones, vocal activity beside it, a curriculum from clean to mixed.

One short loop: batches of equal length in seconds, AdamW with a one-cycle schedule, an exponential moving average of
the weights, a JSON line per report, a checkpoint that resumes with sampler, random state, optimiser and schedule.
"""

from __future__ import annotations

import json
import logging
import os
import time
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor
from torch.nn import functional

from melisma.core.errors import InputError, OutputError
from melisma.core.settings import n_threads
from melisma.metrics.edit import edit_distance
from melisma.models.features import N_MELS
from melisma.models.phone_net import STRIDE, PhoneNet, PhoneNetConfig
from melisma.text.phones import INVENTORY
from melisma.train.augment import AugmentConfig, Example, Mood, augment, plain
from melisma.train.corpus import Clip, Noise, load_noise, load_speech, split_speakers

log = logging.getLogger(__name__)


class CardFacts(BaseModel):
    """What the released model's card says and the network cannot know."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")] = "phone-dev"
    title: str = "Phones of many languages"
    licence: str = "Apache-2.0"
    languages: tuple[str, ...] = ()
    onset_shift_s: float = 0.0  # measured on synthetic songs after training


class PhoneTrainingConfig(BaseModel):
    """Everything that decides what comes out; one TOML file per released model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 1
    channels: int = Field(384, ge=8)
    dilations: tuple[Annotated[int, Field(ge=1)], ...] = (1, 2, 4, 8, 1, 2, 4, 8, 1, 2, 4, 16)
    dropout: float = Field(0.1, ge=0, lt=1)
    passes: float = Field(30, gt=0)  # over the training clips
    clean_passes: float = Field(2.0, ge=0)  # without augmentation, the first of them from short clips to long
    ramp_passes: float = Field(4.0, gt=0)  # over which music becomes as frequent as it stays
    batch_s: float = Field(80, gt=0)  # seconds of audio before augmentation
    max_clip_s: float = Field(16, gt=0)
    lr: float = Field(1.5e-3, gt=0)
    warmup_steps: int = Field(300, ge=0)
    weight_decay: float = Field(0.02, ge=0)
    ema: float = Field(0.999, ge=0, lt=1)
    vocal_weight: float = Field(0.3, ge=0)
    held_out: float = Field(0.04, ge=0, lt=1)
    skip_languages: frozenset[str] = frozenset()
    bf16: bool = True
    augment: AugmentConfig = AugmentConfig()
    card: CardFacts = CardFacts()

    @classmethod
    def read(cls, path: Path) -> PhoneTrainingConfig:
        """Read a TOML file; a wrong key or value is an error that names it."""
        try:
            return cls.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise InputError(f"cannot read the configuration {path}: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{path} is no TOML: {error}") from error
        except ValidationError as error:
            first = error.errors()[0]
            raise InputError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded arrays of one step."""

    features: Tensor  # float32 [batch, N_MELS, n_feature_frames]
    lengths: Tensor  # int64 [batch], emission frames
    labels: Tensor  # int64 [sum of label lengths]
    label_lengths: Tensor  # int64 [batch]
    active: Tensor  # float32 [batch, n_frames]


@dataclass(slots=True)
class Progress:
    """Where a training stands; all of it is in the checkpoint."""

    step: int = 0
    seconds: float = 0.0  # of wall clock, over all runs
    history: list[dict[str, float]] = field(default_factory=list)


# Emission frames that a batch's length is a multiple of: on CPUs, convolutions of odd lengths take three times as long.
_LENGTH_STEP = 16


def collate(examples: list[Example]) -> Batch:
    """Pad examples to one length, a multiple of the stride and of `_LENGTH_STEP` frames."""
    lengths = [len(e.features) // STRIDE for e in examples]
    longest = -(-max(lengths) // _LENGTH_STEP) * _LENGTH_STEP
    n = longest * STRIDE
    features = np.zeros((len(examples), N_MELS, n), np.float32)
    active = np.zeros((len(examples), longest), np.float32)
    for i, (example, length) in enumerate(zip(examples, lengths, strict=True)):
        features[i, :, : length * STRIDE] = example.features[: length * STRIDE].T
        active[i, :length] = example.active[: length * STRIDE].reshape(length, STRIDE).mean(axis=1)
    return Batch(
        torch.from_numpy(features),
        torch.tensor(lengths),
        torch.from_numpy(np.concatenate([e.labels for e in examples])),
        torch.tensor([len(e.labels) for e in examples]),
        torch.from_numpy(active),
    )


def plan_batches(clips: list[Clip], batch_s: float, rng: np.random.Generator, short_first: bool) -> list[list[int]]:
    """Cut one pass into batches of about `batch_s` seconds whose clips are of like length."""
    lengths = np.array([len(c.log_power) for c in clips])
    order = np.argsort(lengths * rng.uniform(0.9, 1.1, len(lengths)), kind="stable")
    batches: list[list[int]] = [[]]
    for i in order:
        longest = max(lengths[i], lengths[batches[-1]].max() if batches[-1] else 0)
        if batches[-1] and longest * (len(batches[-1]) + 1) > batch_s * 100:
            batches.append([])
        batches[-1].append(int(i))
    if not short_first:
        batches = [batches[i] for i in rng.permutation(len(batches))]
    return batches


class Sampler:
    """The batches of the whole training, in order, each with a random generator of its own: a step can be redone."""

    def __init__(self, clips: list[Clip], noises: list[Noise], config: PhoneTrainingConfig) -> None:
        self.clips, self.noises, self.config = clips, noises, config
        self.augment = config.augment
        self._pass, self._plan, self._first = -1, list[list[int]](), 0
        self.n_per_pass = len(self._batches_of(0))
        self.n_steps = int(config.passes * self.n_per_pass)

    def _batches_of(self, number: int) -> list[list[int]]:
        rng = np.random.default_rng([self.config.seed, 7, number])
        # Lengths vary a little from pass to pass; the number of batches must not, or steps would lose their meaning.
        plan = plan_batches(self.clips, self.config.batch_s, rng, number == 0)
        if number == 0:
            return plan
        while len(plan) < self.n_per_pass:
            plan.append(plan[int(rng.integers(len(plan)))])
        return plan[: self.n_per_pass]

    def batch(self, step: int) -> Batch:
        """Make the batch of a step."""
        number, index = divmod(step, self.n_per_pass)
        if number != self._pass:
            self._plan, self._pass = self._batches_of(number), number
        rng = np.random.default_rng([self.config.seed, 11, step])
        clips = [self.clips[i] for i in self._plan[index]]
        done = step / self.n_per_pass - self.config.clean_passes
        if done < 0:
            return collate([plain(clip) for clip in clips])
        mood = Mood.draw(self.augment, min(1.0, 0.2 + done / self.config.ramp_passes), rng)
        return collate([augment(clip, self.noises, self.augment, mood, rng) for clip in clips])


def loss_of(net: PhoneNet, batch: Batch, vocal_weight: float, bf16: bool) -> tuple[Tensor, dict[str, float]]:
    """CTC per label plus weighted binary cross-entropy of the vocal activity; figures for the log beside it."""
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        logits, vocal = net(batch.features, batch.lengths)
    log_probs = logits.float().log_softmax(1)
    ctc = functional.ctc_loss(
        log_probs.permute(2, 0, 1),
        batch.labels,
        batch.lengths,
        batch.label_lengths,
        reduction="sum",
        zero_infinity=True,
    ) / max(int(batch.label_lengths.sum()), 1)
    mask = (torch.arange(vocal.shape[1])[None] < batch.lengths[:, None]).float()
    activity = (
        functional.binary_cross_entropy_with_logits(vocal.float(), batch.active, reduction="none") * mask
    ).sum() / mask.sum()
    with torch.no_grad():
        blanks = ((log_probs.argmax(1) == 0).float() * mask).sum() / mask.sum()
    figures = {"ctc": float(ctc.detach()), "vocal": float(activity.detach()), "blanks": float(blanks)}
    return ctc + vocal_weight * activity, figures


def _rate(step: int, n_steps: int, config: PhoneTrainingConfig) -> float:
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    done = (step - config.warmup_steps) / max(n_steps - config.warmup_steps, 1)
    return 0.01 + 0.99 * 0.5 * (1 + float(np.cos(np.pi * min(done, 1))))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint; nothing in it is run.

    Raises
    ------
    InputError
        If the file is missing, damaged or holds anything but tensors and plain values.
    """
    try:
        state = torch.load(path, weights_only=True)
    except OSError as error:
        raise InputError(f"cannot read the checkpoint {path}: {error.strerror or error}") from error
    except (UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is no checkpoint, or a damaged one") from error
    if not isinstance(state, dict):
        raise InputError(f"{path} is no checkpoint, or a damaged one")
    return state


def _changes(old: PhoneTrainingConfig, new: PhoneTrainingConfig) -> list[str]:
    """Name the keys that two configurations differ in and that decide what comes out."""
    return [key for key in type(new).model_fields if key != "card" and getattr(old, key) != getattr(new, key)]


class Trainer:
    """Network, its moving average, optimiser and progress: all that a checkpoint holds."""

    def __init__(self, config: PhoneTrainingConfig, out: Path) -> None:
        torch.manual_seed(config.seed)
        self.config, self.out = config, out
        shape = PhoneNetConfig(len(INVENTORY) + 1, config.channels, config.dilations, dropout=config.dropout)
        self.net, self.average = PhoneNet(shape), PhoneNet(shape)
        self.average.load_state_dict(self.net.state_dict())
        self.optimiser = torch.optim.AdamW(
            self.net.parameters(), config.lr, betas=(0.9, 0.98), weight_decay=config.weight_decay
        )
        self.progress = Progress()

    @property
    def checkpoint(self) -> Path:
        """Where the checkpoint lies."""
        return self.out / "checkpoint.pt"

    def save(self) -> None:
        """Write the checkpoint whole or not at all."""
        state = {
            "config": self.config.model_dump(mode="json"),
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "progress": asdict(self.progress),
            "rng": torch.get_rng_state(),
        }
        partial = self.checkpoint.with_suffix(".part")
        torch.save(state, partial)
        os.replace(partial, self.checkpoint)

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one.

        Raises
        ------
        InputError
            If it is damaged, or of a network of another shape.
        """
        if not self.checkpoint.exists():
            return
        state = read_checkpoint(self.checkpoint)
        try:
            changed = _changes(PhoneTrainingConfig.model_validate(state["config"]), self.config)
            self.net.load_state_dict(state["net"])
            self.average.load_state_dict(state["average"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.progress = Progress(**state["progress"])
            torch.set_rng_state(state["rng"])
        except (KeyError, RuntimeError, ValueError, TypeError) as error:
            raise InputError(
                f"the checkpoint {self.checkpoint} is not of this configuration's network: train into another folder"
            ) from error
        if changed:
            log.warning("going on from %s with another %s", self.checkpoint, ", ".join(changed))

    def step(self, batch: Batch, n_steps: int) -> dict[str, float]:
        """Take one step and return figures for the log."""
        config, at = self.config, self.progress.step
        for group in self.optimiser.param_groups:
            group["lr"] = config.lr * _rate(at, n_steps, config)
        self.net.train()
        loss, figures = loss_of(self.net, batch, config.vocal_weight, config.bf16)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        if torch.isfinite(norm):
            self.optimiser.step()
        self.progress.step += 1
        self._average()
        return figures | {"loss": float(loss.detach()), "grad": float(norm)}

    @torch.no_grad()
    def _average(self) -> None:
        share = min(self.config.ema, (1 + self.progress.step) / (10 + self.progress.step))
        for mean, value in zip(self.average.state_dict().values(), self.net.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, 1 - share)
            else:
                mean.copy_(value)


@torch.no_grad()
def phone_error_rate(net: PhoneNet, clips: list[Clip], batch_s: float = 80) -> float:
    """Edit distance of the best path to the phones, over the number of phones; 1.0 for no clips."""
    net.eval()
    wrong = total = 0
    for indices in plan_batches(clips, batch_s, np.random.default_rng(0), True) if clips else []:
        batch = collate([plain(clips[i]) for i in indices])
        best = net(batch.features, batch.lengths)[0].argmax(1).numpy()
        for row, length, i in zip(best, batch.lengths.tolist(), indices, strict=True):
            path = row[:length]
            spelt = path[np.flatnonzero(np.diff(path, prepend=-1))]
            wrong += edit_distance(spelt[spelt > 0], clips[i].labels)
            total += len(clips[i].labels)
    return wrong / total if total else 1.0


def _ahead(sampler: Sampler, first: int) -> Iterator[Batch]:
    """Make batches one ahead in a thread, so that the network never waits."""
    if first >= sampler.n_steps:
        return
    with ThreadPoolExecutor(1) as pool:
        coming: Future[Batch] = pool.submit(sampler.batch, first)
        for step in range(first, sampler.n_steps):
            batch = coming.result()
            if step + 1 < sampler.n_steps:
                coming = pool.submit(sampler.batch, step + 1)
            yield batch


def train(
    config: PhoneTrainingConfig,
    corpus: Path,
    noise: Path | None,
    out: Path,
    *,
    report: Callable[[dict[str, float]], None] | None = None,
    report_every: int = 100,
    workers: int | None = None,
) -> Path:
    """Train, or go on training, and return the checkpoint; `out/log.jsonl` holds a line per report.

    Parameters
    ----------
    config : PhoneTrainingConfig
        What to train and how.
    corpus, noise : Path
        Folders with a manifest.jsonl and its audio, as `shared/corpus` and `shared/noise`.
    out : Path
        Folder of this run: checkpoint, log, cached features.
    """
    torch.set_num_threads(n_threads())
    workers = workers or n_threads()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {out}: {error.strerror}") from error
    clips = load_speech(corpus, out / "cache", config.skip_languages, workers)
    noises = load_noise(noise, out / "cache", workers) if noise else []
    training, held_out = split_speakers(clips, config.held_out, config.seed)
    training = [c for c in training if len(c.log_power) <= config.max_clip_s * 100]
    if not training:
        raise InputError(f"{corpus} holds no clip to train on")
    sampler, trainer = Sampler(training, noises, config), Trainer(config, out)
    trainer.resume()
    sums: dict[str, float] = {}
    n_summed = 0
    since = time.monotonic()
    with (out / "log.jsonl").open("a", encoding="utf-8") as journal:
        for batch in _ahead(sampler, trainer.progress.step):
            for key, value in trainer.step(batch, sampler.n_steps).items():
                sums[key] = sums.get(key, 0.0) + value
            n_summed += 1
            step = trainer.progress.step
            if step % report_every and step != sampler.n_steps:
                continue
            trainer.progress.seconds += time.monotonic() - since
            since = time.monotonic()
            line = {"step": step, "pass": step / sampler.n_per_pass, "seconds": trainer.progress.seconds}
            line |= {key: total / n_summed for key, total in sums.items()}
            if step % (5 * report_every) == 0 or step == sampler.n_steps:
                line["held_out_per"] = phone_error_rate(trainer.average, held_out)
                trainer.save()
            journal.write(json.dumps({k: round(v, 4) for k, v in line.items()}) + "\n")
            journal.flush()
            sums, n_summed = {}, 0
            if report:
                report(line)
    trainer.save()
    return trainer.checkpoint
