"""The same search by Ray Tune, for machines that Ray joins: our sampler and objective, its processes and schedulers."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from melisma.core.errors import InputError, MissingDependency
from melisma.core.files import make_folder, write_atomically
from melisma.core.settings import n_threads
from melisma.train.sweep.search import Say, draw_value, seeded_sampler
from melisma.train.sweep.space import Space
from melisma.train.sweep.trial import Objective, Pruned, Results, State, Trial, figure

RESULTS, FOLDER = "ray.json", "ray"
_VALUE, _STEP, _FINAL = "value", "step", "final"


@dataclass(frozen=True, slots=True)
class RayTeam:
    """A search by Ray Tune.

    Parameters
    ----------
    study : str
        Its name.
    space : Space
        What is drawn from.
    objective : Objective
        Trains.
    jobs : int
        Trials at once.
    folder : Path
        Of the sweep; what Ray keeps lies below it.
    gpus : bool
        Whether trials share the GPUs that Ray has; else they see what their machine has.
    """

    study: str
    space: Space
    objective: Objective
    jobs: int
    folder: Path
    gpus: bool = True

    def run(self, say: Say) -> Results:
        """Search until there are as many trials as the space wants; goes on with what Ray has kept.

        Raises
        ------
        MissingDependency
            If Ray is not installed.
        """
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell its makers of each start
        try:
            import ray
            from ray import tune
        except ImportError as error:
            raise MissingDependency("this needs Ray Tune: pip install 'melisma[ray]'") from error
        make_folder(self.folder)
        started = not ray.is_initialized()
        if started:
            address = os.environ.get("RAY_ADDRESS")
            own: dict[str, Any] = {} if address else {"num_cpus": self.jobs, "_node_ip_address": "127.0.0.1"}
            ray.init(address=address, include_dashboard=None if address else False, log_to_driver=False, **own)
        try:
            n_gpus = int(ray.cluster_resources().get("GPU", 0)) if self.gpus else 0
            threads = max(1, n_threads() // self.jobs) if started and not os.environ.get("RAY_ADDRESS") else None
            grid = self._tuner(tune, resources(self.jobs, n_gpus), threads).fit()
            trials = tuple(sorted(map(_trial, grid), key=lambda each: each.index))
            for each in trials:
                if each.state is not State.FAILED:  # those are gone on with the next time
                    self.objective.ended(each.index)
            results = Results(self.study, trials, self.space.settings.metric)
        finally:
            if started:
                ray.shutdown()
        said = json.dumps(results.to_dict(), ensure_ascii=False, indent=1) + "\n"
        write_atomically(self.folder / RESULTS, said.encode("utf-8"))
        for each in results.trials:
            say(
                f"trial {each.index}: {each.state}"
                + ("" if each.value is None else f", {figure(each.value, results.metric)}")
            )
        return results

    def _tuner(self, tune: Any, wanted: Mapping[str, float], threads: int | None) -> Any:
        place = self.folder.absolute() / FOLDER
        trained = tune.with_parameters(_train, objective=self.objective, threads=threads)
        trainable = tune.with_resources(trained, dict(wanted))
        kept = str(place / self.study)
        if tune.Tuner.can_restore(kept):
            return tune.Tuner.restore(kept, trainable, resume_unfinished=True, restart_errored=True)
        return tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                metric=_VALUE,
                mode="min",
                num_samples=self.space.settings.trials,
                max_concurrent_trials=self.jobs,
                search_alg=_searcher(self.space),
                scheduler=_scheduler(self.space),
            ),
            run_config=tune.RunConfig(
                name=self.study, storage_path=str(place), verbose=0, callbacks=[_ended(self.objective)]
            ),
        )


def resources(jobs: int, n_gpus: int) -> dict[str, float]:
    """Return what one trial takes of a cluster: a core, and its share of a GPU where there are some.

    Examples
    --------
    >>> resources(3, 2), resources(1, 4), resources(2, 0)
    ({'cpu': 1, 'gpu': 0.5}, {'cpu': 1, 'gpu': 1.0}, {'cpu': 1})
    """
    return {"cpu": 1, "gpu": 1 / math.ceil(jobs / n_gpus)} if n_gpus else {"cpu": 1}


def _ended(objective: Objective) -> Any:
    """Return what throws away, when a trial ends, what only going on with it would need: many would fill a disk."""
    from ray.tune import Callback

    class Ended(Callback):  # type: ignore[misc]
        def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
            objective.ended(int(trial.config["index"]))

    return Ended()


def _train(config: Mapping[str, Any], objective: Objective, threads: int | None) -> None:
    from ray import tune

    if threads is not None:  # before torch is imported, which looks at it once; on a cluster each machine has its own
        os.environ["MELISMA_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(threads)

    def report(step: int, value: float) -> None:
        if math.isfinite(value):
            tune.report({_VALUE: value, _STEP: step})

    value = objective(int(config["index"]), config["drawn"], report)
    tune.report({_VALUE: value, _STEP: 1 << 30, _FINAL: value})


def _scheduler(space: Space) -> Any:
    """Return Ray's asynchronous successive halving; its rule of medians stops and begins trials again and again."""
    from ray.tune.schedulers import ASHAScheduler, FIFOScheduler

    settings = space.settings
    if settings.pruner == "none":
        return FIFOScheduler()
    first = max(1, settings.prune_after, space.config({}).validate_steps)
    return ASHAScheduler(
        time_attr=_STEP, max_t=1 << 31, grace_period=first, reduction_factor=2 if settings.pruner == "median" else 3
    )


def _searcher(space: Space) -> Any:
    """Return what Ray asks for settings: the sampler that the other backend has, by a study in memory."""
    import optuna
    from ray.tune.search import Searcher

    class OurSearcher(Searcher):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(metric=_VALUE, mode="min")
            self._sampler = seeded_sampler(space.settings)
            self._study = optuna.create_study(direction="minimize", sampler=self._sampler)
            self._sampler.study = self._study
            self._open: dict[str, int] = {}

        def suggest(self, trial_id: str) -> dict[str, Any]:
            trial = self._study.ask()
            self._open[trial_id] = trial.number
            drawn = {name: draw_value(trial, name, each) for name, each in space.dimensions.items()}
            return {"index": trial.number, "drawn": drawn}

        def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
            number = self._open.pop(trial_id, None)
            value = None if error else (result or {}).get(_VALUE)
            if number is not None and value is None:
                self._study.tell(number, state=optuna.trial.TrialState.FAIL)
            elif number is not None and value is not None:
                self._study.tell(number, float(value))

        def save(self, checkpoint_path: str) -> None:
            import pickle

            Path(checkpoint_path).write_bytes(pickle.dumps((self._study.trials, self._open)))

        def restore(self, checkpoint_path: str) -> None:
            import pickle

            # Ray reads files of its own beside this one as pickles too: the folder is as trusted as the program.
            trials, self._open = pickle.loads(Path(checkpoint_path).read_bytes())  # noqa: S301
            self._study.add_trials(trials)

    return OurSearcher()


def _trial(result: Any) -> Trial:
    config, metrics = result.config or {}, result.metrics or {}
    frame = result.metrics_dataframe
    rows = [] if frame is None or _STEP not in frame else frame[[_STEP, _VALUE]].dropna().itertuples(index=False)
    reports = tuple(sorted({int(step): float(value) for step, value in rows if step < 1 << 30}.items()))
    done = metrics.get(_FINAL) is not None and not math.isnan(metrics[_FINAL])
    failed = result.error is not None and not isinstance(result.error, Pruned)
    value = metrics[_FINAL] if done else min((each for _, each in reports), default=None)
    return Trial(
        int(config.get("index", 0)),
        State.FAILED if failed else State.COMPLETE if done else State.PRUNED,
        dict(config.get("drawn", {})),
        value,
        reports,
        metrics.get("time_total_s"),
        why=str(result.error).strip().splitlines()[-1][:300] if failed else "",
    )


def read_results(folder: Path, study: str) -> Results:
    """Read what a search by Ray has found.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    path = folder / RESULTS
    try:
        said = json.loads(path.read_bytes())
        trials = tuple(
            Trial(
                int(each["index"]),
                State(each["state"]),
                dict(each["settings"]),
                None if each["value"] is None else float(each["value"]),
                tuple((int(point["step"]), float(point["value"])) for point in each["reports"]),
                None if each["seconds"] is None else float(each["seconds"]),
                int(each["tries"]),
                str(each["why"]),
            )
            for each in said["trials"]
        )
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged: it holds no trials") from error
    return Results(study, trials, said.get("metric", "wer"))
