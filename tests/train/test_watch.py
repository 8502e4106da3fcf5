from __future__ import annotations

import math

from melisma.train.watch import Watch, WatchConfig

# The first reports of the training of phone-0.1, and of one whose music came in at once: (loss, blanks).
SOUND = [5.4, 2.61, 2.4, 2.35, 2.22, 2.3, 2.22, 1.99, 1.95, 1.94, 1.84, 1.82, 1.79, 2.39, 2.47, 2.48, 2.43, 2.43, 2.49]


def said(watch: Watch, losses, blanks, silence: float | None = None) -> list[str]:
    lines = []
    for n, (loss, share) in enumerate(zip(losses, blanks, strict=True)):
        figures = {"step": 100.0 * (n + 1), "loss": loss, "blanks": share}
        sentence = watch.look(figures if silence is None else figures | {"silence": silence})
        lines += [sentence] if sentence else []
    return lines


def test_a_sound_training_is_left_alone():
    assert said(Watch(), SOUND, [0.8] * len(SOUND)) == []


def test_blanks_that_take_over_are_told_once():
    (sentence,) = said(Watch(), [2.9] * 40, [0.99] * 40)
    assert sentence.startswith("blanks take over at step 1000: 99% of the frames that are not silent are blank")


def test_blanks_are_no_alarm_while_the_loss_falls():
    assert said(Watch(), [6 * 0.97**n for n in range(40)], [0.99] * 40) == []


def test_after_all_was_well_it_speaks_again():
    losses = [2.9] * 20 + [2.0] * 20 + [2.0] * 20
    blanks = [0.99] * 20 + [0.5] * 20 + [0.99] * 20
    assert [s.split(":")[0] for s in said(Watch(), losses, blanks)] == [
        "blanks take over at step 1000",
        "blanks take over at step 4500",
    ]


def test_true_silence_is_no_blank_that_takes_over():
    assert said(Watch(), [2.0] * 30, [0.92] * 30, silence=0.9) == []
    assert len(said(Watch(), [2.0] * 30, [0.999] * 30, silence=0.9)) == 1


def test_a_loss_that_runs_away_is_told_once_and_again_after_it_came_back():
    watch = Watch(WatchConfig(window=2))
    losses = [2.0] * 6 + [8.0] * 6 + [2.0] * 6 + [8.0] * 6
    lines = said(watch, losses, [0.5] * len(losses))
    assert [line.split(" by ")[0] for line in lines] == ["the loss has grown"] * 2
    assert "at step 700: lower lr" in lines[0]


def test_a_loss_that_is_no_number_is_told():
    assert said(Watch(), [2.0, math.nan, math.inf], [0.5] * 3) == [
        "the loss is not a number at step 200: go on from the checkpoint with a lower lr"
    ]


def test_figures_without_blanks_or_loss_say_nothing():
    watch = Watch()
    assert [watch.look({"step": n}) for n in range(20)] == [None] * 20
