"""A trained network to a folder that others can use: weights, vocabulary, what it was trained on, and a card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from melisma.core.errors import InputError
from melisma.core.files import write_atomically
from melisma.models import package as packages
from melisma.models.features import HOP
from melisma.models.package import ONNX, RUN, SAFETENSORS, PackageFacts
from melisma.models.phone_net import PhoneNet
from melisma.models.quiet import quiet
from melisma.train import packaging
from melisma.train.ctc import model_card
from melisma.train.ctc.trained import Kind, Trained
from melisma.train.export import to_onnx
from melisma.train.fresh_folder import fresh_folder
from melisma.train.packaging import plain, write_json

PAD = "<pad>"
PACKAGED = "packaged"  # the fact of a network that says which package it was read from
_VERSIONS = ("melisma", "torch", "transformers", "pytorch-lightning", "numpy", "onnx", "onnxruntime")
SAMPLE_RATE = 16000


@dataclass(frozen=True, slots=True)
class PackageConfig:
    """What a caller says of a package.

    Parameters
    ----------
    name : str
        Of the model; the name of its run's folder without it.
    license : str
        Of the weights, SPDX; without it they are under the terms of what they were trained on.
    listens_to : {"mix", "voice"}, optional
        What it was trained to hear: whole mixes, or voices by themselves, which is what is said without it.
    metrics : mapping
        What `melisma eval ctc --json` has printed of it, for the card.
    """

    name: str = ""
    license: str = ""
    listens_to: str = ""
    metrics: Mapping[str, Any] = field(default_factory=dict)


def package(trained: Trained, out: Path, config: PackageConfig | None = None) -> PackageFacts:
    """Write a package into a new folder, whole or not at all.

    Parameters
    ----------
    trained : Trained
        The network and what is known of its training.
    out : Path
        A folder that is not there yet, or empty.

    Raises
    ------
    InputError
        If the network cannot be a package, or is to be licensed otherwise than what it was trained on allows.
    OutputError
        If the folder is in use, or cannot be written.
    """
    config = config or PackageConfig()
    said = describe(trained, config)
    with fresh_folder(out) as folder:
        write_weights(trained, folder)
        return finish(trained, folder, said, config)


def describe(trained: Trained, config: PackageConfig) -> dict[str, Any]:
    """Return what `melisma.json` says, without the files; see `package` for the errors."""
    kept = trained.facts.get(PACKAGED)  # of the package that this is made of, where it is made of one
    kept = kept if isinstance(kept, Mapping) else {}
    name = packaging.named(config.name or str(kept.get("name") or ""), trained.run)
    license_ = config.license or str(kept.get("license") or "")
    sources = [dict(each) for each in kept.get("sources") or ()] if kept else packaging.sources_of(trained.facts)
    packaging.check_licence(license_, sources)
    return {
        "name": name,
        "kind": trained.kind.value,
        "units": trained.units.value,
        "labels": [label or PAD for label in trained.labels],
        "blank": trained.blank,
        "normalise": trained.normalise,
        "sample_rate": SAMPLE_RATE,
        "stride": stride_of(trained),
        "reach": trained.net.config.reach if isinstance(trained.net, PhoneNet) else 0,
        "languages": packaging.languages_of(trained.languages),
        "license": license_,
        "sources": sources,
        "listens_to": config.listens_to or str(kept.get("listens_to") or "voice"),
        "n_parameters": sum(p.numel() for p in trained.net.parameters()),
    }


def write_weights(trained: Trained, folder: Path) -> None:
    """Write weights, configuration, vocabulary, what is to be done to audio; of a phone network its ONNX file too."""
    if isinstance(trained.net, PhoneNet):
        state = {name: values.contiguous() for name, values in trained.net.state_dict().items()}
        save_file(state, folder / SAFETENSORS)
        (folder / ONNX).write_bytes(to_onnx(trained.net, "float32").SerializeToString())
    else:
        net: Any = trained.net
        with quiet():
            net.save_pretrained(str(folder))
    write_small(trained, folder)


def write_small(trained: Trained, folder: Path) -> None:
    """Write the small files beside the weights: config.json, vocabulary, tokenizer, what is to be done to audio."""
    labels = [label or PAD for label in trained.labels]
    write_json(folder / "vocab.json", {label: number for number, label in enumerate(labels)})
    if isinstance(trained.net, PhoneNet):
        write_json(folder / "config.json", {"model_type": Kind.PHONE_NET.value, **trained.net.config.to_dict()})
        return
    net: Any = trained.net
    said = net.config.to_diff_dict() | {"pad_token_id": trained.blank, "vocab_size": len(labels)}
    said |= {"model_type": net.config.model_type, "architectures": [type(net).__name__]}
    write_json(folder / "config.json", {key: said[key] for key in sorted(said) if key != "_name_or_path"})
    write_json(folder / "tokenizer_config.json", _tokenizer(labels, trained.blank))
    extractor = {
        "feature_extractor_type": "Wav2Vec2FeatureExtractor",
        "feature_size": 1,
        "sampling_rate": SAMPLE_RATE,
        "padding_value": 0.0,
        "padding_side": "right",
        "do_normalize": trained.normalise,
        "return_attention_mask": net.config.feat_extract_norm == "layer",
    }
    write_json(folder / "preprocessor_config.json", extractor)


def finish(
    trained: Trained, folder: Path, said: dict[str, Any], config: PackageConfig, more: Mapping[str, Any] | None = None
) -> PackageFacts:
    """Write the run's manifest, with `more` to say, and the card, and seal the folder."""
    write_json(folder / RUN, run_manifest(trained, said["name"], config) | plain(dict(more or {})))
    facts = packages.seal(folder, said)
    text = model_card.write(facts, trained.facts, config.metrics)
    write_atomically(folder / packages.CARD, text.encode("utf-8"))
    packaging.keep_removals(trained.run, folder)
    return facts


def run_manifest(trained: Trained, name: str, config: PackageConfig) -> dict[str, Any]:
    """Return all that is known of a training, as plain values; folders of this machine are named by their last part.

    Nothing in it is of the moment: a training that is packaged twice is the same package.
    """
    found = {
        "schema": "melisma.run/1",
        "name": name,
        "packaged_with": packaging.versions_of(_VERSIONS),
        "training": plain({key: value for key, value in trained.facts.items() if key != PACKAGED}),
    }
    if config.metrics:
        found["evaluation"] = plain(dict(config.metrics))
    return found


def stride_of(trained: Trained) -> int:
    """Return the samples from one frame to the next."""
    if isinstance(trained.net, PhoneNet):
        return trained.net.config.stride * HOP
    return geometry(trained.net.config)[0]


def geometry(config: Any) -> tuple[int, int]:
    """Return the samples from one frame to the next, and those of the shortest recording, by a config of transformers.

    Raises
    ------
    InputError
        If the network takes no samples.
    """
    kernels, strides = getattr(config, "conv_kernel", None), getattr(config, "conv_stride", None)
    if not kernels or not strides or config.model_type == "wav2vec2-bert":
        raise InputError(f"a network of the kind {config.model_type} takes no samples: it cannot be packaged")
    stride, reach = 1, 1
    for kernel, step in zip(kernels, strides, strict=True):
        reach += (kernel - 1) * stride
        stride *= step
    merged = config.adapter_stride**config.num_adapter_layers if getattr(config, "add_adapter", False) else 1
    return stride * merged, reach


def _tokenizer(labels: list[str], blank: int) -> dict[str, Any]:
    def known(label: str) -> str | None:
        return label if label in labels else None

    return {
        "tokenizer_class": "Wav2Vec2CTCTokenizer",
        "pad_token": labels[blank],
        "unk_token": known("<unk>"),
        "bos_token": known("<s>"),
        "eos_token": known("</s>"),
        "word_delimiter_token": known("|"),
        "do_lower_case": False,
        "model_max_length": 10**30,
    }
