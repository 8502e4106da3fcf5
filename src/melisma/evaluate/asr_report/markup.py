"""HTML that is put together from elements: what is text becomes text, whoever wrote it."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

_VOID = frozenset({"br", "hr", "input", "link", "meta"})
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")

Value = str | int | float | bool | None


class Markup(str):
    """Text that is HTML already; nothing but this module makes it of what others wrote."""

    __slots__ = ()


def text(value: object) -> Markup:
    r"""Return what a browser shows as this very text; what cannot be shown is a replacement mark.

    Examples
    --------
    >>> text("<b>a & b\x00</b>")
    '&lt;b&gt;a &amp; b\ufffd&lt;/b&gt;'
    """
    return value if isinstance(value, Markup) else Markup(html.escape(_UNPRINTABLE.sub("\ufffd", str(value))))


def element(name: str, *children: object, **attributes: Value) -> Markup:
    """Return an element.

    Parameters
    ----------
    name : str
        Of the element.
    *children : object
        What is in it, in order; what is not `Markup` is text. None is nothing.
    **attributes : str, int, float, bool or None
        By name, where an underscore at the end is nothing and others are hyphens. True is one without a value, False
        and None are none at all.

    Examples
    --------
    >>> element("p", "a < b", element("b", "c"), class_="x", data_n=2, hidden=False)
    '<p class="x" data-n="2">a &lt; b<b>c</b></p>'
    """
    head = "".join(_attribute(key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items())
    if name in _VOID:
        return Markup(f"<{name}{head}>")
    return Markup(f"<{name}{head}>{join(children)}</{name}>")


def join(parts: Iterable[object]) -> Markup:
    """Return parts behind one another; None is nothing."""
    return Markup("".join(text(part) for part in parts if part is not None))


def _attribute(name: str, value: Value) -> str:
    if value is None or value is False:
        return ""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of an attribute")
    if value is True:
        return f" {name}"
    shown = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    return f' {name}="{text(str(shown))}"'


def table(head: Iterable[object], rows: Iterable[Markup], **attributes: Value) -> Markup:
    """Return a table that scrolls by itself where it is wider than the page; `head` are its columns' names."""
    columns = (each if isinstance(each, Markup) else element("th", each, scope="col") for each in head)
    top = element("thead", element("tr", *columns))
    return element("div", element("table", top, element("tbody", *rows), **attributes), class_="scroll", tabindex=0)


def percent(share: float | None, digits: int = 1) -> str:
    """Return a share in percent, a dash where there is none.

    >>> percent(0.1234), percent(None)
    ('12.3 %', '–')
    """
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def between(interval: tuple[float, float] | None) -> str:
    """Return an interval of shares, empty where there is none.

    >>> between((0.1, 0.25))
    '10.0–25.0 %'
    """
    return "" if interval is None else f"{100 * interval[0]:.1f}–{100 * interval[1]:.1f} %"


def number(value: float) -> str:
    """Return a number with its thousands apart.

    >>> number(12345)
    '12,345'
    """
    return f"{value:,.0f}"


def clock(seconds: float) -> str:
    """Return a length of time in the two largest units that it fills.

    >>> clock(8), clock(75), clock(7260)
    ('8.0 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60} min"
