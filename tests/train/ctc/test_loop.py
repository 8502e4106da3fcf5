"""Trainings from manifests to checkpoints: they learn, go on where they were, and refuse what is not theirs."""

from __future__ import annotations

import json
import shutil

import pytest
import torch

from melisma.core.errors import InputError
from melisma.testing.checkpoints import save_random_ctc
from melisma.train.checkpoint import read_checkpoint
from melisma.train.ctc import priors
from melisma.train.ctc.checkpoints import load_trained
from melisma.train.ctc.package import package
from melisma.train.ctc.trained import Kind, Units


def lines(folder, name="log.jsonl"):
    return [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]


def losses(folder):
    return {line["step"]: line["loss"] for line in lines(folder)}


def test_ten_clips_are_learnt_by_heart(train):
    said: list[str] = []
    shape = {"channels": 96, "dilations": (1, 2)}
    folder = train(said=said, steps=120, lr=1e-2, phone_net=shape, validate_steps=40, mask_time=0, dropout=0)
    first, last = lines(folder)[0], lines(folder)[-1]
    assert first["loss"] > 2
    assert last["loss"] < 0.3
    assert last["spelt"] == pytest.approx(1.0, abs=0.15)
    errors = [judged["error_s"] for judged in lines(folder, "training_history.jsonl")]
    assert min(errors) < 0.15
    assert any("10 of 10 clips" in sentence for sentence in said)


def test_a_training_leaves_what_its_readers_need(train, manifests):
    trained = load_trained(train())
    assert (trained.kind, trained.units, trained.blank) == (Kind.PHONE_NET, Units.PHONES, 0)
    assert trained.labels[0] == "<pad>"
    assert len(trained.labels) == trained.net.config.n_labels
    assert trained.languages == ("en",)
    assert not trained.net.training
    assert trained.facts["data"]["commercial"] is True
    assert trained.facts["data"]["licences"]["CC0-1.0"]["clips"] == 10
    assert trained.facts["metrics"]["n_words"] == 7
    assert len(trained.facts["origin"]["speakers"]) == 10


def test_a_line_of_the_log_says_what_the_specification_asks(train):
    folder = train()
    line = lines(folder)[-1]
    wanted = (
        "timestamp step epoch stage loss lr grad_norm audio_s_per_s wait_share blank_share gpu_utilization memory_mb"
    )
    assert set(wanted.split()) | {"run_id"} <= line.keys()
    assert [each["step"] for each in lines(folder)] == list(range(1, 9))
    assert {each["run_id"] for each in lines(folder)} == {json.loads((folder / "config.json").read_text())["run_id"]}


@pytest.mark.parametrize(
    "settings", [{}, {"label_priors": 0.5, "accumulate": 2, "pieces": 2, "model": "random:tiny", "freeze_steps": 5}]
)
def test_going_on_gives_the_losses_of_an_uninterrupted_training(train, monkeypatch, settings):
    monkeypatch.setattr(priors, "_PRIOR_FROM", 1)
    whole = losses(train("whole", **settings))

    class Killed(Exception):
        pass

    import pytorch_lightning as pl

    class KillAt(pl.Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            if trainer.global_step == 6:
                raise Killed

    with pytest.raises(Killed):
        train("killed", callbacks=lambda folder: [KillAt()], **settings)
    said: list[str] = []
    assert losses(train("killed", said=said, **settings)) == pytest.approx(whole, rel=1e-5)
    assert any(sentence.startswith("going on after step ") for sentence in said)


def test_convolutions_stay_for_as_long_as_they_are_told_to(train):
    settings = {"model": "random:tiny", "units": "characters", "batch_s": 3.0, "steps": 6, "keep": 9, "dropout": 0}
    folder = train(**settings, checkpoint_steps=1, freeze_features_steps=3) / "checkpoints"

    def features(step):
        state = read_checkpoint(folder / f"step-{step}.ckpt")["state_dict"]
        return {name: weight for name, weight in state.items() if "feature_extractor" in name}

    first = features(1)
    assert len(first) >= 7
    assert all(torch.equal(weight, features(3)[name]) for name, weight in first.items())
    assert not any(torch.equal(weight, features(6)[name]) for name, weight in first.items())
    whole = losses(folder.parent)
    for path in (folder / f"step-{step}.ckpt" for step in (3, 4, 5, 6)):  # as if it had been killed after step 2
        path.unlink()
    shutil.copyfile(folder / "step-2.ckpt", folder / "last.ckpt")
    assert losses(train(**settings, checkpoint_steps=1, freeze_features_steps=3)) == pytest.approx(whole, rel=1e-5)


def test_a_training_from_before_a_setting_was_there_goes_on(train):
    last = train(steps=4) / "checkpoints" / "last.ckpt"
    state = read_checkpoint(last)
    del state["melisma"]["config"]["freeze_features_steps"]
    torch.save(state, last)
    said: list[str] = []
    train(steps=4, said=said)
    assert any("is done" in sentence for sentence in said)
    with pytest.raises(InputError, match="was begun with freeze_features_steps = 0, not 2"):
        train(steps=4, freeze_features_steps=2)


def test_another_configuration_is_refused_with_its_key(train):
    train(steps=4)
    with pytest.raises(InputError, match=r"was begun with lr = 0\.002, not 0\.5"):
        train(steps=4, lr=0.5)


def test_another_manifest_is_refused(train, manifests):
    train(steps=4)
    manifests[0].write_text(manifests[0].read_text(encoding="utf-8").replace("mama", "papa"), encoding="utf-8")
    with pytest.raises(InputError, match="is not the one"):
        train(steps=4)


def test_a_training_begins_with_what_another_has_learnt(train, tmp_path):
    first = load_trained(train("first", steps=4))
    said: list[str] = []
    folder = train("second", model=str(tmp_path / "first"), steps=1, lr=1e-12, warmup_steps=0, said=said)
    second = load_trained(folder)
    assert any("keeps its" in sentence for sentence in said)
    for name, weight in first.net.named_parameters():
        assert second.net.get_parameter(name).detach().numpy() == pytest.approx(weight.detach().numpy(), abs=1e-6)
    assert second.facts["data"]["clips"] == 20


def test_a_packaged_phone_network_is_not_trained_on_and_what_is_instead_is_said(train, tmp_path):
    package(load_trained(train("first", steps=1)), tmp_path / "packaged")
    with pytest.raises(InputError, match="packaged phone network: begin with the folder of its training"):
        train("second", model=str(tmp_path / "packaged"), steps=1)


def test_who_was_heard_before_is_not_held_out_later(train, manifests, tmp_path):
    train("first", steps=1)
    with pytest.raises(InputError, match="the speaker ours0 is in the validation set"):
        train("second", model=str(tmp_path / "first"), steps=1, train=manifests[1], valid=manifests[0])


def test_a_network_gets_other_labels_and_keeps_the_rest(train, tmp_path):
    first = load_trained(train("first", steps=1))
    second = load_trained(train("second", model=str(tmp_path / "first"), units="characters", steps=1, lr=1e-12))
    assert len(second.labels) != len(first.labels)
    assert second.net.stem.weight.detach().numpy() == pytest.approx(first.net.stem.weight.detach().numpy(), abs=1e-6)


def test_a_last_checkpoint_that_is_damaged_names_the_newest_whole_one(train):
    folder = train(steps=4, checkpoint_steps=2) / "checkpoints"
    (folder / "last.ckpt").write_bytes(b"PK")  # the same file as step-4.ckpt
    with pytest.raises(InputError, match=r"step-2\.ckpt beside it is whole: copy it over last\.ckpt"):
        train(steps=4, checkpoint_steps=2)


def test_what_a_killed_training_had_half_written_is_removed(train):
    folder = train(steps=4) / "checkpoints"
    (folder / "last.ckpt").unlink()
    (folder / "step-3.part").write_bytes(b"PK")
    (folder / ".last.ckpt.0123abcd").write_bytes(b"PK")
    train(steps=4)
    assert sorted(path.name for path in folder.iterdir()) == ["best.ckpt", "last.ckpt", "step-4.ckpt"]


def test_a_training_in_bfloat16_learns(train):
    said = lines(train(model="random:tiny", units="characters", steps=3, precision="bf16", batch_s=3.0))
    assert all(0 < line["loss"] < 100 for line in said)


def test_a_model_of_removed_data_is_nothing_to_begin_with(train, tmp_path):
    folder = save_random_ctc(tmp_path / "model")
    (folder / "REMOVED_DATA.json").write_text("{}")
    with pytest.raises(InputError, match="data that was taken out of its corpus since"):
        train(model=str(folder))
    assert not (tmp_path / "run" / "checkpoints").exists()
