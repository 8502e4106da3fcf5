"""What a trained Whisper is told about speaking: its languages, its task, and tokens that it may not say.

Left as a checkpoint has them, these make a tuned model answer in another language or translate
(transformers issue 28814), and a new tokenizer has its tokens under other ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from melisma.train.whisper.tokenizer import tokens_of

_INITIAL = 50  # a first time of one second at most: 50 steps of 0.02 s, as OpenAI's decoding has it
_STEERING = ("startoftranscript", "translate", "transcribe", "startoflm", "startofprev", "nospeech", "nocaptions")


def settle(model: Any, processor: Any, languages: Sequence[str], task: str) -> None:
    """Write into a network's generation config, in place, what its processor and its training data say.

    Parameters
    ----------
    model : WhisperForConditionalGeneration
        The network.
    processor : transformers.WhisperProcessor
        Its own.
    languages : sequence of str
        Codes of the language tokens that it was trained with. A single one is what it speaks unless told otherwise;
        among several it finds the language out.
    task : str
        transcribe or translate.
    """
    said, tokens = model.generation_config, tokens_of(processor)
    said.is_multilingual = tokens.multilingual
    said.decoder_start_token_id = tokens.start
    said.eos_token_id = said.pad_token_id = said.bos_token_id = tokens.end
    said.no_timestamps_token_id = tokens.no_timestamps
    said.prev_sot_token_id = processor.tokenizer.convert_tokens_to_ids("<|startofprev|>")
    said.max_initial_timestamp_index = _INITIAL
    said.max_length = int(model.config.max_target_positions)
    said.forced_decoder_ids = model.config.forced_decoder_ids = None
    said.lang_to_id = {f"<|{code}|>": number for code, number in tokens.languages.items()} or None
    said.task_to_id = dict(tokens.tasks) if tokens.multilingual else None
    said.language = languages[0] if tokens.multilingual and len(languages) == 1 else None
    said.task = task if tokens.multilingual else None
    said.return_timestamps = False
    said.alignment_heads = _heads(said, model.config)
    _suppress(said, processor.tokenizer, tokens.end)
    # Else transformers makes it anew from the model's config, without all of this, when the network is saved.
    said._from_model_config = False
    model.config.suppress_tokens = model.config.begin_suppress_tokens = None


def _heads(said: Any, config: Any) -> list[list[int]]:
    """Return the heads that word times are read from: those of the checkpoint, else all of the upper layers."""
    n_layers, n_heads = int(config.decoder_layers), int(config.decoder_attention_heads)
    given = getattr(said, "alignment_heads", None) or []
    if given and all(layer < n_layers and head < n_heads for layer, head in given):
        return [list(pair) for pair in given]
    return [[layer, head] for layer in range(n_layers // 2, n_layers) for head in range(n_heads)]


def _suppress(said: Any, tokenizer: Any, end: int) -> None:
    """Let an utterance begin with neither a space alone nor its end, and never hold a token that steers."""
    known = tokenizer.get_vocab()
    never = {known[f"<|{name}|>"] for name in _STEERING if f"<|{name}|>" in known}
    given = getattr(said, "suppress_tokens", None) or []
    said.suppress_tokens = sorted(never | {number for number in given if 0 <= number < len(tokenizer)})
    said.begin_suppress_tokens = sorted({end} | {known[space] for space in ("Ġ",) if space in known})
