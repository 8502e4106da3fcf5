"""The contract of executors, as a function that the tests of one call.

from melisma.testing.executors import check_executor

def test_it_keeps_the_contract(tmp_path):
    check_executor(MyExecutor, tmp_path)
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cache
from itertools import count, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from melisma.core.errors import InputError, MissingDependency, OutputError
from melisma.scale.journal import MOST_ATTEMPTS, Journal
from melisma.scale.protocol import Executor, Outcome, Resources, Stage, Task
from melisma.testing.engines import ContractBroken

_MANY = 300
_AHEAD = 4096  # more than any machine's processes have waiting


@dataclass(frozen=True, slots=True)
class Script:
    """A stage whose items say what is to happen.

    Numbers are doubled; "refuse", "lose", "fault" and "extra" raise an `InputError`, an `OSError`, a `ValueError` and a
    `MissingDependency`; "memory" runs out of it; "die" kills its process, `("die", signal)` by another signal than
    SIGKILL, `("die once", FILE)` unless FILE is there; "threads" tells MELISMA_THREADS; `("tell", FILE, value)` adds a
    line to FILE and returns the value; `("large", n)` returns n letters; `("model", FILE)` loads what a process keeps,
    adds a line to FILE as it does so, and returns the line; `("copy", FILE, FOLDER)` copies FILE and its log there;
    `("until", FILE, TOLD, value)` adds its process to TOLD, waits until FILE is there, and returns the value.
    """

    settings: str = ""

    @property
    def name(self) -> str:
        """Of the stage."""
        return "script"

    def configuration(self) -> str:
        """Return its settings."""
        return self.settings

    def __call__(self, item: Any) -> Any:
        """Do what the item says."""
        if isinstance(item, int):
            return 2 * item
        what, *facts = (item,) if isinstance(item, str) else item
        return _DEEDS[what](*facts)


def _refuse() -> Any:
    raise InputError("this item is refused")


def _lose() -> Any:
    raise FileNotFoundError(2, "No such file or directory", "lost.wav")


def _fault() -> Any:
    raise ValueError("a fault of the program")


def _extra() -> Any:
    raise MissingDependency("this needs an extra: pip install 'melisma[data]'")


def _memory() -> Any:
    raise MemoryError


def _die(by: int = signal.SIGKILL) -> Any:
    os.kill(os.getpid(), by)


def _die_once(path: str) -> str:
    if not Path(path).exists():
        Path(path).touch()
        _die()
    return "done"


def _threads() -> str | None:
    return os.environ.get("MELISMA_THREADS")


def _tell(path: str, value: Any) -> Any:
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(f"{value}\n")
    return value


@cache
def _model(path: str) -> str:
    return str(_tell(path, secrets.token_hex(8)))


def _copy(path: str, folder: str) -> bool:
    Path(folder).mkdir(exist_ok=True)
    for each in (Path(path), Path(f"{path}-wal")):
        shutil.copy(each, Path(folder, each.name))
    return True


def _until(path: str, told: str, value: Any) -> Any:
    _tell(told, os.getpid())
    while not Path(path).exists():
        time.sleep(0.02)
    return value


def _tuple() -> Any:
    return {"pair": (1, 2.5, None), 3: "text"}


_DEEDS: dict[str, Callable[..., Any]] = {
    "refuse": _refuse,
    "lose": _lose,
    "fault": _fault,
    "extra": _extra,
    "memory": _memory,
    "die": _die,
    "die once": _die_once,
    "threads": _threads,
    "tell": _tell,
    "tuple": _tuple,
    "model": _model,
    "large": "x".__mul__,
    "copy": _copy,
    "until": _until,
}


def check_executor(make: Callable[[], Executor], folder: Path, *, isolates: bool = True) -> None:
    """Hold an executor to its contract.

    Parameters
    ----------
    make : callable
        Makes one.
    folder : Path
        Empty, and seen by the executor's processes under the same path.
    isolates : bool
        Whether tasks run in processes of their own, so that one that dies does not take the run with it.

    Raises
    ------
    ContractBroken
        With a sentence that names the promise.
    """
    _check_outcomes(make())
    _check_laziness(make())
    _check_resources(make(), folder)
    _check_faults(make())
    _check_journal(make, folder)
    _check_journal_files(make, folder)
    _check_leases(make, folder)
    if isolates:
        _check_isolation(make(), folder)


def _tasks(*items: Any) -> list[Task]:
    return [Task(f"task {number}", item) for number, item in enumerate(items)]


def _promise(kept: bool, promise: str) -> None:
    if not kept:
        raise ContractBroken(promise)


def _check_outcomes(executor: Executor) -> None:
    _promise(list(executor.run(Script(), [])) == [], "no tasks have no outcomes")
    found = list(executor.run(Script(), _tasks(*range(_MANY))))
    expected = [Outcome(f"task {i}", 2 * i) for i in range(_MANY)]
    _promise(found == expected, "outcomes come in the order of the tasks, one for each")
    name = os.fsdecode(b"odd \xff name")
    tasks = [*_tasks(1, "refuse", "lose", "memory", 2, "tuple"), Task(name, len(name))]
    told: list[tuple[str, float]] = []
    said = list(executor.run(Script(), tasks, progress=lambda *share: told.append(share)))
    _promise([each.value for each in said[:5]] == [2, None, None, None, 4], "an item that fails costs no other")
    _promise(said[1].error == "this item is refused", "an error of the package is told as it is")
    _promise(said[2].error == "lost.wav: No such file or directory", "an OSError is told with its file")
    _promise("memory" in (said[3].error or ""), "a task for which there is too little memory has an error that says so")
    _promise(said[5].value == {"pair": [1, 2.5, None], "3": "text"}, "values are what JSON makes of them")
    _promise((said[6].key, said[6].value) == (name, 2 * len(name)), "keys may be any file name")
    _promise({name for name, _ in told} == {"script"}, "progress is told under the stage's name")
    shares = [share for _, share in told]
    _promise(shares == sorted(shares) and shares[-1] == 1.0, "progress never goes back and ends at 1")


def _check_laziness(executor: Executor) -> None:
    read = count()

    def endless() -> Iterator[Task]:
        for number in read:
            yield Task(str(number), number)

    with closing(executor.run(Script(), endless())) as outcomes:  # type: ignore[type-var]
        found = [each.value for each in islice(outcomes, 5)]
        _promise(found == [0, 2, 4, 6, 8], "tasks are read as they are needed, and there may be no end of them")
        found = [each.value for each in islice(outcomes, _MANY)]
    _promise(next(read) <= 5 + _MANY + _AHEAD, "the queue is bounded: tasks are not read long before they are done")
    _promise(found == [2 * i for i in range(5, 5 + _MANY)], "what waits in the queue keeps its order")


def _check_resources(executor: Executor, folder: Path) -> None:
    some = Resources(cpus=0.5, memory_mb=100, seconds=600)
    loads = folder / "loads"
    tasks = _tasks(*(("model", str(loads)) for _ in range(_MANY)), ("large", 2_000_000))
    *found, large = [each.value for each in executor.run(Script(), tasks, resources=some)]
    _promise(large == "x" * 2_000_000, "what is asked of machines changes no outcome, nor does the size of one")
    loaded = loads.read_text(encoding="utf-8").split()
    _promise(set(found) <= set(loaded), "tasks with the same item come to the same process's answer")
    _promise(len(loaded) <= _MANY // 4, "what a stage loads is loaded once a process, not once a task")


def _check_faults(executor: Executor) -> None:
    for item, kind in (("fault", ValueError), ("extra", MissingDependency)):
        try:
            list(executor.run(Script(), _tasks(1, item, 2)))
        except kind:
            continue
        raise ContractBroken(f"a {kind.__name__} ends the run, and is raised as what it is")
    again = [each.value for each in executor.run(Script(), _tasks(5))]
    _promise(again == [10], "an executor can be used again after a run that broke off")


def _check_journal(make: Callable[[], Executor], folder: Path) -> None:
    journal, told = folder / "journal", folder / "told"
    tasks = [Task(f"task {i}", ("tell", str(told), i), "first") for i in range(8)]
    tasks[5] = Task("task 5", "refuse", "first")

    def run(tasks: list[Task], settings: str = "") -> list[Outcome]:
        told.write_text("", encoding="utf-8")
        return list(make().run(Script(settings), tasks, journal=journal))

    first = run(tasks)
    _promise(len(told.read_text(encoding="utf-8").split()) == 7, "a task is done once")
    again = run(tasks)
    same = [(each.key, each.value, each.error) for each in again] == [(e.key, e.value, e.error) for e in first]
    _promise(same, "what is reused is what was found")
    _promise(told.read_text(encoding="utf-8") == "", "what is in the journal is not done again")
    _promise([each.reused for each in again] == [i != 5 for i in range(8)], "errors are not kept, values are")
    tasks[3] = Task("task 3", ("tell", str(told), 3), "second")
    run(tasks)
    _promise(told.read_text(encoding="utf-8").split() == ["3"], "another signature makes that task anew, and no other")
    run(tasks, "others")
    _promise(len(told.read_text(encoding="utf-8").split()) == 7, "another configuration makes all anew")
    _check_kept_before_a_fault(make, folder / "broken off")


def _check_kept_before_a_fault(make: Callable[[], Executor], journal: Path) -> None:
    tasks = _tasks(*range(40), "fault")
    seen: list[Outcome] = []
    with suppress(ValueError):
        seen.extend(make().run(Script(), tasks, journal=journal))
    again = list(make().run(Script(), tasks[:40], journal=journal))
    _promise(len(seen) < 41 and [e.value for e in again] == [2 * i for i in range(40)], "a fault is raised in its turn")
    _promise(all(each.reused for each in again[: len(seen)]), "what came out before a fault is kept")


def _check_journal_files(make: Callable[[], Executor], folder: Path) -> None:
    for name, content in (("text", b"id,audio\n" * 1000), ("torn", b"SQLite format 3\0" + bytes(4000))):
        path = folder / name
        path.write_bytes(content)
        try:
            list(make().run(Script(), _tasks(1), journal=path))
        except OutputError as error:
            _promise("\n" not in str(error) and name in str(error), "a file that is no journal is one sentence")
        else:
            raise ContractBroken("a file that is no journal is refused")
        _promise(path.read_bytes() == content, "a file that is no journal stays as it is")
    shared = folder / "shared"
    with closing(make().run(Script(), _tasks(*range(_MANY)), journal=shared)) as first:  # type: ignore[type-var]
        next(first)
        try:
            list(make().run(Script(), _tasks(1), journal=shared))
        except OutputError:
            pass
        else:
            raise ContractBroken("two runs at once on one journal are refused")
    list(make().run(Script(), _tasks(1), journal=shared))


def _check_leases(make: Callable[[], Executor], folder: Path) -> None:
    journal, told = folder / "leases", folder / "begun"
    tasks = [Task("copied", ("copy", str(journal), str(folder / "copies"))), Task("told", ("tell", str(told), 1))]
    _promise(all(e.error is None for e in make().run(Script(), tasks, journal=journal)), "a stage may read a journal")
    left = folder / "copies" / journal.name  # as if the run had been killed while it copied
    with Journal(left, Script()) as known:
        _promise(known.attempts(tasks[0]) == 1, "what is in hand is written down before it is begun")
    with Journal(journal, Script()) as known:
        _promise(known.attempts(tasks[0]) == 0, "a run that ends by itself leaves nothing in hand")
    _check_given_up(make, folder / "given up", told)


def leave_in_hand(journal: Path, stage: Stage, tasks: list[Task]) -> None:
    """Leave a journal as a run does that is killed while it has tasks in hand."""
    with TemporaryDirectory() as kept:
        with Journal(journal, stage) as known:
            known.lease(tasks)
            _copy(str(journal), kept)
        for each in Path(kept).iterdir():
            shutil.copy(each, journal.parent / each.name)


def _check_given_up(make: Callable[[], Executor], journal: Path, told: Path) -> None:
    told.write_text("", encoding="utf-8")
    tasks = [Task(key, ("tell", str(told), key)) for key in ("guilty", "innocent", "new")]
    for n_killed in range(1, MOST_ATTEMPTS + 1):
        leave_in_hand(journal, Script(), tasks[:2] if n_killed < MOST_ATTEMPTS else tasks[:1])
    found = list(make().run(Script(), tasks, journal=journal))
    _promise("guilty" in (found[0].error or ""), "a task that was in hand when three runs were killed has an error")
    _promise(
        [each.value for each in found[1:]] == ["innocent", "new"],
        "and it costs no other task, nor one that was in hand when two were",
    )
    begun = told.read_text(encoding="utf-8").split()
    _promise(sorted(begun) == ["innocent", "new"], "a task that ended three runs is not begun in a fourth")


def _check_isolation(executor: Executor, folder: Path) -> None:
    tasks = _tasks(*range(10), "die", *range(10), ("die once", str(folder / "died")), 7, "threads")
    found = list(executor.run(Script(), tasks))
    _promise([each.key for each in found] == [each.key for each in tasks], "a process that dies changes no order")
    _promise("task 10" in (found[10].error or ""), "a task whose process dies has an error that names it")
    _promise(found[21].value == "done", "a task whose process dies is tried once more")
    others = [each for number, each in enumerate(found) if number not in (10, 21)]
    _promise(all(each.error is None for each in others), "a process that dies costs no other task")
    _promise(found[-1].value == "1", "MELISMA_THREADS is 1 where tasks run")
