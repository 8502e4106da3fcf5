"""Formulas held against real networks: how many weights, how many operations torch counts, what a step keeps."""

from __future__ import annotations

import math

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import WhisperConfig, WhisperForConditionalGeneration

from melisma.core.errors import InputError
from melisma.train.plan.compute import forward, step_operations
from melisma.train.plan.shapes import (
    KNOWN,
    adapter_weights,
    decoder_weights,
    encoder_weights,
    learnt_weights,
    shape_of,
    weights,
)
from melisma.train.plan.storage import checkpoint_gb, memory_gb
from melisma.train.whisper.config import Lora, WhisperTrainingConfig
from melisma.train.whisper.network import tuned

SHAPES = [(16, 1, 2, 64, 80, 300), (24, 3, 1, 40, 128, 517)]  # width, encoder, decoder, ffn, mels, vocabulary


def network(width, encoder, decoder, ffn, mels, vocabulary):
    config = WhisperConfig(
        vocab_size=vocabulary,
        d_model=width,
        encoder_layers=encoder,
        decoder_layers=decoder,
        encoder_ffn_dim=ffn,
        decoder_ffn_dim=ffn,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        num_mel_bins=mels,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
        decoder_start_token_id=1,
        suppress_tokens=None,
        begin_suppress_tokens=None,
        attn_implementation="eager",
    )
    return WhisperForConditionalGeneration(config)


def counted(net, mels, n_tokens, n_windows=1, *, learn=True):
    """Count the operations of a step as torch does."""
    heard = torch.zeros(n_windows, mels, 3000)
    ids = torch.zeros(n_windows, n_tokens, dtype=torch.long)
    with FlopCounterMode(display=False) as counter:
        out = net(input_features=heard, decoder_input_ids=ids, use_cache=False).logits
        if learn:
            out.sum().backward()
    return counter.get_total_flops()


@pytest.mark.parametrize("sizes", SHAPES)
def test_weights_are_those_of_the_network(sizes):
    net = network(*sizes)
    shape = shape_of(net.config.to_dict())
    assert weights(shape) == sum(p.numel() for p in net.parameters())
    assert encoder_weights(shape) == sum(p.numel() for p in net.model.encoder.parameters())
    assert decoder_weights(shape) == sum(p.numel() for p in net.model.decoder.parameters())


@pytest.mark.parametrize("tuning", ["full", "frozen-encoder", "lora"])
@pytest.mark.parametrize("sizes", SHAPES)
def test_what_is_learnt_is_what_the_training_learns(sizes, tuning):
    config = WhisperTrainingConfig(tuning=tuning, lora=Lora(rank=3, targets=("q_proj", "fc2")))
    net = network(*sizes)
    shape = shape_of(net.config.to_dict())
    learnt = sum(p.numel() for p in tuned(net, config).parameters() if p.requires_grad)
    assert learnt_weights(shape, tuning, config.lora) == learnt


@pytest.mark.parametrize("n_tokens", [5, 40])
@pytest.mark.parametrize("sizes", SHAPES)
def test_hearing_costs_what_torch_counts(sizes, n_tokens):
    net = network(*sizes)
    shape = shape_of(net.config.to_dict())
    assert forward(shape, n_tokens).total == counted(net, shape.mels, n_tokens, learn=False)
    assert 2 * forward(shape, n_tokens).total == counted(net, shape.mels, n_tokens, 2, learn=False)


@pytest.mark.filterwarnings("ignore:`gradient_checkpointing_enable` is deprecated")
@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("tuning", ["full", "frozen-encoder"])
@pytest.mark.parametrize("sizes", SHAPES)
def test_learning_costs_what_torch_counts(sizes, tuning, again):
    config = WhisperTrainingConfig(tuning=tuning, gradient_checkpointing=again)
    net = tuned(network(*sizes), config).train()
    shape = shape_of(net.config.to_dict())
    assert step_operations(shape, 20, tuning, again=again) == counted(net, shape.mels, 20)


def test_adapters_cost_what_torch_counts_but_for_their_own():
    """Of a width at which adapters are as small beside the rest as they are in practice."""
    net = tuned(network(64, 3, 3, 256, 80, 300), WhisperTrainingConfig(tuning="lora", lora=Lora(rank=1)))
    shape = shape_of(net.config.to_dict())
    assert step_operations(shape, 20, "lora") == pytest.approx(counted(net, 80, 20), rel=0.05)


def test_the_known_models_have_the_weights_of_their_cards():
    """Radford et al., table 1: 39, 74, 244, 769 and 1550 million; the turbo's card: 809."""
    said = {"tiny": 39, "base": 74, "small": 244, "medium": 769, "large-v2": 1550, "large-v3-turbo": 809}
    for name, millions in said.items():
        assert weights(KNOWN[f"openai/whisper-{name}"]) / 1e6 == pytest.approx(millions, rel=0.035)


@pytest.mark.parametrize("wrong", [{}, {"d_model": "x"}, {"d_model": -1}, {"d_model": 10**9}])
def test_a_configuration_of_something_else_is_refused(wrong):
    whole = WhisperConfig().to_dict()
    with pytest.raises(InputError, match="no configuration of a Whisper"):
        shape_of((whole | wrong) if wrong else {})


def test_adapters_of_layers_that_are_none_cost_nothing():
    assert adapter_weights(KNOWN["openai/whisper-tiny"], Lora(targets=("nothing",))) == 0


@pytest.mark.parametrize("tuning", ["full", "lora"])
def test_a_checkpoint_has_the_size_that_is_planned(tuning, tmp_path):
    config = WhisperTrainingConfig(tuning=tuning, lora=Lora(rank=64))
    net = tuned(network(256, 2, 2, 512, 80, 2000), config)
    learnt = [p for p in net.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(learnt)
    for parameter in learnt:
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step()
    net.save_pretrained(tmp_path)
    torch.save(optimiser.state_dict(), tmp_path / "optimizer.pt")
    n_bytes = sum(path.stat().st_size for path in tmp_path.iterdir())
    shape = shape_of(net.config.to_dict())
    assert n_bytes / 1e9 == pytest.approx(checkpoint_gb(shape, config), rel=0.03)


def kept_bytes(net, mels, n_tokens, n_windows):
    """Count what a step keeps for the way back, each storage once, without the weights."""
    known = {p.untyped_storage().data_ptr() for p in net.parameters()}
    found: dict[int, int] = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    heard = torch.zeros(n_windows, mels, 3000)
    ids = torch.zeros(n_windows, n_tokens, dtype=torch.long)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        out = net(input_features=heard, decoder_input_ids=ids, use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(out.float().flatten(0, 1), ids.flatten())
    assert math.isfinite(float(loss.detach()))
    return sum(found.values())


@pytest.mark.parametrize("sizes", [(64, 2, 2, 256, 80, 1000), (96, 4, 1, 384, 80, 2000)])
def test_memory_of_a_batch_is_reckoned_to_a_third(sizes):
    config = WhisperTrainingConfig(batch_size=2)
    net = network(*sizes)
    net.set_attn_implementation("sdpa")
    shape = shape_of(net.config.to_dict())
    _, batch = memory_gb(shape, 50, config, 1)
    assert batch == pytest.approx(kept_bytes(tuned(net, config).train(), 80, 50, 2) / 1e9, rel=0.34)
