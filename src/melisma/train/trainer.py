"""Network, moving average, optimiser and progress of a training: what takes a step, and what a checkpoint holds."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from melisma.core.errors import InputError, TrainingError
from melisma.models.phone_net import PhoneNet, PhoneNetConfig
from melisma.text.phones import INVENTORY
from melisma.train.batches import Batch
from melisma.train.checkpoint import CHECKPOINT, read_checkpoint, write_checkpoint
from melisma.train.config import PhoneTrainingConfig
from melisma.train.device import moved, random_states, set_random_states
from melisma.train.grow import grown
from melisma.train.losses import Figures, loss_of, row_loss_of
from melisma.train.origin import UNKNOWN, origin_of
from melisma.train.rows import RowBatch

log = logging.getLogger(__name__)
RowLoss = Callable[[PhoneNet, RowBatch, PhoneTrainingConfig], tuple[Tensor, Figures]]
_CPU = torch.device("cpu")


@dataclass(slots=True)
class Progress:
    """Where a training stands; all of it is in the checkpoint."""

    step: int = 0
    seconds: float = 0.0  # of wall clock, over all runs


def _rate(step: int, n_steps: int, config: PhoneTrainingConfig) -> float:
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    done = (step - config.warmup_steps) / max(n_steps - config.warmup_steps, 1)
    return 0.01 + 0.99 * 0.5 * (1 + float(np.cos(np.pi * min(done, 1))))


def _changes(old: PhoneTrainingConfig, new: PhoneTrainingConfig) -> list[str]:
    """Name the keys that two configurations differ in and that decide what comes out."""
    return [key for key in type(new).model_fields if key != "card" and getattr(old, key) != getattr(new, key)]


class Trainer:
    """Network, its moving average, optimiser and progress: all that a checkpoint holds.

    Parameters
    ----------
    config : PhoneTrainingConfig
        What to train and how.
    out : Path
        Folder of the checkpoint.
    network : callable
        Makes the network of a shape; another kind than PhoneNet gives and takes the same.
    row_loss : callable
        What rows are learnt by: the loss of a batch, a single number, and figures for the log.
    device : torch.device
        Where it is trained. Weights are drawn on the CPU, so that they are the same everywhere.
    """

    def __init__(
        self,
        config: PhoneTrainingConfig,
        out: Path,
        *,
        network: Callable[[PhoneNetConfig], PhoneNet] = PhoneNet,
        row_loss: RowLoss = row_loss_of,
        device: torch.device = _CPU,
    ) -> None:
        torch.manual_seed(config.seed)
        self.config, self.out, self.device, self._row_loss = config, out, device, row_loss
        shape = PhoneNetConfig(
            len(INVENTORY) + 1,
            config.channels,
            config.dilations,
            dropout=config.dropout,
            stride=config.stride,
            fine=config.fine_weight > 0,
        )
        self.net, self.average = network(shape).to(device), network(shape).to(device)
        self.average.load_state_dict(self.net.state_dict())
        self.optimiser = torch.optim.AdamW(
            self.net.parameters(), config.lr, betas=(0.9, 0.98), weight_decay=config.weight_decay
        )
        self.progress, self.origin = Progress(), UNKNOWN

    @property
    def checkpoint(self) -> Path:
        """Where the checkpoint lies."""
        return self.out / CHECKPOINT

    def save(self) -> None:
        """Write the checkpoint whole or not at all."""
        state = {
            "config": self.config.model_dump(mode="json", exclude={"card"}),  # the card decides nothing
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "progress": asdict(self.progress),
            "origin": self.origin.to_dict(),
        }
        write_checkpoint(self.checkpoint, state | random_states(self.device))

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
        self.origin = origin_of(state, checkpoint)
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
            set_random_states(state, self.device)
        except (KeyError, RuntimeError, ValueError, TypeError) as error:
            raise InputError(
                f"the checkpoint {self.checkpoint} is not of this configuration's network: train into another folder"
            ) from error
        self.origin = origin_of(state, self.checkpoint)
        if changed:
            log.warning("going on from %s with another %s", self.checkpoint, ", ".join(changed))

    def step(self, batch: Batch | RowBatch, n_steps: int) -> dict[str, float]:
        """Take one step and return figures for the log."""
        config, at = self.config, self.progress.step
        for group in self.optimiser.param_groups:
            group["lr"] = config.lr * _rate(at, n_steps, config)
        self.net.train()
        if isinstance(batch, RowBatch):
            loss, figures = self._row_loss(self.net, moved(batch, self.device), config)
        else:
            loss, figures = loss_of(self.net, moved(batch, self.device), config.vocal_weight, config.bf16)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        # Only here: a GPU that is asked for a number first finishes all it was given.
        if not torch.isfinite(loss):
            # The batch norms have seen it: nothing of this network can be saved but the last checkpoint.
            raise TrainingError(f"the loss of step {at} is not a number: go on from the checkpoint with a lower lr")
        if torch.isfinite(norm):
            self.optimiser.step()
        self.progress.step += 1
        self._average()
        said = {name: float(value) for name, value in figures.items()}
        lr = float(self.optimiser.param_groups[0]["lr"])
        return said | {"loss": float(loss.detach()), "grad": float(norm), "lr": lr}

    @torch.no_grad()
    def _average(self) -> None:
        share = min(self.config.ema, (1 + self.progress.step) / (10 + self.progress.step))
        for mean, value in zip(self.average.state_dict().values(), self.net.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, 1 - share)
            else:
                mean.copy_(value)
