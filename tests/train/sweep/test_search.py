from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from melisma.core.errors import InputError, OutputError, StoreError, TrainingError
from melisma.train.sweep import storage
from melisma.train.sweep.search import Search, load
from melisma.train.sweep.space import Choice, Space
from melisma.train.sweep.trial import ENDED, State
from melisma.train.sweep.workers import Team
from sweep_objective import SPACE, FitLine


def silent(sentence: str) -> None:
    pass


def drawn_by(results):
    return [(each.index, dict(each.drawn)) for each in results.trials]


def search_of(space, url, trials=8, study="line"):
    return Search(study, url, space, trials)


def folder_in(tmp_path: Path, name: str) -> Path:
    (tmp_path / name).mkdir()
    return tmp_path / name


def test_what_is_found_is_better_than_what_is_drawn_at_random_first(space, url, tmp_path):
    found = search_of(space, url, 14).run(FitLine(tmp_path), silent)
    assert [each.index for each in found.trials] == list(range(14))
    assert found.count(*ENDED) == 14
    assert found.count(State.PRUNED) > 0
    first = min(each.value for each in found.trials[:4])
    assert found.best.value <= first
    assert found.best.reports[-1][0] == 60
    assert found.best.value == min(each.value for each in found.trials if each.state is State.COMPLETE)
    for each in found.trials:
        assert set(each.drawn) == {"lr", "weight_decay", "batch_size", "warmup_steps"}
        assert 1e-4 <= each.drawn["lr"] <= 1
        assert each.drawn["batch_size"] in (2, 4, 8)
        assert each.drawn["warmup_steps"] in range(0, 21, 5)


def test_a_trial_is_ended_early_only_when_it_is_worse_than_the_median_at_its_step(space, url, tmp_path):
    found = search_of(space, url, 14).run(FitLine(tmp_path), silent)
    by_step = {each.index: dict(each.reports) for each in found.trials}
    pruned = [each for each in found.trials if each.state is State.PRUNED]
    assert pruned
    for each in pruned:
        step = each.reports[-1][0]
        others = sorted(
            min(v for s, v in by_step[t.index].items() if s <= step)
            for t in found.trials
            if t.index < each.index and t.state is State.COMPLETE
        )
        assert min(v for _, v in each.reports) > others[(len(others) - 1) // 2]
        assert step < 60


def test_one_seed_draws_the_same_and_another_does_not(space, tmp_path):
    runs = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        chosen = space.with_settings(None, seed)
        url = f"sqlite:///{tmp_path}/{name}.sqlite"
        runs.append(drawn_by(search_of(chosen, url, 7).run(FitLine(folder_in(tmp_path, name)), silent)))
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_a_sweep_that_stops_and_goes_on_draws_what_one_that_did_not_draws(space, tmp_path):
    whole = search_of(space, f"sqlite:///{tmp_path}/a.sqlite", 9).run(FitLine(folder_in(tmp_path, "a")), silent)
    url, fit = f"sqlite:///{tmp_path}/b.sqlite", FitLine(folder_in(tmp_path, "b"))
    for n in (2, 6, 9):
        found = search_of(space, url, n).run(fit, silent)
        assert len(found.trials) == n
    assert drawn_by(found) == drawn_by(whole)


SCRIPT = """
import sys
from pathlib import Path
from melisma.train.sweep.search import Search
from melisma.train.sweep.space import Space
from sweep_objective import FitLine
space, url, folder = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
die_in, trials = int(sys.argv[4]), int(sys.argv[5])
Search("line", url, Space.read(space), trials).run(FitLine(folder, die_in), print)
"""


def run_apart(tmp_path, url, folder, die_in, trials):
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "space.toml"), url, str(folder), str(die_in), str(trials)]
    root = str(Path(__file__).parents[2])
    env = {**os.environ, "PYTHONPATH": root}
    return subprocess.run(command, capture_output=True, text=True, env=env, cwd=root, check=False)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_trial_whose_process_is_killed_is_gone_on_with(space, tmp_path, database, request):
    """Killed in trial 5 after step 30; another process goes on there, and all is as if nothing had happened."""
    url = f"sqlite:///{tmp_path}/b.sqlite" if database == "sqlite" else request.getfixturevalue("postgres").new()
    whole = search_of(space, f"sqlite:///{tmp_path}/a.sqlite", 7).run(FitLine(folder_in(tmp_path, "a")), silent)
    folder = folder_in(tmp_path, "b")
    died = next(i for i, t in enumerate(whole.trials) if i >= 2 and len(t.reports) >= 4)
    done = run_apart(tmp_path, url, folder, died, 7)
    assert done.returncode == -signal.SIGKILL, done.stderr
    said = []
    found = search_of(space, url, 7).run(FitLine(folder), said.append)
    assert "1 of the trials had lost their process: put back" in said
    assert found.trials[died].tries == 2
    assert [replace(t, seconds=None, tries=1) for t in found.trials] == [replace(t, seconds=None) for t in whole.trials]
    kept = json.loads((folder / f"{died}.json").read_text())
    assert len(kept["pids"]) == 2
    assert len(kept["errors"]) == len(whole.trials[died].reports)  # no step was taken twice


def test_a_trial_whose_process_dies_again_and_again_is_given_up(space, url, tmp_path):
    from optuna.trial import TrialState, create_trial

    with search_of(space, url).open() as study:
        study.add_trial(create_trial(state=TrialState.WAITING))
        for n in (1, 2, 3):
            tried = study.get_trials(deepcopy=False)[-1]
            assert tried.user_attrs.get(storage.TRIES, 1) == n
            study._storage.set_trial_state_values(tried._trial_id, TrialState.RUNNING)
            study._storage.set_trial_user_attr(tried._trial_id, storage.WORKER, gone_worker())
            assert storage.put_back(study, 3) == (n < 3)
        assert storage.put_back(study, 3) == 0
        found = storage.results_of(study)
    assert [(each.state, each.tries, each.why) for each in found.trials] == [(State.FAILED, 3, "its process died")]


def gone_worker() -> str:
    """A process of this machine that has ended."""
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    here = storage.this_worker()
    child.wait()
    return here.replace(f":{os.getpid()}:", f":{child.pid}:")


def test_a_process_is_told_from_one_that_got_its_number_later():
    assert not storage.is_gone(storage.this_worker())
    assert storage.is_gone(gone_worker())
    assert not storage.is_gone("another-machine:1:5")
    if Path("/proc/self/stat").exists():
        assert storage.is_gone(storage.this_worker() + "1")


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_processes_share_a_study_and_no_trial_is_lost_or_doubled(space, tmp_path, database, request):
    url = f"sqlite:///{tmp_path}/b.sqlite" if database == "sqlite" else request.getfixturevalue("postgres").new()
    said: list[str] = []
    found = Team(search_of(space, url, 10), FitLine(tmp_path, die_in=3, pause_s=0.02), jobs=2).run(said.append)
    assert [each.index for each in found.trials] == list(range(10))
    assert found.count(State.COMPLETE, State.PRUNED) == 10
    assert sum("has died" in sentence for sentence in said) == (len(found.trials[3].reports) >= 3)
    begun = [json.loads(path.read_text())["pids"] for path in tmp_path.glob("[0-9]*.json")]
    assert len({pid for pids in begun for pid in pids}) >= 2
    assert sum(map(len, begun)) == sum(each.tries for each in found.trials)


def test_what_is_wrong_with_every_trial_ends_the_sweep(space, url, tmp_path):
    class Nothing(FitLine):
        def __call__(self, index, drawn, report):
            raise TrainingError(f"the loss of trial {index} is no number")

    with pytest.raises(TrainingError, match=r"3 trials in a row came to nothing; of the last one: .* trial 2"):
        search_of(space, url).run(Nothing(tmp_path), silent)
    found = load("line", url)
    assert [each.why for each in found.trials] == [f"the loss of trial {i} is no number" for i in range(3)]
    assert found.best is None


def test_one_that_fails_among_others_does_not_and_is_not_tried_again(space, url, tmp_path):
    fit = FitLine(tmp_path)

    class Sometimes(FitLine):
        def __call__(self, index, drawn, report):
            if index % 2:
                raise TrainingError("too little memory")
            return fit(index, drawn, report)

    found = search_of(space, url, 6).run(Sometimes(tmp_path), silent)
    assert [each.state for each in found.trials[1::2]] == [State.FAILED] * 3
    assert {each.tries for each in found.trials} == {1}


@pytest.mark.parametrize("error", [OutputError("the disk is full"), KeyboardInterrupt()])
def test_a_trial_that_was_interrupted_is_the_next_one(space, url, tmp_path, error):
    fit = FitLine(tmp_path)

    class Interrupted(FitLine):
        def __call__(self, index, drawn, report):
            def told(step, value):
                report(step, value)
                if step == 20 and index == 1:
                    raise error

            return fit(index, drawn, told)

    with pytest.raises(type(error)):
        search_of(space, url, 3).run(Interrupted(tmp_path), silent)
    found = search_of(space, url, 3).run(fit, silent)
    assert [each.index for each in found.trials] == [0, 1, 2]
    assert {each.tries for each in found.trials} == {1}
    assert len(json.loads((tmp_path / "1.json").read_text())["pids"]) == 2


def test_hyperband_ends_trials_too(tmp_path, url):
    path = tmp_path / "space.toml"
    path.write_text(SPACE.replace("startup_trials = 4", 'pruner = "hyperband"\nsampler = "random"'), encoding="utf-8")
    found = search_of(Space.read(path), url, 10).run(FitLine(tmp_path), silent)
    assert found.count(State.PRUNED) > 0
    assert found.best is not None


def test_without_a_pruner_all_go_to_their_end(tmp_path, url):
    path = tmp_path / "space.toml"
    path.write_text(SPACE.replace("startup_trials = 4", 'pruner = "none"'), encoding="utf-8")
    found = search_of(Space.read(path), url, 6).run(FitLine(tmp_path), silent)
    assert {each.state for each in found.trials} == {State.COMPLETE}


def test_another_space_needs_another_study(space, url, tmp_path):
    search_of(space, url, 1).run(FitLine(tmp_path), silent)
    other = replace(space, dimensions={**space.dimensions, "batch_size": Choice(choices=(2, 4))})
    with pytest.raises(InputError, match="the study line searches another space: give this one another name"):
        search_of(other, url, 1).run(FitLine(tmp_path), silent)
    assert search_of(other, url, 1, study="other").run(FitLine(folder_in(tmp_path, "o")), silent).best


def test_a_database_out_of_reach_is_one_sentence(space, tmp_path, dead_port):
    with pytest.raises(StoreError, match="the database of the sweep cannot be used: ") as caught:
        search_of(space, f"postgresql://melisma:hidden@127.0.0.1:{dead_port}/base").run(FitLine(tmp_path), silent)
    assert "hidden" not in str(caught.value)
    (tmp_path / "no.sqlite").write_text("this is no database, by far" * 100)
    with pytest.raises(StoreError, match="not a database"):
        search_of(space, f"sqlite:///{tmp_path}/no.sqlite").run(FitLine(tmp_path), silent)
    with pytest.raises(InputError, match="SQLite or PostgreSQL"):
        search_of(space, "mysql://host/base").run(FitLine(tmp_path), silent)


def test_a_study_that_is_not_there_is_named_with_those_that_are(space, url, tmp_path):
    search_of(space, url, 1).run(FitLine(tmp_path), silent)
    with pytest.raises(InputError, match="there is no study 'gone' in this database; there are: line"):
        load("gone", url)


def pids_in(folder):
    """Return the processes that have worked on trials."""
    return {pid for path in folder.glob("[0-9]*.json") for pid in json.loads(path.read_text())["pids"]}


def runs(pid):
    """Tell whether a process runs; one that has ended may wait for somebody to count it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_workers_end_when_the_process_that_started_them_is_killed(space, url, tmp_path):
    program = SCRIPT.replace(
        "Search(", "from melisma.train.sweep.workers import Team\nif __name__ == '__main__': Team(Search("
    )
    program = program.replace("trials).run(FitLine(folder, die_in)", "trials), FitLine(folder, die_in, 0.2), 2).run(")
    program = program.replace("run(, print)", "run(print)")
    script = tmp_path / "team.py"
    script.write_text(program, encoding="utf-8")
    root = str(Path(__file__).parents[2])
    arguments = [str(script), str(tmp_path / "space.toml"), url, str(tmp_path), "-1", "50"]
    with open(tmp_path / "said", "w") as said:
        parent = subprocess.Popen(
            [sys.executable, *arguments], stdout=said, stderr=said, env={**os.environ, "PYTHONPATH": root}, cwd=root
        )
        until = time.monotonic() + 240
        while len(pids_in(tmp_path)) < 2 and time.monotonic() < until:  # both have begun a trial
            time.sleep(0.05)
        parent.kill()
        parent.wait()
    pids = pids_in(tmp_path)
    assert len(pids) == 2, (tmp_path / "said").read_text()
    until = time.monotonic() + 120
    while any(map(runs, pids)) and time.monotonic() < until:
        time.sleep(0.05)
    assert [pid for pid in pids if runs(pid)] == []
    found = search_of(space, url, 4).run(FitLine(tmp_path), silent)
    assert [each.index for each in found.trials] == list(range(len(found.trials)))
    assert found.count(*ENDED) == len(found.trials) >= 4
