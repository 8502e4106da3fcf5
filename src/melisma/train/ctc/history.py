"""What a training says of itself: a JSON line every few steps, and one for every validation."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from melisma.train.ctc.checkpoints import SaveCheckpoints
from melisma.train.ctc.judge import Judge
from melisma.train.ctc.model import LyricAlignmentModel, learning_rate
from melisma.train.log_lines import Clock, Lines, gpu_utilization, memory_mb, now

LOG, HISTORY = "log.jsonl", "training_history.jsonl"


class Stopwatch(Clock, pl.Callback):
    """Counts what a training waits for data and what it works on it; validations and checkpoints are neither.

    It is the last callback, so that waiting begins when all others are done.
    """

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin to count."""
        self.restart()

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Count what was waited for."""
        self.end_wait()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Begin to wait for the next one."""
        self.restart()


class History(pl.Callback):
    """Writes log.jsonl.

    Parameters
    ----------
    run : Path
        Folder of the training.
    run_id : str
        Of it.
    step : int
        That is done already.
    every : int
        Steps a line.
    n_per_pass : int
        Batches of one pass over the clips, of all processes.
    """

    def __init__(self, run: Path, run_id: str, step: int, every: int, n_per_pass: int) -> None:
        self.lines = Lines(run / LOG, step)
        self.run_id, self.every, self.n_per_pass = run_id, every, n_per_pass
        self.last: dict[str, Any] = {}  # the latest line
        self.watch = Stopwatch()
        self._seconds = 0.0
        self._n = self._blank = self._spelt = self._loss = 0.0
        self._step = step

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin to count."""
        self._step = trainer.global_step

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Write a line where one is due."""
        module: LyricAlignmentModel = pl_module
        self.watch.end_work()
        step = trainer.global_step
        if step > self._step and (step % self.every == 0 or step == trainer.max_steps):
            self._gather(module)
            self._write(trainer, module, step)
        self._step = step

    def _gather(self, module: LyricAlignmentModel) -> None:
        """Add up what batches have shown; only here, for a GPU that is asked first finishes all it was given."""
        for figures in module.figures:
            self._loss += float(figures.loss)
            self._blank += float(figures.blank_share)
            self._spelt += float(figures.spelt)
            self._seconds += figures.seconds
            self._n += 1
        module.figures.clear()

    def _write(self, trainer: pl.Trainer, module: LyricAlignmentModel, step: int) -> None:
        elapsed = max(1e-9, self.watch.waited_s + self.watch.worked_s)
        n, device = max(1.0, self._n), module.device
        means = torch.tensor([self._loss / n, self._blank / n, self._spelt / n], device=device)
        loss, blank, spelt = (float(mean) for mean in trainer.strategy.reduce(means, reduce_op="mean"))
        self.last = {
            "timestamp": now(),
            "step": step,
            "epoch": round(step * module.config.accumulate / self.n_per_pass, 4),
            "stage": "train",
            "loss": loss,
            "lr": module.config.lr * learning_rate(step - 1, module.config),
            "grad_norm": module.grad_norm,
            "audio_s_per_s": self._seconds * trainer.world_size / elapsed,
            "wait_share": self.watch.waited_s / elapsed,
            "blank_share": blank,
            "spelt": spelt,
            "gpu_utilization": gpu_utilization(device),
            "memory_mb": round(memory_mb(device), 1),
            "run_id": self.run_id,
        }
        if trainer.is_global_zero:
            self.lines.add(self.last)
        self.watch.waited_s = self.watch.worked_s = self._seconds = 0.0
        self._n = self._blank = self._spelt = self._loss = 0.0


class Validate(pl.Callback):
    """Judges every so many steps, writes training_history.jsonl, keeps the best step, and ends what stands still.

    Parameters
    ----------
    judge : Judge
        Of held-out clips.
    saver : SaveCheckpoints
        Told what to keep.
    history : History
        What the training says of itself.
    every : int
        Steps.
    patience : int
        Validations without a better one after which the training ends; 0: it does not.
    """

    def __init__(self, judge: Judge, saver: SaveCheckpoints, history: History, every: int, patience: int) -> None:
        self.judge, self.saver, self.history, self.every, self.patience = judge, saver, history, every, patience
        self.lines = Lines(history.lines.path.with_name(HISTORY), history._step)
        self.best = math.inf
        self.best_step = 0
        self.worse = 0  # validations since the best
        self._step = history._step

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin to count."""
        self._step = trainer.global_step

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Judge where it is time to."""
        step = trainer.global_step
        if step == self._step:
            return
        self._step = step
        if step % self.every and step != trainer.max_steps:
            return
        # What is best decides who saves and who ends: several processes have to agree, though their GPUs round apart.
        verdict = trainer.strategy.broadcast(self.judge.judge(pl_module))
        better = verdict.error_s < self.best
        if better:
            self.best, self.best_step, self.worse = verdict.error_s, step, 0
        else:
            self.worse += 1
        said = {
            **{key: self.history.last.get(key) for key in ("epoch", "lr", "audio_s_per_s", "memory_mb", "run_id")},
            "timestamp": now(),
            "step": step,
            "stage": "validate",
            "train_loss": self.history.last.get("loss"),
            **asdict(verdict),
            "best": better,
        }
        if trainer.is_global_zero:
            self.lines.add(said)
        pl_module.facts["metrics"] = {k: v for k, v in asdict(verdict).items() if math.isfinite(v)}
        self.saver.is_best, self.saver.due = better, True
        if self.patience and self.worse >= self.patience:
            pl_module.facts["ended"] = f"no validation since step {self.best_step} was better"
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint holds: the best so far, and how long ago."""
        return {"best": self.best, "best_step": self.best_step, "worse": self.worse}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self.best, self.best_step = float(state_dict["best"]), int(state_dict["best_step"])
        self.worse = int(state_dict["worse"])
