"""Whisper checkpoints with random weights, converted as real ones are: for tests of what loads and runs them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from typing import Any

from melisma.text.whisper_languages import WHISPER_ORDER

_N_TEXT = 50_257  # tokens of text of the multilingual models
_N_TIMES = 1_501  # 0.00 to 30.00 s by 0.02


@dataclass(frozen=True, slots=True)
class RandomWhisper:
    """What a checkpoint with random weights is like; by default a tiny multilingual one.

    Parameters
    ----------
    multilingual : bool
        Whether it has the labels of the multilingual models.
    width, layers : int
        Of encoder and decoder.
    seed : int
        Of the weights.
    """

    multilingual: bool = True
    width: int = 16
    layers: int = 2
    seed: int = 0


def save_random_whisper(folder: str | Path, config: RandomWhisper | None = None) -> Path:
    """Save a checkpoint as `ct2-transformers-converter` does; needs the extras `[ctc]` and `[whisper]`.

    Its text tokens are bytes and made-up words behind a space, so that what it says are words.

    Returns
    -------
    Path
        The folder, which faster-whisper reads.
    """
    from ctranslate2.converters import TransformersConverter

    config = config or RandomWhisper()
    folder = Path(folder)
    whole = folder / "transformers"
    whole.mkdir(parents=True, exist_ok=True)
    _save_transformers(whole, config)
    converter = TransformersConverter(str(whole), copy_files=["tokenizer.json", "preprocessor_config.json"])
    return Path(converter.convert(str(folder / "ctranslate2"), force=True))


def _special(config: RandomWhisper) -> list[str]:
    languages = [f"<|{code}|>" for code in (WHISPER_ORDER if config.multilingual else WHISPER_ORDER[:1])]
    tasks = ["translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps"]
    times = [f"<|{0.02 * i:.2f}|>" for i in range(_N_TIMES)]
    return ["<|endoftext|>", "<|startoftranscript|>", *languages, *(f"<|{task}|>" for task in tasks), *times]


def _words() -> Iterator[str]:
    """Yield made-up words, each behind the byte-level sign of a space."""
    syllables = ["".join(pair) for pair in product("bdfgklmnprstvz", "aeiou")]
    for n in (1, 2, 3):
        yield from ("Ġ" + "".join(parts) for parts in product(syllables, repeat=n))


def _tokenizer(config: RandomWhisper) -> Any:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    vocabulary = {sign: i for i, sign in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    n_text = _N_TEXT if config.multilingual else 2_000
    for word in islice(_words(), n_text - 1 - len(vocabulary)):
        vocabulary[word] = len(vocabulary)
    # The empty token, the last of the multilingual models, is what CTranslate2 tells them by.
    vocabulary["" if config.multilingual else "Ġ."] = n_text - 1
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in _special(config)])
    return tokenizer


def _save_transformers(folder: Path, config: RandomWhisper) -> None:
    import torch
    import transformers

    library: Any = transformers
    tokenizer = _tokenizer(config)
    end, start = tokenizer.token_to_id("<|endoftext|>"), tokenizer.token_to_id("<|startoftranscript|>")
    sizes = {"layers": config.layers, "attention_heads": 2, "ffn_dim": 2 * config.width}
    settings = library.WhisperConfig(
        vocab_size=tokenizer.get_vocab_size(),
        d_model=config.width,
        **{f"{side}_{name}": size for side in ("encoder", "decoder") for name, size in sizes.items()},
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=start,
        suppress_tokens=[],
        begin_suppress_tokens=[],
    )
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        model = library.WhisperForConditionalGeneration(settings)
    # Else what follows would be made anew from the model's config, without it, when the checkpoint is read.
    model.generation_config._from_model_config = False
    model.generation_config.alignment_heads = [[i, i % 2] for i in range(config.layers)]
    languages = [text for text in _special(config) if text[2:-2] in WHISPER_ORDER]
    model.generation_config.lang_to_id = {text: tokenizer.token_to_id(text) for text in languages}
    bars: Any = library.utils.logging
    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        model.save_pretrained(folder)
    finally:
        if shown:
            bars.enable_progress_bar()
    library.WhisperFeatureExtractor(feature_size=80).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    kind = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(kind), encoding="utf-8")
