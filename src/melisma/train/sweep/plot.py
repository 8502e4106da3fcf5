"""A picture of a sweep: what every trial reached, its way there, and its figure against each setting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from melisma.core.errors import InputError, MissingDependency, UnknownName
from melisma.core.files import write_atomically
from melisma.train.sweep.space import AUGMENT, NO_RECIPE, STRENGTH, Metric
from melisma.train.sweep.trial import NAMES, Results, State, Trial
from melisma.train.sweep.trial import figure as figure_of

_SUFFIXES = (".png", ".svg")
# Okabe and Ito's colours, which the colour-blind tell apart too.
_BLUE, _ORANGE, _GREY, _GREEN = "#0072b2", "#d55e00", "#9a9a9a", "#009e73"
_COLUMNS, _MOST = 3, 12  # panels of settings
_MARKS = {State.COMPLETE: ("o", _BLUE, "to the end"), State.PRUNED: ("x", _GREY, "ended early")}


def plot(results: Results, output: Path) -> Path:
    """Draw a study, as PNG or SVG by the suffix of `output`.

    Raises
    ------
    InputError
        If no trial has a word error rate yet, or the suffix is another.
    MissingDependency
        If matplotlib is not installed.
    """
    if output.suffix.lower() not in _SUFFIXES:
        raise UnknownName("kind of picture", output.suffix or output.name, _SUFFIXES)
    shown = [each for each in results.trials if each.value is not None and each.state in _MARKS]
    if not shown:
        raise InputError(f"no trial of {results.study} has a word error rate yet: there is nothing to draw")
    figure = _figure(results, shown)
    with TemporaryDirectory() as folder:
        drawn = Path(folder) / f"plot{output.suffix.lower()}"
        # A date in the file would make every picture of one study another file.
        figure.savefig(drawn, metadata={"Date": None} if drawn.suffix == ".svg" else None)
        write_atomically(output, drawn.read_bytes())
    return output


def _figure(results: Results, shown: Sequence[Trial]) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependency("plots need matplotlib: pip install 'melisma[sweep]'") from error
    names = _varied(shown)[:_MOST]
    n_rows = math.ceil(len(names) / _COLUMNS)
    figure = Figure(figsize=(10, 3.4 + 2.5 * n_rows), dpi=120, layout="constrained")
    above, *below = figure.subfigures(
        2 if n_rows else 1, 1, height_ratios=[3.4, 2.5 * n_rows][: 2 if n_rows else 1], squeeze=False
    )[:, 0]
    history, curves = above.subplots(1, 2)
    _draw_history(history, shown, results.metric)
    _draw_curves(curves, results)
    best = results.best
    if below:
        axes = below[0].subplots(n_rows, _COLUMNS, squeeze=False).ravel()
        for axis, name in zip(axes, names, strict=False):
            _draw_setting(axis, shown, name, results)
        for axis in axes[len(names) :]:
            axis.set_visible(False)
    ending = "" if best is None else f", the best {figure_of(best.value or 0.0, results.metric)} (trial {best.index})"
    figure.suptitle(f"{results.study}: {len(shown)} trials{ending}", fontsize=11)
    return figure


def _varied(shown: Sequence[Trial]) -> list[str]:
    names = sorted({name for each in shown for name in each.drawn})
    return [name for name in names if len({each.drawn.get(name) for each in shown}) > 1]


def _plain(axis: Any, metric: Metric) -> None:
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    if metric != "loss":
        axis.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g}%")


def _draw_history(axis: Any, shown: Sequence[Trial], metric: Metric) -> None:
    lowest, line = math.inf, []
    for state, (mark, colour, label) in _MARKS.items():
        some = [each for each in shown if each.state is state]
        if some:
            axis.scatter([t.index for t in some], [t.value for t in some], marker=mark, color=colour, s=22, label=label)
    for each in shown:
        if each.state is State.COMPLETE and each.value is not None:
            lowest = min(lowest, each.value)
        line.append((each.index, lowest))
    known = [(index, value) for index, value in line if math.isfinite(value)]
    if known:
        axis.step(*zip(*known, strict=True), where="post", color=_ORANGE, lw=1.3, label="lowest so far")
    axis.set_xlabel("trial")
    axis.set_ylabel(NAMES[metric])
    axis.legend(frameon=False, fontsize=8)
    _plain(axis, metric)


def _draw_curves(axis: Any, results: Results) -> None:
    best = results.best
    for each in results.trials:
        if not each.reports:
            continue
        first = best is not None and each.index == best.index
        colour = _GREEN if first else _BLUE if each.state is State.COMPLETE else _GREY
        style = {"lw": 2.0, "zorder": 3, "label": f"trial {each.index}"} if first else {"lw": 0.9, "alpha": 0.6}
        marker = "o" if len(each.reports) < 20 else ""
        axis.plot(*zip(*each.reports, strict=True), color=colour, marker=marker, ms=2.5, **style)
    axis.set_xlabel("steps")
    if best is not None and best.reports:
        axis.legend(frameon=False, fontsize=8)
    _plain(axis, results.metric)


def _draw_setting(axis: Any, shown: Sequence[Trial], name: str, results: Results) -> None:
    best = results.best
    known = [each for each in shown if name in each.drawn]
    if name == STRENGTH:  # of no recipe, it is nothing
        known = [each for each in known if each.drawn.get(AUGMENT) != NO_RECIPE]
    values = [each.drawn[name] for each in known]
    if any(isinstance(value, (str, bool)) for value in values):
        order = {value: k for k, value in enumerate(sorted(set(values), key=str))}
        places: list[Any] = [order[value] for value in values]
        axis.set_xticks(list(order.values()), [Path(str(value)).stem[:14] for value in order], fontsize=8)
        axis.margins(x=0.2)
    else:
        places = list(values)
        numbers = [float(value) for value in values]
        if all(isinstance(value, int) for value in values):
            axis.xaxis.get_major_locator().set_params(integer=True)
        if numbers and min(numbers) > 0 and max(numbers) / min(numbers) > 30:
            axis.set_xscale("log")
    for place, each in zip(places, known, strict=True):
        mark, colour, _ = _MARKS[each.state]
        first = best is not None and each.index == best.index
        axis.scatter(
            place, each.value, marker=mark, color=_GREEN if first else colour, s=45 if first else 18, zorder=2 + first
        )
    axis.set_xlabel(name.replace("_", " "), fontsize=9)
    axis.tick_params(labelsize=8)
    _plain(axis, results.metric)
