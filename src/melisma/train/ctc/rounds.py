"""The doctor at work: what each step of a training shows, looked at as it goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from melisma.train.ctc.doctor import Doctor, Finding, Signs, examine_clips
from melisma.train.ctc.history import History
from melisma.train.ctc.model import Figures, LyricAlignmentModel, learning_rate
from melisma.train.log_lines import now

_MOST = 1 << 20  # weights that are looked at: enough to see whether a network moves, cheap on any
_EVERY = 10  # steps between two looks at the weights


class Rounds(pl.Callback):
    """Takes the signs of every step to a doctor; what is found goes to the user and into log.jsonl.

    Parameters
    ----------
    doctor : Doctor
        Who judges them.
    say : callable
        Told each finding, in a sentence.
    n_clips : int
        Clips that are learnt from.
    left_out : mapping of str to int
        Clips that are not, by reason.
    """

    def __init__(
        self, doctor: Doctor, say: Callable[[str], None], n_clips: int = 0, left_out: Mapping[str, int] | None = None
    ) -> None:
        self.doctor, self.say, self.n_clips, self.left_out = doctor, say, n_clips, left_out or {}
        self.findings: list[Finding] = []
        self._figures: list[Figures] = []
        self._before: list[Tensor] | None = None  # weights before the step that is being taken
        self._step = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin to look: at what was left out of the corpus first."""
        loader: Any = trainer.train_dataloader
        self.doctor.n_workers, self._step = loader.num_workers, trainer.global_step
        self.doctor.scaled = trainer.precision == "16-mixed"
        found = examine_clips(self.n_clips, self.left_out, self.doctor.config) if not self._step else None
        if found is not None:
            self._tell(trainer, found)

    def on_before_optimizer_step(self, trainer: pl.Trainer, pl_module: Any, optimizer: torch.optim.Optimizer) -> None:
        """Take the figures of the step's batches, and its weights now and then."""
        module: LyricAlignmentModel = pl_module
        per_step = trainer.accumulate_grad_batches
        self._figures = module.figures[-per_step:]
        self._before = _weights(module) if self._step % _EVERY == 0 else None

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Judge a step that has been taken."""
        if trainer.global_step == self._step:
            return
        self._step = trainer.global_step
        found = self.doctor.look(self._signs(trainer, pl_module))
        for finding in found:
            self._tell(trainer, finding)

    def _tell(self, trainer: pl.Trainer, finding: Finding) -> None:
        self.findings.append(finding)
        if not trainer.is_global_zero:
            return
        self.say(finding.sentence)
        history = _history(trainer)
        history.lines.add(
            {
                "timestamp": now(),
                "step": finding.step,
                "stage": "doctor",
                "ailment": finding.ailment.value,
                "sentence": finding.sentence,
                "run_id": history.run_id,
            }
        )

    def _signs(self, trainer: pl.Trainer, module: LyricAlignmentModel) -> Signs:
        n = max(1, len(self._figures))
        moved = _moved(self._before, _weights(module)) if self._before is not None else None
        return Signs(
            step=self._step,
            loss=sum(float(each.loss) for each in self._figures) / n,
            grad_norm=module.grad_norm,
            lr=module.config.lr * learning_rate(self._step - 1, module.config),
            spelt=sum(float(each.spelt) for each in self._figures) / n,
            wait_share=float(_history(trainer).last.get("wait_share", 0.0)),  # of the steps of the latest line
            moved=moved,
        )


def rounds_of(prepared: Path, say: Callable[[str], None]) -> Rounds:
    """Return the rounds of a training that has just been prepared.

    Parameters
    ----------
    prepared : Path
        `train.json` in the folder of what was prepared: clips taken, and left out by reason.
    say : callable
        Told each finding, in a sentence.
    """
    try:
        said = json.loads(prepared.read_bytes())
        n_clips, left_out = int(said["clips"]), {str(reason): int(n) for reason, n in said["left_out"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        n_clips, left_out = 0, {}  # made anew whenever the manifest is read; without it nothing is said of the corpus
    return Rounds(Doctor(), say, n_clips, left_out)


def _history(trainer: pl.Trainer) -> History:
    callbacks: list[Any] = getattr(trainer, "callbacks")  # noqa: B009 - typed as no attribute
    return next(each for each in callbacks if isinstance(each, History))


def _weights(module: LyricAlignmentModel) -> list[Tensor]:
    """Return copies of some of the weights that learn, from the last layer on."""
    found: list[Tensor] = []
    size = 0
    for weight in reversed([each for each in module.net.parameters() if each.requires_grad]):
        if found and size + weight.numel() > _MOST:
            continue
        found.append(weight.detach().clone())
        size += weight.numel()
    return found


def _moved(before: list[Tensor], after: list[Tensor]) -> float:
    """Return the length of the way as a share of the length of the weights."""
    way = sum(float((b - a).square().sum()) for a, b in zip(before, after, strict=True))
    size = sum(float(a.square().sum()) for a in before)
    return float((way / size) ** 0.5) if size else 0.0
