"""Which separator: the one that is asked for, or the one that suits who listens next."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from melisma.audio.separation.protocol import Separator
from melisma.core import plugins
from melisma.core.errors import LicenceError, MissingDependency, UnknownName

AUTO = "auto"
PLAIN, CENTRE, MODEL = "none", "center", "demucs"
# What the older option `--downmix` calls the same.
OLDER_SPELLINGS = {"mean": PLAIN, "centre": CENTRE}

ListensTo = Literal["mix", "voice"]


@lru_cache(maxsize=8)
def separator(name: str) -> Separator:
    """Return the installed separator of a name; UnknownName if there is none."""
    made: Separator = plugins.load(plugins.SEPARATORS, name)()
    return made


def check_name(name: str) -> str:
    """Return the name of a separator, `auto` included, as it is spelt now.

    Raises
    ------
    UnknownName
        If no installed package offers it; the sentence lists what exists.
    """
    name = OLDER_SPELLINGS.get(name, name)
    known = plugins.names(plugins.SEPARATORS)
    if name != AUTO and name not in known:
        raise UnknownName("separator", name, [AUTO, *known])
    return name


def choose(name: str, listens_to: ListensTo = "voice", *, commercial: bool = False) -> Separator:
    """Return a separator that can run here.

    Parameters
    ----------
    name : str
        One of `melisma.separators`, or `auto`: Demucs where it can run and who listens was trained on voices by
        themselves, else the centre, which leaves a mono recording as it is. A network trained on whole mixes does worse
        on separated vocals, and the other way round.
    listens_to : {"mix", "voice"}
        What the engine that listens next was trained on.
    commercial : bool
        Whether only what may be used commercially may be chosen.

    Raises
    ------
    UnknownName
        If there is no such separator.
    LicenceError
        If its licence forbids what the result is for.
    MissingDependency
        If it lacks something to run here.
    """
    name = check_name(name)
    if name == AUTO:
        wanted = separator(MODEL) if listens_to == "voice" and MODEL in plugins.names(plugins.SEPARATORS) else None
        fits = wanted is not None and (wanted.facts.commercial or not commercial) and wanted.missing() is None
        return wanted if wanted is not None and fits else separator(CENTRE)
    chosen = separator(name)
    facts = chosen.facts
    if commercial and not facts.commercial:
        raise LicenceError(
            f"--separate {name} is refused in commercial mode: the licence of {facts.model_id or name} "
            f"({facts.licence}) does not allow commercial use"
        )
    if lacking := chosen.missing():
        raise MissingDependency(lacking)
    return chosen
