"""Characters that nobody sees or sings: invisible ones, and musical notes."""

from __future__ import annotations

import re

# Controls, soft hyphen, joiners, direction marks, variation selectors, fillers, byte order mark, tags. Source: Unicode
# 15, Default_Ignorable_Code_Point and Cc, less what str.split() takes for whitespace.
INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)
_NOTE = "(?:[♩♪♫♬𝄞𝄢🎵🎶🎼][\ufe0e\ufe0f]?)+"
_NOTES_AT_EDGES = re.compile(f"^{_NOTE}|{_NOTE}$")
_SURROGATE = re.compile("[\ud800-\udfff]")


def visible(text: str) -> str:
    """Return the text without its invisible characters."""
    return INVISIBLE.sub("", text)


def without_notes(word: str) -> str:
    """Strip the musical notes at the edges of a word.

    >>> without_notes("♪la♫"), without_notes("🎵")
    ('la', '')
    """
    return _NOTES_AT_EDGES.sub("", word)


def has_surrogate(text: str) -> bool:
    """Whether the text holds half a character, which no file can."""
    return _SURROGATE.search(text) is not None
