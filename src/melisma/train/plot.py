"""A picture of a training: loss, held-out error, blanks and learning rate against passes, from its log.jsonl."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from melisma.core.errors import InputError, MissingDependency, UnknownName
from melisma.core.files import write_atomically

_SUFFIXES = (".png", ".svg")
# Okabe and Ito's colours, which the colour-blind tell apart too.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_LOSSES = ("loss", "ctc", "frames", "fine", "vocal")


@dataclass(frozen=True, slots=True)
class _Panel:
    title: str
    wanted: Callable[[str], bool]
    share: bool = False  # shown in per cent


_PANELS = (
    _Panel("loss", lambda key: key in _LOSSES),
    _Panel("held-out speakers", lambda key: key.startswith("held_out"), share=True),
    _Panel("frames", lambda key: key in ("blanks", "silence", "wrong"), share=True),
    _Panel("learning rate", lambda key: key == "lr"),
)


def read_log(path: Path) -> list[dict[str, float]]:
    """Read the reports of a run; a last line that broke off, as after a kill, is left out.

    Raises
    ------
    InputError
        If the file is missing, a line before the last is damaged, or no report is whole.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise InputError(f"cannot read the log {path}: {error.strerror or error}") from error
    written = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    reports: list[dict[str, float]] = []
    for number, line in written:
        report = _report(line)
        if report is not None:
            reports.append(report)
        elif number != written[-1][0]:
            raise InputError(f"the log {path}, line {number}: this is no report of a training")
    if not reports:
        raise InputError(f"the log {path} holds no report yet")
    return reports


def _report(line: bytes) -> dict[str, float] | None:
    try:
        found = json.loads(line)
        report = {str(key): float(value) for key, value in found.items() if value is not None}
    except (ValueError, TypeError, AttributeError, OverflowError):
        return None
    return report if "step" in report else None


def plot(run: Path, output: Path) -> Path:
    """Draw the log of a run, a folder with a log.jsonl or that file, as PNG or SVG by the suffix of `output`.

    Raises
    ------
    InputError
        If there is no log to draw, or the suffix is another.
    MissingDependency
        If matplotlib is not installed.
    """
    if output.suffix.lower() not in _SUFFIXES:
        raise UnknownName("kind of picture", output.suffix or output.name, _SUFFIXES)
    reports = read_log(run / "log.jsonl" if run.is_dir() else run)
    title = (run if run.is_dir() else run.parent).resolve().name
    figure = _figure(reports, title)
    with TemporaryDirectory() as folder:
        drawn = Path(folder) / f"plot{output.suffix.lower()}"
        # A date in the file would make every picture of one log another file.
        figure.savefig(drawn, metadata={"Date": None} if drawn.suffix == ".svg" else None)
        write_atomically(output, drawn.read_bytes())
    return output


def _figure(reports: list[dict[str, float]], title: str) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependency("plots need matplotlib: pip install 'melisma[train]'") from error
    # The whole before its parts, whatever their order in the log.
    names = sorted(dict.fromkeys(key for report in reports for key in report), key=lambda key: key != "loss")
    shown = [(panel, [name for name in names if panel.wanted(name)]) for panel in _PANELS]
    shown = [(panel, keys) for panel, keys in shown if keys]
    if not shown:
        raise InputError(f"the log of {title} holds no figure to draw")
    along = "pass" if all("pass" in report for report in reports) else "step"
    figure = Figure(figsize=(8, 2.2 * len(shown) + 0.8), dpi=120, layout="constrained")
    axes = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
    for axis, (panel, keys) in zip(axes, shown, strict=True):
        _draw(axis, reports, along, panel, keys)
    axes[-1].set_xlabel({"pass": "passes over the training speech", "step": "steps"}[along])
    figure.suptitle(_headline(title, reports[-1]), fontsize=11)
    return figure


def _headline(title: str, last: dict[str, float]) -> str:
    hours = f", {last['seconds'] / 3600:.1f} h" if "seconds" in last else ""
    return f"{title}: {last['step']:.0f} steps{hours}"


def _draw(axis: Any, reports: list[dict[str, float]], along: str, panel: _Panel, keys: list[str]) -> None:
    for colour, key in zip(_COLOURS, keys, strict=False):
        points = [(r[along], r[key]) for r in reports if key in r and math.isfinite(r[key])]
        marker = "o" if len(points) < 60 else ""  # few points do not make a line yet
        label = key.removeprefix("held_out_").replace("_", " ").replace("per", "phone error rate")
        axis.plot(
            *zip(*points, strict=True) if points else ([], []), color=colour, label=label, lw=1.3, marker=marker, ms=3
        )
    axis.set_ylabel(panel.title)
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_ylim(bottom=0)
    if panel.share:
        axis.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    if len(keys) > 1 or panel.share:
        axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8)
