"""Networks, averages, optimisers and progress of a vocoder's training: what takes a step, what a checkpoint holds."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from melisma.core.errors import InputError, ModelError
from melisma.models.vocoder.file import SPEAKS, make, packed
from melisma.models.vocoder.mel import JUDGED, LogMel, MelDistance
from melisma.models.vocoder.shape import Shape
from melisma.train.device import random_states, set_random_states
from melisma.train.vocoder.adversary import BETAS, Adversary
from melisma.train.vocoder.config import VocoderTrainingConfig
from melisma.train.vocoder.doctor import Care, Signs
from melisma.train.vocoder.material import Batch

LEARNT_BY = ((512, 128, 40), JUDGED, (2048, 512, 120))  # log-mels that a generator learns by
_EDGE = 2  # windows at either end of a segment that hear what is not there
_CHANNELS = {"vocos": 256, "hifigan": 128}


@dataclass(slots=True)
class Progress:
    """Where a training stands; all of it is in the checkpoint.

    Parameters
    ----------
    epoch, step, done : int
        Epochs that are whole, steps in all, and steps of the epoch under way.
    seconds : float
        That it has taken, over all runs.
    best : float, optional
        45 times the mel distance of held-out speech that the next epochs are measured by.
    best_epoch, worse : int
        When that was, and how many epochs since.
    kept : int
        The epoch whose weights are the best so far; 0 if there are none of this phase of the training.
    sums : dict
        Of the figures of the epoch under way.
    history : list of dict
        What each epoch came to.
    doctor : list of dict
        What was wrong, and what was done about it.
    """

    epoch: int = 0
    step: int = 0
    done: int = 0
    seconds: float = 0.0
    best: float | None = None
    best_epoch: int = 0
    worse: int = 0
    kept: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    doctor: list[dict[str, Any]] = field(default_factory=list)


def shape_of(config: VocoderTrainingConfig, k: int, n_speakers: int) -> Shape:
    """Return the shape of the network that a configuration asks for."""
    channels = config.channels or _CHANNELS[config.generator]
    who = n_speakers if config.speaker else 0
    return Shape(config.generator, k, who, config.f0, channels, config.coarse, config.fine)


class Trainer:
    """All that a checkpoint holds.

    Parameters
    ----------
    config : VocoderTrainingConfig
        How it learns.
    shape : Shape
        Of the generator.
    facts : mapping
        Of the vocoder, plain JSON.
    device : torch.device
        Where it learns. Weights are drawn on the CPU, so that they are the same everywhere.
    """

    def __init__(
        self, config: VocoderTrainingConfig, shape: Shape, facts: Mapping[str, Any], device: torch.device
    ) -> None:
        torch.manual_seed(config.seed)
        self.config, self.shape, self.facts, self.device = config, shape, dict(facts), device
        self.generator = make(shape).to(device)
        for layer in self.generator.modules():
            if isinstance(layer, torch.nn.Dropout):
                layer.p = config.dropout
        self.average = copy.deepcopy(self.generator).eval().requires_grad_(False)
        self.mel = MelDistance(LEARNT_BY).to(device)
        self.ear = LogMel(*JUDGED).to(device)
        self.optimiser = torch.optim.AdamW(self.generator.parameters(), config.lr, betas=BETAS, weight_decay=0.01)
        self.scaler = torch.amp.GradScaler(device.type, enabled=config.precision == "fp16")
        self.adversary: Adversary | None = None
        self.care = Care()
        self.progress = Progress()

    @property
    def adversarial(self) -> bool:
        """Whether the generator learns from discriminators, too."""
        return self.progress.epoch >= self.config.warmup_epochs

    def step(self, batch: Batch, more: Callable[[int], Batch]) -> tuple[dict[str, float], Signs]:
        """Take one step.

        Parameters
        ----------
        batch : Batch
            What is learnt from.
        more : callable
            Returns other segments, by the number of a step of the discriminators, for those beyond the first.

        Returns
        -------
        figures : dict of str to float
            For the log.
        signs : Signs
            For the doctor.
        """
        rate = self.config.lr * self.config.decay**self.progress.epoch
        for group in self.optimiser.param_groups:
            group["lr"] = rate * self.care.g_rate
        self.generator.train()
        made, real = self._said(batch)
        figures = {}
        if self.adversarial:
            self.adversary = self.adversary or Adversary(self.config, self.device)
            figures["d"] = self.adversary.learn(made, real, rate, self.care, self._autocast())
            for number in range(1, self.care.d_steps):
                with torch.no_grad():
                    other, theirs = self._said(more(number))
                self.adversary.learn(other, theirs, rate, self.care, self._autocast())
        figures |= self._learn(made, real)
        self.progress.step += 1
        self._follow()
        n = self.adversary.n if self.adversary is not None else 1
        g = figures["adv"] / n if "adv" in figures else None
        level, variety = self._look(made, real)
        return figures, Signs(self.progress.step, figures["mel"], level, variety, figures.get("d"), g)

    def _said(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return what the generator makes of segments, and the recordings."""
        told = [torch.from_numpy(each).to(self.device) for each in (batch.units, batch.speaker, batch.f0_hz)]
        with self._autocast():
            made: Tensor = self.generator(*told)
        return made, torch.from_numpy(batch.samples).to(self.device)

    def _learn(self, made: Tensor, real: Tensor) -> dict[str, float]:
        """Take the generator a step on."""
        config = self.config
        mel = config.mel_weight * self.mel(made, real)
        total, said = mel, {"mel": mel}
        if self.adversarial and self.adversary is not None:
            adv, features = self.adversary.teach(made, real, self._autocast())
            total = mel + adv + config.feature_weight * features
            said |= {"adv": adv, "features": features}
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(total).backward()
        self.scaler.unscale_(self.optimiser)
        norm = torch.nn.utils.clip_grad_norm_(self.generator.parameters(), config.clip)
        if bool(torch.isfinite(total)) and (bool(torch.isfinite(norm)) or self.scaler.is_enabled()):
            self.scaler.step(self.optimiser)
            self.scaler.update()
        return {name: float(value.detach()) for name, value in said.items()} | {"grad": float(norm)}

    @torch.no_grad()
    def _look(self, made: Tensor, real: Tensor) -> tuple[float, float]:
        """Return level and variety of what was made, as shares of those of what was recorded."""
        few, theirs = made[:4].float(), real[:4]
        level = few.square().mean().sqrt() / theirs.square().mean().sqrt().clamp(min=1e-4)
        bands = [self.ear(each)[:, :, _EDGE:-_EDGE] for each in (few, theirs)]
        spread = [each.transpose(0, 1).flatten(1).std(dim=1).mean() for each in bands]
        return float(level), float(spread[0] / spread[1].clamp(min=1e-3))

    def _autocast(self) -> torch.autocast:
        kind = torch.float16 if self.config.precision == "fp16" else torch.bfloat16
        return torch.autocast(self.device.type, kind, enabled=self.config.precision != "fp32")

    @torch.no_grad()
    def _follow(self) -> None:
        """Take the average a step on; it is short at the beginning, when every step is better than the one before."""
        share = min(self.config.ema, (1 + self.progress.step) / (10 + self.progress.step))
        for mean, value in zip(self.average.parameters(), self.generator.parameters(), strict=True):
            mean.lerp_(value, 1 - share)

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint holds."""
        return {
            **packed(self.shape, self.facts, self.average.state_dict()),
            "config": self.config.model_dump(mode="json"),
            "generator": self.generator.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
            "adversary": self.adversary.state() if self.adversary is not None else None,
            "care": asdict(self.care),
            "progress": asdict(self.progress),
            **random_states(self.device),
        }

    def load(self, state: Mapping[str, Any], path: Path) -> None:
        """Go on from what a checkpoint holds.

        Raises
        ------
        InputError
            If it is of a network of another shape, or damaged.
        """
        self.begin_with(state, path)
        try:
            self.optimiser.load_state_dict(state["optimiser"])
            self.scaler.load_state_dict(state.get("scaler") or self.scaler.state_dict())
            self.progress = _progress(state["progress"])
            self.care = Care(**state.get("care", {}))
            if self.adversary is not None:
                self.adversary.load(state["adversary"])
            set_random_states(state, self.device)
        except (KeyError, RuntimeError, ValueError, TypeError) as error:
            raise InputError(f"{path} is no checkpoint of a vocoder's training, or a damaged one") from error

    def begin_with(self, state: Mapping[str, Any], path: Path) -> None:
        """Take the weights of a checkpoint, and nothing else of it.

        Raises
        ------
        InputError
            If they are of a network of another shape, or damaged.
        """
        try:
            theirs = Shape.of_dict(state["shape"])
            if theirs != self.shape:
                raise InputError(f"{path} is of a network of another shape: {theirs} instead of {self.shape}")
            self.generator.load_state_dict(state.get("generator", state[SPEAKS]))
            self.average.load_state_dict(state[SPEAKS])
            heard = state.get("adversary")
            self.adversary = None
            if heard is not None:
                self.adversary = Adversary.of(self.config, self.device, heard)
        except (KeyError, RuntimeError, ValueError, TypeError, AttributeError, ModelError) as error:
            raise InputError(f"{path} is no checkpoint of a vocoder's training, or a damaged one") from error


def _progress(state: Mapping[str, Any]) -> Progress:
    """Return where a training stood; what the first ones did not write down follows from their history."""
    found = Progress(**copy.deepcopy(dict(state)))
    if "kept" not in state and found.history:
        found.kept = min(found.history, key=lambda one: float(one["val_mel"]))["epoch"]
    return found
