"""Curves as inline SVG: drawn here, so that a page needs no plotting library; colours are those of CSS classes.

A browser's script finds the points in `data-points` and reads them out; without it the picture stands by itself.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from melisma.evaluate.asr_report.markup import Markup, element, join

N_COLOURS = 7  # then they come again, with another dash
_DASHES = ("", "7 4", "2 3", "9 3 2 3")
_MOST_POINTS = 400  # more than the picture has places for
_WIDTH, _HEIGHT = 420, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 410, 12, 218

Form = Literal["share", "number", "tiny"]
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Series:
    """A curve.

    Parameters
    ----------
    label : str
        What it is.
    points : sequence of (float, float)
        Step and value, by step, all finite.
    colour : int
        Number of its colour; the dash goes with it.
    faint : bool
        Whether it stands behind the others: raw values behind their mean.
    dotted : bool
        Whether each point is marked.
    """

    label: str
    points: Sequence[Point]
    colour: int = 0
    faint: bool = False
    dotted: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """Curves over the steps of a training.

    Parameters
    ----------
    title : str
        What is shown.
    series : sequence of Series
        Empty ones are left out.
    form : {"share", "number", "tiny"}
        How values are written: percent, plain, or with an exponent.
    from_zero : bool
        Whether the axis begins at 0.
    mark : (float, str), optional
        A step to be marked, and why.
    """

    title: str
    series: Sequence[Series]
    form: Form = "number"
    from_zero: bool = True
    mark: tuple[float, str] | None = None


@dataclass(frozen=True, slots=True)
class _Frame:
    x0: float
    x1: float
    y0: float
    y1: float

    def x(self, value: float) -> float:
        return _LEFT + (value - self.x0) / (self.x1 - self.x0) * (_RIGHT - _LEFT)

    def y(self, value: float) -> float:
        return _BOTTOM - (value - self.y0) / (self.y1 - self.y0) * (_BOTTOM - _TOP)


def draw(chart: Chart) -> Markup | None:
    """Draw a chart with its legend; None where no curve has a point."""
    drawn = [each for each in chart.series if each.points]
    if not drawn:
        return None
    frame, ticks = _frame(chart, drawn)
    parts = [_grid(frame, tick, chart.form) for tick in ticks]
    parts += [_step(frame, tick) for tick in _steps(frame)]
    if chart.mark is not None and frame.x0 <= chart.mark[0] <= frame.x1:
        parts.append(_mark(frame, *chart.mark))
    parts += [_curve(frame, each) for each in sorted(drawn, key=lambda each: not each.faint)]
    picture = element(
        "svg", *parts, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", class_="plot", role="img",
        aria_label=f"{chart.title}: {_summary(drawn, chart.form)}", tabindex=0,
        data_form=chart.form, data_from=_plain(frame.x0), data_to=_plain(frame.x1), data_left=_LEFT, data_right=_RIGHT,
        data_top=_TOP, data_bottom=_BOTTOM,
    )  # fmt: skip
    readout = element("p", "step by step: point at the picture, or take ← and →", class_="readout small")
    caption = element("figcaption", element("h3", chart.title), _legend(drawn))
    return element("figure", caption, picture, readout, class_="card chart")


def smoothed(points: Sequence[Point], half: int) -> list[Point]:
    """Return the mean of each value with as many as `half` on either side, fewer at the ends: it does not lag behind.

    >>> smoothed([(1, 1.0), (2, 3.0), (3, 8.0), (4, 4.0)], 1)
    [(1, 2.0), (2, 4.0), (3, 5.0), (4, 6.0)]
    """
    sums = list(accumulate((y for _, y in points), initial=0.0))
    found: list[Point] = []
    for k, (x, _) in enumerate(points):
        reach = min(half, max(1, k), max(1, len(points) - 1 - k))  # as many on both sides, or the ends would bend
        first, last = max(0, k - reach), min(len(points), k + reach + 1)
        found.append((x, (sums[last] - sums[first]) / (last - first)))
    return found


def thinned(points: Sequence[Point], most: int = _MOST_POINTS) -> list[Point]:
    """Return no more points than a picture can show: of each stretch its lowest and its highest."""
    if len(points) <= most:
        return list(points)
    n = most // 2 - 1
    found = {0, len(points) - 1}
    for k in range(n):
        stretch = range(len(points) * k // n, len(points) * (k + 1) // n)
        found |= {min(stretch, key=lambda i: points[i][1]), max(stretch, key=lambda i: points[i][1])}
    return [points[i] for i in sorted(found)]


def whisker(value: float | None, interval: tuple[float, float] | None, most: float, colour: int = 0) -> Markup:
    """Draw a rate with its interval on a line from 0 to `most`; nothing where there is no rate."""
    if value is None:
        return Markup("")
    scale = 100 / most if most > 0 else 0.0
    parts = [element("line", x1=0, x2=100, y1=8, y2=8, class_="rail")]
    if interval is not None:
        low, high = (min(100.0, max(0.0, scale * each)) for each in interval)
        parts.append(element("line", x1=low, x2=high, y1=8, y2=8, class_="range"))
    parts.append(element("circle", cx=min(100.0, scale * value), cy=8, r=3.5, class_="dot"))
    return element("svg", *parts, viewBox="-4 0 108 16", class_=f"whisker {colour_of(colour)}", aria_hidden="true")


def colour_of(k: int) -> str:
    """Return the class of a colour."""
    return f"e{k % N_COLOURS}"


def nice_ticks(low: float, high: float, n: int = 5) -> list[float]:
    """Return round numbers that cover a range, about `n` of them.

    >>> nice_ticks(0.0, 0.93)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    size = (high - low) / n
    power = 10.0 ** math.floor(math.log10(size))
    width = next(k * power for k in (1, 2, 2.5, 5, 10) if k * power >= size * 0.999)
    first, last = math.floor(low / width + 1e-9), math.ceil(high / width - 1e-9)
    return [round(k * width, 12) for k in range(first, last + 1)]


def shown(value: float, form: Form) -> str:
    """Return a value as the axis has it.

    >>> shown(0.5, "share"), shown(15_000, "number"), shown(0.00001, "tiny")
    ('50 %', '15k', '1e-05')
    """
    if form == "share":
        return f"{100 * value:.3g} %"
    if form == "tiny":
        return f"{value:.3g}" if value else "0"
    return f"{value:,.4g}" if abs(value) < 10_000 else f"{value / 1000:,.4g}k"


def _frame(chart: Chart, drawn: Sequence[Series]) -> tuple[_Frame, list[float]]:
    xs = [x for each in drawn for x, _ in each.points]
    ys = [y for each in drawn for _, y in each.points]
    low, high = min(ys), max(ys)
    if chart.from_zero:
        low, high = min(0.0, low), max(0.0, high)
    if high - low < 1e-12 * max(1.0, abs(high)):
        low, high = (low, high + (abs(high) or 1.0)) if chart.from_zero else (low - 0.5, high + 0.5)
    ticks = nice_ticks(low, high)
    first, last = min(xs), max(xs)
    return _Frame(first, last if last > first else first + 1, ticks[0], ticks[-1]), ticks


def _grid(frame: _Frame, tick: float, form: Form) -> Markup:
    y = frame.y(tick)
    line = element("line", x1=_LEFT, x2=_RIGHT, y1=y, y2=y, class_="grid")
    return join((line, element("text", shown(tick, form), x=_LEFT - 6, y=y + 4, text_anchor="end")))


def _steps(frame: _Frame) -> list[float]:
    return [tick for tick in nice_ticks(frame.x0, frame.x1, 4) if frame.x0 <= tick <= frame.x1 and tick == round(tick)]


def _step(frame: _Frame, tick: float) -> Markup:
    label = f"{tick / 1000:g}k" if tick >= 10_000 else f"{tick:,.0f}"
    x = frame.x(tick)
    return element("text", label, x=x, y=_BOTTOM + 18, text_anchor="end" if x > _RIGHT - 20 else "middle")


def _mark(frame: _Frame, step: float, why: str) -> Markup:
    x = frame.x(step)
    line = element("line", x1=x, x2=x, y1=_TOP, y2=_BOTTOM, class_="mark")
    end = x > (_LEFT + _RIGHT) / 2
    label = element("text", why, x=x - 5 if end else x + 5, y=_TOP + 10, text_anchor="end" if end else "start")
    return join((line, label))


def _curve(frame: _Frame, series: Series) -> Markup:
    points = thinned(series.points)
    places = [(round(frame.x(x), 1), round(frame.y(y), 1)) for x, y in points]
    kind = f"curve {colour_of(series.colour)}" + (" faint" if series.faint else "")
    said = json.dumps([[x, float(f"{y:.6g}")] for x, y in points], separators=(",", ":"))
    line = element(
        "polyline", points=" ".join(f"{x:g},{y:g}" for x, y in places), class_=kind,
        stroke_dasharray=_dash(series) or None, data_label=series.label, data_points=said,
    )  # fmt: skip
    dots = places if (series.dotted and len(places) <= 60) or len(places) == 1 else []
    marks = (element("circle", cx=x, cy=y, r=3, class_=f"fill {colour_of(series.colour)}") for x, y in dots)
    return join((line, *marks))


def _legend(drawn: Sequence[Series]) -> Markup:
    items = []
    for each in drawn:
        kind = f"curve {colour_of(each.colour)}" + (" faint" if each.faint else "")
        stroke = element("line", x1=1, x2=27, y1=6, y2=6, class_=kind, stroke_dasharray=_dash(each) or None)
        items.append(element("li", element("svg", stroke, viewBox="0 0 28 12", aria_hidden="true"), each.label))
    return element("ul", *items, class_="legend small")


def _summary(drawn: Sequence[Series], form: Form) -> str:
    return "; ".join(f"{each.label} ends at {shown(each.points[-1][1], form)}" for each in drawn)


def _dash(series: Series) -> str:
    return _DASHES[series.colour % len(_DASHES)] if not series.faint else ""


def _plain(value: float) -> str:
    return f"{value:g}" if abs(value) < 1e6 else f"{value:.0f}"
