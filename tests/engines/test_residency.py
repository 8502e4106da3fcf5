"""One model a process, the least recently used out, one job a device over threads and processes."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from melisma.core.errors import EngineOutOfMemory, EngineTimeout, EngineUnavailable, InputError
from melisma.core.records import Emission, Waveform
from melisma.core.timebase import Timebase
from melisma.engines.protocol import EngineFacts, Licence, Task
from melisma.engines.residency import Residents


class Humming:
    """An engine that hears nothing but blanks, and counts what is done with it."""

    labels = ("", "m")
    blank = 0

    def __init__(self, name: str = "humming", memory_mb: int = 100, device: str = "cpu") -> None:
        self.facts = EngineFacts(
            name, "1", name, "", Licence("CC0-1.0", True), Task.EMIT, 16000, None, device, memory_mb
        )
        self.n_loads = 0
        self.heard: list[int] = []
        self.loaded = False

    def missing(self) -> str | None:
        return None

    def load(self) -> None:
        self.n_loads += not self.loaded
        self.loaded = True

    def unload(self) -> None:
        self.loaded = False

    def spell(self, word: str, language: str) -> Sequence[str]:
        return ["m"] if word else []

    def emit(self, waveform: Waveform, progress=None) -> Emission:
        self.load()
        self.heard.append(len(waveform.samples))
        n_frames = -(-len(waveform.samples) // 320)
        frames = np.tile(np.log(np.array([[0.9, 0.1]], np.float32)), (n_frames, 1))
        return Emission(frames, self.labels, 0, Timebase(16000, 320), len(waveform.samples))


@pytest.fixture(autouse=True)
def locks(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("MELISMA_LOCK_DIR", str(tmp_path / "locks"))
    monkeypatch.delenv("MELISMA_ENGINE_MEMORY_MB", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path / "locks"


def plenty(device: str) -> int:
    return 100_000


def test_a_model_is_loaded_at_its_first_use_and_stays():
    residents, engine = Residents(free=plenty), Humming()
    for _ in range(2):
        with residents.using(engine) as lent:
            assert lent is engine
            assert engine.loaded
    assert engine.n_loads == 1
    assert residents.loaded() == (engine,)


def test_two_engines_of_one_model_are_one_resident():
    residents, first, second = Residents(free=plenty), Humming(), Humming()
    with residents.using(first):
        pass
    with residents.using(second) as lent:
        assert lent is first
    assert not second.loaded


def test_another_model_another_device_or_another_class_is_another_resident():
    class Buzzing(Humming):
        pass

    residents = Residents(free=plenty)
    engines = [Humming(), Humming("other"), Humming(device="cuda:1"), Buzzing()]
    for engine in engines:
        with residents.using(engine) as lent:
            assert lent is engine
    assert residents.loaded() == tuple(engines)


def test_an_engine_that_learns_its_revision_by_loading_stays_one():
    class Learning(Humming):
        def load(self) -> None:
            super().load()
            facts = self.facts
            self.facts = EngineFacts(
                facts.name, "1", facts.model_id, "9f", facts.licence, facts.task, 16000, None, "cpu", 100
            )

    residents, first, second = Residents(free=plenty), Learning(), Learning()
    for engine in (first, first, second):
        with residents.using(engine) as lent:
            assert lent is first


def test_the_least_recently_used_model_makes_room():
    residents = Residents(memory_mb=250)
    a, b, c = Humming("a"), Humming("b"), Humming("c")
    for engine in (a, b, a, c):
        with residents.using(engine):
            pass
    assert residents.loaded() == (a, c)
    assert (a.loaded, b.loaded, c.loaded) == (True, False, True)


def test_the_budget_is_read_from_the_environment(monkeypatch):
    monkeypatch.setenv("MELISMA_ENGINE_MEMORY_MB", "150")
    residents, a, b = Residents(free=plenty), Humming("a"), Humming("b")
    for engine in (a, b):
        with residents.using(engine):
            pass
    assert residents.loaded() == (b,)
    monkeypatch.setenv("MELISMA_ENGINE_MEMORY_MB", "lots")
    with pytest.raises(InputError, match="MELISMA_ENGINE_MEMORY_MB is 'lots': give a whole number of MB"):
        residents.using(a).__enter__()


def test_without_a_budget_free_memory_decides():
    a, b = Humming("a", 1000), Humming("b", 1000)
    residents = Residents(free=lambda device: 2500 - 1000 * (a.loaded + b.loaded))
    with residents.using(a):
        pass
    with residents.using(b):
        pass
    assert residents.loaded() == (a, b)
    c = Humming("c", 1300)
    with residents.using(c):
        pass
    assert residents.loaded() == (b, c)


def test_devices_have_budgets_of_their_own():
    residents, a, b = Residents(memory_mb=150), Humming("a"), Humming("b", device="cuda")
    for engine in (a, b):
        with residents.using(engine):
            pass
    assert residents.loaded() == (a, b)


def test_a_model_that_would_not_fit_alone_is_refused_and_nothing_is_unloaded():
    residents, small, large = Residents(memory_mb=150), Humming("small"), Humming("large", 151)
    with residents.using(small):
        pass
    with pytest.raises(EngineOutOfMemory, match="large needs 151 MB on cpu, and models may take 150 MB"):
        residents.using(large).__enter__()
    assert residents.loaded() == (small,)
    assert not large.loaded


def test_what_is_in_use_is_waited_for_not_unloaded():
    residents, a, b = Residents(memory_mb=150), Humming("a"), Humming("b")
    with residents.using(a):
        with pytest.raises(EngineTimeout, match="b waited in vain for 100 MB on cpu"):
            residents.using(b, timeout_s=0.05).__enter__()
        assert a.loaded
    order = []
    inside = threading.Event()

    def hold() -> None:
        with residents.using(a):
            inside.set()
            order.append("a")

    thread = threading.Thread(target=hold)
    thread.start()
    assert inside.wait(60)
    with residents.using(b, timeout_s=120):
        order.append("b")
    thread.join()
    assert order == ["a", "b"]
    assert not a.loaded


def test_out_of_memory_gives_the_memory_back():
    residents, engine = Residents(free=plenty), Humming()
    with pytest.raises(EngineOutOfMemory, match="no more"), residents.using(engine):
        raise EngineOutOfMemory("no more")
    assert not engine.loaded
    assert residents.loaded() == ()


def test_another_failure_leaves_the_model_loaded():
    residents, engine = Residents(free=plenty), Humming()
    with pytest.raises(ValueError, match="song"), residents.using(engine):
        raise ValueError("song")
    assert residents.loaded() == (engine,)


def test_a_model_that_cannot_be_loaded_is_no_resident():
    class Absent(Humming):
        def load(self) -> None:
            raise EngineUnavailable("no such model")

    residents = Residents(free=plenty)
    with pytest.raises(EngineUnavailable, match="no such model"):
        residents.using(Absent()).__enter__()
    assert residents.loaded() == ()


def test_unload_gives_back_one_or_all_that_are_idle():
    residents, a, b, c = Residents(free=plenty), Humming("a"), Humming("b"), Humming("c")
    for engine in (a, b, c):
        with residents.using(engine):
            pass
    residents.unload(Humming("a"))
    assert residents.loaded() == (b, c)
    with residents.using(b):
        residents.unload()
        assert residents.loaded() == (b,)
    assert not c.loaded


def test_warming_up_sends_a_second_of_silence_through():
    residents, engine = Residents(free=plenty), Humming()
    residents.warm_up(engine)
    assert engine.heard == [16000]
    assert residents.loaded() == (engine,)


def test_many_threads_load_a_model_once():
    residents, engine = Residents(free=plenty), Humming()

    def work() -> None:
        for _ in range(20):
            with residents.using(engine) as lent:
                lent.emit(Waveform(np.zeros(320, np.float32), 16000))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert engine.n_loads == 1
    assert len(engine.heard) == 80


@pytest.mark.parametrize(("device", "patience_s", "meet"), [("cuda:0", 0.2, False), ("cpu", 60, True)])
def test_threads_take_turns_on_a_gpu_and_share_the_cpu(device, patience_s, meet):
    residents, engine = Residents(free=plenty), Humming(device=device)
    both = threading.Barrier(2)
    met = []

    def work() -> None:
        with residents.using(engine, timeout_s=60):
            try:
                both.wait(patience_s)
                met.append(True)
            except threading.BrokenBarrierError:
                met.append(False)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert met == [meet] * 2


def test_a_thread_that_holds_a_gpu_may_take_it_again():
    residents = Residents(free=plenty)
    other = residents.using(Humming("b", device="cuda:0"), timeout_s=30)
    with residents.using(Humming("a", device="cuda")) as first, other as second:
        assert (first.facts.model_id, second.facts.model_id) == ("a", "b")


HOLDER = """
import sys
from melisma.engines.device_lock import DeviceLock
with DeviceLock("cuda:0").held(120):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_two_processes_never_meet_on_a_gpu(locks):
    residents, gpu, cpu = Residents(free=plenty), Humming(device="cuda"), Humming(device="cpu")
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(EngineTimeout, match=r"the device cuda:0 was busy with another job for 0\.2 s"):
            residents.using(gpu, timeout_s=0.2).__enter__()
        assert not gpu.loaded
        with residents.using(cpu, timeout_s=30):  # the CPU takes many jobs
            pass
        other.stdin.write("\n")
        other.stdin.flush()
        with residents.using(gpu, timeout_s=120):
            assert gpu.loaded
    assert [path.name for path in locks.iterdir()] == ["cuda-0.lock"]


def test_a_killed_process_leaves_no_lock_behind():
    residents, gpu = Residents(free=plenty), Humming(device="cuda")
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        other.kill()
        other.wait()
        with residents.using(gpu, timeout_s=120):
            assert gpu.loaded


def test_a_folder_that_cannot_hold_locks_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MELISMA_LOCK_DIR", str(tmp_path / "file"))
    with pytest.raises(EngineUnavailable, match="the lock of the device cuda:0 cannot be kept in"):
        Residents(free=plenty).using(Humming(device="cuda")).__enter__()
