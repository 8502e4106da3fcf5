"""Plug-ins by entry point: the built-in engines and formats enter by the same door as a stranger's."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from melisma.core.errors import MelismaError, UnknownName

ENGINES = "melisma.engines"
FORMATS = "melisma.formats"
SEPARATORS = "melisma.separators"


class DuplicatePlugin(MelismaError):
    """Two installed packages offer a plug-in of one name."""


@cache
def _points(group: str) -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=group):
        other = found.get(point.name)
        if other is not None and other.value != point.value:
            raise DuplicatePlugin(
                f"two plug-ins of {group} are called {point.name!r}: {other.value} and {point.value}; uninstall one"
            )
        found[point.name] = point
    return found


class BrokenPlugin(MelismaError):
    """An installed plug-in cannot be imported."""


def names(group: str) -> list[str]:
    """Names of the plug-ins of a group, sorted, without loading any."""
    return sorted(_points(group))


def load(group: str, name: str) -> Any:
    """Load one plug-in.

    Raises
    ------
    UnknownName
        If no installed package offers it; the sentence lists what exists.
    BrokenPlugin
        If its module or the object in it is not there.
    """
    points = _points(group)
    if name not in points:
        raise UnknownName(group.removeprefix("melisma.").removesuffix("s"), name, points)
    try:
        return points[name].load()
    except (ImportError, AttributeError) as error:
        raise BrokenPlugin(f"the plug-in {name!r} ({points[name].value}) cannot be loaded: {error}") from error
