"""What every training writes down before its first step: the split that it keeps to, and the software that it runs."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from melisma.core.errors import InputError, OutputError
from melisma.core.files import make_folder
from melisma.data import split_certificate
from melisma.data.augment.recipe import Recipe
from melisma.data.licences import Taint, taint
from melisma.data.manifest import Utterance
from melisma.models.package import REMOVED
from melisma.pipeline.version import code_version


def check_remembered(model: str) -> None:
    """Refuse to begin with a model of whose data something was taken out: what is made of it would remember it too.

    Raises
    ------
    InputError
        If `melisma data remove` has left its mark beside the model.
    """
    if (Path(model).expanduser() / REMOVED).exists():
        raise InputError(
            f"{model} was trained on data that was taken out of its corpus since ({REMOVED}): begin with another "
            "model, or train it anew without"
        )


def certificate(train: Path, valid: Path) -> bytes | None:
    """Hold the manifests to the certificate of their split, where it lies beside them; they share nothing in any case.

    Raises
    ------
    InputError
        If they are not those of the certificate, or share a speaker or a recording; it names the first.
    """
    beside = train.with_name(split_certificate.NAME)
    if beside.exists():
        split_certificate.verify(split_certificate.read(beside), train=train, valid=valid)
        return beside.read_bytes()
    split_certificate.check_disjoint(training=train, validation=valid)
    return None


def software(*packages: str) -> dict[str, Any]:
    """Return the versions that the training runs with, and the commit of the working copy that it was started in."""
    return {
        "versions": {
            "melisma": code_version(),
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            **{name: version(name) for name in packages},
        },
        "commit": commit(),
    }


def commit() -> str:
    """Return the commit of the working copy that this package runs from; empty where there is none."""
    git = shutil.which("git")
    if git is None:
        return ""
    here = Path(__file__).parent
    found = subprocess.run([git, "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=False)
    return found.stdout.strip() if found.returncode == 0 else ""


def check_same(begun: Mapping[str, Any], values: Mapping[str, Any], free: frozenset[str], run: Path) -> None:
    """Refuse to go on with another configuration: the steps that are left would be of another training.

    Parameters
    ----------
    begun, values : mapping
        Plain values of the configuration that the training was begun with, and of the one that is given.
    free : frozenset of str
        What may differ.
    run : Path
        Folder of the training.

    Raises
    ------
    InputError
        If they differ; it names the first key and both values.
    """
    for key in [*values, *sorted(begun.keys() - values.keys())]:
        if key in free or begun.get(key) == values.get(key):
            continue
        raise InputError(
            f"{run} was begun with {key} = {begun.get(key)!r}, not {values.get(key)!r}: give the same to go on, "
            "or train into another folder"
        )


def all_data(data: dict[str, Any], earlier: Mapping[str, Any] | None, recipe: Recipe | None) -> dict[str, Any]:
    """Add the licences of what is mixed in, and of what the network learnt from before, to those of the clips.

    Parameters
    ----------
    data : dict
        `Taint.as_dict` of the clips.
    earlier : mapping, optional
        That of an earlier training.
    recipe : Recipe, optional
        Mixes sounds in.
    """
    if earlier:
        data = Taint.from_dict(data).merged(Taint.from_dict(earlier)).as_dict()
    if recipe is None or recipe.sounds is None:
        return data
    rate = recipe.sounds.rate
    mixed = [
        Utterance(
            id=each.id, audio=each.id, duration=max(each.n_samples, 1) / rate, license=each.license, source=each.source
        )
        for each in recipe.sounds.sounds
    ]
    return Taint.from_dict(data).merged(taint(mixed)).as_dict()


@contextmanager
def one_at_a_time(folder: Path, *, several: bool) -> Iterator[None]:
    """Let processes that torchrun starts together prepare one after the other: the first does it for all.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    if not several:
        yield
        return
    make_folder(folder)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire()
    except OSError as error:
        raise OutputError(f"cannot write into {folder}: {error.strerror or error}") from error
    try:
        yield
    finally:
        lock.release()
