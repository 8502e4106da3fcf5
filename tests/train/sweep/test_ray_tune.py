"""The same search by Ray, where `pip install melisma[ray]` has put it; it starts in half a minute, so CI has it not."""

from __future__ import annotations

import warnings
from dataclasses import replace

import pytest

from sweep_objective import FitLine

pytest.importorskip("ray")

from melisma.train.sweep.ray_tune import RayTeam, read_results
from melisma.train.sweep.trial import State


@pytest.mark.filterwarnings("default")
def test_ray_draws_from_the_space_trains_and_goes_on(space, tmp_path, monkeypatch):
    from pathlib import Path

    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    some = replace(space, settings=space.settings.model_copy(update={"trials": 5, "startup_trials": 2}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = RayTeam("line", some, FitLine(tmp_path), 2, tmp_path).run(lambda text: None)
        again = RayTeam("line", some, FitLine(tmp_path), 2, tmp_path).run(lambda text: None)
    assert [each.index for each in found.trials] == list(range(5))
    assert found.count(State.COMPLETE, State.PRUNED) == 5
    assert found.best.reports[-1][0] == 60
    assert 1e-4 <= found.best.drawn["lr"] <= 1
    assert again == found == read_results(tmp_path, "line")
