"""Whisper models where they lie, to be packaged: a training, a package, or any checkpoint as transformers keeps it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from melisma.core.errors import InputError
from melisma.models import package as packages
from melisma.models.pretrained import read_json
from melisma.train import start
from melisma.train.whisper import checkpoints
from melisma.train.whisper.network import load
from melisma.train.whisper.processor import open_processor
from melisma.train.whisper.trained import TrainedWhisper, is_run, load_trained

PACKAGED = "packaged"  # the fact of a model that says which package it was read from
_TYPE = "whisper"


def is_whisper(path: Path) -> bool:
    """Tell whether there is a Whisper model or a training of one, whatever else is to be said of it."""
    if not path.is_dir():
        return False
    if checkpoints.found(path) or (path.parent.name == checkpoints.FOLDER and (path / checkpoints.PROGRESS).is_file()):
        return True
    config = path / "config.json"
    return config.is_file() and read_json(config).get("model_type") == _TYPE


def open_whisper(path: Path, which: str = "best") -> TrainedWhisper:
    """Load a Whisper model from a training's folder or checkpoint, from a package, or from a folder of transformers'.

    Parameters
    ----------
    path : Path
        Any of these.
    which : str
        Of a training's checkpoints: best, last, or checkpoint-N.

    Raises
    ------
    InputError
        If there is no such thing, or it has no weights for torch.
    ModelError
        If it is damaged, or not what it says.
    """
    if packages.is_package(path):
        return _of_package(path)
    if path.parent.name == checkpoints.FOLDER and (path / checkpoints.PROGRESS).is_file():
        return load_trained(path.parent.parent, path.name)
    if is_run(path):
        return load_trained(path, which)
    _need_weights(path)
    found = start.of_checkpoint(str(path))
    base = {"model": found[0]["name"], "license": found[0]["license"]}
    return TrainedWhisper(load(path).eval(), open_processor(path), {"base": base}, path)


def _of_package(folder: Path) -> TrainedWhisper:
    said = packages.check(folder)
    if said.kind != packages.WHISPER:
        raise InputError(f"{folder} is a package of the kind {said.kind}, not of Whisper")
    _need_weights(folder)
    facts: dict[str, Any] = read_json(folder / packages.RUN) if (folder / packages.RUN).is_file() else {}
    kept = said.model_dump(mode="json", include={"name", "license", "sources", "languages", "base"})
    return TrainedWhisper(load(folder).eval(), open_processor(folder), {**facts, PACKAGED: kept}, folder)


def _need_weights(folder: Path) -> None:
    if not any(folder.glob("*.safetensors")):
        raise InputError(f"{folder} has no weights for torch as safetensors: name the training, or its first package")
