"""A Whisper that says one text to whatever it hears: made by hand, not trained, and certain of every token."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whisper_clips import small_processor

WIDTH = 64
TEXT = "Dobar dan, svijete!"
LOOP = " Gdje"  # what it says once its text is over, again and again
_PROMPT = 4  # start, language, task, no timestamps


@dataclass(frozen=True)
class Speaking:
    """What it says, and which token it ends with; a checkpoint may have another one than Whisper's."""

    text: str = TEXT  # without one its weights are random
    end: str = "<|endoftext|>"
    languages: tuple[str, ...] = ("bs", "hr", "sr")


def speaking_model(config: Speaking = Speaking()) -> tuple[Any, Any]:
    """Return the model and its processor.

    The layers of the decoder add nothing, so that what it says next is decided by the place alone: the embedding of a
    place points at the token that comes there.
    """
    import torch
    import transformers

    from melisma.train.whisper.generation import settle

    processor = small_processor()
    tokenizer = processor.tokenizer
    with torch.random.fork_rng():
        torch.manual_seed(0)
        sizes = {f"{side}_{name}": n for side in ("encoder", "decoder") for name, n in SIZES.items()}
        own, start = (tokenizer.convert_tokens_to_ids(f"<|{each}|>") for each in ("endoftext", "startoftranscript"))
        marks = {"pad_token_id": own, "bos_token_id": own, "eos_token_id": own, "decoder_start_token_id": start}
        settings = transformers.WhisperConfig(vocab_size=len(tokenizer), d_model=WIDTH, **sizes, **marks)
        model = transformers.WhisperForConditionalGeneration(settings).eval()
        settle(model, processor, list(config.languages), "transcribe")
        if not config.text:  # random weights: what it says depends on what it hears
            for parameter in model.parameters():
                parameter.data *= 4.0
            return model, processor
        said = tokenizer(config.text, add_special_tokens=False).input_ids
        end = tokenizer.convert_tokens_to_ids(config.end)
        round_and_round = tokenizer(LOOP, add_special_tokens=False).input_ids
        _speak(model, [*said, end], round_and_round)
        model.generation_config.eos_token_id = model.config.eos_token_id = end
        # Whisper's own end is not one that such a checkpoint would say.
        model.generation_config.suppress_tokens = [
            token for token in model.generation_config.suppress_tokens or [] if token != end
        ]
    return model, processor


SIZES = {"layers": 2, "attention_heads": 2, "ffn_dim": 2 * WIDTH}


def _speak(model: Any, said: list[int], then: list[int]) -> None:
    import torch

    decoder = model.model.decoder
    with torch.no_grad():
        for layer in decoder.layers:
            for part in (layer.self_attn.out_proj, layer.encoder_attn.out_proj, layer.fc2):
                part.weight.zero_()
                part.bias.zero_()
        tokens = torch.randn(decoder.embed_tokens.weight.shape)
        tokens -= tokens.mean(dim=1, keepdim=True)
        tokens /= tokens.norm(dim=1, keepdim=True)
        decoder.embed_tokens.weight.copy_(tokens)
        places = decoder.embed_positions.weight
        places.zero_()
        for place in range(_PROMPT - 1, len(places)):
            number = place - _PROMPT + 1
            token = said[number] if number < len(said) else then[(number - len(said)) % len(then)]
            places[place] = 20 * tokens[token]


def save_speaking(folder: Path, config: Speaking = Speaking()) -> Path:
    """Save it as transformers does."""
    from melisma.train.whisper.processor import save_processor

    model, processor = speaking_model(config)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    save_processor(processor, folder)
    return folder
