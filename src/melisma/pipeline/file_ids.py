"""Names of folders made of names of files: letters of any script become ones that every file system takes."""

from __future__ import annotations

import hashlib
import re
import unicodedata

_MOST = 100  # characters, as `core.artifacts.checked` has it
_LETTERS = str.maketrans(
    {"đ": "dj", "Đ": "Dj", "ł": "l", "Ł": "L", "ß": "ss", "ø": "o", "Ø": "O", "æ": "ae", "Æ": "Ae"}
)


def file_id(name: str) -> str:
    """Return the id of a recording by the name of its file.

    Where more is lost than accents and blanks, a hash of the name tells it from others.

    Examples
    --------
    >>> file_id("01 Đurđevdan (uživo)"), file_id("run1.final")
    ('01-Djurdjevdan-uzivo', 'run1.final')
    >>> file_id("песма").startswith("recording-")
    True
    """
    spelt = unicodedata.normalize("NFKD", name.translate(_LETTERS))
    ascii_only = "".join(c for c in spelt if not unicodedata.combining(c))
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", ascii_only).strip("-._")
    lost = any(ord(c) > 127 and c.isalnum() for c in ascii_only) or len(plain) > _MOST
    if plain and not lost:
        return plain
    mark = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    stem = plain[: _MOST - 9].strip("-._") or "recording"
    return f"{stem}-{mark}"
