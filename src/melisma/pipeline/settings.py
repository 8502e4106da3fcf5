"""What a machine's owner may set about the router: read from the environment, once a song, checked before any audio."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import platformdirs

from melisma.aligner.gate import GateConfig
from melisma.aligner.refine import MAX_MS, ONSET_MS, RefineConfig, parse
from melisma.core.environment import flag, names, number
from melisma.core.errors import InputError
from melisma.engines.residency import budget_mb

AUTO = "auto"
_T = TypeVar("_T")


class LicenceMode(StrEnum):
    """What the results are for."""

    NON_COMMERCIAL = "non_commercial"
    COMMERCIAL = "commercial"


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """When an engine is left alone for a while.

    Parameters
    ----------
    failures : int
        So many failures of one kind within the window open the breaker.
    window_s, cool_down_s : float
        How long a failure counts, and how long an open breaker waits before one song may try the engine again.
    """

    failures: int = 3
    window_s: float = 600.0
    cool_down_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Timeouts:
    """What an attempt may take: `base_s`, and `per_audio_s` for each second of the recording; by engine where set.

    An attempt that was given 0 s has no limit. Loading the model is part of it.
    """

    # Four times as long as the song: Whisper's large model on two cores needs twice its length.
    base_s: float = 300.0
    per_audio_s: float = 4.0
    by_engine: Mapping[str, float] = field(default_factory=dict)

    def limit_s(self, engine: str, audio_s: float) -> float | None:
        """Return the seconds that an engine has for a recording; None for no limit."""
        limit = self.by_engine.get(engine, self.base_s + self.per_audio_s * audio_s)
        return limit if limit > 0 else None


@dataclass(frozen=True, slots=True)
class RouterSettings:
    """What the environment says; `docs/router.md` lists the variables.

    Parameters
    ----------
    engine : str
        What `auto` means: the router, or the one engine that MELISMA_ENGINE names.
    tiers : tuple of str or None
        Engines in the order in which they are tried; None for the built-in order.
    licence_mode : LicenceMode
        Whether models may be used whose licences forbid commercial use.
    timeouts, retries : Timeouts, int
        What an attempt may take, and how often it is repeated where that may help.
    repair : bool
        Whether weak stretches go to the next engine before the whole song does.
    second_opinion : bool
        Whether the gate hears a second engine on songs that the first one passes.
    refinement : RefineConfig
        What is done to words once they are placed, where the caller does not say.
    onset_ms : float
        How far the refinement `onset` may move a start where no number stands with it, in ms.
    gate, breaker : GateConfig, BreakerSettings
        Their thresholds.
    state : Path
        Folder of the breaker's state.
    flags : Path
        File that switches engines on and off.
    """

    engine: str = AUTO
    tiers: tuple[str, ...] | None = None
    licence_mode: LicenceMode = LicenceMode.NON_COMMERCIAL
    timeouts: Timeouts = field(default_factory=Timeouts)
    retries: int = 1
    repair: bool = True
    second_opinion: bool = False
    refinement: RefineConfig = field(default_factory=RefineConfig)
    onset_ms: float = ONSET_MS
    gate: GateConfig = field(default_factory=GateConfig)
    breaker: BreakerSettings = field(default_factory=BreakerSettings)
    state: Path = field(default_factory=lambda: state_folder({}))
    flags: Path = field(default_factory=lambda: state_folder({}) / "flags.toml")

    @property
    def breaker_file(self) -> Path:
        """Where the state of the breakers is kept."""
        return self.state / "breaker.json"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> RouterSettings:
        """Read the environment.

        Raises
        ------
        InputError
            If a variable holds what it cannot; the sentence names the variable and what it takes.
        """
        env = os.environ if environ is None else environ
        state = state_folder(env)
        onset_ms = _onset_ms(env)
        flag(env, "MELISMA_DOWNLOAD", False)  # heard by the engines that have a model to fetch
        budget_mb(env)  # heard when a model is loaded
        return cls(
            engine=env.get("MELISMA_ENGINE", "").strip() or AUTO,
            tiers=names(env, "MELISMA_TIERS") or None,
            licence_mode=_licence_mode(env),
            timeouts=_timeouts(env),
            retries=number(env, "MELISMA_RETRIES", int, 1),
            repair=flag(env, "MELISMA_REPAIR", True),
            second_opinion=flag(env, "MELISMA_SECOND_OPINION", False),
            refinement=_refine(env, onset_ms),
            onset_ms=onset_ms,
            gate=_record(env, "MELISMA_GATE_", GateConfig()),
            breaker=_record(env, "MELISMA_BREAKER_", BreakerSettings()),
            state=state,
            flags=Path(env["MELISMA_FLAGS"]) if env.get("MELISMA_FLAGS") else state / "flags.toml",
        )


def state_folder(env: Mapping[str, str]) -> Path:
    """Return the folder of what is remembered between runs; MELISMA_STATE_DIR names another than the user's own."""
    named = env.get("MELISMA_STATE_DIR")
    return Path(named) if named else Path(platformdirs.user_state_dir("melisma", appauthor=False))


def _licence_mode(env: Mapping[str, str]) -> LicenceMode:
    said = env.get("MELISMA_LICENSE_MODE", "").strip().lower() or LicenceMode.NON_COMMERCIAL.value
    try:
        return LicenceMode(said)
    except ValueError:
        modes = " or ".join(mode.value for mode in LicenceMode)
        raise InputError(f"MELISMA_LICENSE_MODE is {modes}, not {said[:40]!r}") from None


def _onset_ms(env: Mapping[str, str]) -> float:
    found = number(env, "MELISMA_ONSET_SNAP_MS", float, ONSET_MS)
    if not 0 < found <= MAX_MS:
        raise InputError(f"MELISMA_ONSET_SNAP_MS is a number of milliseconds, 1 to {MAX_MS:g}, not {found:g}")
    return found


def _refine(env: Mapping[str, str], onset_ms: float) -> RefineConfig:
    try:
        return parse(env.get("MELISMA_REFINE", ""), onset_ms)
    except InputError as error:
        raise InputError(f"MELISMA_REFINE: {error}") from error


def _timeouts(env: Mapping[str, str]) -> Timeouts:
    """Read MELISMA_TIMEOUT_S: seconds for every engine, or name=seconds for some, separated by commas."""
    variable, plain = "MELISMA_TIMEOUT_S", Timeouts()
    base_s, per_audio_s, by_engine = plain.base_s, plain.per_audio_s, {}
    for part in filter(None, (part.strip() for part in env.get(variable, "").split(","))):
        name, equals, seconds = part.rpartition("=")
        value = number({variable: seconds or "?"}, variable, float, 0.0)
        if equals:
            by_engine[name.strip()] = value
        else:
            base_s, per_audio_s = value, 0.0
    return Timeouts(base_s, per_audio_s, by_engine)


def _record(env: Mapping[str, str], prefix: str, default: _T) -> _T:
    """Return the record with those of its fields set that have a variable, MELISMA_GATE_MIN_… for `min_…`."""
    found: dict[str, Any] = {}
    for each in fields(default):  # type: ignore[arg-type]
        value = getattr(default, each.name)
        variable = prefix + each.name.upper()
        if isinstance(value, bool):
            found[each.name] = flag(env, variable, value)
        elif isinstance(value, (int, float)):
            found[each.name] = number(env, variable, type(value), value)
    return type(default)(**found)
