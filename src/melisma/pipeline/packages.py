"""Trained models as engines: `path:FOLDER`, and the names of `melisma models add`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from melisma.core import plugins
from melisma.core.errors import InputError, MelismaError, UnknownName
from melisma.core.files import expanded
from melisma.engines.packaged import open_engine
from melisma.engines.protocol import Engine, EngineFacts, Task
from melisma.models import package as packages
from melisma.models.registry import FILE, Entry, Registry
from melisma.pipeline.settings import AUTO, state_folder
from melisma.text.language import normalise

ANY = "any"  # language of the model that transcribes what has none of its own
PATH = "path"  # `path:FOLDER` is the model that lies there
_Mark = tuple[tuple[str, int, int, int], ...]


def registry() -> Registry:
    """Return the table of added models, in the state folder that the environment names."""
    return Registry(state_folder(os.environ) / FILE)


def names() -> tuple[str, ...]:
    """Return the names of the models that were added, sorted; none where the table cannot be read."""
    try:
        return tuple(registry().entries())
    except InputError:
        return ()


def place_of(name: str) -> Path | None:
    """Return where the model of an engine's name lies: behind `path:`, or as it was added; None for other names.

    Raises
    ------
    InputError
        If nothing stands behind `path:`, or the table of added models cannot be read.
    """
    plain, _, given = name.partition(":")
    if plain == PATH:
        if not given.strip():
            raise InputError("path: wants the folder of a model behind it, or an ONNX file")
        return expanded(given)
    if given:
        return None
    entry = registry().find(name)
    return Path(entry.path) if entry else None


def engine_at(path: Path) -> Engine:
    """Make the engine of a model, once in a process until a file of it changes.

    Raises
    ------
    InputError, ModelError
        If there is none, or it is damaged; see `melisma.engines.packaged.open_engine`.
    """
    return _made(path.absolute(), _mark(path))


def add(name: str, path: Path, *, replace: bool = False) -> EngineFacts:
    """Give a model a name, and return what its engine says of itself.

    Raises
    ------
    InputError
        If the name cannot be given, or there is no model.
    ModelError
        If a file of it is not as its package lists it.
    """
    path = expanded(path).absolute()
    if packages.is_package(path):
        packages.check(path)
    facts = engine_at(path).facts
    taken = {*plugins.names(plugins.ENGINES), PATH, AUTO}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    registry().add(name, Entry(path=str(path), revision=facts.model_revision, added=now), taken=taken, replace=replace)
    return facts


def default_for(language: str | None) -> str | None:
    """Return the name of the model that transcribes a language unless told otherwise.

    Parameters
    ----------
    language : str, optional
        ISO 639 code; without one, and for languages without a model of their own, it is the one of `ANY`.

    Returns
    -------
    str or None
        As it was added; None where nobody has said.

    Raises
    ------
    InputError
        If the table of added models cannot be read.
    """
    known = registry().defaults()
    code = normalise(language) if language else ANY
    return known.get(code) or known.get(code.partition("-")[0]) or known.get(ANY)


def set_default(language: str, name: str | None) -> None:
    """Make an added model the one that transcribes a language unless told otherwise; None takes that back.

    Parameters
    ----------
    language : str
        ISO 639 code, or `ANY` for all that have none of their own.
    name : str or None
        As it was added.

    Raises
    ------
    UnknownName
        If no model has the name, or it was not taught the language.
    InputError
        If it is no language, or the model does not transcribe.
    """
    code = language if language == ANY else normalise(language)
    if code == "und":
        raise InputError(
            f"{language!r} is no language: give its code, or {ANY} for all that have no model of their own"
        )
    if name is None:
        registry().set_default(code, None)
        return
    entry = registry().find(name)
    if entry is None:
        raise UnknownName("added model", name, names())
    facts = engine_at(Path(entry.path)).facts
    if facts.task is not Task.TRANSCRIBE:
        raise InputError(f"{name} places words that are known, and hears none: a default model transcribes")
    taught = facts.languages
    if code != ANY and taught and code not in taught and code.partition("-")[0] not in taught:
        raise UnknownName(f"language of the model {name}", language, sorted(taught))
    registry().set_default(code, name)


def forget() -> None:
    """Forget the engines that were made."""
    _made.cache_clear()


@lru_cache(maxsize=32)
def _made(path: Path, mark: _Mark) -> Engine:
    return open_engine(path)


def _mark(path: Path) -> _Mark:
    """Return what changes when a file of a model does."""
    try:
        folder = path if path.is_dir() else path.parent
        inside = [folder / name for name in packages.CONVERSIONS if (folder / name).is_dir()]
        found = [(entry.path, entry.stat()) for place in (folder, *inside) for entry in os.scandir(place)]
    except (OSError, ValueError):  # the latter of names that no file can have
        return ()
    return tuple(sorted((name, stat.st_size, stat.st_mtime_ns, stat.st_ino) for name, stat in found))


def named_like(model_id: str, revision: str) -> Iterator[str]:
    """Yield the names of added models that are this one."""
    for name in names():
        place = place_of(name)
        try:
            facts = engine_at(place).facts if place else None
        except MelismaError:  # it is damaged, or gone
            continue
        if facts is not None and (facts.model_id, facts.model_revision) == (model_id, revision):
            yield name
