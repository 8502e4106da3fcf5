from __future__ import annotations

import json

import pytest

from melisma.core.errors import InputError
from melisma.train.sweep import results
from melisma.train.sweep.plot import plot
from melisma.train.sweep.ray_tune import read_results
from melisma.train.sweep.trial import Results, State, Trial


def a_study(metric="wer"):
    drawn = [
        {"lr": 10.0 ** -(2 + k % 4), "batch_size": 2 + k, "augment": ["none", "a|b.yaml"][k % 2]} for k in range(6)
    ]
    states = [State.COMPLETE, State.PRUNED, State.COMPLETE, State.FAILED, State.RUNNING, State.WAITING]
    values = [0.5, 0.9, 0.25, None, 0.7, None]
    trials = [
        Trial(
            k, states[k], drawn[k] if k < 5 else {}, values[k], ((10, 1.0), (20, values[k])) if values[k] else (), 61.5
        )
        for k in range(6)
    ]
    trials[3] = Trial(3, State.FAILED, drawn[3], why="the loss of step 7 is no number", tries=2)
    return Results("rates", tuple(trials), metric)


def test_the_best_is_the_lowest_of_those_that_went_to_their_end():
    found = a_study()
    assert found.best.index == 2
    assert Results("none", found.trials[1:2]).best is None
    equal = Results("two", (Trial(0, State.COMPLETE, {}, 0.5), Trial(1, State.COMPLETE, {}, 0.5)))
    assert equal.best.index == 0


def test_the_table_has_the_best_first_and_says_what_failed(tmp_path):
    written = results.write(a_study(), tmp_path / "made")
    said = json.loads(written[0].read_text(encoding="utf-8"))
    assert (said["schema"], said["best"], said["metric"]) == ("melisma.sweep/1", 2, "wer")
    assert said["counts"] == {"waiting": 1, "running": 1, "complete": 2, "pruned": 1, "failed": 1}
    rows = results.rows(a_study())
    assert [row[0] for row in rows[1:]] == ["2", "0", "1", "4", "5", "3"]
    assert rows[0][:5] == ["trial", "WER", "state", "steps", "time"]
    assert rows[1][1:5] == ["25.00%", "complete", "20", "0:01:02"]
    assert rows[6][2] == "failed: the loss of step 7 is no number (try 2)"
    lines = written[1].read_text(encoding="utf-8").splitlines()
    assert "3 trials" not in lines[2]
    assert lines[2].endswith("the best is trial 2 with a word error rate of 25.00%.")
    table = [line for line in lines if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in table} == {table[0].count("|")}


def test_a_loss_is_no_share():
    assert results.rows(a_study("loss"))[1][1] == "0.250"
    assert "validation loss of 0.250" in results.summary(a_study("loss"))


def test_the_best_settings_are_written_with_their_recipe(tmp_path):
    run, folder = tmp_path / "run", tmp_path / "rates with space"
    run.mkdir()
    (run / "sweep.toml").write_text("lr = 0.01\n", encoding="utf-8")
    (run / "augment.yaml").write_text("effects: []\n", encoding="utf-8")
    found = a_study()
    chosen = results.write_best(found, run, folder)
    assert chosen.recipe is None  # trial 2 drew none
    assert chosen.config.read_text(encoding="utf-8").splitlines() == [
        "# Trial 2 of the study rates: word error rate 25.00%.",
        "lr = 0.01",
    ]
    assert chosen.command() == f"melisma train whisper TRAIN --valid VALID --config '{folder / 'best.toml'}'"
    other = Results("rates", (Trial(1, State.COMPLETE, {"augment": "a.yaml"}, 0.5),))
    chosen = results.write_best(other, run, folder)
    assert chosen.recipe.read_text(encoding="utf-8") == "effects: []\n"
    assert "--augment" in chosen.command()
    assert results.write_best(found, run, folder).recipe is None
    assert not (folder / "best-augment.yaml").exists()  # of another trial


def test_there_is_no_best_without_a_trial_or_without_its_training(tmp_path):
    with pytest.raises(InputError, match="no trial of rates is complete yet"):
        results.write_best(Results("rates", ()), tmp_path, tmp_path)
    with pytest.raises(InputError, match="the training of trial 2 is gone"):
        results.write_best(a_study(), tmp_path / "gone", tmp_path)


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_a_picture_is_the_same_for_the_same_study(tmp_path, suffix):
    first, second = plot(a_study(), tmp_path / f"a{suffix}"), plot(a_study(), tmp_path / f"b{suffix}")
    assert first.stat().st_size > 5000
    assert suffix == ".svg" or first.read_bytes() == second.read_bytes()
    other = Results("rates", a_study().trials[:2])
    assert plot(other, tmp_path / f"c{suffix}").read_bytes() != first.read_bytes()


def test_nothing_to_draw_is_said(tmp_path):
    with pytest.raises(InputError, match="nothing to draw"):
        plot(Results("rates", a_study().trials[4:]), tmp_path / "a.png")
    with pytest.raises(InputError, match=r"no kind of picture is called '\.gif'"):
        plot(a_study(), tmp_path / "a.gif")
    assert list(tmp_path.iterdir()) == []


def test_what_ray_has_found_is_read_back(tmp_path):
    found = a_study("cer")
    (tmp_path / "ray.json").write_text(json.dumps(found.to_dict()), encoding="utf-8")
    assert read_results(tmp_path, "rates") == found
    (tmp_path / "ray.json").write_text('{"trials": [{"index": 1}]}', encoding="utf-8")
    with pytest.raises(InputError, match="damaged"):
        read_results(tmp_path, "rates")
