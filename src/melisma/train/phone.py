"""Train the embedded acoustic model: CTC over phones, vocal activity beside it, a curriculum from clean to mixed.

One short loop: batches of equal length in seconds, AdamW with a one-cycle schedule, an exponential moving average of
the weights, a JSON line per report, a checkpoint that resumes with sampler, random state, optimiser and schedule.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
import torch

from melisma.core.errors import InputError, OutputError
from melisma.core.files import write_atomically
from melisma.core.settings import n_threads
from melisma.metrics.edit import edit_distance
from melisma.models.phone_net import PhoneNet
from melisma.train.augment import plain
from melisma.train.batches import Batch, Sampler, collate, plan_batches
from melisma.train.certificate import Certificate, Part, certify
from melisma.train.checkpoint import CHECKPOINT
from melisma.train.config import PhoneTrainingConfig
from melisma.train.corpus import Clip, Noise, load_noise, load_speech, split_speakers
from melisma.train.device import choose_device, device_of, pinned
from melisma.train.origin import Beginning
from melisma.train.rows import RowBatch
from melisma.train.trainer import Trainer
from melisma.train.watch import Watch

log = logging.getLogger(__name__)
AnyBatch = Batch | RowBatch


@torch.no_grad()
def phone_error_rate(net: PhoneNet, clips: list[Clip], batch_s: float = 80) -> float:
    """Edit distance of the best path to the phones, over the number of phones; 1.0 for no clips."""
    net.eval()
    device, wrong, total = device_of(net), 0, 0
    for indices in plan_batches(clips, batch_s, np.random.default_rng(0), True) if clips else []:
        batch = collate([plain(clips[i]) for i in indices], net.config.stride)
        best = net(batch.features.to(device), batch.lengths.to(device))[0].argmax(1).cpu().numpy()
        for row, length, i in zip(best, batch.lengths.tolist(), indices, strict=True):
            path = row[:length]
            spelt = path[np.flatnonzero(np.diff(path, prepend=-1))]
            wrong += edit_distance(spelt[spelt > 0], clips[i].labels)
            total += len(clips[i].labels)
    return wrong / total if total else 1.0


def _ahead(make: Callable[[int], AnyBatch], first: int, n_steps: int, workers: int) -> Iterator[AnyBatch]:
    """Make batches ahead in threads, so that the network never waits; they come in order, however many threads."""
    with ThreadPoolExecutor(workers) as pool:
        coming: deque[Future[AnyBatch]] = deque()
        try:
            for step in range(first, n_steps):
                while len(coming) <= workers and step + len(coming) < n_steps:
                    coming.append(pool.submit(make, step + len(coming)))
                yield coming.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _load(
    config: PhoneTrainingConfig, corpus: Path, noise: Path | None, out: Path, workers: int
) -> tuple[list[Clip], list[Clip], list[Noise]]:
    """Return clips to train on, clips held out, and noises."""
    cache = out / "cache"
    clips = load_speech(corpus, cache, config.skip_languages, workers)
    noises = load_noise(noise, cache, workers) if noise else []
    training, held_out = split_speakers(clips, config.held_out, config.seed)
    training = [c for c in training if len(c.log_power) <= config.max_clip_s * 100]
    if not training:
        raise InputError(f"{corpus} holds no clip to train on")
    return training, held_out, noises


def _certificate(
    config: PhoneTrainingConfig, corpus: Path, training: list[Clip], held_out: list[Clip]
) -> Certificate | None:
    """Certify the split; there is nothing to certify where nobody is held out."""
    if not held_out:
        return None
    sides = ([Part(corpus / "manifest.jsonl", {clip.id for clip in side})] for side in (training, held_out))
    return certify(*sides, seed=config.seed, share=config.held_out)


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
    device: str = "auto",
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
    workers : int, optional
        Processes that decode and threads that make batches, as many as there are cores unless said. What comes out
        does not depend on it.
    device : str
        What the network is trained on: auto, cpu, cuda, cuda:1 …

    Raises
    ------
    InputError
        If there is no such device, the corpus holds nothing to train on, or the folder holds a training of other
        manifests or one that has heard a held-out speaker.
    OutputError
        If the folder cannot be written.
    """
    torch.set_num_threads(n_threads())
    chosen, workers = choose_device(device), workers or n_threads()
    folders = {"speech": corpus, "noise": noise}
    manifests = {name: folder / "manifest.jsonl" for name, folder in folders.items() if folder}
    beginning = Beginning.of(out / CHECKPOINT, None, manifests)
    make_folder(out)
    training, held_out, noises = _load(config, corpus, noise, out, workers)
    certificate = _certificate(config, corpus, training, held_out)
    beginning.check_unheard(certificate)
    if certificate:
        certificate.write(out / "split.json")
    sampler, trainer = Sampler(training, noises, config), Trainer(config, out, device=chosen)
    trainer.resume()
    trainer.origin = beginning.then(certificate, (clip.speaker for clip in training))
    loop = Loop(sampler.n_steps, sampler.n_per_pass, report_every, report, workers)

    def judge() -> dict[str, float]:
        return {"held_out_per": phone_error_rate(trainer.average, held_out)}

    run(trainer, sampler.batch, judge, loop)
    return trainer.checkpoint


def make_folder(out: Path) -> None:
    """Make the folder of a training.

    Raises
    ------
    OutputError
        If it cannot be made.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {out}: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class Loop:
    """How long a training goes on and what it tells."""

    n_steps: int
    n_per_pass: int
    report_every: int
    report: Callable[[dict[str, float]], None] | None
    workers: int = 1  # threads that make batches ahead


def run(trainer: Trainer, make: Callable[[int], AnyBatch], judge: Callable[[], dict[str, float]], loop: Loop) -> None:
    """Take all steps that are left; a line of figures per report, a judgement and a checkpoint at every fifth."""
    sums: dict[str, float] = {}
    n_summed = 0
    since, watch, first = time.monotonic(), Watch(), trainer.progress.step

    def ready(step: int) -> AnyBatch:
        return pinned(make(step)) if trainer.device.type == "cuda" else make(step)

    with _journal(trainer.out / "log.jsonl", first) as journal:
        for batch in _ahead(ready, first, loop.n_steps, loop.workers):
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
