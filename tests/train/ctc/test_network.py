"""Networks: random ones, checkpoints as transformers saves them, heads that are kept or begin anew, and padding."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from melisma.core.errors import EngineUnavailable, InputError, ModelError, UnknownName
from melisma.models.pretrained import Vocabulary
from melisma.testing.checkpoints import RandomCtc, save_random_ctc
from melisma.train.ctc.config import CtcTrainingConfig
from melisma.train.ctc.network import Shape, logits_of, open_network, with_labels
from melisma.train.ctc.trained import Kind

LETTERS = Vocabulary(("<pad>", "<unk>", "|", "a", "b", "č"), 0, frozenset({"<pad>", "<unk>", "|"}), "|")


def opened(model, **settings):
    return open_network(CtcTrainingConfig(model=str(model), **settings))


@pytest.fixture(scope="module")
def layered(tmp_path_factory):
    return save_random_ctc(tmp_path_factory.mktemp("layer"))


def test_a_random_network_is_the_same_for_a_seed_and_leaves_other_draws_alone():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    one, two, other = (opened("random:tiny", seed=seed) for seed in (1, 1, 2))
    assert torch.rand(1) == expected
    weights = [each.net.state_dict()["lm_head.weight"] for each in (one, two, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert one.shape.stride == 320


def test_training_settings_reach_the_network():
    net = opened("random:tiny", mask_time=0.2, dropout=0.0).net
    said = (net.config.layerdrop, net.config.mask_time_prob, net.config.ctc_zero_infinity, net.config.hidden_dropout)
    assert said == (0.0, 0.2, True, 0.0)


def test_a_shape_makes_the_same_kind_of_network_again():
    found = opened("random:tiny")
    again = Shape.of_dict(json.loads(json.dumps(found.shape.to_dict())))
    assert again == found.shape
    again.make().load_state_dict(found.net.state_dict())


def test_a_checkpoint_keeps_its_head_where_its_labels_are_wanted(layered):
    found = opened(layered)
    assert (found.shape.kind, found.shape.normalise, found.shape.masked) == (Kind.TRANSFORMERS, True, True)
    assert with_labels(found, found.vocabulary, 1) is found


def test_a_new_head_begins_with_what_the_old_one_knew(layered):
    found = opened(layered)
    old = found.net.lm_head.weight.detach().clone()
    made = with_labels(found, LETTERS, 1)
    new = made.net.lm_head.weight.detach()
    assert new.shape[0] == made.net.config.vocab_size == 6
    labels = found.vocabulary.labels
    assert torch.equal(new[3], old[labels.index("a")])
    assert torch.equal(new[0], old[found.vocabulary.blank])
    assert torch.equal(new[2], old[labels.index("|")])
    assert not any(torch.equal(new[5], row) for row in old)


def test_group_norms_hear_zeros_and_layer_norms_are_told_what_is_padding(tmp_path, layered):
    grouped = save_random_ctc(tmp_path / "group", RandomCtc(normalise=False, more=(("feat_extract_norm", "group"),)))
    assert not opened(grouped).shape.masked
    found = opened(layered)
    found.net.eval()
    samples = torch.from_numpy(np.random.default_rng(1).normal(0, 1, (1, 6400)).astype(np.float32))
    padded = torch.nn.functional.pad(samples, (0, 6400))
    with torch.no_grad():
        alone, frames = logits_of(found.net, found.shape, samples, torch.tensor([6400]))
        beside, same = logits_of(found.net, found.shape, padded, torch.tensor([6400]))
    assert frames.tolist() == same.tolist() == [alone.shape[1]]
    torch.testing.assert_close(beside[:, : int(frames[0])], alone, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("model", ["random:tiny", "phone-net"])
def test_a_frozen_network_learns_in_its_head_alone(model):
    found = with_labels(opened(model), LETTERS, 1)
    found.net.train()
    if model == "phone-net":
        inputs, lengths = torch.randn(2, 64, 64), torch.tensor([64, 48])
    else:
        inputs, lengths = torch.randn(2, 6400), torch.tensor([6400, 4800])
    logits, frames = logits_of(found.net, found.shape, inputs, lengths, frozen=True)
    logits.sum().backward()
    learnt = {name.split(".")[0] for name, weight in found.net.named_parameters() if weight.grad is not None}
    assert learnt <= {"lm_head", "head"}
    assert learnt
    assert logits.shape[2] == 6
    assert (frames <= logits.shape[1]).all()


@pytest.mark.parametrize(
    ("model", "error", "match"),
    [
        ("random:huge", UnknownName, "random:tiny"),
        ("./nowhere", InputError, "there is no folder"),
        ("facebook/not-here-at-all", EngineUnavailable, "hf download"),
    ],
)
def test_a_network_that_is_not_there_is_one_sentence(model, error, match, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(error, match=match):
        opened(model)


def test_a_network_of_another_kind_is_refused(tmp_path):
    folder = save_random_ctc(tmp_path / "bert", RandomCtc(kind="wav2vec2-bert"))
    with pytest.raises(UnknownName, match="wav2vec2-bert"):
        opened(folder)


def test_a_damaged_checkpoint_is_one_sentence(tmp_path):
    folder = save_random_ctc(tmp_path / "damaged")
    (folder / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ModelError, match="cannot be loaded"):
        opened(folder)


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation", "kernel_config"])
def test_settings_that_want_code_of_others_are_refused(tmp_path, key):
    from melisma.engines._networks import open_transformers
    from melisma.engines.device import ON_CPU
    from melisma.train.ctc.packaged import open_trained

    folder = save_random_ctc(tmp_path / "strange")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, key: "somebody/kernels"}))
    readers = (lambda: opened(folder), lambda: open_trained(folder), lambda: open_transformers(folder, ON_CPU))
    for read in readers:
        with pytest.raises(ModelError, match=f"want code that is not in transformers: {key}"):
            read()


@pytest.mark.parametrize(
    "settings", [{"attn_implementation": "somebody/kernels"}, {"conv_kernel": "x"}, {"hidden_act": "os.system"}]
)
def test_settings_of_no_network_are_one_sentence(settings):
    shape = opened("random:tiny").shape
    with pytest.raises(ModelError, match="settings"):
        replace(shape, settings={**shape.settings, **settings}).make()


def test_a_network_without_a_head_gets_one(tmp_path, layered):
    from safetensors.torch import load_file, save_file

    weights = {k: v for k, v in load_file(layered / "model.safetensors").items() if not k.startswith("lm_head")}
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_bytes((layered / name).read_bytes())
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    found = opened(tmp_path)
    assert found.vocabulary is None
    assert with_labels(found, LETTERS, 1).net.lm_head.out_features == 6
