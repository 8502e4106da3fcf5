"""A Whisper training from manifests to a model: what is checked, what is prepared, and the loop of transformers."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate.state import AcceleratorState
from filelock import FileLock, Timeout
from transformers import TrainerCallback

from melisma.core.errors import InputError, MelismaError, OutputError
from melisma.core.files import make_folder
from melisma.core.settings import n_threads
from melisma.data.augment.recipe import Recipe
from melisma.data.augment.sounds import Sounds
from melisma.models.quiet import quiet
from melisma.train.facts import check_same, one_at_a_time
from melisma.train.interrupt import interruptible
from melisma.train.machine import Machine, choose_machine, is_first
from melisma.train.whisper import checkpoints
from melisma.train.whisper.collate import Collate
from melisma.train.whisper.config import FREE, WhisperTrainingConfig
from melisma.train.whisper.history import HISTORY, History
from melisma.train.whisper.judge import Judge
from melisma.train.whisper.prepare import PREPARED, Prepared, Sides, prepare
from melisma.train.whisper.progress import Progress
from melisma.train.whisper.stream import Row
from melisma.train.whisper.trained import MANIFEST
from melisma.train.whisper.trainer import Flow, Material, WhisperTrainer, arguments, world
from melisma.train.whisper.write_out import begun, is_written, write_out

Tell = Callable[[str, float], None]
Say = Callable[[str], None]
FAST, _LOCK = "fast-dev-run", ".training.lock"


@dataclass(frozen=True, slots=True)
class Request:
    """What `melisma train whisper` is asked for.

    Parameters
    ----------
    train, valid : Path
        Manifests of what is learnt from and of what is held out.
    run : Path
        Folder of the training; it goes on if it holds one.
    config : WhisperTrainingConfig
        What decides it.
    recipe, noise : Path, optional
        Changes clips on the fly: a recipe, and a folder of sounds for it.
    device : str
        auto, cpu, cuda, cuda:1 or mps.
    workers : int, optional
        Processes that make batches.
    jobs : int, optional
        Processes that decode, before the first step.
    fast : bool
        A few steps on a few clips, two validations and a checkpoint, in a folder of their own, anew every time.
    """

    train: Path
    valid: Path
    run: Path
    config: WhisperTrainingConfig
    recipe: Path | None = None
    noise: Path | None = None
    device: str = "auto"
    workers: int | None = None
    jobs: int | None = None
    fast: bool = False

    @property
    def folder(self) -> Path:
        """Where the training lies."""
        return self.run / FAST if self.fast else self.run


@dataclass(frozen=True, slots=True)
class Begun:
    """A training before its next step, as makers of callbacks see it.

    Parameters
    ----------
    folder : Path
        Of the training.
    run_id : str
        Stays when it goes on.
    step : int
        That is done already.
    config : WhisperTrainingConfig
        What decides it.
    trainer : WhisperTrainer
        `trainer.heard` may be set to a function of seconds and windows that is told of every batch of this process,
        and `trainer.saved` to one of the folder that is told of every checkpoint once it is whole.
    """

    folder: Path
    run_id: str
    step: int
    config: WhisperTrainingConfig
    trainer: WhisperTrainer


MoreCallbacks = Callable[[Begun], Sequence[TrainerCallback]]


def train(request: Request, *, tell: Tell, say: Say, callbacks: MoreCallbacks | None = None) -> Path:
    """Train, or go on training, and return the folder.

    Parameters
    ----------
    request : Request
        What is asked for.
    tell : callable
        Told a stage and the share of it that is done.
    say : callable
        Told sentences for the user.
    callbacks : callable, optional
        Makes more callbacks, such as a log. One may set `control.should_training_stop` in `on_evaluate`, or raise.

    Raises
    ------
    InputError
        If what is asked for cannot be trained, or the folder holds another training; nothing is written then.
    OutputError
        If the folder cannot be written.
    TrainingError
        If the training has come to nothing.
    """
    config = request.config.fast() if request.fast else request.config
    machine = choose_machine(request.device, config.precision)
    say = say if is_first() else _silent
    recipe = _recipe(request)
    if config.batch_size < world():
        raise InputError(f"a batch of {config.batch_size} cannot be shared by {world()} processes: give a larger one")
    with _alone(request.folder):
        going_on = _going_on(request, config, say)
        if going_on is not None and (why := _over(going_on[1], config)):
            return _done(request.folder, going_on[1], why, say)
        sides = Sides(request.train, request.valid, request.folder, request.jobs, request.fast)
        with one_at_a_time(request.folder / PREPARED, several=world() > 1):
            prepared = prepare(sides, config, _with_sounds(recipe, request), going_on, tell, say)
            if is_first():
                begun(request.folder, prepared.progress)
        if going_on is not None:
            say(f"going on after step {prepared.progress.step:,} of {config.steps:,}")
        ready = _Ready(config, machine, prepared, going_on and going_on[0])
        return _fit(request, ready, tell, callbacks)


@dataclass(frozen=True, slots=True)
class _Ready:
    """What is known before the first step; `checkpoint` is what it goes on from."""

    config: WhisperTrainingConfig
    machine: Machine
    prepared: Prepared
    checkpoint: Path | None


def _fit(request: Request, ready: _Ready, tell: Tell, callbacks: MoreCallbacks | None) -> Path:
    folder, progress = request.folder, ready.prepared.progress
    try:
        with quiet():
            trainer = _trainer(request, ready)
            flow = Flow(trainer, time.monotonic, tell)
            state = Begun(folder, progress.run_id, progress.step, ready.config, trainer)
            for each in (flow, History(folder, progress), *(callbacks(state) if callbacks else ())):
                trainer.add_callback(each)
            with interruptible(flow):
                trainer.train(resume_from_checkpoint=str(ready.checkpoint) if ready.checkpoint else None)
            if is_first():
                write_out(folder)
            trainer.accelerator.wait_for_everyone()
    finally:
        AcceleratorState._reset_state(reset_partial_state=world() == 1)
    return folder


def _trainer(request: Request, ready: _Ready) -> WhisperTrainer:
    config, machine, prepared = ready.config, ready.machine, ready.prepared
    if machine.accelerator == "cpu":
        torch.set_num_threads(n_threads())
    elif machine.accelerator == "cuda" and world() == 1 and isinstance(machine.devices, list):
        torch.cuda.set_device(machine.devices[0])
    material = Material(
        row=Row(prepared.windows, prepared.progress.lengths),
        dataset=prepared.windows,
        collate=Collate(prepared.processor, config),
        judge=Judge(prepared.held_out, prepared.processor, config),
        workers=request.workers if request.workers is not None else machine.workers,
    )
    args = arguments(request.folder, config, cpu=machine.accelerator == "cpu")
    return WhisperTrainer(prepared.model, args, config, request.folder, material, prepared.progress)


def _silent(sentence: str) -> None:
    """Leave what there is to say to the first of several processes."""


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep two trainings from writing into one folder; a lock of a killed one is none.

    Raises
    ------
    InputError
        If another one is under way.
    OutputError
        If the folder cannot be written.
    """
    if not is_first():
        yield
        return
    new = not folder.exists()
    make_folder(folder)
    lock = FileLock(folder / _LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise InputError(f"another training is under way in {folder}: wait for it, or train into another") from error
    except OSError as error:
        raise OutputError(f"cannot write into {folder}: {error.strerror or error}") from error
    try:
        yield
    except MelismaError:
        if new and not _worth_keeping(folder):
            shutil.rmtree(folder, ignore_errors=True)  # what is refused leaves nothing behind
            if folder.name == FAST:
                with suppress(OSError):  # the training itself is there
                    folder.parent.rmdir()
        raise
    finally:
        lock.release()


def _worth_keeping(folder: Path) -> bool:
    """Whether there is more than what was made before it was refused; audio that was decoded would cost hours again."""
    made = folder / PREPARED
    if any(path.name not in (_LOCK, PREPARED) for path in folder.iterdir()):
        return True
    return any(path.is_file() for side in ("train", "valid") for path in made.glob(f"{side}/sounds/**/*.wav"))


def _recipe(request: Request) -> Recipe | None:
    if request.recipe is None:
        if request.noise is not None:
            raise InputError("--noise is what a recipe mixes in: give --augment with one")
        return None
    return Recipe.read(request.recipe)


def _with_sounds(recipe: Recipe | None, request: Request) -> Recipe | None:
    if recipe is None or request.noise is None:
        return recipe
    return recipe.with_sounds(Sounds.prepare(request.noise, request.folder / PREPARED / "noise"))


def _going_on(request: Request, config: WhisperTrainingConfig, say: Say) -> tuple[Path, Progress] | None:
    """Look at what the folder holds.

    Raises
    ------
    InputError
        If it holds a training of another configuration, or the model of one whose checkpoints are gone.
    """
    folder = request.folder
    if request.fast:
        _forget(folder)
        return None
    found = checkpoints.last(folder, say)
    if found is None:
        if (folder / MANIFEST).is_file():
            raise InputError(f"{folder} holds a trained model without its checkpoints: train into another folder")
        return None
    progress = Progress.read(found[1])
    check_same(progress.facts.get("config", {}), config.model_dump(mode="json"), FREE, folder)
    return found[1], progress


def _forget(folder: Path) -> None:
    """Remove what an earlier fast-dev-run has left: it begins anew every time."""
    if not is_first():
        return
    for path in (folder / checkpoints.FOLDER, folder / PREPARED):
        shutil.rmtree(path, ignore_errors=True)
    (folder / HISTORY).unlink(missing_ok=True)


def _over(progress: Progress, config: WhisperTrainingConfig) -> str:
    """Say why there is nothing left to learn; empty if there is."""
    return progress.ended or (f"all {config.steps:,} steps are taken" if progress.step >= config.steps else "")


def _done(folder: Path, progress: Progress, why: str, say: Say) -> Path:
    """Return the folder of a training that is over, once its model is in it."""
    if not is_written(folder, progress.step) and is_first():
        with quiet():
            write_out(folder)
    say(f"{folder} is done: {why}")
    return folder
