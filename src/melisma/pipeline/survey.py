"""What stands ready: every installed engine, what it can do, what it lacks, and how its breaker stands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from melisma.core.errors import MelismaError
from melisma.engines.protocol import EngineFacts
from melisma.pipeline import packages, tiers
from melisma.pipeline.breaker import Breaker, Health, Kind
from melisma.pipeline.flags import flags_at
from melisma.pipeline.settings import RouterSettings


@dataclass(frozen=True, slots=True)
class Standing:
    """How an engine stands; `facts` is None where its plug-in cannot be loaded, `lacking` is empty where it can run.

    `last_failure` is when its breaker counted one last, in seconds since 1970, and of which kind.
    """

    name: str
    facts: EngineFacts | None
    lacking: str
    enabled: bool
    breaker: Health
    last_failure: tuple[float, Kind] | None = None

    @property
    def ready(self) -> bool:
        """Whether `melisma align --engine NAME` would run it."""
        return self.enabled and not self.lacking


def survey(settings: RouterSettings, others: Iterable[str] = ()) -> tuple[Standing, ...]:
    """Return how every installed engine stands, in the order in which `auto` tries them, without loading any model.

    Behind them come `others`, engines with another model than their usual one, as `whisper:small`, and the models that
    were added.
    """
    breaker = Breaker(settings.breaker_file, settings.breaker)
    found = dict.fromkeys((*tiers.listed(settings), *others, *packages.names()))
    return tuple(_standing(name, settings, breaker) for name in found)


def enable(name: str, settings: RouterSettings) -> None:
    """Switch an engine on, and close its breaker; see `melisma.pipeline.flags.switch` for the errors."""
    _switch(name, settings, on=True)
    Breaker(settings.breaker_file, settings.breaker).worked(name)


def disable(name: str, settings: RouterSettings) -> None:
    """Switch an engine off; see `melisma.pipeline.flags.switch` for the errors."""
    _switch(name, settings, on=False)


def _switch(name: str, settings: RouterSettings, *, on: bool) -> None:
    name = tiers.split(name)[0]
    tiers.check_name(name)
    flags_at(settings.flags).switch(name, on)


def _standing(name: str, settings: RouterSettings, breaker: Breaker) -> Standing:
    facts, lacking = None, ""
    try:
        engine = tiers.engine_named(name)
        facts = engine.facts
        lacking = tiers.refused(engine, settings) or engine.missing() or ""
    except MelismaError as error:
        lacking = str(error)
    enabled = not flags_at(settings.flags).off(tiers.split(name)[0])
    return Standing(name, facts, lacking, enabled, breaker.health(name), breaker.last_failure(name))
