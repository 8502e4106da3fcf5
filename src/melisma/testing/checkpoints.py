"""CTC checkpoints with random weights, saved as transformers saves real ones: for tests and for measuring speed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# In an order that no vocabulary of the field has, so that a guess at it would be found out.
LABELS = ("<pad>", "<s>", "</s>", "<unk>", "|", *"zyxwvutsrqponmlkjihgfedcba", "'")
_KINDS = {
    "wav2vec2": ("Wav2Vec2Config", "Wav2Vec2ForCTC"),
    "hubert": ("HubertConfig", "HubertForCTC"),
    "wavlm": ("WavLMConfig", "WavLMForCTC"),
    "wav2vec2-bert": ("Wav2Vec2BertConfig", "Wav2Vec2BertForCTC"),
}


@dataclass(frozen=True, slots=True)
class RandomCtc:
    """What a checkpoint with random weights is like; by default a tiny one.

    Parameters
    ----------
    kind : str
        wav2vec2, hubert, wavlm or wav2vec2-bert.
    labels : tuple of str
        In the order of their ids.
    blank : str
        The label that pads, and that CTC takes for its blank.
    normalise : bool
        Whether the network wants audio of mean 0 and variance 1.
    more : tuple of (str, value)
        For the config of transformers; `hidden_size`, `num_hidden_layers`, `feat_extract_norm` and so on.
    seed : int
        Of the weights.
    """

    kind: str = "wav2vec2"
    labels: tuple[str, ...] = LABELS
    blank: str = "<pad>"
    normalise: bool = True
    more: tuple[tuple[str, Any], ...] = ()
    seed: int = 0


def save_random_ctc(folder: str | Path, config: RandomCtc | None = None) -> Path:
    """Save a checkpoint: config, weights, vocabulary and what is to be done to audio.

    Needs the extra `[ctc]`. The convolutions have the kernels and strides of real ones: a frame every 20 ms.

    Returns
    -------
    Path
        The folder, which transformers' `from_pretrained` reads.
    """
    import torch
    import transformers

    config = config or RandomCtc()
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    config_name, model_name = _KINDS[config.kind]
    settings = _sizes(config.kind) | dict(config.more)
    settings |= {"vocab_size": len(config.labels), "pad_token_id": config.labels.index(config.blank)}
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        model = getattr(transformers, model_name)(getattr(transformers, config_name)(**settings))
        torch.nn.init.normal_(model.lm_head.weight, std=1.0)  # so that labels differ as they do in a trained one
    logging: Any = transformers.utils.logging
    bar = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    model.save_pretrained(folder)
    if bar:
        logging.enable_progress_bar()
    _save_processor(folder, config)
    return folder


def _sizes(kind: str) -> dict[str, Any]:
    tiny: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
    }
    if kind == "wav2vec2-bert":
        return {**tiny, "feature_projection_input_dim": 160}
    tiny |= {"num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2, "feat_extract_norm": "layer"}
    return {**tiny, "conv_dim": (8,) * 7}


def _save_processor(folder: Path, config: RandomCtc) -> None:
    import transformers

    library: Any = transformers
    ids = {label: number for number, label in enumerate(config.labels)}
    vocabulary = folder / "vocab.json"
    vocabulary.write_text(json.dumps(ids, ensure_ascii=False), encoding="utf-8")
    library.Wav2Vec2CTCTokenizer(str(vocabulary), pad_token=config.blank).save_pretrained(str(folder))
    if config.kind == "wav2vec2-bert":
        extractor = library.SeamlessM4TFeatureExtractor(feature_size=80, num_mel_bins=80, stride=2)
    else:
        extractor = library.Wav2Vec2FeatureExtractor(do_normalize=config.normalise)
    extractor.save_pretrained(str(folder))
