"""The discriminators of a training: how they learn, what they tell a generator, and what a checkpoint holds of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from melisma.models.vocoder.discriminators import Discriminators, fooled, told_apart, unlike
from melisma.train.vocoder.config import VocoderTrainingConfig
from melisma.train.vocoder.doctor import Care

BETAS = (0.8, 0.99)
_WIDTHS = {"cuda": 32, "cpu": 8}  # HiFi-GAN's, and what trains ten times faster


class Adversary:
    """Discriminators with their optimiser.

    Parameters
    ----------
    config : VocoderTrainingConfig
        Rates, weights and the seed.
    device : torch.device
        Where they learn; they are drawn on the CPU.
    width : int, optional
        Of a checkpoint; without it, that of the configuration, or what suits the device.
    """

    def __init__(self, config: VocoderTrainingConfig, device: torch.device, width: int | None = None) -> None:
        self.config, self.device = config, device
        self.width = width or config.discriminator_width or _WIDTHS.get(device.type, 8)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed + 1)
            self.net = Discriminators(self.width).to(device)
        self.optimiser = torch.optim.AdamW(self.net.parameters(), config.lr, betas=BETAS, weight_decay=0.01)
        self.scaler = torch.amp.GradScaler(device.type, enabled=config.precision == "fp16")

    @classmethod
    def of(cls, config: VocoderTrainingConfig, device: torch.device, state: Mapping[str, Any]) -> Adversary:
        """Return the discriminators of a checkpoint, with an optimiser that begins.

        Raises
        ------
        ValueError, TypeError, KeyError, AttributeError, RuntimeError
            If it holds others than it says; no memory is taken for more than there are.
        """
        width = int(state["width"])
        held = sum(int(each.numel()) for each in state["net"].values())
        if width < 1 or held < (32 * width) ** 2:
            raise ValueError(f"the discriminators have {held} weights and are of width {width}")
        found = cls(config, device, width)
        found.net.load_state_dict(state["net"])
        return found

    def learn(self, made: Tensor, real: Tensor, rate: float, care: Care, autocast: torch.autocast) -> float:
        """Take a step, unless they win as it is and are to be held back; return their loss.

        Parameters
        ----------
        made, real : float32 [batch, n_samples]
            Nothing goes back into what made them.
        rate : float
            Learning rate.
        care : Care
            Penalty, and below which loss no step is taken.
        autocast : torch.autocast
            Of the training.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.net.requires_grad_(True)
        real = real.detach().requires_grad_(care.penalty > 0)
        with autocast:
            heard_real, heard_made = self.net(real), self.net(made.detach())
        loss = told_apart(heard_real, heard_made)
        total = loss
        if care.penalty:
            total = total + care.penalty * _squared_gradients(heard_real, real)
        self.optimiser.zero_grad(set_to_none=True)
        found = float(loss.detach())
        if found >= care.skip:
            self.scaler.scale(total).backward()  # type: ignore[no-untyped-call]
            self.scaler.unscale_(self.optimiser)
            torch.nn.utils.clip_grad_norm_(self.net.parameters(), self.config.clip)
            self.scaler.step(self.optimiser)
            self.scaler.update()
        return found

    def teach(self, made: Tensor, real: Tensor, autocast: torch.autocast) -> tuple[Tensor, Tensor]:
        """Return what a generator learns by: how far it is from passing for recorded, and how unlike it is heard."""
        self.net.requires_grad_(False)
        with autocast:
            with torch.no_grad():
                heard_real = self.net(real)
            heard_made = self.net(made)
        return fooled(heard_made), unlike(heard_real, heard_made)

    @property
    def n(self) -> int:
        """How many discriminators there are."""
        return len(self.net.all)

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint holds."""
        return {
            "width": self.width,
            "net": self.net.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self.net.load_state_dict(state["net"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.scaler.load_state_dict(state["scaler"])


def _squared_gradients(heard: list[list[Tensor]], real: Tensor) -> Tensor:
    """Return half the squared length of the gradient of the scores at recorded sounds, the mean over the batch (R1)."""
    scores = torch.stack([each[-1].float().mean(dim=tuple(range(1, each[-1].ndim))) for each in heard]).sum()
    (gradient,) = torch.autograd.grad(scores, real, create_graph=True)
    return gradient.float().square().sum(dim=1).mean() / 2
