"""A study in SQLite or PostgreSQL: opened by many processes at once, and whole after any of them has died."""

from __future__ import annotations

import json
import os
import socket
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from melisma.core.errors import InputError, MissingDependency, StoreError
from melisma.core.files import make_folder
from melisma.store.connect import parse, prepare_sqlite, sqlite_path
from melisma.train.sweep.space import Space
from melisma.train.sweep.trial import Results, State, Trial

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

SCHEMA = "melisma.sweep/1"
BEAT_S, GRACE_S = 15, 90  # a process that has said nothing for so long is taken for dead, wherever it ran
PATIENCE_S = 60  # for the lock of a SQLite file
# What is kept with a trial beside what optuna keeps.
OF, TRIES, WHY, WORKER, SURPLUS, INDEX = "of", "tries", "why", "worker", "surplus", "index"


@contextmanager
def reached() -> Iterator[None]:
    """Say in a sentence what is wrong with a database.

    Raises
    ------
    StoreError
        If it cannot be reached.
    """
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (StorageInternalError, SQLAlchemyError) as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        said = str(cause).strip().splitlines() or [type(cause).__name__]
        raise StoreError(f"the database of the sweep cannot be used: {said[0][:200]}") from error


@contextmanager
def open_storage(url: str, tries: int = 1) -> Iterator[Any]:
    """Open or make the tables of optuna, and close all connections in the end.

    Parameters
    ----------
    url : str
        `sqlite:///path` or `postgresql://user@host/base`.
    tries : int
        How often a trial is begun whose process dies.

    Raises
    ------
    InputError
        If it is another URL.
    MissingDependency
        If optuna or the driver is not installed.
    StoreError
        If the database cannot be reached.
    """
    try:
        import optuna
    except ImportError as error:
        raise MissingDependency("sweeps need optuna: pip install 'melisma[sweep]'") from error
    from sqlalchemy import event

    parsed = parse(url, "--storage")
    path = sqlite_path(parsed)
    if path is not None:
        make_folder(path.parent)
        more: dict[str, Any] = {"connect_args": {"timeout": PATIENCE_S}}
    else:
        more = {"connect_args": {"connect_timeout": 10}, "pool_pre_ping": True}
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    again = Again(tries)

    def stale(study: Study, trial: FrozenTrial) -> None:
        again(study, trial)

    with reached(), warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        try:
            opened = optuna.storages.RDBStorage(
                parsed.render_as_string(hide_password=False),
                engine_kwargs=more,
                heartbeat_interval=BEAT_S,
                grace_period=GRACE_S,
                heartbeat_stale_trial_callback=stale,
            )
        except ImportError as error:
            raise MissingDependency("PostgreSQL needs a package: pip install 'melisma[postgres]'") from error
        if path is not None:
            event.listen(opened.engine, "connect", lambda raw, _: prepare_sqlite(raw, PATIENCE_S))
            opened.engine.dispose()
    try:
        yield opened
    finally:
        opened.remove_session()
        opened.engine.dispose()


class Again:
    """Puts a trial back whose process has died: the same settings, to be gone on with from its last checkpoint.

    Parameters
    ----------
    tries : int
        How often it is begun at most.
    """

    def __init__(self, tries: int) -> None:
        self.tries = tries

    def __call__(self, study: Study, trial: FrozenTrial, *, counts: bool = True) -> bool:
        """Put a failed trial back into the row; return whether it was not tried too often."""
        from optuna.trial import TrialState, create_trial

        n = int(trial.user_attrs.get(TRIES, 1)) + counts
        if n > self.tries:
            return False
        kept = {key: value for key, value in trial.user_attrs.items() if key != WORKER}
        again = create_trial(
            state=TrialState.WAITING,
            params=trial.params,
            distributions=trial.distributions,
            user_attrs={**kept, OF: root_of(trial), TRIES: n},
            intermediate_values=trial.intermediate_values,
        )
        study.add_trial(again)
        return True


def root_of(trial: FrozenTrial) -> int:
    """Return optuna's number of a trial's first try."""
    return int(trial.user_attrs.get(OF, trial.number))


def index_of(trials: Sequence[FrozenTrial], trial: FrozenTrial) -> int:
    """Return the number of a trial among those that were drawn: further tries of one do not count."""
    known = trial.user_attrs.get(INDEX)
    if known is not None:
        return int(known)
    return sum(each.number < root_of(trial) for each in drawn_in(trials))


def numbered(trials: Sequence[FrozenTrial], number: int) -> FrozenTrial:
    """Return the try with a number of optuna's."""
    return next(each for each in trials if each.number == number)


def drawn_in(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return the first tries of all trials."""
    return [each for each in trials if OF not in each.user_attrs and not each.user_attrs.get(SURPLUS)]


def this_worker() -> str:
    """Return what tells this process from all others."""
    return f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}"


def is_gone(worker: str) -> bool:
    """Whether a process of this machine has ended; of those of others nothing is known here."""
    host, _, rest = worker.rpartition(":")[0].rpartition(":")
    if host != socket.gethostname() or not rest.isdecimal():
        return False
    pid = int(rest)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return _started(pid) != worker.rpartition(":")[2]


def _started(pid: int) -> str:
    """Return when a process began, in ticks since the machine did; empty where that is not told."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    state, *rest = told.rpartition(")")[2].split()
    return "" if state == "Z" else rest[18]  # a zombie has ended


def put_back(study: Study, tries: int) -> int:
    """Put back the trials of processes that have died; return how many.

    Processes of this machine are looked at; others count as dead when they have said nothing for a while.
    """
    from optuna.exceptions import UpdateFinishedTrialError
    from optuna.storages import fail_stale_trials
    from optuna.trial import TrialState

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # optuna calls this function of its own an experiment
        fail_stale_trials(study)
    n = 0
    trials = study.get_trials(deepcopy=False)
    for trial in trials:
        if trial.state is TrialState.RUNNING and _is_dead(trial):
            with suppress(UpdateFinishedTrialError, ValueError):  # another process was faster
                study.tell(trial.number, state=TrialState.FAIL)
                n += Again(tries)(study, trial)
        elif _is_lost(trial, trials, tries):
            n += Again(tries)(study, trial, counts=False)
    return n


def _is_dead(trial: FrozenTrial) -> bool:
    worker = trial.user_attrs.get(WORKER)
    if worker is not None:
        return is_gone(str(worker))
    begun = trial.datetime_start
    return begun is not None and datetime.now(UTC).replace(tzinfo=None) - _utc(begun) > timedelta(seconds=GRACE_S)


def _utc(local: datetime) -> datetime:
    """Return a time of this machine, as optuna writes it, in UTC."""
    return local.astimezone(UTC).replace(tzinfo=None)


def _is_lost(trial: FrozenTrial, trials: Sequence[FrozenTrial], tries: int) -> bool:
    """Whether a trial was interrupted, and the process died before it was put back, or was told to end."""
    from optuna.trial import TrialState

    if trial.state is not TrialState.FAIL or WHY in trial.user_attrs or trial.user_attrs.get(SURPLUS):
        return False
    if int(trial.user_attrs.get(TRIES, 1)) >= tries:
        return False
    return not any(root_of(each) == root_of(trial) and each.number > trial.number for each in trials)


def results_of(study: Study) -> Results:
    """Return what a study has found: the last try of every trial."""
    trials = study.get_trials(deepcopy=False)
    last: dict[int, FrozenTrial] = {}
    for each in trials:
        if not each.user_attrs.get(SURPLUS):
            last[root_of(each)] = each
    found = sorted((_trial(trials, each) for each in last.values()), key=lambda each: each.index)
    return Results(study.study_name, tuple(found), study.user_attrs.get("metric", "wer"))


def _trial(trials: Sequence[FrozenTrial], trial: FrozenTrial) -> Trial:
    from optuna.trial import TrialState

    states = {
        TrialState.WAITING: State.WAITING,
        TrialState.RUNNING: State.RUNNING,
        TrialState.COMPLETE: State.COMPLETE,
        TrialState.PRUNED: State.PRUNED,
        TrialState.FAIL: State.FAILED,
    }
    state = states[trial.state]
    reports = tuple(sorted(trial.intermediate_values.items()))
    value = trial.value if state is State.COMPLETE else min((v for _, v in reports), default=None)
    seconds = trial.duration.total_seconds() if trial.duration is not None else None
    why = str(trial.user_attrs.get(WHY, "its process died" if state is State.FAILED else ""))
    return Trial(
        index_of(trials, trial),
        state,
        dict(trial.params),
        value,
        reports,
        seconds,
        int(trial.user_attrs.get(TRIES, 1)),
        why,
    )


def check_space(study: Study, space: Space) -> None:
    """Note which space a study searches, or refuse to search another one in it.

    Raises
    ------
    InputError
        If it holds trials of another space.
    """
    mark = space.fingerprint()
    known: Mapping[str, Any] = study.user_attrs
    if "space" in known and known["space"] != mark:
        raise InputError(
            f"the study {study.study_name} searches another space: give this one another name with --study"
        )
    if "space" not in known:
        study.set_user_attr("schema", SCHEMA)
        study.set_user_attr("metric", space.settings.metric)
        study.set_user_attr("space", mark)
        study.set_user_attr("dimensions", json.dumps(sorted(space.dimensions)))
