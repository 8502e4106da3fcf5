"""The networks that are trained: any checkpoint of Whisper, an earlier training, or one with random weights.

A checkpoint is taken from whoever made it without trusting it: JSON within bounds, weights as safetensors or as plain
tensors, no code of theirs, and no server asked unless MELISMA_DOWNLOAD allows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from melisma.core.errors import InputError, ModelError
from melisma.models.pretrained import Checkpoint, check_settings, content_hash, read_json
from melisma.models.quiet import quiet
from melisma.train.whisper.config import Shape, WhisperTrainingConfig
from melisma.train.whisper.processor import open_processor
from melisma.train.whisper.vocabulary import give_vocabulary

RANDOM = "random:"
TINY = Shape(width=64, heads=2, encoder_layers=2, decoder_layers=2)
_POSITIONS = 1500  # of the encoder: 30 s by 0.02


@dataclass(frozen=True, slots=True)
class Opened:
    """A network with the words of its processor.

    Parameters
    ----------
    model : WhisperForConditionalGeneration
        On the CPU, float32.
    name : str
        What a manifest says of it.
    fingerprint : str
        Of the files that it was read from; empty where it began with random weights.
    """

    model: Any
    name: str
    fingerprint: str = ""


def is_random(model: str) -> bool:
    """Whether a name says a network that begins with random weights."""
    return model.startswith(RANDOM)


def source(config: WhisperTrainingConfig) -> Path | None:
    """Return the folder that a training begins with; None if its network begins with random weights.

    An earlier training stands for the best it has; see `melisma.train.whisper.trained`.

    Raises
    ------
    InputError, EngineUnavailable
        If it is not on this machine and may not be fetched, or is no checkpoint of Whisper.
    """
    if is_random(config.model):
        _shape(config)
        return None
    checkpoint = Checkpoint(config.model, config.revision)
    lacking = checkpoint.missing()
    if checkpoint.is_folder and lacking:
        raise InputError(lacking)
    folder = checkpoint.fetch()
    settings = read_json(folder / "config.json")
    if settings.get("model_type") != "whisper":
        raise InputError(f"the model {checkpoint.name} is a {str(settings.get('model_type'))[:40]}, not a Whisper")
    check_settings(settings, folder.name)
    return folder


def open_network(config: WhisperTrainingConfig, folder: Path | None, processor: Any) -> Opened:
    """Load the network that a training begins with, and make it one of the processor's vocabulary.

    Parameters
    ----------
    config : WhisperTrainingConfig
        What is trained.
    folder : Path, optional
        Of the checkpoint, as `source` has found it; without one the weights are random.
    processor : transformers.WhisperProcessor
        Whose tokens it spells, and whose log-mels it hears.

    Raises
    ------
    InputError
        If the network hears other log-mels.
    ModelError
        If the checkpoint is damaged.
    """
    if folder is None:
        model = _random(config, processor)
    else:
        model = load(folder, **trained_with(config))
        if config.processor:
            _fit_vocabulary(model, config, folder, processor)
    mels = int(processor.feature_extractor.feature_size)
    if model.config.num_mel_bins != mels:
        raise InputError(
            f"the model {config.model} hears {model.config.num_mel_bins} mel bands and the processor makes {mels}: "
            f"build a processor with {model.config.num_mel_bins}"
        )
    name = config.model if folder is None else Checkpoint(config.model, config.revision).name
    return Opened(model, name, "" if folder is None else content_hash(folder))


def _fit_vocabulary(model: Any, config: WhisperTrainingConfig, folder: Path, processor: Any) -> None:
    old = open_processor(folder).tokenizer.get_vocab()
    if old == processor.tokenizer.get_vocab():
        return
    if config.tuning == "lora":
        raise InputError(
            f"the processor {config.processor} has other tokens than {config.model}, and adapters learn none: "
            "give --tuning full, or leave --processor out"
        )
    give_vocabulary(model, old, processor, config.seed)


def load(folder: Path, **settings: Any) -> Any:
    """Load a checkpoint of Whisper as float32, with settings in place of its own.

    Raises
    ------
    ModelError
        If it is damaged, not whole, or wants code that is not in transformers.
    """
    import transformers

    check_settings(read_json(folder / "config.json"), folder.name)

    kind: Any = transformers.WhisperForConditionalGeneration
    try:
        with quiet():
            model, info = kind.from_pretrained(
                str(folder),
                dtype=torch.float32,
                local_files_only=True,
                weights_only=True,
                output_loading_info=True,
                **settings,
            )
    except Exception as error:  # whatever transformers, safetensors and torch raise on files of strangers
        said = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise ModelError(f"the model {folder.name} cannot be loaded: {said}") from error
    lost = sorted(name for name in info["missing_keys"] if not name.startswith("proj_out."))
    if lost:
        raise ModelError(f"the model {folder.name} lacks weights, such as {lost[0]}")
    return model


def _shape(config: WhisperTrainingConfig) -> Shape:
    shapes = {"tiny": TINY, "custom": config.shape}
    name = config.model.removeprefix(RANDOM)
    if name not in shapes:
        raise InputError(f"there is no network {config.model[:60]}: take random:tiny, or random:custom with a shape")
    return shapes[name]


def _random(config: WhisperTrainingConfig, processor: Any) -> Any:
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    shape, tokenizer = _shape(config), processor.tokenizer
    end, start = (tokenizer.convert_tokens_to_ids(f"<|{token}|>") for token in ("endoftext", "startoftranscript"))
    sides = {"attention_heads": shape.heads, "ffn_dim": 4 * shape.width}
    make: Any = WhisperConfig
    settings = make(
        vocab_size=len(tokenizer),
        d_model=shape.width,
        num_mel_bins=int(processor.feature_extractor.feature_size),
        max_source_positions=_POSITIONS,
        encoder_layers=shape.encoder_layers,
        decoder_layers=shape.decoder_layers,
        **{f"{side}_{key}": value for side in ("encoder", "decoder") for key, value in sides.items()},
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=start,
        suppress_tokens=None,
        begin_suppress_tokens=None,
        **trained_with(config),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return WhisperForConditionalGeneration(settings)


def trained_with(config: WhisperTrainingConfig) -> dict[str, Any]:
    """Return what a training sets in the config of transformers."""
    said: dict[str, Any] = {
        "apply_spec_augment": config.mask_time > 0 or config.mask_feature > 0,
        "mask_time_prob": config.mask_time,
        "mask_time_min_masks": 0,
        "mask_feature_prob": config.mask_feature,
        "mask_feature_min_masks": 0,
    }
    return said if config.dropout is None else said | {"dropout": config.dropout}


def tuned(model: Any, config: WhisperTrainingConfig) -> Any:
    """Return a network of which only that learns what is to: all of it, its decoder, or adapters.

    Raises
    ------
    InputError
        If no layer of it is named as the adapters' targets are.
    """
    # Sines, which stay what they are; transformers forgets it when it reads them from a file.
    model.model.encoder.embed_positions.requires_grad_(False)
    if config.gradient_checkpointing:
        _recompute(model)
    if config.tuning == "frozen-encoder":
        model.freeze_encoder()
    if config.tuning != "lora":
        return model
    from peft import LoraConfig, get_peft_model

    lora = config.lora
    make: Any = LoraConfig
    settings = make(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=list(lora.targets), bias="none"
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        try:
            with quiet():
                return get_peft_model(model, settings)
        except ValueError as error:
            named = " or ".join(lora.targets)
            raise InputError(f"lora.targets: no layer of {config.model} is called {named}") from error


def _recompute(model: Any) -> None:
    """Have a network compute its activations twice and keep few of them; older transformers call it otherwise."""
    how = {"use_reentrant": False}
    if hasattr(model, "activation_checkpointing_enable"):
        model.activation_checkpointing_enable(activation_checkpointing_kwargs=how)
    else:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=how)


def plain(model: Any) -> Any:
    """Return the Whisper in a network that may have adapters, which stay in it."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def merged(model: Any) -> Any:
    """Return a Whisper with the weights of its adapters added to its own; itself where it has none."""
    return model.merge_and_unload() if hasattr(model, "merge_and_unload") else model
