"""The balance of a corpus as a picture: languages, speakers, lengths, noise, pronunciation and scripts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from melisma.core.errors import MissingDependency
from melisma.core.files import make_folder, write_atomically
from melisma.data.balance import UNKNOWN

_MOST_BARS = 20
# Okabe and Ito's colours, which the colour-blind tell apart too.
_BLUE, _ORANGE, _GREY = "#0072b2", "#d55e00", "#9a9a9a"


def draw(details: Mapping[str, Any], speakers_hours: Sequence[float], path: Path) -> None:
    """Draw the details of a balance report.

    Parameters
    ----------
    details : mapping
        As `melisma.data.balance_run.report` has them.
    speakers_hours : sequence of float
        Hours of each known speaker.
    path : Path
        PNG or SVG, by its suffix; written whole or not at all.

    Raises
    ------
    MissingDependency
        If matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependency("pictures need matplotlib: pip install 'melisma[data]'") from error
    figure = Figure(figsize=(15, 9), layout="constrained")
    FigureCanvasAgg(figure)
    panels: list[Callable[[Any], None]] = [
        lambda axes: _bars(axes, "languages", _languages(details)),
        lambda axes: _lorenz(axes, speakers_hours, details["speakers"]["spread"]),
        lambda axes: _columns(axes, "length of clips", details["durations"]),
        lambda axes: _columns(axes, "sound over noise (estimated)", details["noise_db"]),
        lambda axes: _bars(axes, "pronunciation (bs, hr, sr)", _named(details["dialects"])),
        lambda axes: _bars(axes, "scripts", _named(details["scripts"])),
    ]
    for axes, panel in zip(figure.subplots(2, 3).flat, panels, strict=True):
        panel(axes)
        axes.spines[["top", "right"]].set_visible(False)
    make_folder(path.parent)
    with TemporaryDirectory() as folder:
        kept = Path(folder) / f"figure{path.suffix or '.png'}"
        figure.savefig(kept, dpi=110, metadata={"Date": None} if kept.suffix == ".svg" else None)
        write_atomically(path, kept.read_bytes())


def _languages(details: Mapping[str, Any]) -> list[tuple[str, float]]:
    return [(each["language"], each["hours"]) for each in details["languages"]]


def _named(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, float]]:
    return [(each["name"], each["hours"]) for each in rows]


def _bars(axes: Any, title: str, rows: list[tuple[str, float]]) -> None:
    """Draw bars to the right, the largest on top; what is beyond twenty is one bar."""
    axes.set_title(title)
    if not rows:
        _nothing(axes)
        return
    rest = rows[_MOST_BARS:]
    rows = rows[:_MOST_BARS] + ([(f"{len(rest)} others", sum(hours for _, hours in rest))] if rest else [])
    names = [_plain(name) for name, _ in rows]
    colours = [_GREY if name.endswith((UNKNOWN, "others")) else _BLUE for name in names]
    axes.barh(range(len(rows)), [hours for _, hours in rows], color=colours)
    axes.set_yticks(range(len(rows)), names)
    axes.invert_yaxis()
    axes.set_xlabel("hours")


def _columns(axes: Any, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Draw columns in the order of the rows."""
    axes.set_title(title)
    if all(each["name"] == UNKNOWN for each in rows):
        _nothing(axes)
        return
    colours = [_GREY if each["name"] == UNKNOWN else _BLUE for each in rows]
    axes.bar(range(len(rows)), [each["hours"] for each in rows], color=colours)
    axes.set_xticks(range(len(rows)), [each["name"] for each in rows], rotation=40, ha="right")
    axes.set_ylabel("hours")


def _lorenz(axes: Any, hours: Sequence[float], spread: Mapping[str, Any]) -> None:
    """Draw which share of the sound the quieter share of the speakers has; the diagonal is an even corpus."""
    axes.set_title("speakers")
    kept = sorted(hours)
    total = sum(kept)
    if not total:
        _nothing(axes)
        return
    shares = [0.0]
    for each in kept:
        shares.append(shares[-1] + each / total)
    axes.plot([n / len(kept) for n in range(len(shares))], shares, color=_BLUE)
    axes.plot([0, 1], [0, 1], color=_GREY, linestyle="--", linewidth=1)
    axes.set_xlabel("share of the speakers, those with least first")
    axes.set_ylabel("share of the hours")
    said = f"{spread['n']:,} speakers, like {spread['effective']:,.1f} even ones\nGini {spread['gini']:.2f}"
    axes.text(0.05, 0.92, said + f", largest {100 * spread['largest']:.0f} %", va="top", transform=axes.transAxes)


def _nothing(axes: Any) -> None:
    axes.text(0.5, 0.5, "nothing to show", ha="center", va="center", color=_GREY, transform=axes.transAxes)
    axes.set_xticks([])
    axes.set_yticks([])


def _plain(name: str) -> str:
    """Return a stranger's name for a label: short, and no formula of matplotlib's."""
    shown = "".join(c if c.isprintable() else " " for c in name).replace("$", r"\$")
    return shown if len(shown) <= 28 else shown[:27] + "…"
