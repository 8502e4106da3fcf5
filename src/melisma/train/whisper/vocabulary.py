"""A Whisper that is given other tokens than it was trained with: what it knew of those that stay is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from melisma.train.whisper.tokenizer import tokens_of


def give_vocabulary(model: Any, old: Mapping[str, int], processor: Any, seed: int) -> int:
    """Give a network the vocabulary of another processor, in place; return how many tokens it knew.

    Tokens that both have, those of languages, tasks and times among them, keep what was learnt; the others begin with
    random vectors of the same mean and spread. What it may not say are the same tokens by their new ids.

    Parameters
    ----------
    model : WhisperForConditionalGeneration
        The network.
    old : mapping
        Id of each token that it was trained with.
    processor : transformers.WhisperProcessor
        Of the new ones.
    seed : int
        Another one draws others.
    """
    new: dict[str, int] = processor.tokenizer.get_vocab()
    before = model.get_input_embeddings().weight.detach().clone()
    kept = [(number, old[token]) for token, number in new.items() if old.get(token, len(before)) < len(before)]
    tokens, config = tokens_of(processor), model.config
    model.resize_token_embeddings(max(new.values()) + 1, mean_resizing=False)
    config.decoder_start_token_id = tokens.start
    config.bos_token_id = config.eos_token_id = config.pad_token_id = tokens.end
    drawn = torch.randn(max(new.values()) + 1, before.shape[1], generator=torch.Generator().manual_seed(seed))
    drawn = drawn * before.std(0) + before.mean(0)
    if kept:
        here, there = map(list, zip(*kept, strict=True))
        drawn[here] = before[there]
    _forbid_the_same(model, old, new)
    embedding = model.get_input_embeddings()
    embedding.padding_idx = tokens.end
    with torch.no_grad():
        embedding.weight.copy_(drawn)
    model.tie_weights()
    return len(kept)


def _forbid_the_same(model: Any, old: Mapping[str, int], new: Mapping[str, int]) -> None:
    """Rewrite the ids of tokens that a network may not say; those of others would be words of the new vocabulary."""
    said, names = model.generation_config, {number: token for token, number in old.items()}
    for key in ("suppress_tokens", "begin_suppress_tokens"):
        tokens = [names[number] for number in getattr(said, key, None) or () if number in names]
        setattr(said, key, [new[token] for token in tokens if token in new])
