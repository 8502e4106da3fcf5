from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from melisma.scale import machine
from melisma.scale.choice import Choice
from melisma.scale.forecast import Forecast, Range
from melisma.scale.journal import Journal
from melisma.scale.local import LocalExecutor
from melisma.scale.preview import BIG, Foretelling, Plan, foresee
from melisma.scale.prices import Prices
from melisma.scale.protocol import Outcome, Resources, Task
from scale_stages import Broken, Sleep


def a_forecast(**changed: object) -> Forecast:
    usual = Forecast("modal", 10, 2.0, None, 1000, 1000, 8, 0, Range(9.0, 10.0, 12.0), 0.0, 1024.0)
    return replace(usual, **changed)


def test_a_run_is_foretold_from_tasks_that_were_done(tmp_path: Path):
    stage = Sleep(str(tmp_path / "told"))
    found = foresee(stage, [Task(str(i), 50) for i in range(400)], Plan("local", 4))
    assert (found.n_tasks, found.n_measured, found.n_open) == (400, 8, 392)
    # It sleeps for 50 ms and does little else; on a busy machine that may take longer, never less.
    assert found.task_s.low <= found.task_s.middle <= found.task_s.high
    assert found.task_s.middle >= 0.05
    assert found.machine_s.middle == pytest.approx(392 * found.task_s.middle + 4 * found.loading_s)
    assert found.wall_s.middle == pytest.approx(found.machine_s.middle / 4)
    assert found.peak_mb > 5
    assert found.cost is None
    assert len((tmp_path / "told").read_text(encoding="utf-8").split()) == 8


def test_files_of_many_sizes_are_weighed_by_them(tmp_path: Path):
    tasks = []
    for i in range(100):
        path = tmp_path / f"{i}.bin"
        path.write_bytes(bytes(300 if i % 2 else 30))
        tasks.append(Task(path.name, str(path)))
    found = foresee(Sleep(str(tmp_path / "told")), tasks, Plan("local", 1))
    mean = found.task_s.middle
    assert mean >= 0.165 * 0.99, "the average file has 165 bytes, however many large ones were drawn"


def test_what_was_measured_here_is_not_done_again(tmp_path: Path):
    journal, stage = tmp_path / "journal", Sleep(str(tmp_path / "told"))
    tasks = [Task(str(i), 1) for i in range(20)]
    told: list[Forecast] = []
    executor = Foretelling(LocalExecutor(1), Plan("local", 1), told.append, always=True)
    found = list(executor.run(stage, tasks, journal=journal))
    assert [each.value for each in found] == [2] * 20
    assert sum(each.reused for each in found) == 8
    assert len((tmp_path / "told").read_text(encoding="utf-8").split()) == 20
    assert [each.n_open for each in told] == [12]
    list(executor.run(stage, tasks, journal=journal))
    assert [(each.n_open, each.n_measured) for each in told] == [(12, 8), (0, 0)]


def test_what_is_to_be_done_elsewhere_is_measured_here_and_not_kept(tmp_path: Path):
    journal, stage = tmp_path / "journal", Sleep(str(tmp_path / "told"))
    assert foresee(stage, [Task("a", 1)], Plan("modal", 20), journal=journal).n_open == 1
    with Journal(journal, stage) as known:
        assert known.find(Task("a", 1)) is None


def test_a_small_run_is_not_measured_unless_it_is_asked_for(tmp_path: Path):
    told: list[Forecast] = []
    executor = Foretelling(LocalExecutor(1), Plan("local", 1), told.append)
    found = list(executor.run(Sleep(str(tmp_path / "told")), [Task("a", 1)]))
    assert found == [Outcome("a", 2)]
    assert told == []


def test_a_big_run_is_foretold_if_it_is_long(tmp_path: Path):
    told: list[Forecast] = []

    class Stop(Exception):
        pass

    def stop(forecast: Forecast) -> None:
        told.append(forecast)
        raise Stop

    class Many:
        def __init__(self, n: int) -> None:
            self.n = n

        def __len__(self) -> int:
            return self.n

        def __iter__(self):
            return (Task(str(i), 100) for i in range(self.n))

    executor = Foretelling(LocalExecutor(1), Plan("local", 1), stop)
    with pytest.raises(Stop):
        list(executor.run(Sleep(str(tmp_path / "told")), Many(50 * BIG)))
    assert told[0].wall_s.middle > 3600
    assert len((tmp_path / "told").read_text(encoding="utf-8").split()) == 8


def test_failures_are_counted_and_told():
    found = foresee(Sleep(""), [Task(str(i), "bad") for i in range(5)], Plan("local", 1))
    assert (found.n_measured, found.n_failed) == (0, 5)
    assert list(found.lines())[-1] == "all 5 that were tried failed: what the others take is not known"


def test_a_fault_of_the_program_is_raised():
    with pytest.raises(ValueError, match="could not convert"):
        foresee(Broken(), [Task("a", "x")], Plan("local", 1))


def test_money_is_time_by_price_and_what_containers_wait():
    forecast = a_forecast()
    hour = 2 * Prices().core + 1 * Prices().gib
    assert forecast.cost is not None
    assert forecast.cost.middle == pytest.approx((10_000 + 10 * 80) / 3600 * hour)
    assert forecast.cost.low == pytest.approx(9000 / 1.5 / 3600 * hour)
    assert forecast.cost.high == pytest.approx((12_000 * 1.5 + 10 * 80) / 3600 * hour)
    assert forecast.wall_s.middle == pytest.approx(1000)
    with_gpu = a_forecast(gpu="L4")
    assert with_gpu.cost is not None
    assert with_gpu.cost.middle / forecast.cost.middle > 5
    unknown = a_forecast(gpu="B300")
    assert unknown.cost is not None
    assert unknown.cost.middle > with_gpu.cost.middle


def test_what_is_said_tells_measured_extrapolated_and_assumed():
    said = "\n".join(a_forecast().lines())
    assert said.splitlines()[0] == "1000 of 1000 tasks are to be done, on modal by 10 at a time"
    for word in ("measured on 8", "extrapolated: ", "cost: $", "assumed: ", "June 2026"):
        assert word in said
    assert "cost" not in "\n".join(a_forecast(where="local").lines())
    here = list(a_forecast(where="local", n_open=3, n_tasks=11, loading_s=2.0).lines())
    assert here[0] == "3 of 11 tasks are to be done, on local by 3 at a time"
    assert here[1].startswith(
        "measured on 8 tasks done just now, on one core here: 10.0 s a task (9.0 s to 12.0 s), 2.0 s to "
    )


def test_what_costs_next_to_nothing_is_no_row_of_zeros():
    said = "\n".join(a_forecast(workers=1, n_open=1, cpus=0.1, task_s=Range(0.1, 0.2, 0.3)).lines())
    assert "cost: less than a cent" in said
    assert "$0.00" not in said.partition("cost:")[2].partition("assumed:")[0]


def test_of_a_run_of_which_nothing_is_left_nothing_is_extrapolated():
    done = list(a_forecast(where="local", n_open=0, n_tasks=2, n_measured=2).lines())
    assert done[0] == "of 2 tasks none is left to be done"
    assert [line.partition(" ")[0] for line in done[1:]] == ["measured"]
    assert list(a_forecast(n_open=0, n_measured=0).lines()) == ["of 1000 tasks none is left to be done"]


def test_a_run_of_which_nothing_is_left_takes_no_time():
    forecast = a_forecast(n_open=0, loading_s=5.0)
    assert forecast.cost == forecast.wall_s == Range(0.0, 0.0, 0.0)


def test_more_workers_than_tasks_do_not_help():
    assert a_forecast(n_open=3, where="local").wall_s.middle == pytest.approx(10)


def test_resources_of_the_run_decide(tmp_path: Path):
    told: list[Forecast] = []
    executor = Foretelling(LocalExecutor(1), Plan("modal", 4, gpu="T4"), told.append, always=True)
    list(executor.run(Sleep(str(tmp_path / "told")), [Task("a", 1)], resources=Resources(cpus=3, gpus=0.5)))
    assert (told[0].cpus, told[0].gpu) == (3, "T4")


def test_an_executor_that_takes_fewer_processes_than_were_asked_for_is_asked(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(machine, "free_memory_mb", lambda: 2500)
    told: list[Forecast] = []
    executor = Choice("local", 8).foretelling(told.append, always=True)
    tasks = [Task(str(i), 1) for i in range(12)]
    list(executor.run(Sleep(str(tmp_path / "told")), tasks, resources=Resources(memory_mb=1000)))
    assert told[0].workers == 2


def test_tasks_without_a_length_are_foretold_and_not_done(tmp_path: Path):
    def tell(forecast: Forecast) -> None:
        raise KeyboardInterrupt(forecast.n_tasks)

    stage = Sleep(str(tmp_path / "told"))
    executor = Foretelling(LocalExecutor(1), Plan("local", 1), tell, always=True)
    with pytest.raises(KeyboardInterrupt, match="30"):
        list(executor.run(stage, (Task(str(i), 0) for i in range(30))))
    assert len((tmp_path / "told").read_text(encoding="utf-8").split()) == 8
