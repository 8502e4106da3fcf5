"""What a Whisper training is begun with, as plain values: they are kept in its checkpoints and in its manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from melisma.core.errors import InputError
from melisma.core.files import sha256_of
from melisma.data.augment.recipe import Recipe
from melisma.train.ctc.survey import Survey, survey
from melisma.train.facts import all_data, software
from melisma.train.origin import mark
from melisma.train.start import of_checkpoint
from melisma.train.whisper import checkpoints
from melisma.train.whisper.config import WhisperTrainingConfig
from melisma.train.whisper.network import Opened
from melisma.train.whisper.trained import MANIFEST, SCHEMA
from melisma.train.whisper.windows import Windows

_PACKAGES = ("transformers", "accelerate", "peft", "tokenizers")


def earlier_run(folder: Path | None) -> dict[str, Any]:
    """Return the manifest of the training that a folder is of; empty if it is of none.

    Raises
    ------
    InputError
        If it is damaged.
    """
    if folder is None or not (folder / MANIFEST).is_file():
        return {}
    said = checkpoints.read(folder / MANIFEST)
    return said if said.get("schema") == SCHEMA else {}


def manifest_facts(path: Path, windows: Windows, found: Survey) -> dict[str, Any]:
    """Return what is said of one manifest."""
    report = windows.report
    return {
        "manifest": path.name,
        "sha256": sha256_of(path),
        "n": report.clips,
        "hours": report.hours,
        "languages": report.by_language,
        "timed": report.timed,
        "left_out": report.left_out,
        **_licences(found.data),
    }


def _licences(data: dict[str, Any]) -> dict[str, Any]:
    """Return sources and licences by name, and all that is known of them."""
    return {
        "sources": sorted({str(each["source"]) for each in data["sources"]}),
        "licences": sorted(data["licences"]),
        "taint": data,
    }


def facts_of(
    sides: Mapping[str, tuple[Path, Windows]],
    config: WhisperTrainingConfig,
    opened: Opened,
    folder: Path | None,
    split: bytes | None,
    recipe: Recipe | None,
) -> dict[str, Any]:
    """Return what a training is begun with.

    Parameters
    ----------
    sides : mapping
        Manifest and windows of "train" and "valid".
    config : WhisperTrainingConfig
        What is trained.
    opened : Opened
        The network.
    folder : Path, optional
        What it was read from.
    split : bytes, optional
        The certificate of the split.
    recipe : Recipe, optional
        Changes clips on the fly.

    Raises
    ------
    InputError
        If the network has heard a speaker of the validation set in an earlier training.
    """
    earlier = earlier_run(folder)
    surveys = {side: survey(path) for side, (path, _) in sides.items()}
    _check_unheard(config.model, set(earlier.get("speakers", ())), surveys["valid"])
    data = manifest_facts(*sides["train"], surveys["train"])
    data |= _licences(all_data(surveys["train"].data, earlier.get("data", {}).get("taint"), recipe))
    heard = {mark(name) for name in surveys["train"].speakers} | set(earlier.get("speakers", ()))
    return {
        "config": config.model_dump(mode="json"),
        "seed": config.seed,
        "network": opened.name,
        "fingerprint": opened.fingerprint,
        "base": earlier.get("base") or _base(config, folder),
        "data": data,
        "validation_data": manifest_facts(*sides["valid"], surveys["valid"]),
        "split": json.loads(split) if split is not None else None,
        "languages": sorted(sides["train"][1].report.by_language),
        "speakers": sorted(heard),
        "augmented_by": recipe.fingerprint() if recipe is not None else "",
        **software(*_PACKAGES),
    }


def _base(config: WhisperTrainingConfig, folder: Path | None) -> dict[str, Any] | None:
    """Return what the network began as and under which licence, written down while its files are still there."""
    if folder is None:
        return None
    sources = of_checkpoint(config.model, config.revision)
    named = [source["license"] for source in sources]
    return {"model": sources[0]["name"], "license": " AND ".join(dict.fromkeys(named)) if all(named) else ""}


def _check_unheard(model: str, heard: set[str], theirs: Survey) -> None:
    found = sorted(name for name in theirs.speakers if mark(name) in heard)
    if found:
        raise InputError(
            f"the speaker {found[0]} is in the validation set, but {model} was trained on their recordings: hold out "
            "speakers that it has not heard, or begin with another network"
        )


def check_goes_on(begun: Mapping[str, Any], manifests: Mapping[str, Path], recipe: Recipe | None, run: Path) -> None:
    """Refuse to go on with other manifests or another augmentation.

    Raises
    ------
    InputError
        If they are other ones; it names the first.
    """
    for key, path in manifests.items():
        if begun.get(key, {}).get("sha256") != sha256_of(path):
            raise InputError(f"{path} is not the manifest that {run} was begun with: train into another folder")
    if begun.get("augmented_by", "") != (recipe.fingerprint() if recipe is not None else ""):
        raise InputError(f"{run} was begun with another augmentation: give the same recipe and noise")


def check_same_clips(begun: Mapping[str, Any], sides: Mapping[str, tuple[Path, Windows]], run: Path) -> None:
    """Refuse to go on where other clips can be read than when it was begun: other windows would come next.

    Raises
    ------
    InputError
        If a recording has gone since, or is not on this machine; it says how many clips there are and were.
    """
    for key, (path, windows) in sides.items():
        before, now = begun.get(key, {}), windows.report
        if (before.get("n"), before.get("languages")) != (now.clips, now.by_language):
            why = next((f": {name}, {reason}" for reason, (name, *_) in now.such_as.items()), "")
            raise InputError(
                f"{run} was begun with {before.get('n')} clips of {path} ({before.get('hours')} h), and here there are "
                f"{now.clips} ({now.hours} h){why}"
            )
