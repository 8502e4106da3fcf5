"""A Whisper training as the objective of a sweep: a run of its own for every trial, with its log."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from melisma.core.artifacts import Artifacts
from melisma.core.errors import InputError, TrainingError
from melisma.core.files import make_folder, write_atomically
from melisma.train.sweep.space import AUGMENT, NO_RECIPE, STRENGTH, Metric, Space, Value, toml_text
from melisma.train.sweep.trial import Pruned, Report, lowest

if TYPE_CHECKING:
    from transformers import TrainerCallback

    from melisma.train.whisper.loop import Begun

CONFIG, RECIPE = "sweep.toml", "augment.yaml"


@dataclass(frozen=True, slots=True)
class WhisperObjective:
    """Trains a Whisper with drawn settings and gives back the lowest figure of its validations.

    Parameters
    ----------
    study : str
        The run of trial 3 is called `<study>-3`.
    space : Space
        What was drawn from.
    train, valid : Path
        Manifests.
    artifacts : Artifacts
        Where runs and logs lie.
    recipe, noise : Path, optional
        Of every trial, where the space has no `augment`; and a folder of sounds for recipes.
    device : str
        auto, cpu, cuda, cuda:1 or mps.
    workers : int, optional
        Processes that make batches.
    """

    study: str
    space: Space
    train: Path
    valid: Path
    artifacts: Artifacts
    recipe: Path | None = None
    noise: Path | None = None
    device: str = "auto"
    workers: int | None = None

    def name(self, index: int) -> str:
        """Return what the run of a trial is called."""
        return f"{self.study}-{index}"

    def run(self, index: int) -> Path:
        """Return the folder of the run of a trial."""
        return self.artifacts.whisper(self.name(index))

    def __call__(self, index: int, drawn: Mapping[str, Value], report: Report) -> float:
        """Train, or go on with a training that was begun with the same settings.

        Raises
        ------
        Pruned
            If `report` did.
        TrainingError
            If it came to nothing, or there is too little memory for these settings.
        InputError, OutputError
            As `melisma train whisper` does.
        """
        import torch

        from melisma.core.request_ids import started_by
        from melisma.train.whisper.loop import Request, train
        from melisma.train.whisper.watching import Watched, Watching

        run = self.run(index)
        make_folder(run)
        recipe = self.write(run, drawn)
        request = Request(
            self.train,
            self.valid,
            run,
            self.space.config(drawn),
            recipe=recipe,
            noise=self.noise if recipe is not None else None,
            device=self.device,
            workers=self.workers,
        )
        watched = Watched(self.name(index), self.artifacts.log(self.name(index)), started_by(None))
        try:
            with Watching(watched, _silent) as watching:
                train(
                    request,
                    tell=_silent,
                    say=_silent,
                    callbacks=_Callbacks(watching, report, self.space.settings.metric),
                )
        except torch.OutOfMemoryError as error:
            raise TrainingError(f"there is too little memory for it: {str(error).splitlines()[0][:160]}") from error
        finally:
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        return lowest(validations(run, self.space.settings.metric))

    def ended(self, index: int) -> None:
        """Remove the checkpoints and the prepared audio of a trial; its model and its log stay."""
        for name in ("checkpoints", "prepared"):
            shutil.rmtree(self.run(index) / name, ignore_errors=True)

    def write(self, folder: Path, drawn: Mapping[str, Value]) -> Path | None:
        """Write what `melisma train whisper --config … --augment …` reads to train the same; return the recipe."""
        write_atomically(folder / CONFIG, toml_text(self.space.tables(drawn)).encode("utf-8"))
        if AUGMENT not in drawn:
            return self.recipe
        if drawn[AUGMENT] == NO_RECIPE:
            return None
        path = folder / RECIPE
        write_atomically(path, recipe_text(self.space.recipe_path(str(drawn[AUGMENT])), drawn.get(STRENGTH)))
        return path


def recipe_text(path: Path, strength: Value | None) -> bytes:
    """Return a recipe as YAML, its probabilities multiplied by a strength; JSON is YAML too.

    Raises
    ------
    InputError
        If it is none.
    """
    from melisma.data.augment.reading import read_yaml
    from melisma.data.augment.recipe import Recipe

    Recipe.read(path)
    said: dict[str, Any] = read_yaml(path)
    if strength is not None:
        for effect in said["effects"]:
            effect["probability"] = min(1.0, float(effect.get("probability", 1.0)) * float(strength))
    return (json.dumps(said, ensure_ascii=False, indent=1) + "\n").encode("utf-8")


def validations(run: Path, metric: Metric) -> list[float]:
    """Return what the validations of a run gave.

    Raises
    ------
    InputError
        If its history is damaged.
    """
    path = run / "training_history.jsonl"
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        return [float(each[metric]) for each in lines if each.get(metric) is not None]
    except OSError as error:
        raise TrainingError(f"{run} has no validation: take fewer steps between them") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is damaged: it is no history of a training") from error


@dataclass(frozen=True, slots=True)
class _Callbacks:
    """Makes what follows a training: its log, and the report of its validations."""

    watching: Callable[[Begun], Sequence[TrainerCallback]]
    report: Report
    metric: Metric

    def __call__(self, begun: Begun) -> Sequence[TrainerCallback]:
        return [*self.watching(begun), _watch(self.report, self.metric)]


def _watch(report: Report, metric: Metric) -> TrainerCallback:
    from transformers import TrainerCallback as Callback

    class Watch(Callback):
        def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any) -> None:
            """Report a validation; the last step is not ended early."""
            try:
                report(int(state.global_step), float((metrics or {})[f"eval_{metric}"]))
            except Pruned:
                if state.global_step < args.max_steps:
                    raise

    return Watch()


def _silent(*told: object) -> None:
    """Leave what a training says to its log."""
