"""Train the embedded acoustic model: CTC over phones, vocal activity beside it, a curriculum from clean to mixed.

One short loop: batches of equal length in seconds, AdamW with a one-cycle schedule, an exponential moving average of
the weights, a JSON line per report, a checkpoint that resumes with sampler, random state, optimiser and schedule.
"""

from __future__ import annotations

import json
import logging
import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO
from zipfile import is_zipfile

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from melisma.core.errors import InputError, OutputError, TrainingError
from melisma.core.files import write_atomically
from melisma.core.settings import n_threads
from melisma.metrics.edit import edit_distance
from melisma.models.phone_net import PhoneNet, PhoneNetConfig
from melisma.text.phones import INVENTORY
from melisma.train.augment import plain
from melisma.train.batches import Batch, Sampler, collate, plan_batches
from melisma.train.certificate import Part, certify
from melisma.train.config import PhoneTrainingConfig
from melisma.train.corpus import Clip, Noise, load_noise, load_speech, split_speakers
from melisma.train.grow import grown
from melisma.train.rows import RowBatch
from melisma.train.watch import Watch

log = logging.getLogger(__name__)
AnyBatch = Batch | RowBatch


@dataclass(slots=True)
class Progress:
    """Where a training stands; all of it is in the checkpoint."""

    step: int = 0
    seconds: float = 0.0  # of wall clock, over all runs


def loss_of(net: PhoneNet, batch: Batch, vocal_weight: float, bf16: bool) -> tuple[Tensor, dict[str, float]]:
    """CTC per label plus weighted binary cross-entropy of the vocal activity; figures for the log beside it."""
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        logits, vocal = net(batch.features, batch.lengths)
    ctc, log_probs = _ctc(logits, batch.labels, batch.lengths, batch.label_lengths)
    mask = (torch.arange(vocal.shape[1])[None] < batch.lengths[:, None]).float()
    activity = (
        functional.binary_cross_entropy_with_logits(vocal.float(), batch.active, reduction="none") * mask
    ).sum() / mask.sum()
    with torch.no_grad():
        blanks = ((log_probs.argmax(1) == 0).float() * mask).sum() / mask.sum()
        silence = ((batch.active < 0.5).float() * mask).sum() / mask.sum()
    figures = {"ctc": float(ctc.detach()), "vocal": float(activity.detach()), "blanks": float(blanks)}
    figures["silence"] = float(silence)
    return ctc + vocal_weight * activity, figures


def _ctc(logits: Tensor, labels: Tensor, lengths: Tensor, label_lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Return CTC per label, and the log-probabilities [batch, n_labels, n_frames]."""
    log_probs = logits.float().log_softmax(1)
    loss = functional.ctc_loss(
        log_probs.permute(2, 0, 1), labels, lengths, label_lengths, reduction="sum", zero_infinity=True
    )
    return loss / max(int(label_lengths.sum()), 1), log_probs


def row_loss_of(net: PhoneNet, batch: RowBatch, config: PhoneTrainingConfig) -> tuple[Tensor, dict[str, float]]:
    """CTC per label, cross-entropy per feature frame where there is a second head, and vocal activity; figures."""
    n_frames = batch.features.shape[2] // net.config.stride
    lengths = torch.full((len(batch.features),), n_frames)
    with torch.autocast("cpu", torch.bfloat16, enabled=config.bf16):
        shared = net.trunk(batch.features, lengths)
        logits, vocal = net.spell(shared)
        sounds = net.sound(shared) if config.fine_weight else None
    ctc, log_probs = _ctc(logits, batch.labels, lengths, batch.label_lengths)
    active = batch.active.view(-1, n_frames, net.config.stride).mean(2)
    activity = functional.binary_cross_entropy_with_logits(vocal.float(), active)
    blanks = (log_probs.detach().argmax(1) == 0).float().mean()
    silence = float((active < 0.5).float().mean())
    figures = {"ctc": float(ctc.detach()), "vocal": float(activity.detach()), "blanks": float(blanks)}
    figures["silence"] = silence
    loss = ctc + config.vocal_weight * activity
    if sounds is not None:
        fine = functional.cross_entropy(sounds.float(), batch.targets, label_smoothing=config.label_smoothing)
        wrong = (sounds.detach().argmax(1) != batch.targets).float().mean()
        figures |= {"fine": float(fine.detach()), "wrong": float(wrong)}
        loss = loss + config.fine_weight * fine
    return loss, figures


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
        with path.open("rb") as file:
            whole = is_zipfile(file)
    except OSError as error:
        raise InputError(f"cannot read the checkpoint {path}: {error.strerror or error}") from error
    try:
        # Anything but a whole zip file would go to torch's reader of old pickles.
        state = torch.load(path, weights_only=True) if whole else None
    except Exception as error:  # torch raises whatever it stumbles over
        raise InputError(f"{path} is no checkpoint, or a damaged one") from error
    if not isinstance(state, dict):
        raise InputError(f"{path} is no checkpoint, or a damaged one")
    return state


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint whole or not at all.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    partial = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {path.parent}: {error.strerror or error}") from error
    try:
        torch.save(state, partial)
        os.replace(partial, path)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
        partial.unlink(missing_ok=True)
        raise OutputError(f"cannot write the checkpoint {path}: {error}") from error


def _changes(old: PhoneTrainingConfig, new: PhoneTrainingConfig) -> list[str]:
    """Name the keys that two configurations differ in and that decide what comes out."""
    return [key for key in type(new).model_fields if key != "card" and getattr(old, key) != getattr(new, key)]


class Trainer:
    """Network, its moving average, optimiser and progress: all that a checkpoint holds."""

    def __init__(self, config: PhoneTrainingConfig, out: Path) -> None:
        torch.manual_seed(config.seed)
        self.config, self.out = config, out
        shape = PhoneNetConfig(
            len(INVENTORY) + 1,
            config.channels,
            config.dilations,
            dropout=config.dropout,
            stride=config.stride,
            fine=config.fine_weight > 0,
        )
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
            "config": self.config.model_dump(mode="json", exclude={"card"}),  # the card decides nothing
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "progress": asdict(self.progress),
            "rng": torch.get_rng_state(),
        }
        write_checkpoint(self.checkpoint, state)

    def start_from(self, checkpoint: Path) -> list[str]:
        """Take over the averaged weights of another training, of a network no larger; return what begins anew.

        Raises
        ------
        InputError
            If it is no checkpoint of a phone model, or not one convolution of it fits into this network.
        """
        state = read_checkpoint(checkpoint)
        own = self.net.state_dict()
        given = state.get("average")
        if not isinstance(given, dict):
            raise InputError(f"{checkpoint} is no checkpoint of a phone model")
        weights, new = grown(given, own)
        if all(own[name].ndim < 2 for name in own.keys() - set(new)):  # counters nearly always fit
            raise InputError(f"{checkpoint} holds no weights that fit into this network")
        self.net.load_state_dict(weights)
        self.average.load_state_dict(weights)
        return sorted(new)

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
            known = state["progress"]
            self.progress = Progress(known["step"], known["seconds"])
            torch.set_rng_state(state["rng"])
        except (KeyError, RuntimeError, ValueError, TypeError) as error:
            raise InputError(
                f"the checkpoint {self.checkpoint} is not of this configuration's network: train into another folder"
            ) from error
        if changed:
            log.warning("going on from %s with another %s", self.checkpoint, ", ".join(changed))

    def step(self, batch: Batch | RowBatch, n_steps: int) -> dict[str, float]:
        """Take one step and return figures for the log."""
        config, at = self.config, self.progress.step
        for group in self.optimiser.param_groups:
            group["lr"] = config.lr * _rate(at, n_steps, config)
        self.net.train()
        if isinstance(batch, RowBatch):
            loss, figures = row_loss_of(self.net, batch, config)
        else:
            loss, figures = loss_of(self.net, batch, config.vocal_weight, config.bf16)
        if not torch.isfinite(loss):
            # The batch norms have seen it: nothing of this network can be saved but the last checkpoint.
            raise TrainingError(f"the loss of step {at} is not a number: go on from the checkpoint with a lower lr")
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        if torch.isfinite(norm):
            self.optimiser.step()
        self.progress.step += 1
        self._average()
        lr = float(self.optimiser.param_groups[0]["lr"])
        return figures | {"loss": float(loss.detach()), "grad": float(norm), "lr": lr}

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
        batch = collate([plain(clips[i]) for i in indices], net.config.stride)
        best = net(batch.features, batch.lengths)[0].argmax(1).numpy()
        for row, length, i in zip(best, batch.lengths.tolist(), indices, strict=True):
            path = row[:length]
            spelt = path[np.flatnonzero(np.diff(path, prepend=-1))]
            wrong += edit_distance(spelt[spelt > 0], clips[i].labels)
            total += len(clips[i].labels)
    return wrong / total if total else 1.0


def _ahead(make: Callable[[int], AnyBatch], first: int, n_steps: int, workers: int = 1) -> Iterator[AnyBatch]:
    """Make batches ahead in threads, so that the network never waits."""
    with ThreadPoolExecutor(workers) as pool:
        coming: deque[Future[AnyBatch]] = deque()
        for step in range(first, n_steps):
            while len(coming) <= workers and step + len(coming) < n_steps:
                coming.append(pool.submit(make, step + len(coming)))
            yield coming.popleft().result()


def _load(
    config: PhoneTrainingConfig, corpus: Path, noise: Path | None, out: Path, workers: int
) -> tuple[list[Clip], list[Clip], list[Noise]]:
    """Return clips to train on, clips held out, and noises; a certificate of the split, if any, is left behind."""
    cache = out / "cache"
    clips = load_speech(corpus, cache, config.skip_languages, workers)
    noises = load_noise(noise, cache, workers) if noise else []
    training, held_out = split_speakers(clips, config.held_out, config.seed)
    training = [c for c in training if len(c.log_power) <= config.max_clip_s * 100]
    if not training:
        raise InputError(f"{corpus} holds no clip to train on")
    if held_out:
        sides = ([Part(corpus / "manifest.jsonl", {clip.id for clip in side})] for side in (training, held_out))
        certify(*sides, seed=config.seed, share=config.held_out).write(out / "split.json")
    return training, held_out, noises


def _journal(path: Path, step: int) -> TextIO:
    """Open the log for more lines, without those of steps that the checkpoint does not hold and that come again."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        kept = [line for line in lines if json.loads(line)["step"] <= step]
        write_atomically(path, "".join(f"{line}\n" for line in kept).encode("utf-8"))
        return path.open("a", encoding="utf-8")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"the log {path} cannot be gone on with: {error}") from error


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
    training, held_out, noises = _load(config, corpus, noise, out, workers)
    sampler, trainer = Sampler(training, noises, config), Trainer(config, out)
    trainer.resume()
    loop = Loop(sampler.n_steps, sampler.n_per_pass, report_every, report)

    def judge() -> dict[str, float]:
        return {"held_out_per": phone_error_rate(trainer.average, held_out)}

    run(trainer, sampler.batch, judge, loop)
    return trainer.checkpoint


@dataclass(frozen=True, slots=True)
class Loop:
    """How long a training goes on and what it tells."""

    n_steps: int
    n_per_pass: int
    report_every: int
    report: Callable[[dict[str, float]], None] | None


def run(trainer: Trainer, make: Callable[[int], AnyBatch], judge: Callable[[], dict[str, float]], loop: Loop) -> None:
    """Take all steps that are left; a line of figures per report, a judgement and a checkpoint at every fifth."""
    sums: dict[str, float] = {}
    n_summed = 0
    since, watch = time.monotonic(), Watch()
    with _journal(trainer.out / "log.jsonl", trainer.progress.step) as journal:
        for batch in _ahead(make, trainer.progress.step, loop.n_steps):
            for key, value in trainer.step(batch, loop.n_steps).items():
                if math.isfinite(value):  # a gradient that was not, and was left out
                    sums[key] = sums.get(key, 0.0) + value
            n_summed += 1
            step = trainer.progress.step
            if step % loop.report_every and step != loop.n_steps:
                continue
            trainer.progress.seconds += time.monotonic() - since
            since = time.monotonic()
            line = {"step": step, "pass": step / loop.n_per_pass, "seconds": trainer.progress.seconds}
            line |= {key: total / n_summed for key, total in sums.items()}
            whole = step % (5 * loop.report_every) == 0 or step == loop.n_steps
            if whole:
                line |= judge()
            journal.write(json.dumps({k: round(v, 4) for k, v in line.items()}, allow_nan=False) + "\n")
            journal.flush()
            if whole:  # after its line: a resumed run drops lines that the checkpoint does not hold
                trainer.save()
            sums, n_summed = {}, 0
            if said := watch.look(line):
                log.warning(said)
            if loop.report:
                loop.report(line)
    trainer.save()
