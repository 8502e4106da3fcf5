"""A packaged network back in torch: to be exported, or compared with the one that has learnt nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from melisma.core.errors import InputError, ModelError
from melisma.models import package as packages
from melisma.models.package import RUN, SAFETENSORS, PackageFacts
from melisma.models.phone_net import PhoneNet, PhoneNetConfig
from melisma.models.pretrained import check_settings, read_json, read_preparation, read_vocabulary
from melisma.models.quiet import quiet
from melisma.train.ctc.package import PACKAGED
from melisma.train.ctc.trained import Kind, Trained, Units

_RUN_FILES = ("training_history.jsonl", "checkpoints", "log.jsonl")


def is_run(path: Path) -> bool:
    """Tell whether a path is a training's folder or one of its checkpoints, rather than a model that stands alone."""
    return path.suffix == ".ckpt" or (path.is_dir() and any((path / name).exists() for name in _RUN_FILES))


def open_trained(path: Path, which: str = "best") -> Trained:
    """Load a network from a training's folder or checkpoint, from a package, or from a folder of transformers'.

    Parameters
    ----------
    path : Path
        Any of these.
    which : str
        Of a training's checkpoints: best or last.

    Raises
    ------
    InputError
        If there is no such thing, or it has no weights for torch.
    ModelError
        If it is damaged, or not what it says.
    """
    if is_run(path):
        from melisma.train.ctc.checkpoints import load_trained

        return load_trained(path, which)
    if not path.is_dir():
        raise InputError(f"there is no training and no model at {path}")
    if not packages.is_package(path) and not (path / "config.json").is_file():
        raise InputError(f"{path} holds neither a training nor a model: there is no config.json in it")
    return _of_package(path, packages.check(path)) if packages.is_package(path) else _of_folder(path)


def untrained(trained: Trained, seed: int = 0) -> Trained:
    """Return the same network as it begins, with random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net: nn.Module
        if isinstance(trained.net, PhoneNet):
            net = PhoneNet(trained.net.config)
        else:
            given: Any = trained.net
            net = type(given)(given.config)
    return replace(trained, net=net.eval(), facts={"seed": seed})


def open_untrained(folder: Path, seed: int = 0) -> Trained:
    """Return the network of a package as it would begin, with random weights; its own need not be there.

    Raises
    ------
    InputError, ModelError
        If there is no package, or its configuration is damaged.
    """
    if is_run(folder) or not packages.is_package(folder):
        return untrained(open_trained(folder), seed)
    facts = packages.check(folder)
    kind = _kind_of(facts)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = PhoneNet(_shape(folder)) if kind is Kind.PHONE_NET else _begun(folder)
    return Trained(
        kind, net.eval(), facts.labels, facts.blank, Units(facts.units), facts.normalise, facts.languages, {}, folder
    )


def _begun(folder: Path) -> nn.Module:
    from transformers import AutoConfig, AutoModelForCTC

    read: Any = AutoConfig.from_pretrained
    make: Any = AutoModelForCTC.from_config
    check_settings(read_json(folder / "config.json"), folder.name)
    try:
        made: nn.Module = make(read(str(folder), local_files_only=True, trust_remote_code=False))
    except Exception as error:  # whatever transformers raises on files of strangers
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelError(f"the configuration of {folder.name} makes no network: {said[0][:200]}") from error
    return made


def _kind_of(facts: PackageFacts) -> Kind:
    if facts.kind == packages.WHISPER:
        raise InputError(f"{facts.name} is a Whisper model: it writes what it hears, and has no frames to align by")
    return Kind(facts.kind)


def _of_package(folder: Path, facts: PackageFacts) -> Trained:
    kind = _kind_of(facts)
    return Trained(
        kind=kind,
        net=_phone_net(folder) if kind is Kind.PHONE_NET else _transformers(folder),
        labels=facts.labels,
        blank=facts.blank,
        units=Units(facts.units),
        normalise=facts.normalise,
        languages=facts.languages,
        facts=_facts_of(folder, facts),
        run=folder,
    )


def _facts_of(folder: Path, facts: PackageFacts) -> dict[str, Any]:
    """Return the facts of the training that a package has kept, with what the package itself says beside them."""
    found: Any = read_json(folder / RUN).get("training") if (folder / RUN).is_file() else None
    said = facts.model_dump(mode="json", include={"name", "license", "listens_to", "sources"})
    return {**(found if isinstance(found, dict) else {}), PACKAGED: said}


def _of_folder(folder: Path) -> Trained:
    """Load a folder of transformers' that says nothing of its training."""
    vocabulary = read_vocabulary(folder)
    return Trained(
        kind=Kind.TRANSFORMERS,
        net=_transformers(folder),
        labels=vocabulary.labels,
        blank=vocabulary.blank,
        units=Units.CHARACTERS,
        normalise=read_preparation(folder).normalise,
        languages=(),
        facts={},
        run=folder,
    )


def _transformers(folder: Path) -> nn.Module:
    from transformers import AutoModelForCTC

    if not any(folder.glob("*.safetensors")):
        raise InputError(f"{folder} has no weights for torch (safetensors): export the training, or its first package")
    load: Any = AutoModelForCTC.from_pretrained
    check_settings(read_json(folder / "config.json"), folder.name)
    try:
        with quiet():
            net, info = load(
                str(folder),
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
    except Exception as error:  # whatever transformers and safetensors raise on files of strangers
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelError(f"the model {folder.name} cannot be loaded: {said[0][:200]}") from error
    if info["missing_keys"]:
        raise ModelError(f"the model {folder.name} lacks weights, such as {sorted(info['missing_keys'])[0]}")
    loaded: nn.Module = net.eval()
    return loaded


def _phone_net(folder: Path) -> PhoneNet:
    if not (folder / SAFETENSORS).is_file():
        raise InputError(
            f"{folder} has no weights for torch ({SAFETENSORS}): export the training, or its first package"
        )
    try:
        net = PhoneNet(_shape(folder))
        net.load_state_dict(load_file(folder / SAFETENSORS))
    except Exception as error:  # safetensors' own class, and torch's RuntimeError with every key that does not fit
        said_of = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelError(f"the model {folder.name} cannot be loaded: {said_of[0][:200]}") from error
    return net.eval()


def _shape(folder: Path) -> PhoneNetConfig:
    said = read_json(folder / "config.json")
    said.pop("model_type", None)
    try:
        return PhoneNetConfig(**{**said, "dilations": tuple(said.get("dilations", ()))})
    except TypeError as error:
        raise ModelError(f"config.json of the model {folder.name} is no shape of a phone network") from error
