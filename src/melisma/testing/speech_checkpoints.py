"""Speech encoders with random weights, saved as transformers saves real ones: for tests and for measuring speed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

_CLASSES = {
    "wav2vec2": "Wav2Vec2",
    "hubert": "Hubert",
    "wavlm": "WavLM",
    "data2vec-audio": "Data2VecAudio",
    "unispeech": "UniSpeech",
    "unispeech-sat": "UniSpeechSat",
}


@dataclass(frozen=True, slots=True)
class RandomEncoder:
    """What a speech encoder with random weights is like; by default a tiny one built as XLSR-53 is.

    Parameters
    ----------
    kind : str
        wav2vec2, hubert, wavlm, data2vec-audio, unispeech or unispeech-sat.
    stable : bool
        Layer norms before attention, and convolutions normalised by layer, as in the large networks; else as in the
        base ones, by group.
    n_layers, n_dims : int
        Of the transformer.
    normalise : bool
        Whether it wants audio of mean 0 and variance 1.
    more : tuple of (str, value)
        For the config of transformers.
    seed : int
        Of the weights.
    """

    kind: str = "wav2vec2"
    stable: bool = True
    n_layers: int = 3
    n_dims: int = 16
    normalise: bool = True
    more: tuple[tuple[str, Any], ...] = ()
    seed: int = 0


def save_random_encoder(folder: str | Path, config: RandomEncoder | None = None) -> Path:
    """Save a checkpoint: config, weights, and what is to be done to audio. Needs torch and transformers.

    Returns
    -------
    Path
        The folder, which transformers' `from_pretrained` reads.
    """
    import torch
    import transformers

    library: Any = transformers
    config = config or RandomEncoder()
    settings: dict[str, Any] = {
        "hidden_size": config.n_dims,
        "num_hidden_layers": config.n_layers,
        "num_attention_heads": 2,
        "intermediate_size": 2 * config.n_dims,
        "conv_dim": (8,) * 7,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 2,
        "initializer_range": 0.2,  # so that layers differ as they do in a trained one
    }
    if config.kind != "data2vec-audio":
        settings["feat_extract_norm"] = "layer" if config.stable else "group"
        settings["do_stable_layer_norm"] = config.stable
    name = _CLASSES[config.kind]
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        net = getattr(library, f"{name}Model")(getattr(library, f"{name}Config")(**settings | dict(config.more)))
    bars = library.utils.logging.is_progress_bar_enabled()
    library.utils.logging.disable_progress_bar()
    net.save_pretrained(str(folder))
    if bars:
        library.utils.logging.enable_progress_bar()
    library.Wav2Vec2FeatureExtractor(do_normalize=config.normalise).save_pretrained(str(folder))
    return Path(folder)
