"""Which engines are tried for a song, and in which order: the only place outside `engines/` that knows their names."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from melisma.core import plugins
from melisma.core.errors import EngineUnavailable, LicenceError, UnknownName
from melisma.core.records import Lyrics
from melisma.engines.protocol import Engine, Task
from melisma.pipeline.settings import AUTO, LicenceMode, RouterSettings

# Engines that place known words, then those that hear words. `docs/router.md` says why in this order.
ORDER = ("phone", "mms_ctc", "wav2vec2", "torchaudio_ctc", "whisper", "openai_http", "groq")
# Fewer characters say too little for a search through a whole song: those who hear words are asked first.
ENOUGH_LYRICS = 20


@cache
def engine_named(name: str) -> Engine:
    """Make an engine, once in a process; see `melisma.core.plugins.load` for the errors."""
    made: Engine = plugins.load(plugins.ENGINES, name)()
    return made


def wanted(engine: str, settings: RouterSettings) -> str:
    """Return the engine that is asked for by name, or AUTO, after MELISMA_ENGINE has been heard."""
    return settings.engine if engine == AUTO else engine


def check(engine: str, settings: RouterSettings) -> None:
    """Refuse, before any audio is read, what can be known to fail.

    Raises
    ------
    UnknownName
        If no engine has the name, or one of MELISMA_TIERS has none.
    LicenceError
        If its model may not be used under the licence mode.
    """
    named = wanted(engine, settings)
    for name in (*(settings.tiers or ()), *(() if named == AUTO else (named,))):
        _known(name)
    if named != AUTO:
        refusal = refused(engine_named(named), settings)
        if refusal:
            raise LicenceError(refusal)


def refused(engine: Engine, settings: RouterSettings) -> str | None:
    """Return why the licence of an engine's model forbids its use, or None."""
    licence = engine.facts.licence
    if settings.licence_mode is LicenceMode.COMMERCIAL and not licence.commercial:
        return (
            f"the model of the engine {engine.facts.name!r} is licensed {licence.spdx}, which forbids commercial use: "
            "MELISMA_LICENSE_MODE is commercial"
        )
    return None


def order(lyrics: Lyrics | None, settings: RouterSettings) -> tuple[str, ...]:
    """Return the names of the engines that `auto` tries for these lyrics, the first one first.

    A configured order is taken as it stands. In the built-in one engines that are not named there, a stranger's
    plug-ins, come last, and with few known words those that hear words come first.
    """
    installed = plugins.names(plugins.ENGINES)
    listed = settings.tiers or (*(n for n in ORDER if n in installed), *(n for n in installed if n not in ORDER))
    if lyrics is not None and (settings.tiers or len(lyrics.text) >= ENOUGH_LYRICS):
        return listed
    hearing = _hearing(listed)
    return hearing if lyrics is None else (*hearing, *(name for name in listed if name not in hearing))


def _hearing(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in names if _task(name) is Task.TRANSCRIBE)


def _task(name: str) -> Task | None:
    try:
        return engine_named(name).facts.task
    except plugins.BrokenPlugin:
        return None


def _known(name: str) -> None:
    installed = plugins.names(plugins.ENGINES)
    if name not in installed:
        raise UnknownName("engine", name, (AUTO, *installed))


def unavailable(
    engine: Engine, settings: RouterSettings, *, automatic: bool
) -> EngineUnavailable | LicenceError | None:
    """Return why an engine cannot be used here, or None; loads no model."""
    refusal = refused(engine, settings)
    if refusal:
        return LicenceError(refusal)
    lacking = engine.missing()
    if lacking:
        return EngineUnavailable(lacking)
    if automatic and engine.facts.baseline:
        return EngineUnavailable(f"the engine {engine.facts.name} is a baseline, for tables only")
    return None
