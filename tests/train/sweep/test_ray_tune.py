"""The same search by Ray, where `pip install melisma[ray]` has put it; it starts in half a minute, so CI has it not."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace

import pytest

from sweep_objective import FitLine

pytest.importorskip("ray")

from melisma.core.settings import n_threads
from melisma.train.sweep.ray_tune import RayTeam, read_results
from melisma.train.sweep.trial import State


@pytest.fixture
def four_threads(monkeypatch):
    monkeypatch.setenv("MELISMA_THREADS", "4")
    n_threads.cache_clear()
    yield
    n_threads.cache_clear()


@pytest.mark.filterwarnings("default")
@pytest.mark.usefixtures("four_threads")
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
    assert sorted(path.stem for path in tmp_path.glob("*.ended")) == ["0", "1", "2", "3", "4"]
    threads = {json.loads((tmp_path / f"{index}.json").read_text())["threads"] for index in range(5)}
    assert threads == {"2"}  # two trials at once share the cores
