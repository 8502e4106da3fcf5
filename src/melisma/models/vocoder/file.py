"""A vocoder in a file of torch or of safetensors: shape, facts and weights of a generator; nothing in it is run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from melisma.core.errors import InputError, MissingDependency, ModelError
from melisma.models.torch_file import read_torch
from melisma.models.vocoder.hifigan import HifiganGenerator, without_norms
from melisma.models.vocoder.shape import Shape
from melisma.models.vocoder.vocos import VocosGenerator

FORMAT = 1
SPEAKS = "speaks"  # the weights that are used: an average over the last steps
SAFETENSORS = ".safetensors"
_MARK = "melisma_vocoder"
_NO_VOCODER = "is no checkpoint of a vocoder, or a damaged one"


@dataclass(frozen=True, slots=True, eq=False)
class SavedVocoder:
    """A generator, ready to speak.

    Parameters
    ----------
    net : module
        `net(units, speaker, f0_hz) -> samples`, in evaluation mode on the CPU; `net.shape` and `net.context` are there.
    shape : Shape
        Of the network.
    facts : dict
        Plain JSON, as `melisma.units.voice.VocoderFacts.as_dict` gives it.
    state : dict
        All that the file holds.
    """

    net: Any
    shape: Shape
    facts: dict[str, Any]
    state: dict[str, Any]


def make(shape: Shape) -> Any:
    """Return a generator of a shape, with random weights.

    Raises
    ------
    ModelError
        If there is no such network.
    """
    shape.check()
    return HifiganGenerator(shape) if shape.kind == "hifigan" else VocosGenerator(shape)


def packed(shape: Shape, facts: dict[str, Any], weights: dict[str, Tensor]) -> dict[str, Any]:
    """Return what a file holds at least."""
    return {_MARK: FORMAT, "shape": shape.as_dict(), "facts": facts, SPEAKS: weights}


def as_safetensors(saved: SavedVocoder) -> bytes:
    """Return a vocoder as a file of safetensors, its shape and facts as JSON in what it says of itself.

    Raises
    ------
    MissingDependency
        If safetensors is not installed.
    """
    try:
        from safetensors.torch import save
    except ImportError as error:
        raise MissingDependency("safetensors are not installed: pip install 'melisma[train]'") from error
    about = {_MARK: str(FORMAT), "shape": json.dumps(saved.shape.as_dict()), "facts": json.dumps(saved.facts)}
    weights = {name: each.detach().contiguous() for name, each in saved.state[SPEAKS].items()}
    data: bytes = save(weights, about)
    return data


def state_of(path: Path) -> dict[str, Any]:
    """Return what a checkpoint holds, or what a file of safetensors holds of one, unchecked.

    Raises
    ------
    InputError
        If there is no such file, or it is damaged.
    MissingDependency
        If safetensors are needed and not installed.
    """
    if path.suffix != SAFETENSORS:
        return read_torch(path)
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise MissingDependency("safetensors are not installed: pip install 'melisma[train]'") from error
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
        return {
            _MARK: int(about[_MARK]),
            "shape": json.loads(about["shape"]),
            "facts": json.loads(about["facts"]),
            SPEAKS: weights,
        }
    except OSError as error:
        raise InputError(f"cannot read the vocoder {path}: {error.strerror or error}") from error
    except (SafetensorError, KeyError, ValueError, RecursionError) as error:
        raise InputError(f"{path} {_NO_VOCODER}") from error


def read(path: Path) -> SavedVocoder:
    """Read a vocoder from `vocoder_final.pt`, any checkpoint of its training, or safetensors.

    Raises
    ------
    InputError
        If there is no such file, or it is damaged or of something else.
    """
    state = state_of(path)
    try:
        if state[_MARK] != FORMAT:
            raise InputError(f"{path} is a vocoder of another version of this program")
        shape = Shape.of_dict(state["shape"])
        _check_size(shape, state[SPEAKS], path)
        net: nn.Module = make(shape)
        net.load_state_dict(state[SPEAKS])
        facts = dict(state["facts"])
        if facts["k"] != shape.k or len(facts["speakers"]) != shape.n_speakers or facts["kind"] != shape.kind:
            raise InputError(f"{path} {_NO_VOCODER}: its facts are not those of its network")
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError, ModelError) as error:
        raise InputError(f"{path} {_NO_VOCODER}") from error
    return SavedVocoder(without_norms(net).eval(), shape, facts, state)


def _check_size(shape: Shape, weights: dict[str, Any], path: Path) -> None:
    """Refuse a shape that promises far more than the file holds, before memory is taken for it."""
    n_blocks = len(shape.coarse) + len(shape.fine) if shape.kind == "vocos" else 1
    held = sum(int(each.numel()) for each in weights.values())
    if held < shape.channels * (shape.k + shape.n_speakers + n_blocks * shape.channels):
        raise InputError(f"{path} {_NO_VOCODER}: its shape is larger than its weights")
