"""The doctor on figures; on trainings that provoke each ailment in test_doctor_runs.py."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from melisma.train.ctc.doctor import Ailment, Doctor, DoctorConfig, Signs, examine_clips

CONFIG = DoctorConfig(window=20)
WELL = Signs(step=0, loss=3.0, grad_norm=1.0, lr=1e-3, spelt=0.8, wait_share=0.01, moved=1e-4)


def watched(signs, config=CONFIG, **about):
    doctor = Doctor(config, **about)
    return [finding for step, one in enumerate(signs) for finding in doctor.look(replace(one, step=step))]


def falling(n):
    return [replace(WELL, loss=3 * 0.99**step) for step in range(n)]


def test_a_training_that_learns_is_well():
    assert watched(falling(200)) == []


def test_one_wild_step_is_no_explosion():
    signs = falling(100)
    signs[50] = replace(signs[50], grad_norm=1e4)
    assert watched(signs) == []


def test_norms_that_keep_growing_explode():
    signs = [*falling(40), *(replace(WELL, grad_norm=3.0**n) for n in range(10))]
    (found,) = watched(signs)
    assert found.ailment is Ailment.GRADIENTS
    assert "norm went from 1 to " in found.sentence
    assert "--clip" in found.sentence


@pytest.mark.parametrize(("field", "said"), [("loss", "the loss is not"), ("grad_norm", "the gradients are not")])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_is_said_at_once(field, said, value):
    (found,) = watched([WELL, replace(WELL, **{field: value})])
    assert (found.ailment, found.step) == (Ailment.GRADIENTS, 1)
    assert said in found.sentence


def test_a_loss_scaler_that_looks_for_its_scale_is_no_explosion():
    overflow = replace(WELL, grad_norm=math.inf)
    assert watched([*[overflow] * 11, *falling(100), overflow, *falling(100)], scaled=True) == []
    (found,) = watched([overflow] * 13, scaled=True)
    assert (found.ailment, found.step) == (Ailment.GRADIENTS, 11)
    (found,) = watched([overflow, replace(WELL, loss=math.nan)], scaled=True)
    assert (found.step, "the loss is not a number" in found.sentence) == (1, True)


def test_a_rate_that_moves_nothing_is_dead():
    (found,) = watched([replace(WELL, lr=1e-12, moved=1e-11)] * 30)
    assert found.ailment is Ailment.LR
    assert "the learning rate is dead at step 19" in found.sentence


def test_weights_that_stand_still_at_a_sound_rate_are_frozen():
    (found,) = watched([replace(WELL, moved=0.0)] * 30)
    assert "are they all frozen" in found.sentence


def test_a_rate_is_not_judged_where_nothing_was_measured():
    assert watched([replace(one, moved=None) for one in falling(60)]) == []


def test_blanks_that_stay_on_a_plateau_have_taken_over():
    (found,) = watched([replace(WELL, spelt=0.01, loss=2.9)] * 60)
    assert found.ailment is Ailment.BLANKS
    assert found.step == 39  # not before two windows have passed
    assert "spells 1% of the labels" in found.sentence


def test_blanks_of_a_network_that_still_learns_are_no_collapse():
    assert watched([replace(one, spelt=0.0) for one in falling(100)]) == []


def test_a_wait_for_data_names_the_workers():
    (found,) = watched([replace(one, wait_share=0.4) for one in falling(50)])
    assert found.ailment is Ailment.STARVED
    assert "40% of the time" in found.sentence
    assert "--workers 2" in found.sentence
    (found,) = watched([replace(one, wait_share=0.4) for one in falling(50)], n_workers=3)
    assert "more than 3 --workers" in found.sentence


def test_an_ailment_is_told_once_and_again_when_it_comes_back():
    ill, well = replace(WELL, wait_share=0.4), replace(WELL, wait_share=0.0)
    signs = [*[ill] * 30, *[well] * 40, *[ill] * 30]
    assert [f.ailment for f in watched([replace(s, loss=3 * 0.99**i) for i, s in enumerate(signs)])] == [
        Ailment.STARVED
    ] * 2


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("too short for its transcript", "are audio and text of the same recording"),
        ("nothing in its transcript can be spelt", "--vocabulary corpus"),
        ("no voice reads the language xx", "give the language of each line"),
    ],
)
def test_clips_that_do_not_fit_their_texts_are_told(reason, remedy):
    found = examine_clips(70, {reason: 25, "longer than 20 s": 5})
    assert found is not None
    assert found.ailment is Ailment.LABELS
    assert found.sentence.startswith(f"25% of the clips do not fit their transcripts, most of them {reason}: ")
    assert remedy in found.sentence


def test_a_few_misfits_and_long_clips_are_left_alone():
    assert examine_clips(95, {"too short for its transcript": 5}) is None
    assert examine_clips(50, {"longer than 20 s": 50}) is None
    assert examine_clips(0, {}) is None
