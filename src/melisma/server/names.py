"""Names as callers give them, made safe to be shown: of files, of people, of places on this machine."""

from __future__ import annotations

import re
import unicodedata

from melisma.core.errors import InputError

NAME_CHARS = 300
FILE_NAME_CHARS = 150
# An absolute path: two names or more behind slashes, where no URL and no number stands in front of them.
_PATH = re.compile(r"(?<![\w:/.<])/(?!v1/)(?:[^\s/'\"<>|:;,()]+/)+([^\s/'\"<>|:;,()]*)")
_DRIVE = re.compile(r"\b[A-Za-z]:\\(?:[^\s\\'\"]+\\)*([^\s\\'\"]*)")


def line(text: str | None, what: str, most: int = NAME_CHARS) -> str:
    r"""Take a name: one line, no control characters, not too long.

    Raises
    ------
    InputError
        If it is too long.

    Examples
    --------
    >>> line("  La\tvie\u202een rose ", "title")
    'La vie en rose'
    """
    kept = " ".join("".join(c if _shows(c) else " " for c in text or "").split())
    if len(kept) > most:
        raise InputError(f"the {what} has {len(kept)} characters, at most {most} are taken")
    return kept


def text(given: str | None, what: str, most: int) -> str:
    """Take a text of several lines: line ends become newlines, other control characters go.

    Raises
    ------
    InputError
        If it is too long.
    """
    given = given or ""
    if len(given) > most:
        raise InputError(f"the {what} have {len(given)} characters, at most {most} are taken")
    rows = given.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(c for c in rows if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs"))


def file_name(given: str, default: str = "recording") -> str:
    r"""Take the name of a file: its last component, nothing that a system or a screen might obey; it is only shown.

    Examples
    --------
    >>> file_name("../../etc/passwd"), file_name("C:\\songs\\a.mp3"), file_name("..")
    ('passwd', 'a.mp3', 'recording')
    """
    last = re.split(r"[\\/]", given)[-1]
    kept = " ".join("".join(c if _shows(c) and c not in '<>:"|?*' else " " for c in last).split()).strip(". ")
    if len(kept) <= FILE_NAME_CHARS:
        return kept or default
    stem, dot, suffix = kept.rpartition(".")
    if dot and len(suffix) <= 10:
        return f"{stem[: FILE_NAME_CHARS - 11]}.{suffix}"
    return kept[:FILE_NAME_CHARS]


def without_paths(sentence: str) -> str:
    """Take the folders out of a sentence that goes to a caller, and leave the names of files.

    Examples
    --------
    >>> without_paths("/srv/data/files/incoming/tmpx1 is an empty file, see https://example.org/a/b")
    '…/tmpx1 is an empty file, see https://example.org/a/b'
    """
    return _DRIVE.sub(r"…\\\1", _PATH.sub(r"…/\1", sentence))


def _shows(character: str) -> bool:
    """Whether a character is one that shows: no control character, and none that turns the direction of writing."""
    return unicodedata.category(character) not in ("Cc", "Cs", "Co", "Cn") and character not in _TURNS


_TURNS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029\ufeff")
