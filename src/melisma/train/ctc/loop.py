"""A CTC training from manifests to checkpoints: what is checked first, what is prepared, and the loop of Lightning."""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytorch_lightning as pl
import torch

from melisma.core.errors import InputError
from melisma.core.files import make_folder, write_atomically
from melisma.core.settings import n_threads
from melisma.data.augment.recipe import Recipe
from melisma.data.augment.sounds import Sounds
from melisma.train.checkpoint import read_checkpoint
from melisma.train.ctc.batches import Plan
from melisma.train.ctc.checkpoints import FOLDER, LAST, SafeFiles, SaveCheckpoints, begun_with, steps
from melisma.train.ctc.collate import ClipDataset, Masks
from melisma.train.ctc.config import CtcTrainingConfig, check_same
from melisma.train.ctc.dataset import Clips
from melisma.train.ctc.history import History, Validate
from melisma.train.ctc.judge import Judge
from melisma.train.ctc.loader import Batches
from melisma.train.ctc.model import LyricAlignmentModel
from melisma.train.ctc.prepare import PREPARED, Material, Sides, prepare
from melisma.train.ctc.quiet import quiet_lightning
from melisma.train.ctc.told import told
from melisma.train.ctc.weights import Weights, fingerprint
from melisma.train.facts import all_data, one_at_a_time
from melisma.train.interrupt import interruptible
from melisma.train.machine import Machine, choose_machine, is_first, several
from melisma.train.origin import Beginning, mark

log = logging.getLogger(__name__)
Tell = Callable[[str, float], None]
Say = Callable[[str], None]
MoreCallbacks = Callable[[Path], list[pl.Callback]]
CONFIG, VOCABULARY, FAST = "config.json", "vocab.json", "fast-dev-run"


@dataclass(frozen=True, slots=True)
class Request:
    """What `melisma train ctc` is asked for.

    Parameters
    ----------
    train, valid : Path
        Manifests of what is learnt from and of what is held out.
    run : Path
        Folder of the training; it goes on if it holds one.
    config : CtcTrainingConfig
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
        A few steps, a validation and a checkpoint in a folder of their own, anew every time.
    pieces : int
        Into how many each batch is cut, for want of memory; what is learnt stays the same.
    devices, nodes : int
        Processes of a machine, and machines, that share every batch; what is learnt stays the same.
    weights : Path, optional
        Says how often each clip is drawn.
    """

    train: Path
    valid: Path
    run: Path
    config: CtcTrainingConfig
    recipe: Path | None = None
    noise: Path | None = None
    device: str = "auto"
    workers: int | None = None
    jobs: int | None = None
    fast: bool = False
    pieces: int = 1
    devices: int = 1
    nodes: int = 1
    weights: Path | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a training stands: its folder, its id, and the steps that are done."""

    folder: Path
    run_id: str
    step: int
    state: dict[str, Any] | None  # what the last checkpoint holds beside weights

    def ended(self, config: CtcTrainingConfig) -> str:
        """Say why there is nothing left to do; empty if there is."""
        if self.step >= config.steps:
            return f"all {config.steps} steps are taken"
        return str((self.state or {}).get("ended", ""))


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
        Makes more callbacks for Lightning, such as a doctor, of the folder.

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
    recipe = _recipe(request)
    weights = Weights.read(request.weights) if request.weights else None
    machine = several(choose_machine(request.device, config.precision), request.devices, request.nodes)
    say = say if is_first() else _silent
    manifests = {"training": request.train, "validation": request.valid}
    standing = _standing(request, config)
    beginning = Beginning.of(standing.folder / FOLDER / LAST, begun_with(config.model), manifests)
    sides = Sides(request.train, request.valid, request.run / PREPARED, request.jobs)
    with one_at_a_time(sides.folder, several=machine.strategy != "auto"):
        material = prepare(sides, config, standing.state, tell, say)
    ended = standing.ended(config)
    if ended:
        say(f"{standing.folder} is done: {ended}")
        return standing.folder
    plan = _plan(config, standing, material.clips, weights.of(material.clips, request.train) if weights else None)
    if is_first():
        _write_down(standing, config, material)
    if standing.step:
        say(f"going on after step {standing.step:,} of {config.steps:,}")
    say(f"{plan.n_per_pass:,} batches a pass, {plan.padding():.1%} of their seconds are padding")
    recipe = _with_sounds(recipe, request)
    module = _module(config, standing, material, beginning, recipe, fingerprint(plan.weights))
    saver = SaveCheckpoints(standing.folder, config.checkpoint_steps, config.checkpoint_minutes, config.keep)
    more = callbacks(standing.folder) if callbacks else []
    watchers = _watchers(config, standing, material, saver, plan.n_per_pass, more)
    trainer = _trainer(request, config, machine, standing.folder, [*watchers, _Tell(tell, config.steps)])
    batches = _batches(request, config, machine, standing, material, recipe, plan)
    with quiet_lightning(), told(trainer, request.pieces), interruptible(saver):
        last = standing.folder / FOLDER / LAST
        trainer.fit(module, datamodule=batches, ckpt_path=str(last) if standing.step else None, weights_only=True)
    return standing.folder


def _silent(sentence: str) -> None:
    """Leave what there is to say to the first of several processes."""


def _recipe(request: Request) -> Recipe | None:
    if request.recipe is None:
        if request.noise is not None:
            raise InputError("--noise is what a recipe mixes in: give --augment with one")
        return None
    return Recipe.read(request.recipe)


def _with_sounds(recipe: Recipe | None, request: Request) -> Recipe | None:
    if recipe is None or request.noise is None:
        return recipe
    return recipe.with_sounds(Sounds.prepare(request.noise, request.run / PREPARED / "noise"))


def _standing(request: Request, config: CtcTrainingConfig) -> Standing:
    """Look at what the folder holds.

    Raises
    ------
    InputError
        If it holds a training of another configuration.
    """
    folder = request.run / FAST if request.fast else request.run
    last = folder / FOLDER / LAST
    if request.fast:
        for old in (*(folder / FOLDER).glob("*.ckpt"), *folder.glob("*.jsonl")):
            old.unlink()
    if not last.exists():
        return Standing(folder, secrets.token_hex(6), 0, None)
    state = _read_last(last)
    try:
        kept, step = dict(state["melisma"]), int(state["global_step"])
        begun = dict(kept["config"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{last} is no checkpoint of a CTC training, or a damaged one") from error
    check_same(begun, config, folder)
    return Standing(folder, str(kept["run_id"]), step, kept)


def _read_last(last: Path) -> dict[str, Any]:
    try:
        return read_checkpoint(last)
    except InputError as error:
        whole = next((path for _, path in reversed(steps(last.parent)) if _is_whole(path)), None)
        more = f"; {whole.name} beside it is whole: copy it over {last.name}" if whole else ""
        raise InputError(f"{error}{more}") from error


def _is_whole(path: Path) -> bool:
    try:
        read_checkpoint(path)
    except InputError:
        return False
    return True


def _write_down(standing: Standing, config: CtcTrainingConfig, material: Material) -> None:
    """Write what the training is, as plain files beside its checkpoints."""
    make_folder(standing.folder / FOLDER)
    said = {"run_id": standing.run_id, **config.model_dump(mode="json")}
    _write_json(standing.folder / CONFIG, said)
    _write_json(standing.folder / VOCABULARY, {label: n for n, label in enumerate(material.learner.vocabulary.labels)})
    if material.certificate is not None:
        write_atomically(standing.folder / "split.json", material.certificate)


def _write_json(path: Path, said: dict[str, Any]) -> None:
    write_atomically(path, (json.dumps(said, ensure_ascii=False, indent=1) + "\n").encode("utf-8"))


def _module(
    config: CtcTrainingConfig,
    standing: Standing,
    material: Material,
    beginning: Beginning,
    recipe: Recipe | None,
    weighed_by: str,
) -> LyricAlignmentModel:
    """Put the network and the facts of its checkpoints together.

    Raises
    ------
    InputError
        If the training was begun with another augmentation.
    """
    changed_by = recipe.fingerprint() if recipe is not None else ""
    _check_begun(standing, "augmented_by", changed_by, "augmentation", "recipe and noise")
    _check_unheard(beginning, material)
    origin = beginning.then(None, material.ours.speakers).to_dict()
    if material.certificate is not None:
        origin["certificate"] = hashlib.sha256(material.certificate).hexdigest()
    facts = {
        **material.facts,
        "data": all_data(material.facts["data"], material.facts.get("earlier_data"), recipe),
        "run_id": standing.run_id,
        "augmented_by": changed_by,
        "weighed_by": weighed_by,
        "languages": [language for language, _ in material.ours.languages.most_common() if language != "und"],
        "origin": origin,
    }
    opened = material.learner.opened
    return LyricAlignmentModel(opened.net, opened.shape, material.learner.vocabulary, config, facts)


def _check_begun(standing: Standing, key: str, now: str, what: str, same: str) -> None:
    """Refuse to go on with another augmentation, or other weights, than the training was begun with.

    Raises
    ------
    InputError
        If they are other ones.
    """
    if standing.state is not None and standing.state.get(key, "") != now:
        kind = "another" if what == "augmentation" else "other"
        raise InputError(f"{standing.folder} was begun with {kind} {what}: give the same {same}")


def _check_unheard(beginning: Beginning, material: Material) -> None:
    """Refuse to judge by speakers whom the network has heard in an earlier training.

    Raises
    ------
    InputError
        If there is one; it names the first.
    """
    heard = sorted(name for name in material.theirs.speakers if mark(name) in beginning.origin.speakers)
    if heard:
        raise InputError(
            f"the speaker {heard[0]} is in the validation set, but {beginning.checkpoint} was trained on their "
            "recordings: hold out speakers that it has not heard, or begin with another network"
        )


def _batches(
    request: Request,
    config: CtcTrainingConfig,
    machine: Machine,
    standing: Standing,
    material: Material,
    recipe: Recipe | None,
    plan: Plan,
) -> Batches:
    dataset = ClipDataset(material.clips, material.learner.hearing, config.seed, recipe, _masks(config))
    workers = request.workers if request.workers is not None else machine.workers
    return Batches(dataset, plan, config.steps, done=standing.step, pieces=request.pieces, workers=workers)


def _plan(config: CtcTrainingConfig, standing: Standing, clips: Clips, weights: npt.NDArray[np.float64] | None) -> Plan:
    _check_begun(standing, "weighed_by", fingerprint(weights), "weights", "--weights")
    first = config.short_first
    return Plan(clips.lengths_s, clips.n_labels, config.batch_s, config.seed, short_first=first, weights=weights)


def _watchers(
    config: CtcTrainingConfig,
    standing: Standing,
    material: Material,
    saver: SaveCheckpoints,
    n_per_pass: int,
    more: list[pl.Callback],
) -> list[pl.Callback]:
    """Return what follows a training, in the order in which it is called after a step."""
    learner = material.learner
    history = History(standing.folder, standing.run_id, standing.step, config.log_steps, n_per_pass)
    judge = Judge(material.held_out, material.cases, learner.speller, learner.hearing)
    validate = Validate(judge, saver, history, config.validate_steps, config.patience)
    return [history, *more, validate, saver, history.watch]


def _trainer(
    request: Request, config: CtcTrainingConfig, machine: Machine, folder: Path, callbacks: list[pl.Callback]
) -> pl.Trainer:
    if machine.accelerator == "cpu":
        torch.set_num_threads(n_threads())
    with quiet_lightning():
        return pl.Trainer(
            accelerator=machine.accelerator,
            devices=machine.devices,
            num_nodes=machine.nodes,
            strategy=machine.strategy,
            precision=machine.precision,
            max_steps=config.steps,
            max_epochs=-1,
            accumulate_grad_batches=config.accumulate * request.pieces,
            callbacks=callbacks,
            plugins=[SafeFiles()],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            limit_val_batches=0,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            default_root_dir=folder,
        )


def _masks(config: CtcTrainingConfig) -> Masks | None:
    if not (config.mask_time or config.mask_feature):
        return None
    return Masks(config.mask_time, 2 * config.mask_time_length, config.mask_feature, config.mask_feature_length)


class _Tell(pl.Callback):
    """Tells the share of the steps that is done."""

    def __init__(self, tell: Tell, steps: int) -> None:
        self.tell, self.steps = tell, steps

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.tell("training", trainer.global_step / self.steps)
