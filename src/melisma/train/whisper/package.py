"""A trained Whisper to a folder that others can use: weights, processor, conversions, what it was trained on, a card.

The folder is accepted by a gate before it is there: whoever calls this hears with what was saved and converted, and
raises where a conversion says something else than the source. Nothing is left of a package that was refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from melisma.core.errors import InputError
from melisma.core.files import write_atomically
from melisma.models import package as packages
from melisma.models.package import RUN, SAFETENSORS, WHISPER, PackageFacts
from melisma.models.pretrained import check_settings, read_json
from melisma.models.quiet import quiet
from melisma.train import packaging
from melisma.train.fresh_folder import fresh_folder
from melisma.train.packaging import plain, write_json
from melisma.train.whisper import model_card
from melisma.train.whisper.ctranslate2_export import write_ctranslate2
from melisma.train.whisper.onnx_export import write_onnx
from melisma.train.whisper.packaged import PACKAGED
from melisma.train.whisper.processor import save_processor
from melisma.train.whisper.trained import SCHEMA, TrainedWhisper

LICENCES = "LICENSES.md"
_VERSIONS = ("melisma", "torch", "transformers", "ctranslate2", "onnxruntime", "numpy")
_SMALL = ("config.json", "generation_config.json", "tokenizer.json", "preprocessor_config.json")
_GONE = ("prepared", "checkpoints")  # of a training; never of a package

Gate = Callable[[Path], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class WhisperPackageConfig:
    """What a caller says of a package.

    Parameters
    ----------
    name : str
        Of the model; that of its run's folder without it.
    license : str
        Of the weights, SPDX; without it they are under the terms of what they were trained on.
    ctranslate2 : {"float32", "float16", "int8", ""}
        How CTranslate2's weights are stored; none are written without it.
    onnx : {"float32", "int8", ""}
        The same of ONNX files.
    weights : bool
        Whether torch's weights are kept; a package without them is of conversions alone.
    metrics : mapping
        What `melisma eval asr` has found, for the card.
    """

    name: str = ""
    license: str = ""
    ctranslate2: str = "float32"
    onnx: str = "float32"
    weights: bool = True
    metrics: Mapping[str, Any] = field(default_factory=dict)


def package(trained: TrainedWhisper, out: Path, config: WhisperPackageConfig, gate: Gate) -> PackageFacts:
    """Write a package into a new folder, whole or not at all.

    Parameters
    ----------
    trained : TrainedWhisper
        The model and what is known of its training.
    out : Path
        A folder that is not there yet, or empty.
    config : WhisperPackageConfig
        What it is called, and which conversions it has.
    gate : callable
        Takes the folder, hears with each of its conversions, raises ModelError where one is refused, and returns what
        it measured, as plain values; `compute` says what CTranslate2 is to compute in.

    Raises
    ------
    InputError
        If the model cannot be a package, or is to be licensed otherwise than what it was trained on allows.
    ModelError
        If a conversion fails, or the gate refuses it.
    OutputError
        If the folder is in use, or cannot be written.
    """
    said = describe(trained, config)
    with fresh_folder(out) as folder:
        write_source(trained, folder)
        if config.ctranslate2:
            write_ctranslate2(folder, config.ctranslate2)
        if config.onnx:
            write_onnx(trained.model, folder, int8=config.onnx == "int8")
        measured = dict(gate(folder))
        if not config.weights:
            for path in folder.glob("*.safetensors*"):
                path.unlink()
        return _finish(trained, folder, said | {"compute": measured.get("compute", "")}, config, measured)


def describe(trained: TrainedWhisper, config: WhisperPackageConfig) -> dict[str, Any]:
    """Return what `melisma.json` says, without the files; see `package` for the errors."""
    if not (config.weights or config.ctranslate2 or config.onnx):
        raise InputError("a package holds a model: keep its weights, or a conversion")
    if config.onnx not in ("float32", "int8", ""):
        raise InputError(f"ONNX's weights are kept as float32, int8 or none, not {config.onnx[:20]!r}")
    kept = trained.facts.get(PACKAGED)  # of the package that this is made of, where it is made of one
    kept = kept if isinstance(kept, Mapping) else {}
    license_ = config.license or str(kept.get("license") or "")
    sources = [dict(each) for each in kept.get("sources") or ()] if kept else packaging.sources_of(_told(trained))
    packaging.check_licence(license_, sources)
    base = trained.facts.get("base")
    return {
        "name": packaging.named(config.name or str(kept.get("name") or ""), trained.run),
        "kind": WHISPER,
        "languages": packaging.languages_of(_languages(trained.facts, kept)),
        "license": license_,
        "sources": sources,
        "base": packaging.line(base.get("model", "")) if isinstance(base, Mapping) else str(kept.get("base") or ""),
        "n_parameters": sum(each.numel() for each in trained.model.parameters()),
    }


def _told(trained: TrainedWhisper) -> dict[str, Any]:
    """Return the facts of a training with its data as they are said of every other network."""
    data = trained.facts.get("data")
    taint = data.get("taint") if isinstance(data, Mapping) else None
    return {**trained.facts, "data": taint if isinstance(taint, Mapping) else data}


def _languages(facts: Mapping[str, Any], kept: Mapping[str, Any]) -> list[str]:
    found = facts.get("languages") or kept.get("languages") or ()
    return [str(code) for code in found] if isinstance(found, (list, tuple)) else []


def write_source(trained: TrainedWhisper, folder: Path) -> None:
    """Write weights, configuration and processor as transformers keeps them, and see that all of it is there."""
    with quiet():
        trained.model.save_pretrained(str(folder))
        save_processor(trained.processor, folder)
    for path in folder.glob("*.safetensors"):
        path.chmod(0o644)  # safetensors makes files that nobody else may read
    lacking = next((name for name in (*_SMALL,) if not (folder / name).is_file()), None)
    if lacking or not any(folder.glob("*.safetensors")):
        raise InputError(
            f"the model was saved without {lacking or SAFETENSORS}: this transformers is too old or too new"
        )
    check_settings(read_json(folder / "config.json"), folder.name)


def _finish(
    trained: TrainedWhisper, folder: Path, said: dict[str, Any], config: WhisperPackageConfig, measured: dict[str, Any]
) -> PackageFacts:
    """Write the run's manifest, licences and card, and seal the folder."""
    write_json(folder / RUN, run_manifest(trained, said["name"], config, measured))
    facts = PackageFacts.model_validate({**said, "files": {RUN: {"sha256": "0" * 64, "bytes": 0}}})
    write_atomically(folder / LICENCES, model_card.licences_of(facts, _told(trained)).encode("utf-8"))
    sealed = packages.seal(folder, said)
    text = model_card.write(sealed, _told(trained), measured, config.metrics)
    write_atomically(folder / packages.CARD, text.encode("utf-8"))
    packaging.keep_removals(trained.run, folder)
    return sealed


def run_manifest(
    trained: TrainedWhisper, name: str, config: WhisperPackageConfig, measured: Mapping[str, Any]
) -> dict[str, Any]:
    """Return all that is known of a training, as plain values; folders of this machine are named by their last part."""
    facts = {key: value for key, value in trained.facts.items() if key not in (PACKAGED, *_GONE)}
    found = {"schema": SCHEMA, **plain(facts), "name": name}
    found["packaged_with"] = packaging.versions_of(_VERSIONS)
    found["conversions"] = {"ctranslate2": config.ctranslate2, "onnx": config.onnx}
    found["parity"] = plain(dict(measured))
    if config.metrics:
        found["evaluation"] = plain(dict(config.metrics))
    return found
