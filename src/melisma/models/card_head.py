"""The head of a model's card, README.md between two lines of hyphens, as the hub has it: read for two of its keys."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_LARGEST = 1 << 16  # bytes that are looked at


@dataclass(frozen=True, slots=True)
class CardHead:
    """What the head of a card says: names of licences as they stand there, and codes of languages in lower case."""

    licences: tuple[str, ...] = ()
    languages: frozenset[str] = frozenset()


def read_head(folder: Path) -> CardHead:
    """Read licences and languages from the head of a folder's README.md; nothing where there is none."""
    try:
        with (folder / "README.md").open("rb") as file:
            head = file.read(_LARGEST).decode("utf-8", "replace")
    except OSError:
        return CardHead()
    block = re.match(r"\ufeff?---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|$)", head, re.DOTALL)
    if not block:
        return CardHead()
    codes = frozenset(code.lower() for code in _values(block[1], "language") if re.fullmatch(r"[A-Za-z]{2,3}", code))
    return CardHead(tuple(_values(block[1], "license")), codes)


def _values(block: str, key: str) -> list[str]:
    """Return the values of a key at the head of a card: one behind the colon, a list in brackets, or one a line."""
    found = re.search(rf"^{key}:[ \t]*(.*)((?:\r?\n[ \t]*-[ \t]+.*)*)", block, re.MULTILINE)
    if not found:
        return []
    text = found[1].strip()
    parts = text.strip("[]").split(",") if text else re.findall(r"-[ \t]+(.*)", found[2])
    return [part.strip().strip("'\"") for part in parts if part.strip()]
