"""What environment variables may be called and hold: other names for ours, secrets in files, numbers and switches.

`settle` runs once where a program begins; what reads a variable later reads MELISMA_… alone.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from melisma.core.errors import InputError

_T = TypeVar("_T")
YES, NO = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off", ""})
_MOST = 1_000_000  # characters of a file with a secret


@dataclass(frozen=True, slots=True)
class Alias:
    """A name that the karaoke document uses, our own name for it, and how a value is spelt there."""

    name: str
    ours: str
    translate: Callable[[str, str], str] = lambda _, said: said


def _onset(name: str, said: str) -> str:
    """Spell a switch as the list of refinements that it asks for."""
    return "onset" if flag({name: said}, name, False) else ""


# The names of docs/karaoke-v2.md's document; GROQ_API_KEY and GENIUS_ACCESS_TOKEN are heard where they are needed.
ALIASES = (
    Alias("KARAOKE_ALIGNMENT_ENGINE", "MELISMA_ENGINE"),
    Alias("KARAOKE_ALIGNMENT_LICENSE_MODE", "MELISMA_LICENSE_MODE"),
    Alias("KARAOKE_ONSET_REFINE", "MELISMA_REFINE", _onset),
    Alias("KARAOKE_ONSET_SNAP_THRESHOLD_MS", "MELISMA_ONSET_SNAP_MS"),
    Alias("KARAOKE_REGROUP_TOLERANCE_MS", "MELISMA_REGROUP_TOLERANCE_MS"),
    Alias("KARAOKE_CTC_MIN_CONFIDENCE_AVG", "MELISMA_GATE_MIN_CONFIDENCE_AVG"),
    Alias("KARAOKE_CTC_MAX_LOW_CONF_RATIO", "MELISMA_GATE_MAX_LOW_CONF_RATIO"),
    Alias("CTC_ALIGN_DEVICE", "MELISMA_DEVICE"),
)

# Where a secret may lie in a file instead, as Docker and systemd hand them over: the file's variable, the secret's.
SECRET_FILES = {
    "MELISMA_DATABASE_URL_FILE": "MELISMA_DATABASE_URL",
    "MELISMA_QUEUE_REDIS_URL_FILE": "MELISMA_QUEUE_REDIS_URL",
    "MELISMA_CACHE_URL_FILE": "MELISMA_CACHE_URL",
    "MELISMA_REDIS_URL_FILE": "MELISMA_REDIS_URL",
    "MELISMA_GROQ_API_KEY_FILE": "MELISMA_GROQ_API_KEY",
    "MELISMA_OPENAI_API_KEY_FILE": "MELISMA_OPENAI_API_KEY",
    "MELISMA_GENIUS_TOKEN_FILE": "MELISMA_GENIUS_TOKEN",
}


def settle(environ: MutableMapping[str, str] | None = None) -> None:
    """Put what stands under another name, or in a file, under our own name, unless that is set.

    Parameters
    ----------
    environ : mutable mapping, optional
        Changed; the environment of this process if not given. Nothing is changed where something is wrong.

    Raises
    ------
    InputError
        If a switch is none, or a file cannot be read; the sentence names the variable, never what is secret.
    """
    environ = os.environ if environ is None else environ
    found = {}
    for alias in ALIASES:
        if environ.get(alias.name, "").strip() and not environ.get(alias.ours, "").strip():
            found[alias.ours] = alias.translate(alias.name, environ[alias.name])
    for name, ours in SECRET_FILES.items():
        if environ.get(name, "").strip() and not environ.get(ours, "").strip():
            found[ours] = read_file(environ, name).strip()
    environ.update(found)


def read_file(environ: Mapping[str, str], name: str) -> str:
    """Return what the file holds that a variable names.

    Raises
    ------
    InputError
        If it cannot be read, or is no text.
    """
    path = Path(environ[name].strip()).expanduser()
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_MOST + 1)
    except OSError as error:
        raise InputError(f"the file that {name} names cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"the file that {name} names is no text in UTF-8") from error
    if len(text) > _MOST:
        raise InputError(f"the file that {name} names is too large to be what it should be")
    return text


def flag(environ: Mapping[str, str], name: str, default: bool) -> bool:
    """Read a switch.

    Raises
    ------
    InputError
        If it is neither 1 nor 0, nor one of the words for them.
    """
    if name not in environ:
        return default
    said = environ[name].strip().lower()
    if said in YES or said in NO:
        return said in YES
    raise InputError(f"{name} is 1 or 0, not {environ[name][:40]!r}")


def number(environ: Mapping[str, str], name: str, kind: Callable[[str], _T], default: _T) -> _T:
    """Read a number, 0 or more, by `int` or `float`.

    Raises
    ------
    InputError
        If it is none.
    """
    said = environ.get(name, "").strip()
    if not said:
        return default
    try:
        found = kind(said)
        if not 0 <= float(found) < math.inf:  # type: ignore[arg-type]
            raise ValueError
    except ValueError:
        raise InputError(f"{name} is a number, 0 or more, not {said[:40]!r}") from None
    return found


def names(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Read names that stand between commas, each once.

    Examples
    --------
    >>> names({"A": "x, y,,x"}, "A")
    ('x', 'y')
    """
    return tuple(dict.fromkeys(part.strip() for part in environ.get(name, "").split(",") if part.strip()))
