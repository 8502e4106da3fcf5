"""What was heard for what was said, as heat maps of characters and of words, and as lists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from melisma.evaluate.asr_report.markup import Markup, element, join, percent, table
from melisma.evaluate.asr_scores import Confusion, Confusions

_MOST = 18  # rows and columns of a map
_LISTED = 20
_STEPS = 9  # of the colour
_NAMES = {" ": "␣", "": "∅"}
NOTHING = ""


@dataclass(frozen=True, slots=True)
class Map:
    """A matrix of confusions: `counts[i][j]` times `columns[j]` was heard for `rows[i]`; "" is nothing."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    @property
    def most(self) -> int:
        """The largest count of a substitution; where there is none, the largest of all. 0 for an empty map."""
        cells = [(n, said and heard) for said, row in zip(self.rows, self.counts, strict=True)
                 for heard, n in zip(self.columns, row, strict=True)]  # fmt: skip
        return max((n for n, changed in cells if changed), default=0) or max((n for n, _ in cells), default=0)


def matrix(pairs: Sequence[Confusion], most: int = _MOST) -> Map:
    """Return the map of the units that are confused most, in alphabetical order; nothing comes last.

    Parameters
    ----------
    pairs : sequence of Confusion
        Substitutions, deletions and insertions; those of one pair are added up.
    most : int
        Rows and columns at most, beside those of nothing.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for each in pairs:
        counts[each.reference, each.hypothesis] += each.n
    rows = _chosen([(said, heard, n) for (said, heard), n in counts.items()], most)
    columns = _chosen([(heard, said, n) for (said, heard), n in counts.items() if said in rows], most)
    return Map(rows, columns, tuple(tuple(counts[said, heard] for heard in columns) for said in rows))


def _chosen(pairs: Sequence[tuple[str, str, int]], most: int) -> tuple[str, ...]:
    """Choose among the first of pairs: the most often changed, then the most often missing or too many."""
    changed: Counter[str] = Counter()
    alone: Counter[str] = Counter()
    for name, other, n in pairs:
        (changed if other else alone)[name] += n
    names = {name for name, _, _ in pairs}
    ranked = sorted(names - {NOTHING}, key=lambda name: (-changed[name], -alone[name], name))
    return (*sorted(ranked[:most]), *((NOTHING,) if NOTHING in names else ()))


def section(found: Confusions) -> Markup:
    """Draw both maps and the lists."""
    characters = [*found.characters, *found.characters_deleted, *found.characters_inserted]
    words = [*found.words, *found.words_deleted, *found.words_inserted]
    if not words and not characters:
        return element("p", "Nothing was confused.", class_="quiet-text")
    said = (
        "A row is what was said, a column what was heard for it; ∅ is nothing. The stronger the colour, the "
        "more often. In a map, arrow keys go from cell to cell."
    )
    return join(
        (
            element("p", said, class_="quiet-text"),
            element("h3", "Characters"),
            heat_map("characters", matrix(characters), found.spoken),
            element("h3", "Words"),
            heat_map("words", matrix(words), {}),
            element("h3", "Most frequent"),
            _lists(found),
        )
    )


def heat_map(name: str, drawn: Map, spoken: Mapping[str, int]) -> Markup:
    """Draw a map as a table, so that it can be read without its colours.

    Parameters
    ----------
    name : str
        What is confused in it.
    drawn : Map
        The counts.
    spoken : mapping of str to int
        How often each row was said, where that is known.
    """
    if not drawn.most:
        return element("p", f"No {name} were confused.", class_="quiet-text")
    head = element("tr", element("td", ""), *(element("th", _label(each), scope="col") for each in drawn.columns))
    rows = []
    for said, counts in zip(drawn.rows, drawn.counts, strict=True):
        cells = [_cell(said, heard, n, drawn.most, spoken) for heard, n in zip(drawn.columns, counts, strict=True)]
        rows.append(element("tr", element("th", _label(said), scope="row"), *cells))
    body = element(
        "table", element("thead", head), element("tbody", *rows), class_="heat", aria_label=f"Confused {name}"
    )
    readout = element("p", "Point at a cell.", class_="readout small", aria_live="polite")
    return element("div", element("div", body, class_="scroll", tabindex=0), readout, class_="map")


def _cell(said: str, heard: str, n: int, most: int, spoken: Mapping[str, int]) -> Markup:
    if said and said == heard:
        return element("td", class_="itself")
    if not n:
        return element("td")
    level = max(1, min(_STEPS, round(_STEPS * (n / most) ** 0.5)))  # the root, for a few pairs are most of all
    return element("td", f"{n:,}", class_=f"h{level}", data_said=_sentence(said, heard, n, spoken), tabindex=-1)


def _sentence(said: str, heard: str, n: int, spoken: Mapping[str, int]) -> str:
    times = "once" if n == 1 else f"{n:,} times"
    if not said:
        return f"{_label(heard)} heard where nothing was said: {times}"
    share = f", {percent(n / spoken[said])} of {spoken[said]:,}" if spoken.get(said) else ""
    return f"{_label(said)} {f'heard as {_label(heard)}' if heard else 'not heard'}: {times}{share}"


def _label(name: str) -> str:
    return _NAMES.get(name, name)


def _lists(found: Confusions) -> Markup:
    kinds = (
        ("Words changed", found.words),
        ("Words missing", found.words_deleted),
        ("Words too many", found.words_inserted),
        ("Characters changed", found.characters),
    )
    parts = []
    for title, pairs in kinds:
        rows = [
            element(
                "tr",
                element("td", element("bdi", _label(each.reference))),
                element("td", element("bdi", _label(each.hypothesis))),
                element("td", f"{each.n:,}"),
            )
            for each in pairs[:_LISTED]
        ]
        shown = (
            table(["said", "heard", "times"], rows, class_="pairs")
            if rows
            else element("p", "none", class_="quiet-text")
        )
        parts.append(element("div", element("h4", title), shown))
    return element("div", *parts, class_="columns")
