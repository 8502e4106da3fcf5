"""What breaks the contract of executors is caught."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import pytest

from melisma.scale.attempt import attempt
from melisma.scale.local import LocalExecutor
from melisma.scale.protocol import Outcome, Stage
from melisma.testing import executors
from melisma.testing.engines import ContractBroken
from melisma.testing.executors import check_executor


class Backwards(LocalExecutor):
    def run(self, stage, tasks, *, journal=None, progress=None, resources=None):
        yield from reversed(list(super().run(stage, tasks, journal=journal, progress=progress)))


class Greedy(LocalExecutor):
    def run(self, stage, tasks, *, journal=None, progress=None, resources=None):
        if not isinstance(tasks, list):
            tasks = [task for task, _ in zip(tasks, range(5000), strict=False)][5:]
        return super().run(stage, tasks, journal=journal, progress=progress)


class Swallowing(LocalExecutor):
    def run(self, stage, tasks, *, journal=None, progress=None, resources=None):
        for task in tasks:
            try:
                outcome = attempt(stage, task)
            except (Exception, MemoryError) as error:
                outcome = Outcome(task.key, error=str(error) or "memory")
            yield outcome


class Forgetful(LocalExecutor):
    def run(self, stage, tasks, *, journal=None, progress=None, resources=None):
        return super().run(stage, tasks, progress=progress)


class Silent(LocalExecutor):
    def run(self, stage, tasks, *, journal=None, progress=None, resources=None):
        return super().run(stage, tasks, journal=journal)


class Remembering(LocalExecutor):
    """Reuses what another configuration found."""

    def run(self, stage, tasks, *, journal=None, progress=None, resources=None):
        return super().run(replace(stage, settings=""), tasks, journal=journal, progress=progress)


class Trusting(LocalExecutor):
    """Forgets what killed runs had in hand."""

    def run(self, stage, tasks, *, journal=None, progress=None, resources=None):
        if journal is not None and journal.name == "given up":
            with closing(sqlite3.connect(journal, isolation_level=None)) as file:
                file.execute("delete from lease")
        return super().run(stage, tasks, journal=journal, progress=progress)


class Hoarding(LocalExecutor):
    """Reads everything before it begins."""

    def run(self, stage, tasks, *, journal=None, progress=None, resources=None):
        if not isinstance(tasks, list):
            tasks = islice(tasks, 10_000)
        return super().run(stage, list(tasks), journal=journal, progress=progress)


class Unloading(LocalExecutor):
    """A process a task."""

    def run(self, stage, tasks, *, journal=None, progress=None, resources=None):
        return super().run(_Unloading(stage), tasks, journal=journal, progress=progress)


@dataclass(frozen=True)
class _Unloading:
    stage: Stage

    @property
    def name(self):
        return self.stage.name

    def configuration(self):
        return self.stage.configuration()

    def __call__(self, item):
        executors._model.cache_clear()
        return self.stage(item)


class Overwriting(LocalExecutor):
    def run(self, stage, tasks, *, journal=None, progress=None, resources=None):
        if journal is not None and journal.exists() and journal.read_bytes()[68:72] != b"MlJ1":
            Path(journal).unlink()
        return super().run(stage, tasks, journal=journal, progress=progress)


class ManyThreads(LocalExecutor):
    def run(self, stage, tasks, *, journal=None, progress=None, resources=None):
        yield from (
            replace(each, value=os.environ.get("MELISMA_THREADS")) if each.value == "1" else each
            for each in super().run(stage, tasks, journal=journal, progress=progress)
        )


@pytest.mark.parametrize(
    ("kind", "promise"),
    [
        (Backwards, "outcomes come in the order of the tasks"),
        (Greedy, "tasks are read as they are needed"),
        (Swallowing, "progress is told"),
        (Silent, "progress is told"),
        (Forgetful, "what is in the journal is not done again"),
        (Remembering, "another configuration makes all anew"),
        (Hoarding, "the queue is bounded"),
        (Unloading, "what a stage loads is loaded once a process"),
        (Trusting, "a task that was in hand when three runs were killed"),
        (Overwriting, "a file that is no journal"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_a_broken_promise_is_named(tmp_path, kind, promise):
    with pytest.raises(ContractBroken, match=promise):
        check_executor(lambda: kind(1), tmp_path, isolates=False)


def test_threads_are_held_to_one(tmp_path, monkeypatch):
    monkeypatch.setenv("MELISMA_THREADS", "7")
    with pytest.raises(ContractBroken, match="MELISMA_THREADS is 1"):
        check_executor(lambda: ManyThreads(2), tmp_path)
