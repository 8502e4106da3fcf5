"""The networks that are trained: checkpoints of Hugging Face's libraries, random ones of their kind, and our own.

A network is taken from whoever made it without trusting it: JSON within bounds, weights as safetensors or as plain
tensors, no code of theirs, and no server asked unless MELISMA_DOWNLOAD allows it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from melisma.core.errors import InputError, MelismaError, ModelError, UnknownName
from melisma.models.features import HOP
from melisma.models.phone_net import PhoneNet, PhoneNetConfig
from melisma.models.pretrained import (
    Checkpoint,
    Vocabulary,
    check_settings,
    read_json,
    read_preparation,
    read_vocabulary,
)
from melisma.models.quiet import quiet
from melisma.train.ctc.config import CtcTrainingConfig
from melisma.train.ctc.trained import Kind

PHONE_NET, RANDOM = "phone-net", "random:"
# Networks of transformers that take samples and have the convolutions of wav2vec 2.0.
_TAKEN = frozenset(
    {"wav2vec2", "hubert", "wavlm", "unispeech", "unispeech-sat", "data2vec-audio", "wav2vec2-conformer"}
)
# Random wav2vec2 networks by name: tests learn ten clips by heart with the first, two cores a language with the second.
_RANDOM: dict[str, dict[str, Any]] = {
    "tiny": {
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 128,
        "conv_dim": (32,) * 7,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 4,
    },
    "small": {
        "hidden_size": 256,
        "num_hidden_layers": 6,
        "num_attention_heads": 4,
        "intermediate_size": 768,
        "conv_dim": (192,) * 7,
        "num_conv_pos_embeddings": 64,
        "num_conv_pos_embedding_groups": 8,
    },
}


@dataclass(frozen=True, slots=True)
class Shape:
    """How a network is made again, without its weights, and what is to be done to audio for it.

    Parameters
    ----------
    kind : Kind
        Of network.
    settings : dict
        Plain values: transformers' config, or the fields of `PhoneNetConfig`.
    normalise : bool
        Whether samples are brought to mean 0 and variance 1 over a clip.
    masked : bool
        Whether padding is told by an attention mask; networks with group norms were trained on zeros instead.
    """

    kind: Kind
    settings: dict[str, Any]
    normalise: bool
    masked: bool

    @property
    def stride(self) -> int:
        """Samples of a frame of its emission."""
        if self.kind is Kind.PHONE_NET:
            return int(self.settings["stride"]) * HOP
        found = 1
        for step in self.settings["conv_stride"]:
            found *= int(step)
        return found

    def make(self) -> nn.Module:
        """Make the network, with random weights.

        Raises
        ------
        ModelError
            If the settings describe none.
        """
        try:
            if self.kind is Kind.PHONE_NET:
                return PhoneNet(PhoneNetConfig(**{**self.settings, "dilations": tuple(self.settings["dilations"])}))
            from transformers import AutoConfig, AutoModelForCTC

            settings = dict(self.settings)
            check_settings(settings, "that is described")
            config = AutoConfig.for_model(_taken(settings.pop("model_type")), **settings)
            build: Any = AutoModelForCTC.from_config
            made: nn.Module = build(config)
            return made
        except MelismaError:
            raise
        except Exception as error:  # whatever transformers and torch raise on settings of strangers
            said = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
            raise ModelError(f"these settings describe no network: {said}") from error

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {**asdict(self), "kind": self.kind.value, "settings": json.dumps(self.settings)}

    @classmethod
    def of_dict(cls, said: dict[str, Any]) -> Shape:
        """Return the shape that `to_dict` has written."""
        return cls(Kind(said["kind"]), json.loads(said["settings"]), bool(said["normalise"]), bool(said["masked"]))


@dataclass(frozen=True, slots=True)
class Opened:
    """A network as it was found: its shape, and its vocabulary where it has one."""

    net: nn.Module
    shape: Shape
    vocabulary: Vocabulary | None
    name: str


def _taken(kind: object) -> str:
    if kind not in _TAKEN:
        raise UnknownName("kind of network that takes samples", str(kind)[:60], _TAKEN)
    return str(kind)


def open_network(config: CtcTrainingConfig) -> Opened:
    """Open the network that a training begins with.

    Raises
    ------
    InputError
        If there is no such network.
    EngineUnavailable
        If it is not on this machine and may not be fetched.
    ModelError
        If it is damaged, or of a kind that cannot be trained here.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        if config.model == PHONE_NET:
            return _phone_net(config)
        if config.model.startswith(RANDOM):
            return _random(config)
        return _pretrained(config)


def is_new(model: str) -> bool:
    """Whether a network by this name begins with random weights."""
    return model == PHONE_NET or model.startswith(RANDOM)


def opened_again(net: nn.Module, shape: Shape, vocabulary: Vocabulary, name: str, config: CtcTrainingConfig) -> Opened:
    """Return a network that was trained here, to be trained on: dropout and masks are those of the new training."""
    if shape.kind is Kind.PHONE_NET:
        changed = {} if config.dropout is None else {"dropout": config.dropout}
    else:
        changed = _trained_with(config)
    shape = replace(shape, settings={**shape.settings, **changed})
    made = shape.make()
    made.load_state_dict(net.state_dict())
    return Opened(made, shape, vocabulary, name)


def _phone_net(config: CtcTrainingConfig) -> Opened:
    wanted = config.phone_net
    dropout = 0.1 if config.dropout is None else config.dropout
    settings = asdict(PhoneNetConfig(2, wanted.channels, wanted.dilations, dropout=dropout, stride=wanted.stride))
    shape = Shape(Kind.PHONE_NET, settings, normalise=True, masked=False)
    return Opened(shape.make(), shape, None, PHONE_NET)


def _random(config: CtcTrainingConfig) -> Opened:
    name = config.model.removeprefix(RANDOM)
    if name not in _RANDOM:
        raise UnknownName("network with random weights", config.model, [f"{RANDOM}{each}" for each in _RANDOM])
    ends = {"vocab_size": 2, "pad_token_id": 0, "bos_token_id": None, "eos_token_id": None}
    settings = {
        "model_type": "wav2vec2",
        "feat_extract_norm": "group",
        **_RANDOM[name],
        **_trained_with(config),
        **ends,
    }
    made = Shape(Kind.TRANSFORMERS, settings, normalise=False, masked=False).make()
    return Opened(made, _shape_of(made, normalise=False), None, config.model)


def _trained_with(config: CtcTrainingConfig) -> dict[str, Any]:
    """Return what a training sets in the config of transformers."""
    said: dict[str, Any] = {
        "layerdrop": 0.0,
        "ctc_zero_infinity": True,
        "apply_spec_augment": config.mask_time > 0 or config.mask_feature > 0,
        "mask_time_prob": config.mask_time,
        "mask_time_length": config.mask_time_length,
        "mask_time_min_masks": 0,
        "mask_feature_prob": config.mask_feature,
        "mask_feature_length": config.mask_feature_length,
        "mask_feature_min_masks": 0,
    }
    if config.dropout is not None:
        places = ("hidden_dropout", "activation_dropout", "attention_dropout", "feat_proj_dropout", "final_dropout")
        said |= dict.fromkeys(places, config.dropout)
    return said


def _shape_of(net: Any, *, normalise: bool) -> Shape:
    settings = json.loads(net.config.to_json_string(use_diff=False))
    for name in ("_name_or_path", "transformers_version", "architectures", "dtype", "torch_dtype"):
        settings.pop(name, None)
    return Shape(Kind.TRANSFORMERS, settings, normalise, masked=settings.get("feat_extract_norm") != "group")


def _pretrained(config: CtcTrainingConfig) -> Opened:
    checkpoint = Checkpoint(config.model, config.revision)
    lacking = checkpoint.missing()
    if checkpoint.is_folder and lacking:
        raise InputError(lacking)
    folder = checkpoint.fetch()
    settings = read_json(folder / "config.json")
    if settings.get("model_type") == PHONE_NET:
        raise InputError(
            f"{folder} is a packaged phone network: begin with the folder of its training, or a checkpoint"
        )
    _taken(settings.get("model_type"))
    check_settings(settings, folder.name)
    wants = read_preparation(folder)
    if wants.sample_rate != 16000:
        raise ModelError(
            f"the model {folder.name} takes audio at {wants.sample_rate} Hz, and 16,000 Hz is prepared here"
        )
    has_labels = (folder / "vocab.json").is_file() or (folder / "tokenizer.json").is_file()
    vocabulary = read_vocabulary(folder) if has_labels else None
    net, lost = _load(folder, config)
    if any(not name.startswith("lm_head.") and not name.endswith("masked_spec_embed") for name in lost):
        raise ModelError(f"the model {folder.name} lacks weights, such as {lost[0]}")
    if any(name.startswith("lm_head.") for name in lost):
        vocabulary = None  # labels without a head that spells them
    return Opened(net, _shape_of(net, normalise=wants.normalise), vocabulary, checkpoint.name)


def _load(folder: Path, config: CtcTrainingConfig) -> tuple[nn.Module, list[str]]:
    from transformers import AutoModelForCTC

    try:
        with quiet():
            net, info = AutoModelForCTC.from_pretrained(
                str(folder),
                dtype=torch.float32,
                local_files_only=True,
                trust_remote_code=False,
                weights_only=True,
                output_loading_info=True,
                **_trained_with(config),
            )
    except Exception as error:  # whatever transformers, safetensors and torch raise on files of strangers
        said = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise ModelError(f"the model {folder.name} cannot be loaded: {said}") from error
    return net, sorted(info["missing_keys"])


def with_labels(opened: Opened, vocabulary: Vocabulary, seed: int) -> Opened:
    """Give a network a head for a vocabulary: its own where the labels are the same, else a new one.

    A label that the old vocabulary had as well, in either case, begins with what the old head knew of it.
    """
    old = opened.vocabulary
    if old is not None and old.labels == vocabulary.labels and old.blank == vocabulary.blank:
        return opened
    n = len(vocabulary.labels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if opened.shape.kind is Kind.PHONE_NET:
            shape = replace(opened.shape, settings={**opened.shape.settings, "n_labels": n})
            made = shape.make()
            trunk = {name: values for name, values in opened.net.state_dict().items() if not name.startswith("head.")}
            made.load_state_dict(trunk, strict=False)
            return replace(opened, net=made, shape=shape, vocabulary=vocabulary)
        net: Any = opened.net
        head = nn.Linear(net.lm_head.in_features, n)
        nn.init.normal_(head.weight, std=0.02)
        nn.init.zeros_(head.bias)
    if old is not None:
        _take_over(net.lm_head, head, old, vocabulary)
    net.lm_head = head
    net.config.vocab_size, net.config.pad_token_id = n, vocabulary.blank
    net.config.bos_token_id = net.config.eos_token_id = None  # ids of the old vocabulary
    return replace(opened, shape=_shape_of(net, normalise=opened.shape.normalise), vocabulary=vocabulary)


@torch.no_grad()
def _take_over(old: nn.Linear, new: nn.Linear, known: Vocabulary, wanted: Vocabulary) -> None:
    rows = {label: number for number, label in enumerate(known.labels) if label not in known.silent}
    if known.delimiter is not None:
        rows[known.delimiter] = known.labels.index(known.delimiter)
    for number, label in enumerate(wanted.labels):
        source = next((rows[form] for form in (label, label.upper(), label.lower()) if form in rows), None)
        source = known.blank if number == wanted.blank else source
        if source is not None:
            new.weight[number] = old.weight[source]
            new.bias[number] = old.bias[source]


def logits_of(
    net: nn.Module, shape: Shape, inputs: Tensor, lengths: Tensor, *, frozen: bool = False
) -> tuple[Tensor, Tensor]:
    """Run a network.

    Parameters
    ----------
    net, shape
        The network.
    inputs : float32 [batch, n_samples] or [batch, N_MELS, n_feature_frames]
        Samples, or normalised log-mels; zero beyond each length.
    lengths : int64 [batch]
        Samples or feature frames of each, on the CPU.
    frozen : bool
        Whether only the head is to learn.

    Returns
    -------
    logits : float [batch, n_frames, n_labels]
        Unnormalised scores.
    frames : int64 [batch]
        How many of them are of each item, on the CPU.
    """
    learns = torch.is_grad_enabled() and not frozen
    model: Any = net
    if shape.kind is Kind.PHONE_NET:
        frames = lengths // int(shape.settings["stride"])
        with torch.set_grad_enabled(learns):
            x = model.trunk(inputs, frames.to(inputs.device, non_blocking=True))
        return model.spell(x)[0].transpose(1, 2), frames
    mask = None
    if shape.masked:
        mask = (torch.arange(inputs.shape[1])[None] < lengths[:, None]).to(inputs.device, torch.long)
    with torch.set_grad_enabled(learns):
        hidden = model.base_model(inputs, attention_mask=mask).last_hidden_state
    frames = model._get_feat_extract_output_lengths(lengths).to(torch.int64)
    return model.lm_head(model.dropout(hidden)), frames.clamp(max=hidden.shape[1])
