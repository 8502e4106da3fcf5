"""Times as files spell them: hours, minutes, seconds and a fraction, to and from whole milliseconds."""

from __future__ import annotations

LIMIT_MS = 3_600_000_000  # 1000 hours; a later time is a typing error or an attack, and no format needs it


def milliseconds(hours: str | None, minutes: str | None, seconds: str, fraction: str | None = None) -> int:
    """Add up a time from its digits; a fraction finer than a millisecond is rounded, halves up.

    Callers match at most nine digits a field, so that no number costs more than its file.
    """
    whole = (int(hours or 0) * 60 + int(minutes or 0)) * 60 + int(seconds)
    scale = int(10 ** len(fraction or ""))
    return 1000 * whole + (2000 * int(fraction or 0) + scale) // (2 * scale)


def centiseconds(ms: int) -> int:
    """Round milliseconds to centiseconds, halves up."""
    return (ms + 5) // 10


def hms(ms: int, point: str = ".") -> str:
    """Spell HH:MM:SS.mmm; hours grow beyond two digits.

    Examples
    --------
    >>> hms(36_000_001, ",")
    '10:00:00,001'
    """
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{ms:03}"
