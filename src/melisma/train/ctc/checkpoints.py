"""Checkpoints: written whole or not at all, read without running what is in them, and made a network again."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.io.checkpoint_io import CheckpointIO

from melisma.core.errors import InputError, ModelError
from melisma.models.pretrained import Vocabulary
from melisma.train.checkpoint import also, read_checkpoint, write_checkpoint
from melisma.train.ctc.config import CtcTrainingConfig
from melisma.train.ctc.network import Shape
from melisma.train.ctc.priors import prior_shift
from melisma.train.ctc.trained import Kind, Trained, Units

FOLDER, LAST, BEST = "checkpoints", "last.ckpt", "best.ckpt"
_STEP: re.Pattern[str] = re.compile(r"step-(\d+)\.ckpt")


class SafeFiles(CheckpointIO):
    """How Lightning reads and writes checkpoints here: as `melisma.train.checkpoint` does."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint whole or not at all."""
        write_checkpoint(Path(path), checkpoint)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read tensors and plain values, onto the CPU."""
        return read_checkpoint(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        """Remove a file."""
        Path(path).unlink(missing_ok=True)


class SaveCheckpoints(pl.Callback):
    """Keeps the last steps and the best one.

    `step-N.ckpt` is written first, then `last.ckpt` becomes the same file, then older ones go: a kill between the two
    costs nothing. `best.ckpt` holds weights and facts only, a third of the size.

    Parameters
    ----------
    run : Path
        Folder of the training.
    every_steps, every_minutes : int, float
        Whichever comes first.
    keep : int
        How many of the last ones stay.
    """

    def __init__(self, run: Path, every_steps: int, every_minutes: float, keep: int) -> None:
        self.folder = run / FOLDER
        self.every_steps, self.every_s, self.keep = every_steps, 60 * every_minutes, keep
        self.due = self.is_best = False  # set by whoever wants the next step kept
        self.ending = False  # set by whoever wants the training to end with it
        self._since = time.monotonic()
        self._saved = -1

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin to count, without what a killed training had half written."""
        if trainer.is_global_zero:
            for partial in (*self.folder.glob("*.part"), *self.folder.glob(f".{LAST}.*")):
                partial.unlink(missing_ok=True)
        self._since, self._saved = time.monotonic(), trainer.global_step

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save where it is time to."""
        step = trainer.global_step
        if step == self._saved:
            return  # between two steps, where gradients are added up
        late = trainer.strategy.broadcast(time.monotonic() - self._since >= self.every_s)
        # A signal may have reached one of several processes only: they end together.
        self.ending = trainer.strategy.reduce_boolean_decision(self.ending, all=False)
        if self.is_best:
            trainer.save_checkpoint(self.folder / BEST, weights_only=True)
            self.is_best = False
        last = self.ending or trainer.should_stop or step == trainer.max_steps
        if self.due or late or last or step % self.every_steps == 0:
            self._save(trainer, step)
        if self.ending:
            trainer.should_stop = True

    def _save(self, trainer: pl.Trainer, step: int) -> None:
        own = self.folder / f"step-{step}.ckpt"
        trainer.save_checkpoint(own)
        if trainer.is_global_zero:
            also(own, self.folder / LAST)
            for _, path in steps(self.folder)[: -self.keep]:
                path.unlink(missing_ok=True)
        self.due, self._saved, self._since = False, step, time.monotonic()


def steps(folder: Path) -> list[tuple[int, Path]]:
    """Return the checkpoints of single steps, by step."""
    found = [(_STEP.fullmatch(path.name), path) for path in folder.glob("step-*.ckpt")]
    return sorted((int(match[1]), path) for match, path in found if match)


def find(path: Path, which: str = "best") -> Path:
    """Return the checkpoint of a folder: the best, the last where there is none, or `step-N`.

    Raises
    ------
    InputError
        If there is none.
    """
    if path.is_file():
        return path
    folder = path / FOLDER
    wanted: list[str] = [f"{which}.ckpt", LAST] if which == "best" else [f"{which}.ckpt"]
    for name in wanted:
        candidate: Path = folder / name
        if candidate.is_file():
            return candidate
    raise InputError(f"{path} holds no checkpoint of a CTC training" + ("" if which == "best" else f" called {which}"))


def load_trained(path: Path, which: str = "best") -> Trained:
    """Read a trained network.

    Parameters
    ----------
    path : Path
        Folder of a training, or one of its checkpoints.
    which : str
        Of a folder: best, last, or step-N. Before the first validation, the last stands for the best.

    Raises
    ------
    InputError
        If there is no such checkpoint, or it is damaged or of something else.
    """
    file = find(path, which)
    state = read_checkpoint(file)
    run = file.parent.parent if file.parent.name == FOLDER else file.parent
    try:
        kept = state["melisma"]
        shape = Shape.of_dict(kept["shape"])
        net = shape.make()
        weights = {k.removeprefix("net."): v for k, v in state["state_dict"].items() if k.startswith("net.")}
        net.load_state_dict(weights)
        labels, blank = tuple(map(str, kept["labels"])), int(kept["blank"])
        n_extra = 1 if shape.kind is Kind.PHONE_NET else 0  # its head says where words are, too
        if not 0 <= blank < len(labels) or len(labels) + n_extra != len(_bias(net, shape)):
            raise ValueError("the labels are not those of the head")
        _fold_priors(net, shape, state, CtcTrainingConfig.model_validate(kept["config"]))
        facts = {k: v for k, v in kept.items() if k not in ("shape", "labels", "blank", "silent", "delimiter")}
        return Trained(
            kind=shape.kind,
            net=net.eval(),
            labels=labels,
            blank=blank,
            units=Units(kept["config"]["units"]),
            normalise=shape.normalise,
            languages=tuple(map(str, kept.get("languages", ()))),
            facts=facts | {"step": int(state["global_step"])},
            run=run,
        )
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError, ModelError) as error:
        raise InputError(f"{file} is no checkpoint of a CTC training, or a damaged one") from error


def _fold_priors(net: Any, shape: Shape, state: dict[str, Any], config: CtcTrainingConfig) -> None:
    """Put the label priors that a network was trained with into the bias of its head, for whoever uses it."""
    shift = prior_shift(state["state_dict"]["log_priors"], config, int(state["global_step"]))
    if shift is None:
        return
    with torch.no_grad():
        _bias(net, shape)[: len(shift)] -= shift


def _bias(net: Any, shape: Shape) -> torch.Tensor:
    """Return the bias of a network's head, float32 [n_labels]."""
    found: torch.Tensor = net.head.bias if shape.kind is Kind.PHONE_NET else net.lm_head.bias
    return found


def begun_with(model: str) -> Path | None:
    """Return the checkpoint of a training here that a new one is to begin with; None if the name says another network.

    Parameters
    ----------
    model : str
        Folder of a training, or one of its checkpoints; or anything else.
    """
    path = Path(model).expanduser()
    return find(path) if path.suffix == ".ckpt" or (path / FOLDER).is_dir() else None


def vocabulary_of(kept: dict[str, Any]) -> Vocabulary:
    """Return the vocabulary that a checkpoint holds."""
    return Vocabulary(tuple(kept["labels"]), int(kept["blank"]), frozenset(kept["silent"]), kept["delimiter"])
