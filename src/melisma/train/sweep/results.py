"""What a sweep leaves behind: a table as JSON and Markdown, and the best settings as files that a training reads."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from melisma.core.errors import InputError
from melisma.core.files import make_folder, write_atomically
from melisma.train.sweep.objective import CONFIG, RECIPE
from melisma.train.sweep.space import AUGMENT, NO_RECIPE, Metric, Value
from melisma.train.sweep.trial import ENDED, NAMES, Results, State, Trial, figure

TRIALS, TABLE, PICTURE = "trials.json", "trials.md", "trials.png"
BEST, BEST_RECIPE = "best.toml", "best-augment.yaml"
_OF_STATE = {State.PRUNED: "ended early", State.FAILED: "failed"}


@dataclass(frozen=True, slots=True)
class Best:
    """The best trial of a study, as files.

    Parameters
    ----------
    trial : Trial
        Which it was.
    config : Path
        For `melisma train whisper --config`.
    recipe : Path, optional
        For `--augment`.
    """

    trial: Trial
    config: Path
    recipe: Path | None

    def command(self, train: str = "TRAIN", valid: str = "VALID") -> str:
        """Return how to train with these settings."""
        recipe = f" --augment {shlex.quote(str(self.recipe))}" if self.recipe is not None else ""
        return f"melisma train whisper {train} --valid {valid} --config {shlex.quote(str(self.config))}{recipe}"


def write(results: Results, folder: Path) -> list[Path]:
    """Write the table of a study, in both forms; return the files.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    make_folder(folder)
    said = json.dumps(results.to_dict(), ensure_ascii=False, indent=1) + "\n"
    write_atomically(folder / TRIALS, said.encode("utf-8"))
    write_atomically(folder / TABLE, markdown(results).encode("utf-8"))
    return [folder / TRIALS, folder / TABLE]


def write_best(results: Results, run: Path, folder: Path) -> Best:
    """Write the settings of the best trial.

    Parameters
    ----------
    results : Results
        Of the study.
    run : Path
        Folder of the best trial's training, which says what it was trained with.
    folder : Path
        Where to.

    Raises
    ------
    InputError
        If no trial is complete, or its training is gone.
    OutputError
        If they cannot be written.
    """
    best = results.best
    if best is None:
        raise InputError(f"no trial of {results.study} is complete yet")
    config, recipe = run / CONFIG, run / RECIPE
    try:
        said = config.read_bytes()
        changed_by = recipe.read_bytes() if best.drawn.get(AUGMENT, NO_RECIPE) != NO_RECIPE else None
    except OSError as error:
        raise InputError(f"the training of trial {best.index} is gone: cannot read {error.filename}") from error
    make_folder(folder)
    reached = figure(best.value or 0.0, results.metric)
    head = f"# Trial {best.index} of the study {results.study}: {NAMES[results.metric]} {reached}.\n"
    write_atomically(folder / BEST, head.encode("utf-8") + said)
    if changed_by is None:
        (folder / BEST_RECIPE).unlink(missing_ok=True)
        return Best(best, folder / BEST, None)
    write_atomically(folder / BEST_RECIPE, changed_by)
    return Best(best, folder / BEST, folder / BEST_RECIPE)


def rows(results: Results) -> list[list[str]]:
    """Return a table for people: the best trials first, each with its settings."""
    names = sorted({name for each in results.trials for name in each.drawn})
    ordered = sorted(results.trials, key=_rank)
    head = ["trial", results.metric.upper() if results.metric != "loss" else "loss", "state", "steps", "time", *names]
    return [head, *(_row(each, names, results.metric) for each in ordered)]


def _rank(trial: Trial) -> tuple[int, float, int]:
    order = (State.COMPLETE, State.PRUNED, State.RUNNING, State.WAITING, State.FAILED)
    return order.index(trial.state), trial.value if trial.value is not None else 0.0, trial.index


def _row(trial: Trial, names: Sequence[str], metric: Metric) -> list[str]:
    state = _OF_STATE.get(trial.state, str(trial.state))
    if trial.why and trial.state is State.FAILED:
        state = f"failed: {trial.why[:60]}"
    if trial.tries > 1:
        state += f" (try {trial.tries})"
    return [
        str(trial.index),
        "" if trial.value is None else figure(trial.value, metric),
        state,
        f"{trial.reports[-1][0]:,}" if trial.reports else "",
        "" if trial.seconds is None else _time(trial.seconds),
        *(_shown(trial.drawn.get(name)) for name in names),
    ]


def _shown(value: Value | None) -> str:
    return "" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


def _time(seconds: float) -> str:
    whole = round(seconds)
    return f"{seconds:.1f} s" if seconds < 60 else f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def summary(results: Results) -> str:
    """Return one sentence."""
    best = results.best
    said = f"{results.study}: {results.count(*ENDED)} trials have ended, {results.count(State.PRUNED)} of them early"
    if results.count(State.FAILED):
        said += f", {results.count(State.FAILED)} failed"
    under_way = results.count(State.RUNNING, State.WAITING)
    if under_way:
        said += f", {under_way} under way"
    if best is None or best.value is None:
        return said
    return (
        f"{said}; the best is trial {best.index} with a {NAMES[results.metric]} of {figure(best.value, results.metric)}"
    )


def markdown(results: Results) -> str:
    """Return the table as Markdown."""
    head, *body = [[_escaped(cell) for cell in row] for row in rows(results)]
    lines = [f"# {_escaped(results.study)}", "", f"{summary(results)}.", ""]
    lines += [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *body)]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").split())
