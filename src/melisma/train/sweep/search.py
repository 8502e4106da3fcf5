"""A search with optuna: draws settings, trains, ends early what is worse than others, and goes on after anything."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from melisma.core.errors import InputError, TrainingError
from melisma.train.sweep.space import Choice, Metric, Range, Space, SweepSettings, Value
from melisma.train.sweep.storage import (
    INDEX,
    OF,
    SURPLUS,
    WHY,
    WORKER,
    Again,
    check_space,
    drawn_in,
    index_of,
    numbered,
    open_storage,
    put_back,
    reached,
    results_of,
    root_of,
    this_worker,
)
from melisma.train.sweep.trial import NAMES, Objective, Pruned, Results, figure

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial, Trial

Say = Callable[[str], None]
_IN_A_ROW = 3  # trials that fail one after the other, after which something else is wrong


@dataclass(frozen=True, slots=True)
class Search:
    """What is searched, where it is kept, and how far.

    Parameters
    ----------
    study : str
        Its name in the database.
    storage : str
        URL of the database.
    space : Space
        What is drawn from.
    trials : int
        That the study is to have in all, of all processes.
    """

    study: str
    storage: str
    space: Space
    trials: int

    @contextmanager
    def open(self) -> Iterator[Study]:
        """Open the study, or make it.

        Raises
        ------
        InputError
            If it searches another space.
        StoreError
            If the database cannot be used.
        """
        import optuna

        sampler = seeded_sampler(self.space.settings)
        with reached(), open_storage(self.storage, self.space.settings.tries) as storage:
            study = optuna.create_study(
                storage=storage,
                study_name=self.study,
                direction="minimize",
                load_if_exists=True,
                sampler=sampler,
                pruner=_pruner(self.space),
            )
            sampler.study = study
            check_space(study, self.space)
            yield study

    def run(self, objective: Objective, say: Say) -> Results:
        """Train until the study has its trials; many processes may do so at once.

        Raises
        ------
        InputError, OutputError
            If a trial cannot be trained at all.
        TrainingError
            If several in a row came to nothing.
        StoreError
            If the database is out of reach.
        KeyboardInterrupt
            If it was interrupted; the trial is gone on with the next time.
        """
        failures = 0
        with self.open() as study:
            once = _Once(self, study, objective, say)
            while self._left(study, say):
                once.run()
                if once.index is not None:
                    objective.ended(once.index)
                failures = failures + 1 if once.failed else 0
                if failures >= _IN_A_ROW:
                    raise TrainingError(f"{failures} trials in a row came to nothing; of the last one: {once.failed}")
            return results_of(study)

    def _left(self, study: Study, say: Say) -> bool:
        from optuna.trial import TrialState

        n = put_back(study, self.space.settings.tries)
        if n:
            say(f"{n} of the trials had lost their process: put back")
        trials = study.get_trials(deepcopy=False)
        return any(each.state is TrialState.WAITING for each in trials) or len(drawn_in(trials)) < self.trials


class _Once:
    """One trial after the other, as optuna's optimisation calls it."""

    def __init__(self, search: Search, study: Study, objective: Objective, say: Say) -> None:
        self.search, self.study, self.objective, self.say = search, study, objective, say
        self.failed = ""  # why the last one came to nothing
        self.index: int | None = None  # of the last one, once it has ended
        self._trial: int | None = None

    def run(self) -> None:
        self.failed, self.index, self._trial = "", None, None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # optuna calls parts of itself experiments
                self.study.optimize(self._try, n_trials=1, catch=(_Failed,))
        except KeyboardInterrupt:
            if self._trial is not None:
                Again(self.search.space.settings.tries)(self.study, self._frozen(), counts=False)
            raise

    def _frozen(self) -> FrozenTrial:
        return numbered(self.study.get_trials(deepcopy=False), self._trial or 0)

    def _try(self, trial: Trial) -> float:
        import optuna

        trial.set_user_attr(WORKER, this_worker())
        self._trial = trial.number
        trials = self.study.get_trials(deepcopy=False)
        mine = numbered(trials, trial.number)
        index = index_of(trials, mine)
        if (OF not in mine.user_attrs and index >= self.search.trials) or _is_double(trials, mine):
            trial.set_user_attr(SURPLUS, True)
            raise _Failed
        trial.set_user_attr(INDEX, index)
        drawn = {name: draw_value(trial, name, each) for name, each in self.search.space.dimensions.items()}
        self.say(f"trial {index}: {spelt(drawn)}")
        try:
            value = self.objective(index, drawn, _Report(trial, mine, self.search.space.settings.metric))
            self.index = index
        except Pruned as error:
            self.index = index
            self.say(f"trial {index}: ended early, {error}")
            raise optuna.TrialPruned(str(error)) from error
        except (TrainingError, MemoryError) as error:
            self.failed, self.index = _first_line(error), index
            trial.set_user_attr(WHY, self.failed)
            self.say(f"trial {index}: came to nothing: {self.failed}")
            raise _Failed from error
        metric = self.search.space.settings.metric
        self.say(f"trial {index}: {NAMES[metric]} {figure(value, metric)}")
        return value


class _Failed(Exception):
    """A trial came to nothing; the search goes on."""


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _is_double(trials: list[FrozenTrial], mine: FrozenTrial) -> bool:
    """Whether two processes have put back the same trial, and the other copy comes first."""
    from optuna.trial import TrialState

    return any(
        each.number < mine.number and root_of(each) == root_of(mine) and each.state is not TrialState.FAIL
        for each in trials
    )


class _Report:
    """Tells optuna of validations; those that an earlier try has told are not told again."""

    def __init__(self, trial: Trial, frozen: FrozenTrial, metric: Metric) -> None:
        self.trial, self.metric = trial, metric
        self.known = set(frozen.intermediate_values)

    def __call__(self, step: int, value: float) -> None:
        if step in self.known or not math.isfinite(value):
            return
        self.known.add(step)
        self.trial.report(value, step)
        if self.trial.should_prune():
            said = f"{NAMES[self.metric]} {figure(value, self.metric)} after {step:,} steps"
            raise Pruned(f"{said}, and others were better by then")


def draw_value(trial: Trial, name: str, dimension: Range | Choice) -> Value:
    """Draw a setting of a trial."""
    if isinstance(dimension, Choice):
        drawn: Value = trial.suggest_categorical(name, dimension.choices)  # type: ignore[assignment]  # never None
    elif dimension.whole:
        low, high, step = int(dimension.low), int(dimension.high), int(dimension.step or 1)
        drawn = trial.suggest_int(name, low, high - (high - low) % step, step=step, log=dimension.log)
    else:
        step_size = None if dimension.step is None else float(dimension.step)
        high_end = float(dimension.high)
        if step_size is not None:
            high_end = dimension.low + step_size * math.floor((dimension.high - dimension.low) / step_size + 1e-9)
        drawn = trial.suggest_float(name, float(dimension.low), high_end, step=step_size, log=dimension.log)
    return drawn


def spelt(drawn: dict[str, Value]) -> str:
    """Return settings for people.

    Examples
    --------
    >>> spelt({"lr": 0.000123456, "batch_size": 8})
    'lr 0.000123, batch_size 8'
    """
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in drawn.items()
    )


def _pruner(space: Space) -> Any:
    from optuna import pruners

    settings = space.settings
    if settings.pruner == "none":
        return pruners.NopPruner()
    if settings.pruner == "hyperband":
        config = space.config({})
        return pruners.HyperbandPruner(min_resource=max(1, config.validate_steps), max_resource=config.steps)
    return pruners.MedianPruner(n_startup_trials=settings.startup_trials, n_warmup_steps=settings.prune_after)


def seeded_sampler(settings: SweepSettings) -> Any:
    """Return optuna's sampler, seeded anew for every trial by the study's seed and the trial's index.

    One that is seeded once would draw the same again after every start, and otherwise in every process.
    """
    from optuna.samplers import BaseSampler, RandomSampler, TPESampler

    class Seeded(BaseSampler):
        study: Study | None = None

        def __init__(self) -> None:
            self._index: int | None = None
            self._inner: BaseSampler = RandomSampler(seed=0)

        def _of(self, study: Study, trial: FrozenTrial) -> BaseSampler:
            # Of all trials: optuna hands over some of them where a pruner divides them into brackets.
            index = index_of((self.study or study).get_trials(deepcopy=False), trial)
            if index != self._index:
                self._index = index
                seed = _mixed(settings.seed, index)
                if settings.sampler == "random":
                    self._inner = RandomSampler(seed=seed)
                else:
                    self._inner = TPESampler(seed=seed, n_startup_trials=settings.startup_trials)
            return self._inner

        def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
            return self._of(study, trial).infer_relative_search_space(study, trial)

        def sample_relative(
            self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
        ) -> dict[str, Any]:
            return self._of(study, trial).sample_relative(study, trial, search_space)

        def sample_independent(
            self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
        ) -> Any:
            return self._of(study, trial).sample_independent(study, trial, param_name, param_distribution)

    return Seeded()


def _mixed(seed: int, index: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{index}".encode()).digest()[:4], "big")


def load(study: str, storage: str) -> Results:
    """Return what a study that is there has found.

    Raises
    ------
    InputError
        If it is not.
    """
    import optuna

    with reached(), open_storage(storage) as opened:
        try:
            return results_of(optuna.load_study(study_name=study, storage=opened))
        except KeyError as error:
            names = ", ".join(sorted(optuna.get_all_study_names(opened))) or "none"
            raise InputError(f"there is no study {study!r} in this database; there are: {names}") from error
