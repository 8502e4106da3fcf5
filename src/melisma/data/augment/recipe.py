"""Recipes: which effects, in which order, how often and how far; the same draw gives the same samples anywhere."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from melisma.core.errors import InputError
from melisma.core.records import Float32
from melisma.data.augment.effects import AnyEffect, Effect
from melisma.data.augment.reading import read_yaml
from melisma.data.augment.sounds import Sounds

_FORM = "augment/1"  # changes where the same draw gives other samples
_MOST_EFFECTS = 64
_PEAK = 0.99  # what is louder than full scale in the end is brought down to it


class _File(BaseModel):
    """What a recipe's file may hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    clean: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.0
    effects: Annotated[list[AnyEffect], Field(min_length=1, max_length=_MOST_EFFECTS)]


@dataclass(frozen=True, slots=True)
class Applied:
    """An effect that was applied, and what it drew, as plain values."""

    effect: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Augmented:
    """What became of an utterance.

    Parameters
    ----------
    samples : float32 [n_samples]
        Within ±1.
    time_scale : float
        What was at t seconds is at t · time_scale now.
    applied : tuple of Applied
        In their order; empty where the utterance was left as it is.
    """

    samples: Float32
    time_scale: float
    applied: tuple[Applied, ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Effects in their order.

    Parameters
    ----------
    effects : tuple of Effect
        Each is applied with its own probability.
    clean : float
        Share of utterances that nothing is done to.
    sounds : Sounds, optional
        What noise, music and rooms are taken from; without any, they are made.
    """

    effects: tuple[Effect, ...]
    clean: float = 0.0
    sounds: Sounds | None = None

    @classmethod
    def read(cls, path: Path) -> Recipe:
        """Read a recipe from YAML.

        Raises
        ------
        InputError
            If the file cannot be read, is no plain YAML, or names an effect or a setting that there is not; the
            sentence names the place.
        MissingDependency
            If there is no PyYAML.
        """
        try:
            said = read_yaml(path)
            if not isinstance(said, dict):
                raise InputError(f"{path} is no recipe: it has no `effects:`")
            found = _File.model_validate(said)
        except ValidationError as error:
            raise InputError(f"{path}: {_where(error)}") from error
        return cls(tuple(found.effects), found.clean)

    def with_sounds(self, sounds: Sounds | None) -> Recipe:
        """Return the recipe with sounds to mix in."""
        return replace(self, sounds=sounds)

    def apply(self, samples: Float32, rate: int, rng: np.random.Generator) -> Augmented:
        """Draw effects and apply them.

        Parameters
        ----------
        samples : float32 [n_samples]
            Left as they are; without any sample nothing is done.
        rate : int
            Hz; the sounds must have been prepared at the same.
        rng : numpy.random.Generator
            `draws` makes the one that belongs to an utterance in an epoch.

        Raises
        ------
        InputError
            If a sound that was prepared is gone, or is of another rate.
        """
        if self.sounds is not None and self.sounds.rate != rate:
            raise InputError(f"the sounds were prepared at {self.sounds.rate} Hz, the recording is at {rate} Hz")
        # Each effect draws by itself: what one of them draws moves no other.
        seeds = rng.integers(0, 2**63, len(self.effects) + 1)
        time_scale, applied = 1.0, []
        if not len(samples) or np.random.default_rng(seeds[0]).random() < self.clean:
            return Augmented(samples, 1.0, ())
        for effect, seed in zip(self.effects, seeds[1:], strict=True):
            own = np.random.default_rng(seed)
            if own.random() >= effect.probability:
                continue
            heard = effect.apply(samples, rate, own, self.sounds)
            if heard.facts:
                samples, time_scale = heard.samples, time_scale * heard.time_scale
                applied.append(Applied(effect.effect, heard.facts))
        return Augmented(_within(samples), time_scale, tuple(applied))

    def fingerprint(self) -> str:
        """Return a hash of all that decides what is drawn: effects, ranges, order and sounds; for checkpoints."""
        said = {
            "form": _FORM,
            "clean": self.clean,
            "effects": [effect.model_dump() for effect in self.effects],
            "sounds": self.sounds.digest() if self.sounds is not None else None,
        }
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def draws(seed: int, epoch: int, utterance: str) -> np.random.Generator:
    """Return the generator of an utterance in an epoch: the same in any worker, whatever was drawn before.

    Examples
    --------
    >>> draws(1, 0, "a").random() == draws(1, 0, "a").random()
    True
    >>> draws(1, 0, "a").random() == draws(1, 1, "a").random()
    False
    """
    said = f"{seed}\0{epoch}\0{utterance}".encode("utf-8", "surrogatepass")
    return np.random.default_rng(np.frombuffer(hashlib.sha256(said).digest(), "<u4"))


def _within(samples: Float32) -> Float32:
    peak = float(np.abs(samples).max(initial=0.0))
    return np.asarray(samples * np.float32(_PEAK / peak) if peak > 1 else samples, np.float32)


def _where(error: ValidationError) -> str:
    """Say in one sentence what is wrong first, with the number of the effect, counted from 1."""
    first = error.errors()[0]
    place = list(first["loc"])
    if len(place) > 1 and place[0] == "effects" and isinstance(place[1], int):
        if first["type"] == "union_tag_not_found":
            return f"effect {place[1] + 1}: it must say which effect it is, such as `effect: noise`"
        name = f" ({place[2]})" if len(place) > 2 else ""
        rest = "".join(f"{part}: " for part in place[3:4])
        return f"effect {place[1] + 1}{name}: {rest}{first['msg']}"
    return "".join(f"{part}: " for part in place) + first["msg"]
