"""Settings by which the result of one recording of many does not depend on those before it, beside it, or elsewhere."""

from __future__ import annotations

import atexit
import functools
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from melisma.core.errors import MelismaError
from melisma.pipeline import tiers
from melisma.pipeline.flags import flags_at
from melisma.pipeline.settings import RouterSettings, Timeouts

_NEVER = 1 << 30  # failures that open a breaker


def settled() -> RouterSettings:
    """Return what the environment of this machine says, for workers that have another one.

    Its folder of state is left out: they have their own. The file of switches is not carried either, only named.
    """
    return replace(RouterSettings.from_env(), state=Path())


def decisive(settings: RouterSettings, engines: Iterable[str]) -> str:
    """Return what of settings and engines decides a result, for a stage's configuration."""
    switches = sorted(flags_at(settings.flags).switches().items())
    facts = [_facts(name) for name in engines]
    return repr((replace(settings, state=Path(), flags=Path(), tiers=tuple(engines)), switches, facts))


def _facts(engine: str) -> tuple[str, ...]:
    """Return which engine and weights a name means now; nothing where it cannot be had, for then it decides nothing."""
    try:
        facts = tiers.engine_named(engine).facts
    except MelismaError:
        return ()
    return facts.name, facts.version, facts.model_id, facts.model_revision


def by_itself(settings: RouterSettings | None = None) -> RouterSettings:
    """Return settings with breakers that never open, kept in a folder of this process; those of the environment, else.

    A breaker that a few bad songs open would send their neighbours to another engine: which ones would depend on who
    was faster. So would a time limit, on a busy machine: there is none unless MELISMA_TIMEOUT_S asks for it.
    """
    given = settings or RouterSettings.from_env()
    timeouts = Timeouts(0.0, 0.0) if given.timeouts == Timeouts() else given.timeouts
    breaker = replace(given.breaker, failures=_NEVER)
    return replace(given, breaker=breaker, timeouts=timeouts, state=_own_state())


@functools.cache
def _own_state() -> Path:
    folder = tempfile.TemporaryDirectory(prefix="melisma-state-")
    atexit.register(folder.cleanup)
    return Path(folder.name)
