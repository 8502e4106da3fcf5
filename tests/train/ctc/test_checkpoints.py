"""Checkpoints: named by their step, the last and the best, read without running anything, made a network again."""

from __future__ import annotations

import os
import pickle

import pytest
import torch

from melisma.core.errors import InputError, OutputError
from melisma.train.checkpoint import read_checkpoint
from melisma.train.ctc.checkpoints import find, load_trained, steps
from melisma.train.ctc.trained import Kind, Units


def test_the_last_steps_and_the_best_are_kept(train):
    folder = train(steps=8, checkpoint_steps=2, validate_steps=4, keep=2) / "checkpoints"
    assert [step for step, _ in steps(folder)] == [6, 8]
    assert (folder / "last.ckpt").read_bytes() == (folder / "step-8.ckpt").read_bytes()
    assert "optimizer_states" not in read_checkpoint(folder / "best.ckpt")
    assert sorted(path.name for path in folder.iterdir()) == ["best.ckpt", "last.ckpt", "step-6.ckpt", "step-8.ckpt"]


def test_minutes_count_as_well_as_steps(train):
    folder = train(steps=4, checkpoint_steps=100, checkpoint_minutes=1e-9, validate_steps=100, keep=9)
    assert [step for step, _ in steps(folder / "checkpoints")] == [1, 2, 3, 4]


def test_a_network_is_made_again_from_its_checkpoint(train):
    folder = train(model="random:tiny", units="characters", steps=2, batch_s=3.0)
    best, last = load_trained(folder), load_trained(folder / "checkpoints" / "step-2.ckpt")
    assert (best.kind, best.units, best.run) == (Kind.TRANSFORMERS, Units.CHARACTERS, folder)
    assert last.facts["step"] == 2
    with torch.no_grad():
        logits = [trained.net(torch.ones(1, 6400)).logits for trained in (best, last)]
    torch.testing.assert_close(*logits)
    assert logits[0].shape[2] == len(best.labels)


def test_before_a_validation_the_last_stands_for_the_best(train):
    folder = train(steps=4, validate_steps=4)
    (folder / "checkpoints" / "best.ckpt").unlink()
    assert find(folder) == folder / "checkpoints" / "last.ckpt"
    with pytest.raises(InputError, match="called step-3"):
        find(folder, "step-3")


@pytest.mark.parametrize("content", [b"", b"nonsense", pickle.dumps({"melisma": {}})])
def test_what_is_no_checkpoint_is_one_sentence(tmp_path, content):
    path = tmp_path / "x.ckpt"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is no checkpoint"):
        load_trained(path)


def test_a_checkpoint_of_something_else_is_one_sentence(tmp_path):
    torch.save({"state_dict": {}, "melisma": {"shape": {"kind": "phone-net"}}}, tmp_path / "x.ckpt")
    with pytest.raises(InputError, match="no checkpoint of a CTC training"):
        load_trained(tmp_path / "x.ckpt")


@pytest.mark.parametrize("model", ["phone-net", "random:tiny"])
@pytest.mark.parametrize("wrong", [{"blank": 99}, {"labels": ["a", "b"]}])
def test_labels_that_are_not_those_of_the_head_are_one_sentence(train, model, wrong):
    units = "phones" if model == "phone-net" else "characters"
    path = train(model=model, units=units, steps=1, batch_s=3.0) / "checkpoints" / "last.ckpt"
    state = read_checkpoint(path)
    torch.save({**state, "melisma": {**state["melisma"], **wrong}}, path)
    with pytest.raises(InputError, match="or a damaged one"):
        load_trained(path)


def test_nothing_in_a_checkpoint_is_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'sprung'}",)

    torch.save({"melisma": Trap()}, tmp_path / "x.ckpt")
    with pytest.raises(InputError, match="is no checkpoint"):
        load_trained(tmp_path / "x.ckpt")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_that_cannot_be_written_is_one_sentence(train, tmp_path):
    (tmp_path / "run").mkdir(mode=0o500)
    with pytest.raises(OutputError, match="cannot"):
        train("run")


def test_a_run_folder_that_is_a_file_is_one_sentence(train, tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(OutputError, match="cannot"):
        train("run")


@pytest.mark.parametrize("model", ["phone-net", "random:tiny"])
def test_label_priors_are_part_of_the_network_in_use(model, train, monkeypatch):
    from melisma.train.ctc import priors
    from melisma.train.ctc.network import Shape, logits_of

    monkeypatch.setattr(priors, "_PRIOR_FROM", 1)
    units = "phones" if model == "phone-net" else "characters"
    folder = train(model=model, units=units, steps=3, batch_s=3.0, label_priors=0.5)
    state = read_checkpoint(find(folder, "last"))
    shape = Shape.of_dict(state["melisma"]["shape"])
    plain = shape.make()
    plain.load_state_dict({k.removeprefix("net."): v for k, v in state["state_dict"].items() if k.startswith("net.")})
    inputs, lengths = (torch.randn(1, 64, 40), [40]) if model == "phone-net" else (torch.randn(1, 6400), [6400])
    with torch.no_grad():
        before = logits_of(plain.eval(), shape, inputs, torch.tensor(lengths))[0]
        after = logits_of(load_trained(folder, "last").net, shape, inputs, torch.tensor(lengths))[0]
    shift = 0.5 * state["state_dict"]["log_priors"]
    assert float(shift.std()) > 0
    torch.testing.assert_close(after, before - shift)
