"""Pictures of a benchmark as inline SVG: drawn here, so that a page needs no host, no script and no plotting library.

Colours are those of CSS classes `e0`, `e1` …, one per engine, so that a page shows them in light and in dark; text
takes the colour of the page.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from melisma.evaluate.bench_figures import AAE_S, HIT150, Errors
from melisma.metrics.alignment import PERCEIVED_EARLY_S, PERCEIVED_LATE_S

N_COLOURS = 7  # then they come again, with another dash
_DASHES = ("", "7 4", "2 3", "9 3 2 3")
_FROM_S, _TO_S = 0.01, 10.0
_TICKS_S = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, slots=True)
class Trace:
    """The errors of one engine over all words, signed, in seconds, NaN for a word without a time."""

    name: str
    errors: Errors


@dataclass(frozen=True, slots=True)
class _Frame:
    """A drawing area inside a picture: its edges in units of the SVG, and the values at its left and right."""

    left: float
    right: float
    top: float
    bottom: float
    low: float
    high: float

    def x(self, value: float) -> float:
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.left + share * (self.right - self.left)

    def y(self, share: float) -> float:
        return self.bottom - share * (self.bottom - self.top)


def cumulative(traces: Sequence[Trace]) -> str:
    """Draw which share of all words is within which error; a word without a time is within none."""
    frame = _Frame(56, 716, 14, 300, math.log10(_FROM_S), math.log10(_TO_S))
    parts = _shares(frame)
    for tick in _TICKS_S:
        x = frame.x(math.log10(tick))
        label = f"{1000 * tick:.0f} ms" if tick < 1 else f"{tick:.0f} s"
        parts.append(_line(x, frame.top, x, frame.bottom, "grid") + _text(x, frame.bottom + 18, label, "middle"))
    x, y = frame.x(math.log10(AAE_S)), frame.y(HIT150)
    parts.append(_line(x, frame.top, x, frame.bottom, "asked") + _line(frame.left, y, frame.right, y, "asked"))
    for k, trace in enumerate(traces):
        parts.append(_curve(frame, trace, k))
    title = "Share of words by size of error"
    return _svg(736, 330, title, parts)


def _shares(frame: _Frame) -> list[str]:
    parts: list[str] = []
    for percent in range(0, 101, 20):
        y = frame.y(percent / 100)
        parts.append(_line(frame.left, y, frame.right, y, "grid") + _text(frame.left - 8, y + 4, f"{percent} %", "end"))
    return parts


def _curve(frame: _Frame, trace: Trace, k: int) -> str:
    edges = np.logspace(frame.low, frame.high, 241)
    sizes = np.sort(np.abs(trace.errors[~np.isnan(trace.errors)]))
    shares = np.searchsorted(sizes, edges, side="right") / max(1, len(trace.errors))
    points = " ".join(
        f"{frame.x(math.log10(edge)):.1f},{frame.y(float(share)):.1f}"
        for edge, share in zip(edges, shares, strict=True)
    )
    dash = f' stroke-dasharray="{_dash(k)}"' if _dash(k) else ""
    return (
        f'<polyline class="curve {colour(k)}" points="{points}"{dash}><title>{_escaped(trace.name)}</title></polyline>'
    )


def early_and_late(traces: Sequence[Trace]) -> str:
    """Draw where the signed errors of each engine lie: lines for 90 of 100 timed words, boxes for the middle half."""
    reach = 0.5
    height = 34 * len(traces) + 14
    frame = _Frame(150, 716, 6, height, -reach, reach)
    early, late = frame.x(-PERCEIVED_EARLY_S), frame.x(PERCEIVED_LATE_S)
    parts = [f'<rect class="window" x="{early:.1f}" y="6" width="{late - early:.1f}" height="{height - 6}"/>']
    for tick in (-0.4, -0.2, 0.0, 0.2, 0.4):
        x = frame.x(tick)
        label = f"{1000 * tick:+.0f} ms" if tick else "0"
        parts.append(_line(x, frame.top, x, frame.bottom, "grid") + _text(x, height + 18, label, "middle"))
    for k, trace in enumerate(traces):
        parts.append(_box(frame, trace, k, 6 + 34 * k + 20))
    return _svg(736, height + 28, "Early and late words", parts)


def _box(frame: _Frame, trace: Trace, k: int, y: float) -> str:
    label = _text(frame.left - 10, y + 4, _shortened(trace.name), "end")
    timed = trace.errors[~np.isnan(trace.errors)]
    if not len(timed):
        return label + _text(frame.x(0), y + 4, "no word was timed", "middle")
    p5, p25, p50, p75, p95 = (frame.x(float(q)) for q in np.quantile(timed, _QUANTILES))
    whisker = f'<line class="curve {colour(k)}" x1="{p5:.1f}" y1="{y}" x2="{p95:.1f}" y2="{y}"/>'
    width = max(1.5, p75 - p25)
    box = f'<rect class="fill {colour(k)}" x="{p25:.1f}" y="{y - 9}" width="{width:.1f}" height="18" rx="3"/>'
    middle = f'<line class="median" x1="{p50:.1f}" y1="{y - 12}" x2="{p50:.1f}" y2="{y + 12}"/>'
    return label + whisker + box + middle


def legend_mark(k: int) -> str:
    """Draw the stroke of an engine, as its curve has it."""
    dash = f' stroke-dasharray="{_dash(k)}"' if _dash(k) else ""
    stroke = f'<line class="curve {colour(k)}" x1="1" y1="6" x2="33" y2="6"{dash}/>'
    return f'<svg class="mark" viewBox="0 0 34 12" width="34" height="12" aria-hidden="true">{stroke}</svg>'


def colour(k: int) -> str:
    """Return the class of an engine's colour."""
    return f"e{k % N_COLOURS}"


def _dash(k: int) -> str:
    return _DASHES[(k % N_COLOURS + k // N_COLOURS) % len(_DASHES)]


def _shortened(name: str) -> str:
    return name if len(name) <= 18 else f"{name[:17]}…"


def _svg(width: int, height: int, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg class="plot" viewBox="0 0 {width} {height}" role="img" aria-label="{_escaped(title)}">'
        f"{''.join(parts)}</svg>"
    )


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{_escaped(text)}</text>'


def _escaped(text: str) -> str:
    return html.escape(text)
