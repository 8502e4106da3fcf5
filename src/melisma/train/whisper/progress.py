"""What a Whisper training knows of itself beside weights: kept in each checkpoint, and gone on with from there."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from melisma.core.errors import InputError
from melisma.train.whisper import checkpoints


@dataclass(slots=True)
class Progress:
    """Where a training stands.

    Parameters
    ----------
    run_id : str
        Stays when it goes on.
    facts : dict
        What it was begun with, as plain values: configuration, manifests, network, data, augmentation.
    step : int
        Of the optimiser, that are done.
    lengths : list of int
        Windows of the passes so far.
    loss_sum : float
        Of the steps since the last line of the log.
    logged : int
        The step of that line.
    train_loss : float, optional
        That it said.
    best_wer : float
        The lowest so far.
    best_step : int
        When that was; 0 before the first validation.
    worse : int
        Validations since one had a lower word error rate than all before.
    metrics : dict
        Of the best validation.
    ended : str
        Why it has ended before its last step; else empty.
    """

    run_id: str
    facts: dict[str, Any]
    step: int = 0
    lengths: list[int] = field(default_factory=list)
    loss_sum: float = 0.0
    logged: int = 0
    train_loss: float | None = None
    best_wer: float = math.inf
    best_step: int = 0
    worse: int = 0
    metrics: dict[str, Any] = field(default_factory=dict)
    ended: str = ""

    def judged(self, metrics: dict[str, Any], patience: int) -> bool:
        """Take the outcome of a validation; return whether it is the best.

        Parameters
        ----------
        metrics : dict
            Of it: `wer` decides; where it is the same, `cer` does, and then `loss`.
        patience : int
            Validations without a better one after which the training ends; 0: it does not.
        """
        wer = float(metrics["wer"])
        self.worse = 0 if wer < self.best_wer or not self.best_step else self.worse + 1
        better = not self.best_step or _rank(metrics) < _rank(self.metrics)
        if better:
            self.best_wer, self.best_step, self.metrics = wer, self.step, metrics
        if patience and self.worse >= patience:
            self.ended = f"{self.worse:,} validations on end had no lower word error rate than {self.best_wer:.4f}"
        return better

    def metrics_of(self, step: int) -> dict[str, Any]:
        """Return what a validation found of the network of a step; empty unless it was the best."""
        return self.metrics if step == self.best_step else {}

    def forget_best(self) -> None:
        """Take the next validation for the best: the network of the best so far is gone."""
        self.best_wer, self.best_step, self.metrics = math.inf, 0, {}

    def check_base(self, model: str, fingerprint: str) -> None:
        """Refuse to put adapters on another model than they were begun on.

        Raises
        ------
        InputError
            If its files are other ones.
        """
        if fingerprint != self.facts.get("fingerprint", ""):
            raise InputError(f"{model} is not the model that these adapters were begun on: put that one in its place")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; infinity is null."""
        return asdict(self) | {"best_wer": self.best_wer if math.isfinite(self.best_wer) else None}

    @classmethod
    def read(cls, checkpoint: Path) -> Progress:
        """Read that of a checkpoint.

        Raises
        ------
        InputError
            If it is damaged, or of another kind of training.
        """
        path = checkpoint / checkpoints.PROGRESS
        said = checkpoints.read(path)
        try:
            known = {each.name: said[each.name] for each in fields(cls)}
            made = cls(**known | {"best_wer": math.inf if known["best_wer"] is None else float(known["best_wer"])})
            if not (isinstance(made.facts, dict) and isinstance(made.run_id, str) and int(made.step) >= 0):
                raise ValueError("fields of other kinds")
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path} is of no Whisper training, or damaged") from error
        return made


def _rank(metrics: dict[str, Any]) -> tuple[float, ...]:
    """Return what the better of two validations is found by; what is no number comes last."""
    found = [float(metrics[key]) for key in ("wer", "cer", "loss")]
    return tuple(value if math.isfinite(value) else math.inf for value in found)
