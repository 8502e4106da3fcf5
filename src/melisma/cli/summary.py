"""What a person should know about an alignment: how much is timed, and which words to listen to."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from melisma.cli.outputs import Target
    from melisma.core.records import Alignment, Word

# Control characters, ends of lines and marks of direction: names of files and songs come from anywhere.
_OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_SHOWN = 8  # more is a list that nobody listens through; the file holds them all


def doubtful(alignment: Alignment, at_most: int = _SHOWN) -> list[Word]:
    """Return the least certain of the words that the karaoke page marks as doubtful, in the order they are sung."""
    from melisma.formats.karaoke import DOUBT_BELOW

    doubted = [(w.confidence, i) for i, w in enumerate(alignment.words) if w.confidence is not None and not w.unsung]
    worst = sorted(pair for pair in doubted if pair[0] < DOUBT_BELOW)[:at_most]
    return [alignment.words[i] for _, i in sorted(worst, key=lambda pair: pair[1])]


def print_summary(alignment: Alignment, targets: Sequence[Target]) -> None:
    """Print to standard error what was timed, what is doubtful, what was warned of and what was written."""
    total = len(alignment.words)
    timed = sum(not w.unsung for w in alignment.words)
    average = "" if alignment.confidence_avg is None else f", average confidence {alignment.confidence_avg:.2f}"
    lines = [f"{timed} of {total} words timed{average}"]
    words = doubtful(alignment)
    if words:
        lines.append("least certain words:")
        lines += [f"  {_place(alignment, word)}" for word in words]
    lines += [f"warning: {warning}" for warning in alignment.warnings]
    lines += [f"wrote {target.path}" for target in targets if target.path is not None]
    typer.echo("\n".join(lines), err=True)


def _place(alignment: Alignment, word: Word) -> str:
    where = f"(line {word.line + 1}: {alignment.line_text(word.line)})"
    return f"{clock(word.start_ms or 0)}  {word.confidence or 0:.2f}  {word.text}   {where}"


def as_dict(alignment: Alignment, targets: Sequence[Target]) -> dict[str, Any]:
    """Return what `print_summary` prints, for programs."""
    return {
        "outputs": [{"format": t.format, "path": str(t.path)} for t in targets],
        "language": alignment.language,
        "engine": alignment.engine,
        "duration_ms": alignment.duration_ms,
        "word_count": len(alignment.words),
        "timed": sum(not w.unsung for w in alignment.words),
        "confidence_avg": alignment.confidence_avg,
        "doubtful": [
            {"text": w.text, "line": w.line, "start_ms": w.start_ms, "confidence": w.confidence}
            for w in doubtful(alignment)
        ],
        "warnings": list(alignment.warnings),
    }


def clock(ms: int) -> str:
    """Minutes, seconds and tenths.

    Examples
    --------
    >>> clock(83_449)
    '1:23.4'
    """
    return f"{ms // 60_000}:{ms // 1000 % 60:02d}.{ms // 100 % 10}"


def print_json(value: Any) -> None:
    """Print JSON in UTF-8 on standard output, whatever the locale."""
    # A file name that is not UTF-8 holds lone surrogates: backslashreplace writes them as JSON's own escapes.
    typer.echo(json.dumps(value, ensure_ascii=False, indent=1).encode("utf-8", "backslashreplace"))


def shown(text: str) -> str:
    r"""Return a text on one line, what a terminal would obey as an escape.

    >>> shown("Žena\x1b[2J\n")
    'Žena\\u001b[2J\\u000a'
    """
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows with their columns aligned; the last column is as long as it is."""
    rows = [[shown(cell) for cell in row] for row in rows]
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))] if rows else []
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
