"""A vocoder's training from a corpus of units to `vocoder_final.pt`: what is asked for, and what is checked first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from melisma.core.errors import InputError
from melisma.core.settings import n_threads
from melisma.models.vocoder.file import state_of
from melisma.scale.protocol import Executor
from melisma.train.checkpoint import read_checkpoint
from melisma.train.device import choose_device
from melisma.train.facts import check_same
from melisma.train.vocoder.config import FREE, VocoderTrainingConfig
from melisma.train.vocoder.doctor import Doctor
from melisma.train.vocoder.material import Material, Told, Wanted, prepare
from melisma.train.vocoder.run import LATEST, Run
from melisma.train.vocoder.trainer import Trainer, shape_of
from melisma.units.codebook import Codebook
from melisma.units.codebook_file import read as read_codebook
from melisma.units.voice import VocoderFacts

FOLDER, PREPARED, FAST = "vocoder", "prepared", "fast-dev-run"


@dataclass(frozen=True, slots=True)
class Request:
    """What `melisma units vocoder train` is asked for.

    Parameters
    ----------
    corpus : Path
        Folder of a corpus of units, with its codebook.
    config : VocoderTrainingConfig
        What decides the training.
    run : Path, optional
        Folder of the training, which goes on if it holds one; `vocoder` in that of the corpus without it.
    begin : Path, optional
        Checkpoint whose weights a new training begins with.
    device : str
        auto, cpu, cuda or cuda:1.
    executor : Executor, optional
        Prepares the audio.
    fast : bool
        A few steps in a folder of their own, anew every time.
    """

    corpus: Path
    config: VocoderTrainingConfig
    run: Path | None = None
    begin: Path | None = None
    device: str = "auto"
    executor: Executor | None = None
    fast: bool = False

    @property
    def folder(self) -> Path:
        """Where the training is."""
        run = self.run or self.corpus / FOLDER
        return run / FAST if self.fast else run


def train(
    request: Request,
    *,
    tell: Callable[[str, float], None],
    say: Callable[[str], None],
    doctor: Doctor | None = None,
) -> Path:
    """Train a vocoder, or go on training it, and return the folder.

    Parameters
    ----------
    request : Request
        What is asked for.
    tell, say : callable
        Told a stage and the share of it that is done; told sentences for the user.
    doctor : Doctor, optional
        Another than the usual one.

    Raises
    ------
    InputError
        If there is nothing to train on, or the folder holds another training; nothing is written then.
    OutputError
        If the folder cannot be written.
    TrainingError
        If the training has come to nothing.
    """
    config = request.config.fast() if request.fast else request.config
    device = choose_device(request.device)
    if device.type == "cpu" and config.precision == "fp16":
        raise InputError("a CPU does not train in fp16: give --precision bf16, or fp32")
    codebook = read_codebook(request.corpus)
    state = _found(request, config)
    if request.begin is not None:
        state_of(request.begin)  # refused before an hour of recordings is prepared for it
    prepared = (request.run or request.corpus / FOLDER) / PREPARED
    told = Told(tell, say)
    material = prepare(Wanted(request.corpus, prepared, config, codebook.k), told, request.executor)
    if config.speaker and not material.speakers:
        raise InputError(f"no recording of {request.corpus} says who speaks: train without --speaker")
    trainer = _trainer(request, config, codebook, material, say)
    if state is not None:
        if state.get("material") != material.fingerprint():
            raise InputError(
                f"{request.folder} was trained on other recordings than can be read now: put them back, or train into "
                "another folder with -o"
            )
        trainer.load(state, request.folder / LATEST)
        done = trainer.progress
        say(f"going on after step {done.step:,}, {done.epoch} of {config.epochs} epochs are done")
    if device.type == "cpu":
        torch.set_num_threads(n_threads())
    return Run(request.folder, trainer, material, told, doctor or Doctor(), state).run()


def _found(request: Request, config: VocoderTrainingConfig) -> dict[str, Any] | None:
    """Return the latest checkpoint of the folder, if it may be gone on with."""
    latest = request.folder / LATEST
    if request.fast or not latest.exists():
        return None
    if request.begin is not None:
        raise InputError(f"{request.folder} holds a training that goes on: give another folder with -o for a new one")
    state = read_checkpoint(latest)
    begun = state.get("config")
    if not isinstance(begun, dict) or not isinstance(state.get("progress"), dict):
        raise InputError(f"{latest} is no checkpoint of a vocoder's training, or a damaged one")
    ours = config.model_dump(mode="json")
    later = {key: value.default for key, value in type(config).model_fields.items() if key not in begun}
    check_same({**later, **begun}, ours, FREE, request.folder)
    return state


def _trainer(
    request: Request,
    config: VocoderTrainingConfig,
    codebook: Codebook,
    material: Material,
    say: Callable[[str], None],
) -> Trainer:
    shape = shape_of(config, codebook.k, len(material.speakers))
    said = VocoderFacts(
        kind=shape.kind,
        k=shape.k,
        speakers=material.speakers if config.speaker else (),
        with_f0=shape.with_f0,
        encoder=codebook.encoder,
        codebook=codebook.sha256,
    )
    trainer = Trainer(config, shape, said.as_dict(), choose_device(request.device))
    if request.begin is not None:
        state = state_of(request.begin)
        trainer.begin_with(state, request.begin)
        theirs = state.get("facts")
        if not isinstance(theirs, dict) or theirs.get("codebook") != codebook.sha256:
            say(f"{request.begin} speaks units of another codebook: what they sound like is learnt anew")
    return trainer
