"""The doctor of a vocoder's training: six ways in which one goes wrong, each told in a sentence, and what helps.

The remedies are those of the pipeline's document: a lower rate for the generator, more steps for the discriminators, a
penalty on their gradients; and one of the field: no step for discriminators while they win.

The document calls it a collapse of discriminators that their loss drops to 0, and says that the generator wins too
easily. These are two ailments. Discriminators with a loss of 0 have won: they are held back and made smooth, and get
more steps only where that was not enough, under a penalty that has grown and is what lets a critic take several
(Gulrajani et al., NeurIPS 2017). Where the generator wins, their loss rises, and they get more steps at once.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from statistics import fmean
from typing import Any

_SKIPS = (0.05, 0.1)  # losses below which discriminators that have won take no step, the first time and the second
_MOST_STEPS = 4


class Ailment(StrEnum):
    """What can be wrong."""

    NUMBERS = "not_a_number"
    COLLAPSE = "discriminator_collapse"
    FOOLED = "discriminator_fooled"
    DIVERGENCE = "generator_divergence"
    SILENCE = "silence"
    CONSTANT = "constant_output"


@dataclass(frozen=True, slots=True)
class Signs:
    """What one step shows.

    Parameters
    ----------
    step : int
        Its number.
    mel : float
        The weighted mel loss.
    level : float
        Root mean square of what is made, as a share of that of what was recorded.
    variety : float
        How much the log-mels of what is made differ from each other, as a share of how much the recorded ones do.
    d, g : float, optional
        Least-squares losses: of the discriminators (0.5 where they know nothing, 0 at best) and of the generator, both
        the mean over discriminators; None while there are none.
    """

    step: int
    mel: float
    level: float
    variety: float
    d: float | None = None
    g: float | None = None

    def numbers(self) -> bool:
        """Whether all of it is."""
        return all(
            value is None or math.isfinite(value) for value in (self.mel, self.level, self.variety, self.d, self.g)
        )


@dataclass(frozen=True, slots=True)
class Care:
    """What is done to help; a checkpoint keeps it.

    Parameters
    ----------
    rescues : int
        How often the training was taken back; other segments are drawn from then on.
    g_rate : float
        Of the generator's learning rate.
    d_steps : int
        Of the discriminators for each of the generator, each on other segments.
    penalty : float
        Weight of the squared gradients of the discriminators at recorded sounds (R1; Mescheder et al., ICML 2018).
    skip : float
        The discriminators take no step while their loss is below.
    collapses : int
        How often it was because they had won.
    """

    rescues: int = 0
    g_rate: float = 1.0
    d_steps: int = 1
    penalty: float = 0.0
    skip: float = 0.0
    collapses: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, since which step, and why that is said."""

    ailment: Ailment
    step: int
    sentence: str


@dataclass(frozen=True, slots=True)
class DoctorConfig:
    """When to speak up.

    Parameters
    ----------
    window : int
        Steps that a verdict looks back on.
    collapse, fooled : float
        Mean loss of the discriminators below which they have won, and above which they are fooled.
    diverged : float
        Times the best mean of the mel loss over a window.
    silent, constant : float
        Shares of level and of variety below which a network says nothing, or always the same.
    settle : int
        First steps in which level and variety are those of a network that knows nothing yet.
    """

    window: int = 50
    collapse: float = 0.01
    fooled: float = 1.2  # fresh discriminators give 1.0, those that know nothing 0.5
    diverged: float = 2.5
    silent: float = 0.02
    constant: float = 0.1
    settle: int = 1000


class Doctor:
    """Takes the signs of every step and tells what is wrong.

    Parameters
    ----------
    config : DoctorConfig
        When to speak up.
    """

    def __init__(self, config: DoctorConfig | None = None) -> None:
        self.config = config or DoctorConfig()
        self._signs: deque[Signs] = deque(maxlen=self.config.window)
        self._best = math.inf  # the lowest mean of the mel loss over a whole window

    def look(self, signs: Signs) -> Finding | None:
        """Take the signs of a step and return what is wrong, the gravest first."""
        if not signs.numbers():
            return Finding(Ailment.NUMBERS, signs.step, f"what step {signs.step} computes is not a number any more")
        self._signs.append(signs)
        if len(self._signs) < self.config.window:
            return None
        checks: tuple[tuple[Ailment, Callable[[], str | None]], ...] = (
            (Ailment.SILENCE, self._silent),
            (Ailment.CONSTANT, self._constant),
            (Ailment.COLLAPSE, self._collapsed),
            (Ailment.FOOLED, self._fooled),
            (Ailment.DIVERGENCE, self._diverged),
        )
        for ailment, check in checks:
            sentence = check()
            if sentence is not None:
                return Finding(ailment, signs.step, sentence)
        return None

    def _silent(self) -> str | None:
        level = fmean(one.level for one in self._latest())
        if self._early() or level >= self.config.silent:
            return None
        return (
            f"the generator has gone silent at step {self._at()}: its sounds have {level:.1%} of the level they should"
        )

    def _constant(self) -> str | None:
        variety = fmean(one.variety for one in self._latest())
        if self._early() or variety >= self.config.constant:
            return None
        return (
            f"the generator says the same whatever the units are at step {self._at()}: its sounds differ by "
            f"{variety:.1%} of what recordings do"
        )

    def _collapsed(self) -> str | None:
        told = [one.d for one in self._signs if one.d is not None]
        if len(told) < self.config.window or fmean(told) >= self.config.collapse:
            return None
        return (
            f"the discriminators have won at step {self._at()}: their loss is {fmean(told):.2g}, and nothing can be "
            "learnt from them any more"
        )

    def _fooled(self) -> str | None:
        told = [one.d for one in self._signs if one.d is not None]
        if len(told) < self.config.window or fmean(told) <= self.config.fooled:
            return None
        return (
            f"the discriminators are fooled at step {self._at()}: their loss is {fmean(told):.2g}, more than the "
            "0.5 of those that know nothing"
        )

    def _diverged(self) -> str | None:
        mean = fmean(one.mel for one in self._signs)
        self._best = min(self._best, mean)
        if mean <= self.config.diverged * self._best:
            return None
        return f"the generator diverges at step {self._at()}: its mel loss is {mean:.3g} after {self._best:.3g}"

    def _latest(self) -> list[Signs]:
        """Return the last fifth of the window: silence is told before it counts as divergence."""
        return list(self._signs)[-max(1, self.config.window // 5) :]

    def _early(self) -> bool:
        return self._at() < self.config.settle

    def _at(self) -> int:
        return self._signs[-1].step

    def forget(self) -> None:
        """Begin anew, with a training that has been taken back."""
        self._signs.clear()
        self._best = math.inf

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint holds."""
        return {"signs": [asdict(one) for one in self._signs], "best": self._best}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self._signs = deque((Signs(**one) for one in state["signs"]), maxlen=self.config.window)
        self._best = float(state["best"])


def treat(care: Care, ailment: Ailment) -> tuple[Care, str]:
    """Return what is done from now on, and the remedies in words; each time more of them.

    Examples
    --------
    >>> treat(Care(), Ailment.FOOLED)[1]
    "half the generator's learning rate, 2 steps of the discriminators for each of it"
    """
    rescued = replace(care, rescues=care.rescues + 1, g_rate=care.g_rate / 2)
    if ailment is Ailment.COLLAPSE:
        rescued = _held_back(rescued)
    elif ailment is Ailment.FOOLED:
        penalty = care.penalty or (1.0 if care.d_steps > 1 else 0.0)
        rescued = replace(rescued, d_steps=min(_MOST_STEPS, care.d_steps + 1), skip=0.0, penalty=penalty)
    elif care.rescues:
        rescued = replace(rescued, penalty=2 * care.penalty or 1.0)
    said = ["half the generator's learning rate"]
    if rescued.skip:
        said.append(f"no step of the discriminators while their loss is below {rescued.skip:g}")
    if rescued.d_steps > 1:
        said.append(f"{rescued.d_steps} steps of the discriminators for each of it")
    if rescued.penalty != care.penalty:
        said.append(f"a gradient penalty of {rescued.penalty:g}")
    return rescued, ", ".join(said)


def _held_back(care: Care) -> Care:
    """Return what is done about discriminators that have won: less of them twice, then more of them, ever smoother."""
    penalty, times = 2 * care.penalty or 1.0, care.collapses + 1
    if times > len(_SKIPS):
        steps = min(_MOST_STEPS, times - len(_SKIPS) + 1)
        return replace(care, skip=0.0, d_steps=steps, penalty=penalty, collapses=times)
    return replace(care, skip=_SKIPS[times - 1], d_steps=1, penalty=penalty, collapses=times)
