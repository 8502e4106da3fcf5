"""The Ray executor keeps the contract on this machine, and nothing of it stays behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

pytest.importorskip("ray")

import ray

from melisma.core.errors import InputError, MelismaError
from melisma.scale.choice import Choice
from melisma.scale.protocol import Resources, Task
from melisma.scale.ray import RayExecutor, connect, runtime_env
from melisma.scale.ray_crew import RayCrew
from melisma.testing.executors import Script, check_executor, leave_in_hand

SLOW = """
import sys, time
from dataclasses import dataclass
from pathlib import Path
from melisma.scale.protocol import Task
from melisma.scale.ray import RayExecutor

@dataclass(frozen=True)
class Slow:
    name = "slow"
    def configuration(self): return ""
    def __call__(self, item):
        folder, number = item
        try:
            Path(folder, f"started {number}").touch()
            time.sleep(0 if number < 5 else 600)
            return number
        finally:
            Path(folder, f"left {number}").touch()

if __name__ == "__main__":
    tasks = [Task(str(n), (sys.argv[1], n)) for n in range(8)]
    try:
        print([o.value for o in RayExecutor(1).run(Slow(), tasks, journal=Path(sys.argv[1], "journal"))])
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.fixture(scope="module")
def cluster():
    for name in ("MELISMA_RAY_ADDRESS", "RAY_ADDRESS", "MELISMA_RAY_RUNTIME_ENV"):
        assert name not in os.environ, "tests are not for a cluster that somebody works with"
    try:
        connect("local")
    except MelismaError as error:
        pytest.skip(f"no cluster starts here: {error}")
    yield
    ray.shutdown()


def test_contract(cluster, tmp_path):
    check_executor(lambda: RayExecutor(2), tmp_path)


def test_a_task_that_ended_three_runs_and_one_that_ended_two(cluster, tmp_path):
    tasks = [Task("thrice", 1), Task("twice, and again", "die"), Task("twice", 2), Task("new", 3)]
    for n_in_hand in (3, 3, 1):
        leave_in_hand(tmp_path / "j", Script(), tasks[:n_in_hand])
    thrice, again, *others = RayExecutor(1).run(Script(), tasks, journal=tmp_path / "j")
    assert "it was in hand when 3 runs ended" in thrice.error
    assert again.error == (
        "twice, and again: the Ray actor that worked on it ended (as where memory runs out, or a library crashes), "
        "as a run did before it"
    )
    assert [each.value for each in others] == [4, 6]


def test_relative_paths_begin_where_the_command_is_run_and_not_where_the_cluster_was_started(
    cluster, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert [each.value for each in RayExecutor(1).run(Script(), [Task("a", ("tell", "told", 1))])] == [1]
    assert (tmp_path / "told").read_text(encoding="utf-8") == "1\n"


def test_a_folder_that_a_node_does_not_have_is_one_sentence(cluster, tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.setattr("melisma.scale.ray.os.getcwd", lambda: str(gone))
    gone.rmdir()
    with pytest.raises(InputError, match=r"cannot work in .*gone \(No such file or directory\): run the command in"):
        list(RayExecutor(1).run(Script(), [Task("a", 1)]))


def test_results_are_taken_out_of_the_object_store_as_they_come(cluster):
    tasks = [Task(str(i), ("large", 2_000_000)) for i in range(120)]
    found = 0
    for each in RayExecutor(2).run(Script(), tasks):
        found += len(each.value)
    assert found == 240_000_000
    session = Path(ray._private.worker._global_node.get_session_dir_path())
    assert list(session.glob("ray_spilled*")) == [], "it has room for 128 MB, the rest would go to the disk"


def test_a_task_that_kills_its_actor_at_once_is_no_failed_start(cluster, monkeypatch):
    to, really = [], RayCrew._send

    def send(crew, hand, tasks):
        to.append(hand.node)
        really(crew, hand, tasks)

    monkeypatch.setattr(RayCrew, "_send", send)
    found = list(RayExecutor(1).run(Script(), [*(Task(f"bad {n}", "die") for n in range(4)), Task("good", 1)]))
    assert [each.value for each in found] == [None] * 4 + [2]
    assert None not in to, "what is sent before an actor has said that it began may keep that from being heard"


def test_a_run_within_a_run_does_not_wait_for_it(cluster):
    executor = RayExecutor(1)
    outcomes = executor.run(Script(), [Task(str(n), n) for n in range(40)], resources=Resources(cpus=1))
    assert next(outcomes).value == 0
    assert [each.value for each in executor.run(Script(), [Task("again", 21)])] == [42]
    assert [each.value for each in outcomes] == [2 * n for n in range(1, 40)]


def test_a_gpu_that_is_not_there_is_done_without(cluster):
    if "GPU" in ray.cluster_resources():
        pytest.skip("there is one")
    [outcome] = RayExecutor(1).run(Script(), [Task("a", 1)], resources=Resources(gpus=0.25, memory_mb=10))
    assert outcome.value == 2


def test_what_cannot_be_loaded_there_is_told(cluster):
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        list(RayExecutor(1).run(Own(), [Task("a", 1)]))


class Own(Script):
    __slots__ = ()

    def __reduce__(self):
        return import_module, ("no_such_module",)


def test_the_choice_of_a_name():
    assert Choice("ray", 3).open() == RayExecutor(3)


@pytest.fixture
def apart():
    if ray.is_initialized():
        ray.shutdown()  # one that has joined a cluster stays with it


def test_where_nobody_answers_is_one_sentence(apart, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
    monkeypatch.setenv("MELISMA_RAY_ADDRESS", f"127.0.0.1:{free}")
    with pytest.raises(MelismaError, match=f"Ray cannot be reached at 127.0.0.1:{free}: Connection refused"):
        list(RayExecutor(1).run(Script(), [Task("a", 1)]))


@pytest.mark.parametrize("address", ["somewhere", "http://a.example", "host:port", "ray://", "127.0.0.1:99999999"])
def test_what_is_no_address_is_refused(apart, address):
    with pytest.raises(InputError, match="is no address of a Ray cluster"):
        connect(address)


@pytest.mark.parametrize("text", ["{", "[1]", '{"env_vars": 3}', "/no/such/file.json"])
def test_a_runtime_env_that_is_none_is_refused(monkeypatch, text):
    monkeypatch.setenv("MELISMA_RAY_RUNTIME_ENV", text)
    with pytest.raises(InputError, match="MELISMA_RAY_RUNTIME_ENV"):
        runtime_env()


def test_a_runtime_env_may_be_in_a_file(monkeypatch, tmp_path):
    (tmp_path / "env.json").write_text('{"pip": ["melisma"], "env_vars": {"A": "b"}}')
    monkeypatch.setenv("MELISMA_RAY_RUNTIME_ENV", str(tmp_path / "env.json"))
    assert runtime_env() == {"pip": ["melisma"], "env_vars": {"A": "b"}}


def of_session(number: int) -> dict[int, str]:
    """Return the processes of a session with their names."""
    found = {}
    for each in Path("/proc").iterdir():
        try:
            text = (each / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        name, facts = text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2 :].split()
        if int(facts[3]) == number and facts[0] not in "ZX":
            found[int(each.name)] = name
    return found


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_nothing_stays_when_it_is_ended(cluster, tmp_path, sent, code):
    (tmp_path / "slow.py").write_text(SLOW, encoding="utf-8")
    environment = {key: value for key, value in os.environ.items() if "RAY_" not in key}
    run = subprocess.Popen(
        [sys.executable, str(tmp_path / "slow.py"), str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=environment,
    )
    try:
        wait_until((tmp_path / "started 5").exists)
        os.kill(run.pid, sent) if sent == signal.SIGKILL else os.killpg(run.pid, sent)
        wait_until(lambda: run.poll() is not None)
        # Ray's agents, which do nothing, notice a kill -9 only after a minute.
        agents = ("ray::Dashboard", "ray::RuntimeEnv") if sent == signal.SIGKILL else ()
        wait_until(lambda: all(name.startswith(agents) for name in of_session(run.pid).values()))
    finally:
        run.kill()
        for number in of_session(run.pid):
            os.kill(number, signal.SIGKILL)
    out, err = run.communicate(timeout=300)
    assert (run.returncode, out, err) == (code, "", "")
    if sent == signal.SIGINT:
        assert (tmp_path / "left 5").exists(), "a task that is ended clears up behind itself"
    from melisma.scale.journal import Journal

    class Slow(Script):
        name = "slow"

    with Journal(tmp_path / "journal", Slow()) as known:
        assert [known.find(Task(str(n), None)).value for n in range(5)] == list(range(5))
        assert known.attempts(Task("5", None)) == (sent == signal.SIGKILL)


def wait_until(is_so) -> None:
    until = time.monotonic() + 180
    while not is_so():
        assert time.monotonic() < until, "what is waited for never came"
        time.sleep(0.05)
