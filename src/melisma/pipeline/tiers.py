"""Which engines are tried for a song, and in which order: the only place outside `engines/` that knows their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from inspect import signature

from melisma.core import plugins
from melisma.core.errors import EngineUnavailable, InputError, LicenceError, MelismaError, NoEngine, UnknownName
from melisma.core.records import Lyrics
from melisma.engines.protocol import Engine, Task
from melisma.pipeline import packages
from melisma.pipeline.flags import flags_at
from melisma.pipeline.settings import AUTO, LicenceMode, RouterSettings

# Engines that place known words, then those that hear words. `docs/router.md` says why in this order.
ORDER = ("phone", "mms_ctc", "wav2vec2", "torchaudio_ctc", "whisper", "openai_http", "groq")
# Fewer characters say too little for a search through a whole song: those who hear words are asked first.
ENOUGH_LYRICS = 20


def engine_named(name: str) -> Engine:
    """Make an engine, once in a process.

    `whisper:small` is one with another model than its usual one, `path:FOLDER` that of a trained model, and what was
    added by `melisma models add` has a name of its own.

    Raises
    ------
    InputError
        If it takes no other model; see `melisma.core.plugins.load` for the errors of the name in front.
    ModelError
        If a trained model is damaged.
    """
    if split(name)[0] in plugins.names(plugins.ENGINES):
        return _installed(name)
    place = packages.place_of(name)
    return _installed(name) if place is None else packages.engine_at(place)


def forget() -> None:
    """Forget the engines that were made."""
    _installed.cache_clear()
    packages.forget()


@cache
def _installed(name: str) -> Engine:
    plain, model = split(name)
    kind = plugins.load(plugins.ENGINES, plain)
    if not model:
        made: Engine = kind()
        return made
    if "model" not in signature(kind).parameters:
        raise InputError(f"the engine {plain!r} takes no other model by name, such as {model[:60]!r}")
    chosen: Engine = kind(model=model)
    return chosen


def split(name: str) -> tuple[str, str]:
    """Split the name of an engine from that of its model, which is empty for its usual one.

    Examples
    --------
    >>> split("whisper:small"), split("phone")
    (('whisper', 'small'), ('phone', ''))
    """
    plain, _, model = name.partition(":")
    return plain, model


def is_place(name: str) -> bool:
    """Tell whether a name is that of a trained model: `path:…`, or one that was added."""
    return split(name)[0] not in plugins.names(plugins.ENGINES) and packages.place_of(name) is not None


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
        check_name(name)
    if named != AUTO:
        refusal = refused(engine_named(named), settings)
        if refusal:
            raise LicenceError(refusal)


def refused(engine: Engine, settings: RouterSettings) -> str | None:
    """Return why the licence of an engine's model forbids its use, or None."""
    licence = engine.facts.licence
    if settings.licence_mode is LicenceMode.COMMERCIAL and not licence.commercial:
        if licence.tainted_by:
            return (
                f"the model {engine.facts.model_id!r} was trained on {_listed(licence.tainted_by)}, which is not for "
                "commercial use: MELISMA_LICENSE_MODE is commercial"
            )
        return (
            f"the model of the engine {engine.facts.name!r} is licensed {licence.spdx}, which forbids commercial use: "
            "MELISMA_LICENSE_MODE is commercial"
        )
    return None


def _listed(names: tuple[str, ...], at_most: int = 5) -> str:
    more = f" and {len(names) - at_most} more" if len(names) > at_most else ""
    return ", ".join(names[:at_most]) + more


def order(lyrics: Lyrics | None, settings: RouterSettings) -> tuple[str, ...]:
    """Return the names of the engines that `auto` tries for these lyrics, the first one first.

    A configured order is taken as it stands. In the built-in one engines that are not named there, a stranger's
    plug-ins, come last, and with few known words those that hear words come first.
    """
    names = listed(settings) if settings.tiers is None else settings.tiers
    if lyrics is not None and (settings.tiers or len(lyrics.text) >= ENOUGH_LYRICS):
        return names
    hearing = _hearing(names)
    return hearing if lyrics is None else (*hearing, *(name for name in names if name not in hearing))


def listed(settings: RouterSettings) -> tuple[str, ...]:
    """Return the names of all installed engines: those of MELISMA_TIERS, of the built-in order, and all others."""
    installed = plugins.names(plugins.ENGINES)
    known = {*installed, packages.PATH, *packages.names()}
    first = tuple(name for name in settings.tiers or ORDER if split(name)[0] in known)
    return (*first, *(name for name in installed if name not in first))


def emitting(settings: RouterSettings) -> tuple[str, ...]:
    """Return the names of the engines that time known words by what they emit, in order; baselines are left out."""
    return tuple(
        name for name in listed(settings) if _task(name) is Task.EMIT and not engine_named(name).facts.baseline
    )


def is_known(name: str) -> bool:
    """Tell whether an engine, or a model that was added, has this name."""
    return name in plugins.names(plugins.ENGINES) or name in packages.names()


def _hearing(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in names if _task(name) is Task.TRANSCRIBE)


def _task(name: str) -> Task | None:
    try:
        return engine_named(name).facts.task
    except MelismaError:  # a setting of its own that cannot be, or a broken plug-in: `usable` says which
        return None


def baselines() -> tuple[str, ...]:
    """Return the names of the installed engines that are there for tables only."""
    found = []
    for name in plugins.names(plugins.ENGINES):
        try:
            if engine_named(name).facts.baseline:
                found.append(name)
        except MelismaError:  # a broken plug-in, or a setting of its own that cannot be
            continue
    return tuple(found)


def check_name(name: str) -> None:
    """Refuse a name that no installed engine has, and no model that was added, with UnknownName."""
    plain, model = split(name)
    known = plugins.names(plugins.ENGINES)
    if plain not in known and (plain != packages.PATH or not model):
        known += packages.names()
        if name not in known:
            raise UnknownName("engine", name, (AUTO, *known))


def usable(name: str, settings: RouterSettings, *, chosen: bool) -> Engine:
    """Return an engine that can be used here, as far as can be told without loading its model.

    Parameters
    ----------
    name : str
        Of the engine.
    settings : RouterSettings
        Licence mode and flags.
    chosen : bool
        Whether the caller has named it: `auto` takes no baseline.

    Raises
    ------
    LicenceError
        If its model may not be used under the licence mode.
    EngineUnavailable
        If it lacks something, or is switched off, or is not for `auto`.
    """
    engine = engine_named(name)
    refusal = refused(engine, settings)
    if refusal:
        raise LicenceError(refusal)
    plain = split(name)[0]
    if flags_at(settings.flags).off(plain):
        said = f"it is switched off in {settings.flags}: melisma engines enable {plain}"
        raise EngineUnavailable(said, lasting=True)
    if engine.facts.baseline and not chosen:
        raise EngineUnavailable("it is a baseline, for tables", lasting=True)
    lacking = engine.missing()
    if lacking:
        raise EngineUnavailable(lacking, lasting=True)
    if not chosen and name not in (settings.tiers or ()) and not getattr(engine, "asked_for", True):
        raise EngineUnavailable(
            "it would send the recording to another machine, and only a key that other programs use too allows it: "
            f"name it in MELISMA_TIERS or as --engine {name}",
            lasting=True,
        )
    return engine


def check_hears(name: str, settings: RouterSettings) -> None:
    """Refuse, before any audio is read, to hear words where nothing can.

    Parameters
    ----------
    name : str
        Of the engine, or AUTO.
    settings : RouterSettings
        Order, licence mode and flags.

    Raises
    ------
    NoEngine
        If none of those that AUTO would try can be used; the sentence says of each why.
    LicenceError, EngineUnavailable
        If the one that is named cannot be.
    """
    if name != AUTO:
        usable(name, settings, chosen=True)
        return
    reasons: dict[str, MelismaError] = {}
    for each in order(None, settings):
        try:
            usable(each, settings, chosen=False)
        except MelismaError as error:
            reasons[each] = error
        else:
            return
    raise nothing(None, reasons)


def nothing(lyrics: Lyrics | None, reasons: Mapping[str, MelismaError]) -> NoEngine:
    """Return the error of a song for which no engine gave a result, for these reasons."""
    return NoEngine(_none_left(lyrics, reasons), lasting=all(reason.lasting for reason in reasons.values()))


def _none_left(lyrics: Lyrics | None, reasons: Mapping[str, MelismaError]) -> str:
    """Say in one sentence that no engine gave a result, and of each why."""
    listed = "; ".join(f"{name}: {error}" for name, error in reasons.items())
    why = f" ({listed})" if listed else ""
    if lyrics is None and not listed:
        return "no engine that hears words is installed: give the lyrics, or pip install 'melisma[whisper]'"
    if lyrics is None:
        return f"without lyrics an engine is needed that hears words, and none gave a result{why}"
    return f"no engine gave a result{why}"
