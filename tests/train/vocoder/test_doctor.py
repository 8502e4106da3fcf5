from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from melisma.core.errors import TrainingError  # noqa: E402
from melisma.train.checkpoint import read_checkpoint  # noqa: E402
from melisma.train.vocoder.doctor import Ailment, Care, Doctor, DoctorConfig, Signs, treat  # noqa: E402
from melisma.train.vocoder.trainer import Trainer  # noqa: E402

WELL = Signs(step=2000, mel=20.0, level=0.9, variety=0.9, d=0.4, g=0.3)
FEW = DoctorConfig(window=3, settle=0)


def told(config: DoctorConfig, *signs: Signs) -> list[Ailment]:
    doctor = Doctor(config)
    return [found.ailment for one in signs if (found := doctor.look(one)) is not None]


def test_the_well_are_left_alone():
    assert told(FEW, *[WELL] * 10) == []
    assert told(FEW, *[replace(WELL, d=1.0)] * 10) == []  # as discriminators begin
    assert told(FEW, *[replace(WELL, d=None, g=None)] * 10) == []


@pytest.mark.parametrize(
    ("change", "ailment"),
    [
        ({"mel": math.nan}, Ailment.NUMBERS),
        ({"d": math.inf}, Ailment.NUMBERS),
        ({"level": 0.001}, Ailment.SILENCE),
        ({"variety": 0.01}, Ailment.CONSTANT),
        ({"d": 0.0}, Ailment.COLLAPSE),
        ({"d": 1.6}, Ailment.FOOLED),
        ({"mel": 80.0}, Ailment.DIVERGENCE),
    ],
)
def test_each_ailment_is_told_by_its_signs(change, ailment):
    ill = replace(WELL, **change)
    found = told(FEW, *[WELL] * 4, *[ill] * 4)
    assert found
    assert found[-1] is ailment


def test_a_single_odd_step_is_none():
    assert told(DoctorConfig(window=50, settle=0), *[WELL] * 60, replace(WELL, mel=500.0, d=0.0, level=0.0), WELL) == []


def test_a_network_that_knows_nothing_yet_may_be_silent():
    early = replace(WELL, step=5, level=0.0, variety=0.0)
    assert told(replace(FEW, settle=1000), *[early] * 5) == []


def test_what_was_seen_goes_on_with_a_checkpoint():
    ill = replace(WELL, mel=80.0)
    doctor, other = Doctor(FEW), Doctor(FEW)
    for one in (*[WELL] * 4, ill):
        doctor.look(one)
    other.load(json.loads(json.dumps(doctor.state())))
    assert other.look(ill) == doctor.look(ill)
    assert other.look(ill) is not None
    other.forget()
    assert other.look(ill) is None


@pytest.mark.parametrize("ailment", Ailment)
def test_remedies_grow(ailment):
    care, all_said = Care(), []
    for _ in range(3):
        care, said = treat(care, ailment)
        all_said.append(said)
    assert care.rescues == 3
    assert care.g_rate == 1 / 8
    assert len(set(all_said)) > 1
    assert "half the generator's learning rate" in all_said[0]
    assert care.penalty > 0
    assert care.d_steps == {Ailment.FOOLED: 4, Ailment.COLLAPSE: 2}.get(ailment, 1)


def test_discriminators_that_win_are_held_back_and_smoothed_before_they_get_more_steps():
    """All that the document says of a loss of 0; more steps alone would take it there faster."""
    care, done = Care(), []
    for _ in range(4):
        care, said = treat(care, Ailment.COLLAPSE)
        done.append((care.g_rate, care.skip, care.penalty, care.d_steps))
        assert f"a gradient penalty of {care.penalty:g}" in said
        assert ("no step of the discriminators" in said) == (care.skip > 0)
        assert (f"{care.d_steps} steps of the discriminators" in said) == (care.d_steps > 1)
    assert done == [(0.5, 0.05, 1, 1), (0.25, 0.1, 2, 1), (0.125, 0, 4, 2), (0.0625, 0, 8, 3)]


def test_where_the_generator_wins_the_discriminators_get_more_steps_at_once():
    care, said = treat(Care(), Ailment.FOOLED)
    assert (care.g_rate, care.d_steps, care.penalty) == (0.5, 2, 0)
    assert said == "half the generator's learning rate, 2 steps of the discriminators for each of it"
    care, said = treat(care, Ailment.FOOLED)
    assert (care.d_steps, care.penalty) == (3, 1)
    assert "a gradient penalty of 1" in said


def test_what_helps_against_one_does_not_stay_against_the_other():
    held, _ = treat(Care(), Ailment.COLLAPSE)
    freed, _ = treat(held, Ailment.FOOLED)
    assert (freed.skip, freed.d_steps) == (0, 2)
    again, _ = treat(freed, Ailment.COLLAPSE)
    assert (again.skip, again.d_steps) == (0.1, 1)


def nothing_said(trainer):
    with torch.no_grad():
        trainer.generator.head.weight.zero_()
        trainer.generator.head.bias[:321].fill_(-20.0)


def always_the_same(trainer):
    with torch.no_grad():
        trainer.generator.head.weight.zero_()
        trainer.generator.head.bias.zero_()
        trainer.generator.head.bias[321:] = math.pi * torch.arange(321)  # a click in the middle of each frame


def no_number(trainer):
    with torch.no_grad():
        trainer.generator.stem.weight[0, 0, 0] = math.nan


def far_too_loud(trainer):
    with torch.no_grad():
        trainer.generator.head.weight.mul_(3)
        trainer.generator.head.bias[:321] += 12


def turned_round(trainer):
    """Let the discriminators take recorded sounds for made ones."""
    with torch.no_grad():
        for each in trainer.adversary.net.all:
            each.score.bias.fill_(-3.0)


CASES = {
    Ailment.SILENCE: nothing_said,
    Ailment.CONSTANT: always_the_same,
    Ailment.NUMBERS: no_number,
    Ailment.DIVERGENCE: far_too_loud,
    Ailment.FOOLED: turned_round,
}
CONFIG = DoctorConfig(window=3, settle=19, silent=0.001, constant=0.03, diverged=1.5, fooled=2.0)


@pytest.fixture
def harm(monkeypatch):
    """Do something to a training before a step: once, or each time."""

    def plan(what, at: int, *, often: bool = False) -> None:
        step, done = Trainer.step, []

        def harmed(self, batch, more):
            if self.progress.step >= at and (often or not done):
                done.append(at)
                what(self)
            return step(self, batch, more)

        monkeypatch.setattr(Trainer, "step", harmed)

    return plan


LONG = {"epochs": 3, "warmup_epochs": 1, "samples_per_epoch": 8, "batch_size": 1, "lr": 3e-3, "save_every": 9}
LONG |= {"segment_s": 0.2}


@pytest.mark.parametrize("ailment", CASES, ids=lambda ailment: ailment.value)
def test_a_training_that_falls_ill_is_taken_back_and_goes_on(train, harm, ailment):
    harm(CASES[ailment], at=18)
    said: list[str] = []
    folder = train(said=said, doctor=Doctor(CONFIG), **LONG)
    (event,) = json.loads((folder / "training_log.json").read_text())["doctor"]
    assert event["ailment"] == ailment.value
    assert event["back_to"] == 16  # the end of the epoch before
    assert 18 < event["step"] <= 22
    assert "half the generator's learning rate" in event["remedies"]
    (sentence,) = [one for one in said if one.startswith("doctor: ")]
    assert event["finding"] in sentence
    state = read_checkpoint(folder / "vocoder_latest.pt")
    assert state["care"]["rescues"] == 1
    assert state["progress"]["epoch"] == 3
    steps = [json.loads(line)["step"] for line in (folder / "training_steps.jsonl").read_text().splitlines()]
    assert steps == list(range(1, 25))  # what was taken back is not there twice
    assert all(torch.isfinite(each).all() for each in state["generator"].values())


def test_discriminators_that_win_are_found_and_held_back(train, tmp_path):
    """A generator that hardly learns is told apart before long, and after the remedies too."""
    doctor = Doctor(DoctorConfig(window=5, settle=10_000, collapse=0.35, fooled=9, diverged=99))
    settings = {"warmup_epochs": 0, "samples_per_epoch": 400, "batch_size": 1, "lr": 6e-3, "mel_weight": 1e-6}
    settings |= {"feature_weight": 0, "discriminator_width": 2, "clip": 1e-3, "epochs": 1, "rescues": 1}
    with pytest.raises(TrainingError, match=r"discriminators have won at step .* taken back 1 times"):
        train(doctor=doctor, **settings)
    (event,) = json.loads((tmp_path / "run" / "training_log.json").read_text())["doctor"]
    assert event["ailment"] == "discriminator_collapse"
    assert "no step of the discriminators while their loss is below 0.05, a gradient penalty of 1" in event["remedies"]
    assert event["back_to"] == 0


def test_what_comes_again_and_again_ends_the_training_with_a_sentence(train, harm):
    harm(nothing_said, at=19, often=True)
    with pytest.raises(TrainingError, match=r"gone silent at step .* taken back 2 times, and it comes again"):
        train(doctor=Doctor(CONFIG), rescues=2, **LONG)


def test_a_rescued_training_draws_other_segments_and_goes_on_so_after_an_interruption(train, harm, monkeypatch):
    harm(nothing_said, at=19)
    seen: list[tuple[int, int]] = []
    from melisma.train.vocoder.material import Segments

    batch = Segments.batch

    def noted(self, step, part=0):
        seen.append((step, part))
        return batch(self, step, part)

    monkeypatch.setattr(Segments, "batch", noted)
    train(doctor=Doctor(CONFIG), **LONG)
    assert (17, 0) in seen
    assert (17, 100) in seen
