"""Which fonts there are, by fontconfig, and what they can spell: a font is chosen by its name, never by a path."""

from __future__ import annotations

import shutil
import subprocess
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from melisma.core.errors import InputError, UnknownName

ANY = "sans-serif"  # what fontconfig makes of it, where none of those below is installed
_PREFERRED = ("DejaVu Sans", "Noto Sans", "Liberation Sans", "Arial", "Helvetica")
_WITHIN_S = 30
_FORBIDDEN = frozenset(",{}\\\"'")  # in an ASS style the comma ends a name; the others are nowhere needed


def installed() -> tuple[str, ...]:
    """Return the families that are installed, in alphabetical order; none where there is no fontconfig."""
    return _families()


def choose(name: str) -> str:
    """Return a family as it is spelt: the one of that name in whatever case, or a usual one for "".

    Raises
    ------
    InputError
        If there is no fontconfig to say what is installed.
    UnknownName
        If no installed font has this name; the sentence lists those that are.
    """
    found = _families()
    if not name.strip():
        return next((family for family in _PREFERRED if family in found), found[0] if found else ANY)
    if not found:
        raise InputError("a font can only be chosen where fontconfig (fc-list) says which there are")
    for family in found:
        if family.casefold() == name.strip().casefold():
            return family
    raise UnknownName("installed font", name[:80], found)


def missing(text: Iterable[str]) -> tuple[str, ...]:
    """Return the characters of a text that no installed font has, in the order of their numbers."""
    ranges = _ranges()
    if not ranges:
        return ()
    wanted = {c for part in text for c in part if unicodedata.category(c)[0] not in "CZ"}
    return tuple(sorted(c for c in wanted if not any(low <= ord(c) <= high for low, high in ranges)))


@lru_cache(maxsize=1)
def _families() -> tuple[str, ...]:
    names = {line.strip() for line in _asked("%{family[0]}\n")}
    return tuple(sorted((name for name in names if _is_plain(name)), key=str.casefold))


def _is_plain(name: str) -> bool:
    return (
        0 < len(name) <= 100 and name.isprintable() and not name.startswith(("@", ".")) and not _FORBIDDEN & set(name)
    )


@lru_cache(maxsize=1)
def _ranges() -> tuple[tuple[int, int], ...]:
    """Return the characters that any font has, as few ranges as possible."""
    spans: list[tuple[int, int]] = []
    for part in {part for line in _asked("%{charset}\n") for part in line.split()}:
        low, _, high = part.partition("-")
        try:
            spans.append((int(low, 16), int(high or low, 16)))
        except ValueError:
            continue
    merged: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(merged[-1][1], last)
        else:
            merged.append((first, last))
    return tuple(merged)


def _asked(form: str) -> list[str]:
    program = shutil.which("fc-list")
    if program is None:
        return []
    try:
        done = subprocess.run(
            [program, "--format", form], capture_output=True, timeout=_WITHIN_S, check=True, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return done.stdout.decode("utf-8", "replace").splitlines()
