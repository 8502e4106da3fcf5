"""Where a network is trained: the choice of a device, what moves there, and the random states that go with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from melisma.core.errors import InputError
from melisma.train.batches import Batch
from melisma.train.rows import RowBatch

AnyBatch = TypeVar("AnyBatch", bound=Batch | RowBatch)
_DEVICE = re.compile(r"auto|cpu|cuda(?::(\d{1,3}))?")


def choose_device(name: str = "auto") -> torch.device:
    """Return the device of a name: cpu, cuda, cuda:1 …, or auto for the first CUDA device and the CPU without one.

    Raises
    ------
    InputError
        If it is no such name, or torch sees no such device.
    """
    match = _DEVICE.fullmatch(name)
    if not match:
        raise InputError(f"{name!r} is no device to train on: name auto, cpu, cuda, or cuda:1 and the like")
    n_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "cpu" or (name == "auto" and not n_devices):
        return torch.device("cpu")
    if not n_devices:
        raise InputError(f"torch sees no CUDA device, so there is no {name}: train with --device cpu")
    index = int(match[1] or 0)
    if index >= n_devices:
        raise InputError(f"there is no {name}: torch sees {n_devices} CUDA devices, the last is cuda:{n_devices - 1}")
    return torch.device("cuda", index)


def device_of(net: nn.Module) -> torch.device:
    """Return the device that the weights of a network are on."""
    return next(net.parameters()).device


def moved(batch: AnyBatch, device: torch.device) -> AnyBatch:
    """Return a batch with its tensors on a device.

    Lengths stay on the CPU: CTC's native kernel reads them there, and takes labels as int64 beside the scores.
    """
    if device.type == "cpu":
        return batch
    found: dict[str, Any] = {name: value.to(device, non_blocking=True) for name, value in _tensors(batch).items()}
    return replace(batch, **found)


def pinned(batch: AnyBatch) -> AnyBatch:
    """Return a batch in memory that a CUDA device reads without waiting."""
    found: dict[str, Any] = {name: value.pin_memory() for name, value in _tensors(batch).items()}
    return replace(batch, **found)


def _tensors(batch: Batch | RowBatch) -> dict[str, Tensor]:
    names = (field.name for field in fields(batch) if not field.name.endswith("lengths"))
    return {name: getattr(batch, name) for name in names}


def random_states(device: torch.device) -> dict[str, Tensor]:
    """Return torch's random states for a checkpoint: that of the CPU, and that of a CUDA device if it is one."""
    states = {"rng": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda_rng"] = torch.cuda.get_rng_state(device)
    return states


def set_random_states(state: Mapping[str, Any], device: torch.device) -> None:
    """Take torch's random states from a checkpoint; one of another kind of device says nothing about this one's."""
    torch.set_rng_state(state["rng"])
    if device.type == "cuda" and "cuda_rng" in state:
        torch.cuda.set_rng_state(state["cuda_rng"], device)
