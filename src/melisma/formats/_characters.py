"""Characters: what no text file can hold, what ends a row, and how plain text is kept from looking like markup."""

from __future__ import annotations

import html
import re

REPLACEMENT = "\ufffd"
GUARD = "\u2060"  # WORD JOINER: no width, no break, not whitespace, and no format's markup
_SURROGATES = re.compile("[\ud800-\udfff]")
# C0 and C1 controls that are no whitespace, DEL, and U+FFFE/U+FFFF: XML forbids them, players print boxes for them.
_UNHOLDABLE = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
# Bounded, unlike html.unescape alone, which raises ValueError for a reference of thousands of digits.
_REFERENCE = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_NEWLINE = re.compile(r"\r\n?|\n")


def clean(text: str) -> str:
    """Replace control characters, lone surrogates and U+FFFE/U+FFFF by U+FFFD; whitespace stays."""
    return _UNHOLDABLE.sub(REPLACEMENT, text)


def without_surrogates(text: str) -> str:
    """Replace lone surrogates, which UTF-8 cannot hold, by U+FFFD."""
    return _SURROGATES.sub(REPLACEMENT, text)


def opened(text: str) -> str:
    """Return what a reader works on: without a byte order mark, and clean."""
    return clean(text.removeprefix("\ufeff"))


def rows(text: str) -> list[str]:
    r"""Split at \r\n, \n and \r only: a reader's line numbers are then those of an editor."""
    return _NEWLINE.split(text)


def resolved(text: str) -> str:
    """Resolve character references such as ``&amp;`` and ``&#233;``; what looks like none stays."""
    return clean(_REFERENCE.sub(lambda found: html.unescape(found[0]), text))


def guard(text: str, lookalike: re.Pattern[str]) -> str:
    """Break up text that a reader would take for markup, with one invisible word joiner.

    `lookalike` has two groups: the characters before the break and the guards that stand there already. Adding one to
    however many there are makes the change reversible for every text, also for one that holds word joiners itself.
    """
    return lookalike.sub(rf"\1{GUARD}\2", text)


def unguard(text: str, lookalike: re.Pattern[str]) -> str:
    """Undo `guard` with the same pattern."""
    return lookalike.sub(lambda found: found[1] + found[2][1:], text)
