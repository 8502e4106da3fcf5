"""Evaluations that a report shows: which models, from which files, and which of them is the run's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from melisma.core.errors import InputError
from melisma.evaluate import asr_result
from melisma.evaluate.asr_result import EvalResult, ModelResult
from melisma.evaluate.asr_scores import Group
from melisma.text.scoring import VIEWS


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What a model did on a set.

    Parameters
    ----------
    label : str
        What it is called on the page; no two are called the same.
    result : ModelResult
        Its figures.
    of : EvalResult
        The evaluation that they are part of.
    folder : Path
        That paths of audio start at: the manifest's.
    """

    label: str
    result: ModelResult
    of: EvalResult
    folder: Path


def read(paths: Sequence[Path], first: str) -> list[Evaluated]:
    """Read evaluations; the model that is called as the run comes first, else the first of the first file.

    Raises
    ------
    InputError
        If a file is no evaluation, or lacks a view.
    """
    found: list[Evaluated] = []
    for path in dict.fromkeys(each.resolve() for each in paths):
        result = asr_result.read(path)
        if not result.models:
            raise InputError(f"{path} holds no model")
        folder = (path.parent / result.manifest).parent
        for name, model in result.models.items():
            _check(model, path)
            taken = {each.label for each in found}
            found.append(Evaluated(_label(name, result.run, len(result.models), taken), model, result, folder))
    own = next((each for each in found if first in (each.label, each.of.run)), None)
    return found if own is None else [own, *(each for each in found if each is not own)]


def _label(name: str, run: str, n_models: int, taken: set[str]) -> str:
    """Return the name of a model; with its run where that is needed to tell it from another, and a number at last."""
    wanted = name if n_models > 1 or name == run else run
    tries = (wanted, f"{run}: {name}", *(f"{run}: {name} ({k})" for k in range(2, len(taken) + 3)))
    return next(each for each in tries if each not in taken)


def _check(model: ModelResult, path: Path) -> None:
    groups: list[Group] = [model.overall]
    for each in (model.by_language, model.by_speaker, model.by_length, model.by_noise):
        groups += each.values()
    if any(set(VIEWS) - set(group.views) for group in groups):
        raise InputError(f"{path} is not what melisma eval asr writes: a group lacks one of {', '.join(VIEWS)}")
