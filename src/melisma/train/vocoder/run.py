"""The loop of a vocoder's training: epochs, what is kept of them, what takes it back, and what ends it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from melisma.core.errors import TrainingError
from melisma.train.checkpoint import read_checkpoint
from melisma.train.interrupt import interruptible
from melisma.train.log_lines import now
from melisma.train.vocoder.doctor import Ailment, Doctor, Finding, treat
from melisma.train.vocoder.judge import Judge
from melisma.train.vocoder.keep import BEST, FINAL, GOOD, LATEST, Keeper
from melisma.train.vocoder.material import Batch, Material, Segments, Told
from melisma.train.vocoder.trainer import Progress, Trainer

__all__ = ["BEST", "FINAL", "LATEST", "Run"]
_SETTLE = 5  # epochs after discriminators have come in, in which held-out speech becomes worse before it becomes better
_WORSE = 1.5  # times the best distance up to which an epoch may be gone back to


class Run:
    """The loop of a training.

    Parameters
    ----------
    folder : Path
        Of the training.
    trainer : Trainer
        What takes steps.
    material : Material
        What is learnt from and judged by.
    told : Told
        Who hears of it.
    doctor : Doctor
        Looks at every step.
    state : mapping, optional
        The checkpoint that `trainer` goes on from.
    """

    ending = False  # set where the next step shall be the last

    def __init__(
        self,
        folder: Path,
        trainer: Trainer,
        material: Material,
        told: Told,
        doctor: Doctor,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder, self.trainer, self.config = folder, trainer, trainer.config
        self.told, self.material, self.doctor = told, material, doctor
        self.segments = Segments(material, self.config)
        self.judge = Judge(material, self.config.validation_utterances, self.config.speaker, trainer.device)
        if state is not None and "doctor" in state:
            doctor.load(state["doctor"])
        self.keeper = Keeper(folder, trainer, doctor, material, fresh=state is None)

    @property
    def progress(self) -> Progress:
        """Where it stands."""
        return self.trainer.progress

    def run(self) -> Path:
        """Train to the end, and return the folder.

        Raises
        ------
        KeyboardInterrupt
            If a signal has ended it; its last step is kept.
        TrainingError
            If the doctor cannot help any more.
        """
        self._describe()
        if not (self.folder / GOOD).exists():
            self.keeper.save(good=True)
        with interruptible(self), ThreadPoolExecutor(1, "melisma-segments") as ahead:
            while not self.ending and not self._over():
                if self._epoch(ahead):
                    self._end_epoch()
            if self.ending:
                self.keeper.save()
        if not self.ending:
            why = "all epochs are done" if self.progress.epoch >= self.config.epochs else "it gets no better"
            self.told.say(f"{why}; {FINAL} is of epoch {self.keeper.finish()}")
        return self.folder

    def _describe(self) -> None:
        hours = [sum(row.n_frames for row in side) / 180_000 for side in (self.material.learnt, self.material.held_out)]
        whose = "of other speakers" if self.material.by_speaker else "of the same speakers"
        n = sum(p.numel() for p in self.trainer.generator.parameters())
        self.told.say(
            f"{self.trainer.shape.kind}, {n / 1e6:.2f} M weights, {self.trainer.device}; learns from {hours[0]:.2f} h, "
            f"{hours[1]:.2f} h {whose} are held out; {self.config.steps_per_epoch} steps an epoch"
        )

    def _over(self) -> bool:
        """Whether all is done, or nothing has become better for long; the warm-up goes on to its end."""
        if self.progress.epoch >= self.config.epochs:
            return True
        counts = self.trainer.adversarial or self.config.warmup_epochs >= self.config.epochs
        return bool(counts and self.config.patience and self.progress.worse >= self.config.patience)

    def _epoch(self, ahead: ThreadPoolExecutor) -> bool:
        """Take the steps of an epoch that are left; return whether it is whole."""
        n_steps, progress = self.config.steps_per_epoch, self.progress
        pending = ahead.submit(self._batch, progress.step)
        while progress.done < n_steps and not self.ending:
            began = time.monotonic()
            step, batch = progress.step, pending.result()
            pending = ahead.submit(self._batch, step + 1)
            figures, signs = self.trainer.step(batch, lambda number, step=step: self._batch(step, number))  # type: ignore[misc]
            finding = self.doctor.look(signs)
            if finding is not None:
                pending.cancel()
                self._rescue(finding)
                return False
            self._count(figures, time.monotonic() - began)
            self.told.tell("training", (progress.epoch * n_steps + progress.done) / (self.config.epochs * n_steps))
            if self.keeper.is_due():
                self.keeper.save()
        pending.cancel()
        return progress.done >= n_steps

    def _batch(self, step: int, number: int = 0) -> Batch:
        return self.segments.batch(step, 100 * self.trainer.care.rescues + number)

    def _count(self, figures: dict[str, float], seconds: float) -> None:
        progress = self.progress
        progress.done += 1
        progress.seconds += seconds
        for name, value in figures.items():
            progress.sums[name] = progress.sums.get(name, 0.0) + value
        if progress.step % self.config.log_steps == 0:
            said = {"timestamp": now(), "step": progress.step, "epoch": progress.epoch + 1, **figures}
            self.keeper.lines.add(said)

    def _rescue(self, finding: Finding) -> None:
        """Go back to the last good checkpoint and apply the remedies.

        Raises
        ------
        TrainingError
            If that has been done often enough.
        """
        care, remedies = treat(self.trainer.care, finding.ailment)
        if care.rescues > self.config.rescues:
            raise TrainingError(
                f"{finding.sentence}; the training was taken back {self.config.rescues} times, and it comes again: "
                "give a lower --lr, a longer --warmup-epochs, or look at the recordings"
            )
        told, good = self.progress.doctor, self.folder / GOOD
        self.trainer.load(read_checkpoint(good), good)
        event = {"step": finding.step, "ailment": finding.ailment.value, "finding": finding.sentence}
        event |= {"remedies": remedies, "back_to": self.progress.step}
        self.progress.doctor = [*told, event]
        self.trainer.care = care
        self.doctor.forget()
        self.keeper.back_to(self.progress.step)
        self.keeper.save()
        self.keeper.write_log()
        self.told.say(f"doctor: {finding.sentence}; back to step {self.progress.step}, with {remedies}")

    def _end_epoch(self) -> None:
        """Judge, write down and keep what the epoch came to."""
        progress, config = self.progress, self.config
        held_out = config.mel_weight * self.judge.judge(self.trainer.average)
        if not math.isfinite(held_out):
            said = f"what epoch {progress.epoch + 1} has learnt computes what is not a number"
            self._rescue(Finding(Ailment.NUMBERS, progress.step, said))
            return
        adversarial = self.trainer.adversarial
        settling = adversarial and config.warmup_epochs > 0 and progress.epoch < config.warmup_epochs + _SETTLE
        progress.epoch += 1
        best_yet = not settling and self._is_best(held_out)
        means = {name: total / progress.done for name, total in progress.sums.items()}
        rates = {"lr": float(self.trainer.optimiser.param_groups[0]["lr"]), "seconds": round(progress.seconds, 3)}
        entry = {"epoch": progress.epoch, "step": progress.step, "adversarial": adversarial, **means}
        progress.history.append({**entry, "val_mel": held_out, **rates, "settling": settling})
        progress.done, progress.sums = 0, {}
        if self.trainer.adversarial and not adversarial:  # what comes now is measured anew
            progress.best, progress.worse = None, 0
        self._say_epoch(means, held_out, best_yet)
        if best_yet:
            progress.kept = progress.epoch
            self.keeper.write_weights(BEST)
        known = [one["val_mel"] for one in progress.history if one.get("adversarial", False) == adversarial]
        self.keeper.save(good=held_out <= _WORSE * min(known))
        if progress.epoch % config.save_every == 0 or progress.epoch == 1:
            self.keeper.keep_epoch(self.judge, whole=progress.epoch % config.save_every == 0)
        self.keeper.write_log()

    def _is_best(self, held_out: float) -> bool:
        """Count an epoch for patience; return whether none of its phase was better, however little."""
        progress, adversarial = self.progress, self.trainer.adversarial
        before = [
            one["val_mel"]
            for one in progress.history
            if one.get("adversarial", False) == adversarial and not one.get("settling", False)
        ]
        if progress.best is None or held_out < progress.best - self.config.min_delta:
            progress.best, progress.best_epoch, progress.worse = held_out, progress.epoch, 0
        else:
            progress.worse += 1
        return held_out < min(before, default=math.inf)

    def _say_epoch(self, means: Mapping[str, float], held_out: float, best: bool) -> None:
        parts = [f"mel {means['mel']:.2f}", f"held out {held_out:.2f}{' *' if best else ''}"]
        if "d" in means:
            parts.append(f"discriminators {means['d']:.3f}, features {means['features']:.2f}")
        self.told.say(f"epoch {self.progress.epoch}: {', '.join(parts)}")
