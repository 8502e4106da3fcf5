"""Reference and hypothesis word against word, as they were written, aligned as the evaluation counts them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from melisma.evaluate.asr_report.markup import Markup, element, join
from melisma.metrics.transcription import edits
from melisma.text.scoring import normalised

MOST_CELLS = 400  # words of a clip that are shown
MOST_ALONE = 40  # of words in a row that are too many, or missing: a loop goes on for long


@dataclass(frozen=True, slots=True)
class Cell:
    """A word that was said, what was heard for it, and whether that counts as the same; None where there is nothing."""

    said: str | None
    heard: str | None
    equal: bool


def cells(reference: str, hypothesis: str, language: str, *, numbers: bool = False) -> list[Cell]:
    """Align two texts as `melisma eval asr` does, in the normalised view, and keep their words as they are written.

    Examples
    --------
    >>> cells("Dobar dan, Ana!", "dobar Dan", "hr")
    [Cell(said='Dobar', heard='dobar', equal=True), Cell(said='dan,', heard='Dan', equal=True), \
Cell(said='Ana!', heard=None, equal=False)]
    """
    said, said_shown = words(reference, language, numbers=numbers)
    heard, heard_shown = words(hypothesis, language, numbers=numbers)
    return [
        Cell(
            None if pair.reference is None else said_shown[pair.reference],
            None if pair.hypothesis is None else heard_shown[pair.hypothesis],
            pair.equal,
        )
        for pair in edits(said, heard).pairs
    ]


def words(text: str, language: str, *, numbers: bool = False) -> tuple[list[str], list[str]]:
    """Return the normalised words of a text, and how each of them is written in it.

    Marks that stand alone are written with the word before them. Where a word by itself is normalised otherwise than
    within its text (a number of two words), all are written as they are normalised.
    """
    whole = normalised(text, language, numbers=numbers).split()
    found: list[str] = []
    written: list[str] = []
    for token in text.split():
        parts = normalised(token, language, numbers=numbers).split()
        if parts:
            found += parts
            written += [token] if len(parts) == 1 else parts
        elif written:
            written[-1] += f" {token}"
    return (whole, written) if found == whole else (whole, whole)


def draw(aligned: Sequence[Cell]) -> Markup:
    """Draw words above what was heard for them; the same stand once, those without a partner together."""
    parts: list[Markup] = []
    for kind, run in groupby(aligned[:MOST_CELLS], key=_kind):
        cells = list(run)
        drawn = map(_paired, cells) if kind in ("same", "changed") else (_alone(cells, kind),)
        parts += [join((each, " ")) for each in drawn]
    if len(aligned) > MOST_CELLS:
        parts.append(element("span", f"… and {len(aligned) - MOST_CELLS:,} words more", class_="small"))
    return element("p", *parts, class_="diff", dir="auto")


def _kind(cell: Cell) -> str:
    if cell.said is None:
        return "added"
    return "missed" if cell.heard is None else "same" if cell.equal else "changed"


def _paired(cell: Cell) -> Markup:
    if cell.equal:
        return element("span", cell.said, class_="same", dir="auto")
    said, heard = marked(cell.said or "", cell.heard or "")
    between = element("span", " heard as ", class_="unseen")
    return element(
        "span", element("del", said, dir="auto"), between, element("ins", heard, dir="auto"), class_="edit changed"
    )


def _alone(cells: Sequence[Cell], kind: str) -> Markup:
    """Draw words of one side that follow one another, with nothing on the other side."""
    words = " ".join(cell.said or cell.heard or "" for cell in cells[:MOST_ALONE])
    more = f" … {len(cells) - MOST_ALONE:,} more" if len(cells) > MOST_ALONE else None
    if kind == "added":
        return element("span", _nothing(), element("ins", words, more, dir="auto"), class_="edit added")
    return element("span", element("del", words, more, dir="auto"), _nothing(), class_="edit missed")


def _nothing() -> Markup:
    return element("span", "∅", class_="nothing", title="nothing")


def marked(said: str, heard: str) -> tuple[Markup, Markup]:
    """Return two words with the letters marked that differ.

    >>> marked("mlijeko", "mleko")
    ('ml<mark>ij</mark>eko', 'mleko')
    """
    pairs = edits([each.casefold() for each in said], [each.casefold() for each in heard]).pairs
    kept = {pair.reference for pair in pairs if pair.equal}, {pair.hypothesis for pair in pairs if pair.equal}
    return _marked(said, kept[0]), _marked(heard, kept[1])


def _marked(word: str, kept: set[int | None]) -> Markup:
    return join(element("mark", part) if differs else part for part, differs in _runs(word, kept))


def _runs(word: str, kept: set[int | None]) -> Iterator[tuple[str, bool]]:
    """Yield stretches of letters that differ, and of such that do not; marks beside words never do."""
    differs = [i not in kept and letter.isalnum() for i, letter in enumerate(word)]
    at = 0
    for i in range(1, len(word) + 1):
        if i == len(word) or differs[i] != differs[at]:
            yield word[at:i], differs[at]
            at = i
