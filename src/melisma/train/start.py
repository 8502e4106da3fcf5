"""Under which licence the checkpoint was that a training began with: what was made of it is under it too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from melisma.core.errors import MelismaError
from melisma.models import package as packages
from melisma.models.card_head import read_head
from melisma.models.pretrained import Checkpoint

_OURS = "phone-net"
_RANDOM = "random:"
# Of checkpoints that training begins with unless told otherwise, as their authors give them.
_KNOWN = {"facebook/wav2vec2-base-960h": "Apache-2.0", "openai/whisper-": "MIT"}


def sources_of(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the sources that come with the network that a training began with.

    Parameters
    ----------
    facts : mapping
        `Trained.facts`: `base` with `model` and `license` where the training has written it down; else the checkpoint
        that its `config` names is looked at, if it is still there.

    Returns
    -------
    list of dict
        `name`, `license` and `vouched`; none for a network that began with random weights. An empty licence is one that
        nobody knows.
    """
    base = facts.get("base")
    if isinstance(base, Mapping):
        return [_source(base.get("model", "the start checkpoint"), base.get("license", ""))]
    config = facts.get("config")
    model = str(config.get("model") or "") if isinstance(config, Mapping) else ""
    if not model or model == _OURS or model.startswith(_RANDOM):
        return []
    revision = str(config.get("revision") or "") if isinstance(config, Mapping) else ""
    return of_checkpoint(model, revision)


def of_checkpoint(model: str, revision: str = "") -> list[dict[str, Any]]:
    """Return the sources of a checkpoint by id or folder: those of a package, or what the head of its card says."""
    checkpoint = Checkpoint(model, revision)
    folder = checkpoint.folder()
    name = Path(model).name if checkpoint.is_folder else model
    if folder is not None and packages.is_package(folder):
        return _of_package(folder, name)
    said = read_head(folder).licences if folder is not None else ()
    if not said and not checkpoint.is_folder:
        said = tuple(licence for begin, licence in _KNOWN.items() if model.startswith(begin))
    return [_source(name, said[0] if len(said) == 1 else "")]


def _of_package(folder: Path, name: str) -> list[dict[str, Any]]:
    try:
        facts = packages.read(folder)
    except MelismaError:
        return [_source(name, "")]
    found = [_source(source.name, source.license, vouched=source.vouched) for source in facts.sources]
    if facts.license or not found:
        found.append(_source(facts.name, facts.license))
    return found


def _source(name: object, license_: object, *, vouched: bool = False) -> dict[str, Any]:
    return {"name": str(name), "license": str(license_ or ""), "vouched": vouched}
