"""Lyrics as a hint to a transcriber."""

from __future__ import annotations

# Whisper keeps the last 224 tokens of a hint, and we want the first words that are sung.
_MOST = 400


def head(prompt: str, most: int = _MOST) -> str:
    """Return the first words of a hint, no more characters than fit.

    >>> head("la mer qu'on voit", 10)
    'la mer'
    """
    text = " ".join(prompt.split())
    if len(text) <= most:
        return text
    return text[: most + 1].rpartition(" ")[0] or text[:most]
