"""Demucs' models on this machine: where they lie, and how they are read without trusting what is in them.

A model is a bag: `NAME.yaml` names signatures, and each signature is a file, `SIGNATURE.safetensors` (Demucs 4.1, as on
its hub) or `SIGNATURE-CHECKSUM.th` (before). A `.th` file is a pickle: Demucs' own loader runs whatever stands in it.
Here it goes through torch's restricted unpickler with a short list of harmless names beside Demucs' networks; of a
safetensors file's metadata, from which Demucs imports any class by name and calls it, only those networks are taken.
So a file can choose sizes and weights of a known network, and nothing else.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

from melisma.core.errors import ModelError
from melisma.core.files import sha256_of

NAMESPACE = "adefossez"  # of Demucs' models on the hub, as in demucs.hf
_SIGNATURE = re.compile(r"[0-9A-Za-z_]{1,64}")
_SUFFIXES = (".safetensors", ".th")
_MAX_BAG_BYTES = 1 << 16
_NETWORKS = {"HTDemucs": "demucs.htdemucs", "HDemucs": "demucs.hdemucs"}
_unpickling = Lock()  # the list of allowed names is one for the process


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The files of a model: one per network of the bag, and how the bag weighs them."""

    name: str
    files: tuple[Path, ...]
    weights: tuple[tuple[float, ...], ...] | None = None
    segment: float | None = None  # seconds

    @property
    def revision(self) -> str:
        """Hash of the content of all files."""
        return "-".join(_digest(str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in self.files)


def find(name: str, folder: Path | None = None) -> Checkpoint | None:
    """Look for a model on this machine; nothing is ever fetched.

    Parameters
    ----------
    name : str
        Name of a bag ("htdemucs"), a signature, or the path of a `.safetensors` or `.th` file.
    folder : Path, optional
        Where bags and weights lie; without it, where Demucs keeps what it has fetched (the cache of the hub, then
        torch's).

    Raises
    ------
    ModelError
        If the file that lists the networks of the bag is damaged.
    """
    if name.endswith(_SUFFIXES):
        path = Path(name)
        return Checkpoint(path.stem, (path,)) if path.is_file() else None
    if not _SIGNATURE.fullmatch(name):
        return None
    for bags, weights in [(folder, folder)] if folder else _fetched(name):
        if found := _in_folders(name, bags, weights):
            return found
    return None


def load(checkpoint: Checkpoint) -> Any:
    """Build the bag of networks (`demucs.apply.BagOfModels`), on the CPU, for use.

    Raises
    ------
    ModelError
        If a file is damaged, or holds anything but weights of Demucs' networks.
    """
    from demucs.apply import BagOfModels

    networks = [_network(path) for path in checkpoint.files]
    weights = [list(row) for row in checkpoint.weights] if checkpoint.weights else None
    try:
        bag = BagOfModels(networks, weights, checkpoint.segment)
    except AssertionError as error:
        raise ModelError(f"the networks of the Demucs model {checkpoint.name} do not fit together") from error
    return bag.eval()


def _fetched(name: str) -> Iterator[tuple[Path, Path]]:
    """Yield folders of a bag and of its weights that Demucs may have filled."""
    if snapshot := _hub_snapshot(name):
        yield snapshot, snapshot
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    torch_home = Path(os.environ.get("TORCH_HOME") or cache / "torch")
    spec = find_spec("demucs")
    for package in (spec.submodule_search_locations or ()) if spec else ():
        yield Path(package) / "remote", torch_home / "hub" / "checkpoints"


def _hub_snapshot(name: str) -> Path | None:
    if find_spec("huggingface_hub") is None:
        return None
    from huggingface_hub import try_to_load_from_cache

    # As demucs.hf.hf_repo_name has it.
    on_hub = "HTDemucs" + name.removeprefix("htdemucs").replace("_", "-", 1)
    repository = on_hub if name.startswith("htdemucs") else f"Demucs-{name}"
    bag = try_to_load_from_cache(f"{NAMESPACE}/{repository}", f"{name}.yaml")
    return Path(bag).parent if isinstance(bag, str) else None


def _in_folders(name: str, bags: Path, weights: Path) -> Checkpoint | None:
    single = _weights_of(name, weights)
    if single:
        return Checkpoint(name, (single,))
    listing = bags / f"{name}.yaml"
    if not listing.is_file():
        return None
    bag = _read_bag(listing)
    files = [_weights_of(signature, weights) for signature in bag["models"]]
    found = tuple(path for path in files if path)
    return Checkpoint(name, found, bag.get("weights"), bag.get("segment")) if len(found) == len(files) else None


def _weights_of(signature: str, folder: Path) -> Path | None:
    """Return the file of a signature: safetensors first, then pickles, with a checksum in the name or without."""
    if not folder.is_dir():
        return None
    names = sorted(path for path in folder.iterdir() if path.suffix in _SUFFIXES and path.is_file())
    mine = [path for path in names if path.stem == signature or path.stem.rpartition("-")[0] == signature]
    return min(mine, key=lambda path: (_SUFFIXES.index(path.suffix), path.name), default=None)


def _read_bag(path: Path) -> dict[str, Any]:
    """Read which networks a bag holds, by signature, and how it weighs their sources."""
    import yaml

    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BAG_BYTES)
        bag = yaml.safe_load(data)
        models = [name for name in bag["models"] if _SIGNATURE.fullmatch(name)]
        weights = bag.get("weights")
        rows = tuple(tuple(float(weight) for weight in row) for row in weights) if weights else None
        segment = bag.get("segment")
        read = {"models": models, "weights": rows, "segment": None if segment is None else float(segment)}
        if not models or len(models) != len(bag["models"]):
            raise ValueError("it lists no networks")
    except (OSError, yaml.YAMLError, TypeError, KeyError, ValueError, AttributeError, RecursionError) as error:
        raise ModelError(f"{path.name} does not say which networks a Demucs model is made of") from error
    return read


def _network(path: Path) -> Any:
    """Read one network and its weights."""
    from demucs import states

    load_model: Any = states.load_model  # it has no types
    _check_name(path)
    package = _from_safetensors(path) if path.suffix == ".safetensors" else _from_pickle(path)
    try:
        return load_model(package, strict=True)
    except (RuntimeError, TypeError, ValueError, KeyError, AttributeError, AssertionError, ArithmeticError) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> ModelError:
    return ModelError(f"{path.name} is damaged, or no network of Demucs")


def _check_name(path: Path) -> None:
    """Compare the content with the checksum that stands in the name of a file, where one does."""
    signature, dash, promised = path.stem.rpartition("-")
    if dash and signature and re.fullmatch(r"[0-9a-f]{8,64}", promised):
        found = _digest(str(path), path.stat().st_size, path.stat().st_mtime_ns, 64)
        if not found.startswith(promised):
            raise ModelError(f"{path.name} is damaged: its content does not match the checksum in its name")


def _from_safetensors(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - it is no dict
        args, kwargs = (_plain(json.loads(metadata[key])) for key in ("args", "kwargs"))
        module, _, name = metadata["klass"].rpartition(".")
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, ZeroDivisionError, RecursionError) as error:
        raise _damaged(path) from error
    if _NETWORKS.get(name) != module or "structure" in metadata:
        raise ModelError(f"{path.name} holds a {module}.{name}, and only {' or '.join(_NETWORKS)} is taken")
    return {"klass": _networks()[name], "args": args, "kwargs": kwargs, "state": tensors}


def _from_pickle(path: Path) -> dict[str, Any]:
    import pickle

    import numpy as np
    import torch
    from torch.serialization import safe_globals

    # What the published files name beside the network: a fraction in its sizes, NumPy's scalars in its history.
    allowed: list[Any] = [Fraction, np.dtype, type(np.dtype(np.float64)), type(np.dtype(np.float32))]
    # What makes scalars has moved; pickles know it by its old name too.
    scalar: Any = np.float64(0).__reduce__()[0]
    allowed += [(scalar, "numpy.core.multiarray.scalar"), (scalar, "numpy._core.multiarray.scalar")]
    try:
        with _unpickling, safe_globals([*allowed, *_networks().values()]):
            package = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, TypeError, KeyError) as error:
        raise _damaged(path) from error
    if not isinstance(package, dict) or package.get("klass") not in _networks().values():
        raise _damaged(path)
    state = package.get("state")
    if not isinstance(state, dict) or "__quantized" in state:
        raise ModelError(f"{path.name} is a quantised Demucs model: take one that is not")
    return package


def _networks() -> Mapping[str, Any]:
    from importlib import import_module

    return {name: getattr(import_module(module), name) for name, module in _NETWORKS.items()}


def _plain(value: Any) -> Any:
    """Undo the spelling of fractions in JSON, as demucs.hf does."""
    if isinstance(value, dict):
        if value.get("_type") == "fraction":
            return Fraction(int(value["numerator"]), int(value["denominator"]))
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


@lru_cache(maxsize=32)
def _digest(path: str, size: int, mtime_ns: int, n: int = 12) -> str:
    """Return the beginning of the SHA-256 of a file; size and time tell when it has to be read again."""
    return sha256_of(path)[:n]
