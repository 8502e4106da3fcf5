"""The machine that a training with transformers or Lightning has: its accelerator, precision, and processes."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

import torch

from melisma.core.errors import InputError
from melisma.core.settings import n_threads
from melisma.train.device import choose_device

_PRECISION: dict[str, Any] = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}
_MOST_WORKERS = 8


@dataclass(frozen=True, slots=True)
class Machine:
    """What Lightning is told of the machine.

    Parameters
    ----------
    accelerator : str
        cpu, cuda or mps.
    devices : int or list of int
        Processes on a CPU, or the GPU by number.
    precision : str
        As Lightning spells it.
    workers : int
        Processes that make batches, unless asked otherwise.
    nodes : int
        Machines.
    strategy
        Lightning's, of several processes.
    """

    accelerator: str
    devices: int | list[int]
    precision: Any
    workers: int
    nodes: int = 1
    strategy: Any = "auto"


def choose_machine(device: str, precision: str) -> Machine:
    """Return the machine of a device's name: auto (CUDA, else Apple's GPU, else the CPU), cpu, cuda, cuda:1, mps.

    Raises
    ------
    InputError
        If there is no such device, or it cannot compute in that precision.
    """
    wanted = _PRECISION[precision]
    has_mps = torch.backends.mps.is_available()
    if device == "mps" or (device == "auto" and has_mps and not torch.cuda.is_available()):
        if not has_mps:
            raise InputError("torch sees no Apple GPU here, so there is no mps: train with --device cpu")
        return Machine("mps", 1, wanted, min(4, n_threads()))
    try:
        chosen = choose_device(device)
    except InputError as error:
        raise InputError(f"{error}{', or mps' if 'is no device' in str(error) else ''}") from error
    if chosen.type == "cuda":
        return Machine("cuda", [chosen.index or 0], wanted, min(_MOST_WORKERS, n_threads()))
    if precision == "fp16":
        raise InputError("a CPU does not train in fp16: give --precision bf16, or fp32")
    return Machine("cpu", 1, wanted, 1)


def several(machine: Machine, n_devices: int, n_nodes: int) -> Machine:
    """Return a machine of several processes; where torchrun has started this one, as many as it says.

    Parameters
    ----------
    machine : Machine
        Of one.
    n_devices, n_nodes : int
        Processes of a node (GPUs, or CPUs), and nodes.

    Raises
    ------
    InputError
        If torch sees fewer GPUs, or it is Apple's.
    """
    said = os.environ
    if "TORCHELASTIC_RUN_ID" in said:
        n_devices = int(said["LOCAL_WORLD_SIZE"])
        n_nodes = max(1, int(said["WORLD_SIZE"]) // n_devices)
    if n_devices * n_nodes == 1:
        return machine
    if machine.accelerator == "mps":
        raise InputError("an Apple GPU trains in one process: leave --devices and --nodes out")
    if machine.accelerator == "cuda" and n_devices > torch.cuda.device_count():
        raise InputError(f"there are no {n_devices} CUDA devices here: torch sees {torch.cuda.device_count()}")
    from pytorch_lightning.strategies import DDPStrategy

    # A frozen trunk and an unused mask vector have no gradients.
    strategy = DDPStrategy(find_unused_parameters=True)
    return replace(machine, devices=n_devices, nodes=n_nodes, strategy=strategy)


def is_first() -> bool:
    """Whether this is the first of all processes of a training, by what torchrun or Lightning have set."""
    said = os.environ
    return all(said.get(name, "0") == "0" for name in ("RANK", "NODE_RANK", "LOCAL_RANK"))
