"""Trainings that are ill on purpose: each ailment is provoked, and told once, in a sentence, by its own name."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from melisma.train.ctc.doctor import Ailment, Doctor, DoctorConfig
from melisma.train.ctc.rounds import Rounds, rounds_of


def examined(train, window=15, **changes):
    """Train under a doctor's eyes; return the ailments that were found and what was said."""
    said: list[str] = []
    rounds = Rounds(Doctor(DoctorConfig(window=window)), said.append)
    settings = {"steps": 60, "dropout": 0, "mask_time": 0, "validate_steps": 60, "checkpoint_steps": 60}
    folder = train(callbacks=lambda folder: [rounds], **{**settings, **changes})
    assert [finding.sentence for finding in rounds.findings] == said
    return {finding.ailment: finding.sentence for finding in rounds.findings}, folder


def test_a_network_whose_weights_fade_falls_back_on_blanks(train):
    """What is left is a bias a label, and the blank's is the highest: the same everywhere, whatever is heard."""
    found, folder = examined(train, steps=300, lr=2e-2, weight_decay=10.0)
    assert "blanks take over" in found[Ailment.BLANKS]
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    told = [line for line in lines if line["stage"] == "doctor"]
    assert {line["ailment"] for line in told} >= {"blank_collapse"}
    assert all(line["run_id"] == lines[0]["run_id"] for line in told)


def test_a_rate_far_too_high_explodes(train):
    found, _ = examined(train, lr=30.0, warmup_steps=40, clip=1e9)
    assert "--lr" in found[Ailment.GRADIENTS]


def test_a_rate_far_too_low_is_dead(train):
    found, _ = examined(train, lr=1e-13)
    assert "the learning rate is dead" in found[Ailment.LR]


def test_a_network_that_waits_for_its_data_is_told_so(train):
    """Log-mels made in the process that trains cost more than this tiny network's step."""
    found, _ = examined(train)
    assert "--workers 2" in found[Ailment.STARVED]


def test_the_doctor_knows_how_many_workers_there_are(train):
    rounds = Rounds(Doctor(), lambda sentence: None)
    train(callbacks=lambda folder: [rounds], steps=1, workers=1)
    assert rounds.doctor.n_workers == 1


@pytest.mark.parametrize(("precision", "scaled"), [("16-mixed", True), ("bf16-mixed", False), ("32-true", False)])
def test_the_doctor_knows_whether_a_loss_scaler_is_at_work(precision, scaled):
    """A scaler works on GPUs alone: only what Lightning says of it is looked at here."""
    rounds = Rounds(Doctor(), lambda sentence: None)
    loader = SimpleNamespace(num_workers=0)
    rounds.on_train_start(SimpleNamespace(train_dataloader=loader, global_step=1, precision=precision), None)
    assert rounds.doctor.scaled is scaled


def test_a_training_that_learns_is_well(train):
    found, _ = examined(train, window=50, steps=120, lr=1e-2)
    assert set(found) <= {Ailment.STARVED}


def test_clips_that_do_not_fit_are_told_before_the_first_step(train, manifests):
    rows = [json.loads(line) for line in manifests[0].read_text(encoding="utf-8").splitlines()]
    for row in rows[:4]:  # texts of other recordings
        del row["words"]
        row["transcript"] = "a ship full of sailors went down in the cold sea, and nobody came home to tell the tale"
    manifests[0].write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    said: list[str] = []
    folder = train(callbacks=lambda folder: [rounds_of(folder / "prepared" / "train.json", said.append)])
    assert said[0].startswith(
        "40% of the clips do not fit their transcripts, most of them too short for its transcript"
    )
    told = json.loads((folder / "log.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert (told["stage"], told["ailment"], told["step"]) == ("doctor", Ailment.LABELS.value, 0)
