"""The lyrics in a song's page of Genius, with the standard library's parser and bounds on what a page may cost.

The page holds them in `<div data-lyrics-container="true">`, a few of them; lines end with `<br>`, headings stand in
square brackets, and what is marked `data-exclude-from-selection="true"` is not sung: contributors, translations.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

from melisma.lyrics.protocol import ProviderFailed

_CONTAINER = "data-lyrics-container"
_EXCLUDED = "data-exclude-from-selection"
_VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr")
)
_UNSEEN = frozenset(("script", "style", "noscript", "template", "svg", "button", "select", "iframe", "title"))
_BLOCKS = frozenset(("div", "p", "section", "article", "ul", "ol", "li", "h1", "h2", "h3", "blockquote"))
_LONGEST = 600_000  # characters from the first container on; a song with every line annotated has 150,000
# The parser may look to the end of the text for every "<" that opens nothing: together these bound it to seconds.
_MOST_TAGS = 20_000
_DEEPEST = 200


class _Reader(HTMLParser):
    """Collect the text of the containers."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text: list[str] = []
        self.found = False
        self._open: list[tuple[str, bool, bool]] = []  # tag, whether inside a container, whether hidden

    @property
    def _state(self) -> tuple[bool, bool]:
        return self._open[-1][1:] if self._open else (False, False)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element; a line break ends a line."""
        inside, hidden = self._state
        if tag in _VOID:
            if tag == "br" and inside and not hidden:
                self.text.append("\n")
            return
        given = dict(attrs)
        opens = given.get(_CONTAINER) == "true"
        if opens and not inside:
            self.found = True
            self.text.append("\n")
        elif tag in _BLOCKS and inside and not hidden:
            self.text.append("\n")
        hidden = hidden or tag in _UNSEEN or given.get(_EXCLUDED) == "true"
        if len(self._open) >= _DEEPEST:
            raise ProviderFailed("sends a page that is nested too deeply")
        self._open.append((tag, inside or opens, hidden))

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost element of this name; one that was never opened closes nothing."""
        at = next((i for i in range(len(self._open) - 1, -1, -1) if self._open[i][0] == tag), None)
        if at is None:
            return
        _, inside, hidden = self._open[at]
        if tag in _BLOCKS and inside and not hidden:
            self.text.append("\n")
        del self._open[at:]

    def handle_data(self, data: str) -> None:
        """Keep the text of a container; a newline of the source is a space."""
        inside, hidden = self._state
        if inside and not hidden:
            self.text.append(re.sub(r"\s+", " ", data))


def lyrics_of(page: str) -> str | None:
    r"""Return the lyrics of a song's page, a line a line, headings kept; None where it holds none.

    Raises
    ------
    ProviderFailed
        If the page is built to cost more than a song's page does.

    Examples
    --------
    >>> lyrics_of('<div data-lyrics-container="true">[Chorus]<br>Oh <i>yes</i><br/>No</div>')
    '[Chorus]\nOh yes\nNo'
    """
    at = page.find(_CONTAINER)
    if at < 0:
        return None
    begin = max(page.rfind("<", 0, at), 0)
    part = page[begin : begin + _LONGEST]
    if part.count("<") > _MOST_TAGS:
        raise ProviderFailed("sends a page with too many tags")
    reader = _Reader()
    reader.feed(part)
    reader.close()
    rows = [" ".join(row.split()) for row in "".join(reader.text).split("\n")]
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(rows)).strip()
    return text or None
