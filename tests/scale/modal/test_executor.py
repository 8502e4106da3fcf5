"""Stages on Modal, in rehearsals: the contract, and what a volume and containers that vanish do to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from melisma.core.errors import InputError
from melisma.core.files import sha256_of
from melisma.scale.local import LocalExecutor
from melisma.scale.modal.config import ModalConfig
from melisma.scale.modal.executor import ModalExecutor, open_cloud
from melisma.scale.modal.folder_volume import FolderVolume
from melisma.scale.modal.orders import FOLDER
from melisma.scale.modal.rehearsal import Rehearsal
from melisma.scale.protocol import Resources, Task
from melisma.testing.executors import check_executor
from scale_stages import PATIENCE_S, Broken, Shout, noted


def config(folder: Path, **changed: object) -> ModalConfig:
    (folder / "root").mkdir(exist_ok=True)
    return ModalConfig(root=folder / "root", rehearsal=folder / "modal", **changed)  # type: ignore[arg-type]


def texts(folder: Path, *said: str) -> list[Task]:
    """Write text files below the root, and put them on the volume; return a task for each."""
    volume = FolderVolume(folder / "modal")
    tasks = []
    for i, text in enumerate(said):
        path = folder / "root" / "data" / "segments" / f"{i}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        volume.upload([(path, f"segmented_audio/{i}.txt")])
        tasks.append(Task(path.name, str(path)))
    return tasks


def on_volume(folder: Path, name: str) -> Path:
    return folder / "modal" / "volume" / name


def left_over(folder: Path) -> list[str]:
    return [each.path for each in FolderVolume(folder / "modal").files(FOLDER)]


def test_it_keeps_the_contract(tmp_path: Path):
    shared = tmp_path / "contract"
    shared.mkdir()
    check_executor(lambda: ModalExecutor(1, config(tmp_path)), shared)  # one container: each takes seconds to start
    assert left_over(tmp_path) == [], "outcomes that were taken do not stay on the volume"


def test_files_are_read_from_the_volume_and_written_to_it(tmp_path: Path):
    chosen = config(tmp_path)
    tasks = texts(tmp_path, "one", "two", "refuse")
    for each in tasks:
        Path(each.item).unlink()  # here they are gone, the volume has them
    out = tmp_path / "root" / "units" / "pt"
    found = list(ModalExecutor(2, chosen).run(Shout(str(out), str(tmp_path / "told")), tasks))
    assert on_volume(tmp_path, "pt_units/0.txt").read_text(encoding="utf-8") == "ONE"
    assert not out.exists(), "nothing is written here"
    assert found[0].value["path"] == str(out / "0.txt"), "paths that come back are those here"
    assert found[2].error == f"{tasks[2].item} is refused"


def test_relative_paths_begin_where_they_do_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    chosen = config(tmp_path)
    texts(tmp_path, "one")
    monkeypatch.chdir(tmp_path / "root" / "data")
    # `data/segments` has another name there, and `data` has not.
    stage = Shout("segments/out", str(tmp_path / "told"))
    [found] = ModalExecutor(1, chosen).run(stage, [Task("0.txt", "segments/0.txt")])
    assert found.value["path"] == "segments/out/0.txt", "what comes back is as it would be here"
    assert on_volume(tmp_path, "segmented_audio/out/0.txt").read_text(encoding="utf-8") == "ONE"
    [found] = ModalExecutor(1, chosen).run(stage, [Task("1.txt", "segments/1.txt")])
    assert found.error == "segments/1.txt: No such file or directory"
    monkeypatch.chdir(tmp_path / "root" / "data" / "segments")
    [found] = ModalExecutor(1, chosen).run(Shout("out", str(tmp_path / "told")), [Task("0.txt", "0.txt")])
    assert found.value["path"] == "out/0.txt"
    assert on_volume(tmp_path, "segmented_audio/out/0.txt").read_text(encoding="utf-8") == "ONE"


def test_what_comes_out_is_the_same_as_here(tmp_path: Path):
    tasks = texts(tmp_path, *(f"line {i}" for i in range(12)))
    stage = Shout(str(tmp_path / "root" / "out"), str(tmp_path / "told"))
    there = list(ModalExecutor(2, config(tmp_path)).run(stage, tasks))
    here = list(LocalExecutor(1).run(stage, tasks))
    assert there == here
    for each in here:
        assert sha256_of(on_volume(tmp_path, f"out/{each.value['name']}")) == each.value["sha256"]


class Opened:
    """Opens rehearsals, and keeps the last one for the test."""

    def __init__(self) -> None:
        self.cloud: Rehearsal | None = None

    def __call__(self, config: ModalConfig, workers: int | None) -> Rehearsal:
        self.cloud = open_cloud(config, workers)  # type: ignore[assignment]
        assert isinstance(self.cloud, Rehearsal)
        return self.cloud


def test_a_container_that_is_preempted_loses_what_it_had_not_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    opened, told = Opened(), tmp_path / "told"
    tasks = texts(tmp_path, "one", "wait", "three")
    stage = Shout(str(tmp_path / "root" / "out"), str(told))
    found: list[object] = []
    executor = ModalExecutor(1, config(tmp_path, commit_s=3600.0), opened)
    run = threading.Thread(target=lambda: found.extend(executor.run(stage, tasks)), daemon=True)
    run.start()
    _until(lambda: "1.txt" in noted(told))
    # The first call has two of the tasks: one file is written, and half of another. Nobody else sees either.
    assert not on_volume(tmp_path, "out").exists()
    assert opened.cloud is not None
    assert opened.cloud.preempt() == 1
    _until(lambda: noted(told).count("1.txt") == 2)
    assert not on_volume(tmp_path, "out").exists(), "what was written is lost with its container"
    (tmp_path / "go").touch()
    run.join(PATIENCE_S)
    assert [each.value["name"] for each in found] == ["0.txt", "1.txt", "2.txt"]  # type: ignore[attr-defined]
    assert noted(told) == ["0.txt", "1.txt", "0.txt", "1.txt", "2.txt"]
    assert on_volume(tmp_path, "out/1.txt").read_text(encoding="utf-8") == "WAIT"


def test_a_call_that_is_begun_again_goes_on_behind_what_it_had_committed(tmp_path: Path):
    opened, told = Opened(), tmp_path / "told"
    tasks = texts(tmp_path, "one", "wait", "three")
    stage = Shout(str(tmp_path / "root" / "out"), str(told))
    found: list[object] = []
    executor = ModalExecutor(1, config(tmp_path, commit_s=0.0), opened)
    run = threading.Thread(target=lambda: found.extend(executor.run(stage, tasks)), daemon=True)
    run.start()
    _until(lambda: "1.txt" in noted(told))
    assert opened.cloud is not None
    opened.cloud.preempt()
    (tmp_path / "go").touch()
    run.join(PATIENCE_S)
    assert [each.value["name"] for each in found] == ["0.txt", "1.txt", "2.txt"]  # type: ignore[attr-defined]
    assert noted(told) == ["0.txt", "1.txt", "1.txt", "2.txt"], "the first was committed, and is not done again"


def _until(holds: object) -> None:
    """Wait until something holds."""
    for _ in range(int(PATIENCE_S / 0.05)):
        if holds():  # type: ignore[operator]
            return
        threading.Event().wait(0.05)
    raise AssertionError("it did not come")


ENVIRON = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
KILLED = """
import sys
from pathlib import Path
from scale_stages import Shout
from melisma.scale.modal.config import ModalConfig
from melisma.scale.modal.executor import ModalExecutor
from melisma.scale.protocol import Task

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    root = folder / "root"
    tasks = [Task(f"{i}.txt", str(root / "data/segments" / f"{i}.txt")) for i in range(6)]
    executor = ModalExecutor(2, ModalConfig(root=root, rehearsal=folder / "modal", commit_s=3600.0))
    stage = Shout(str(root / "out"), str(folder / "told"))
    for each in executor.run(stage, tasks, journal=root / ".journal"):
        print(each.key, int(each.reused), each.error, flush=True)
"""


def test_what_containers_finish_when_the_program_is_killed_is_taken_by_the_next_run(tmp_path: Path):
    config(tmp_path)
    texts(tmp_path, *["wait"] * 6)
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(command, env=ENVIRON, stdout=subprocess.PIPE, text=True) as first:
        _until(lambda: len(noted(tmp_path / "told")) == 2)  # both containers are at work
        first.send_signal(signal.SIGKILL)
    assert (tmp_path / "root" / ".journal.calls").exists()
    (tmp_path / "go").touch()
    _until(lambda: len(left_over(tmp_path)) == 2)  # the containers outlive the program, and commit
    begun = noted(tmp_path / "told")
    assert sorted(begun) == ["0.txt", "1.txt", "2.txt"]  # two tasks in the first call, one in each that comes then
    done = subprocess.run(command, env=ENVIRON, stdout=subprocess.PIPE, text=True, timeout=PATIENCE_S, check=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [(key, error) for key, _, error in lines] == [(f"{i}.txt", "None") for i in range(6)]
    reused = [key for key, again, _ in lines if again == "1"]
    assert reused == [f"{i}.txt" for i in range(3)], "what the containers had finished is taken"
    assert sorted(noted(tmp_path / "told")[len(begun) :]) == ["3.txt", "4.txt", "5.txt"], "and not done again"
    assert left_over(tmp_path) == []
    assert not (tmp_path / "root" / ".journal.calls").exists()


def test_a_task_that_takes_too_long_is_given_up(tmp_path: Path):
    # The first call is stopped after 1 s, and so is that of the task alone.
    chosen = config(tmp_path, stop_s=0.5, task_s=0.5)
    tasks = texts(tmp_path, "wait")
    [found] = ModalExecutor(1, chosen).run(Shout(str(tmp_path / "root" / "out"), str(tmp_path / "told")), tasks)
    assert found.error == "0.txt: it takes longer than a task may, and did so again when it ran alone"


def test_a_call_hands_back_what_it_has_not_begun(tmp_path: Path):
    # Each call stops behind its first task: nothing comes near the limit of a day, however many tasks there are.
    tasks = texts(tmp_path, *["text"] * 5)
    stage = Shout(str(tmp_path / "root" / "out"), str(tmp_path / "told"))
    found = list(ModalExecutor(1, config(tmp_path, stop_s=0.0)).run(stage, tasks))
    assert [each.key for each in found] == [f"{i}.txt" for i in range(5)]
    assert sorted(noted(tmp_path / "told")) == [f"{i}.txt" for i in range(5)], "each is done once"


def test_a_program_that_is_ended_ends_its_containers(tmp_path: Path):
    config(tmp_path)
    texts(tmp_path, *["wait"] * 6)
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(command, env=ENVIRON, stdout=subprocess.PIPE, text=True) as run:
        _until(lambda: len(noted(tmp_path / "told")) == 2)
        run.send_signal(signal.SIGTERM)
        assert run.wait(PATIENCE_S) == 128 + signal.SIGTERM
    assert list((tmp_path / "modal" / "containers").iterdir()) == []
    assert left_over(tmp_path) == []


def test_a_file_that_was_not_uploaded_is_said_to_be_here_alone(tmp_path: Path):
    (tmp_path / "root").mkdir()
    here, nowhere = tmp_path / "root" / "here.txt", tmp_path / "root" / "nowhere.txt"
    here.write_text("x", encoding="utf-8")
    stage = Shout(str(tmp_path / "root" / "out"), "")
    found = list(
        ModalExecutor(1, config(tmp_path)).run(stage, [Task(each.name, str(each)) for each in (here, nowhere)])
    )
    upload = " (on the volume: melisma scale upload brings it there)"
    assert [each.error for each in found] == [
        f"{here}: No such file or directory{upload}",
        f"{nowhere}: No such file or directory",
    ]


def test_a_volume_that_cannot_be_written_is_one_sentence_and_no_lost_container(tmp_path: Path, capfd):
    tasks = texts(tmp_path, "one")
    on_volume(tmp_path, "out/0.txt/in the way").mkdir(parents=True)  # where the file of the stage is to lie
    stage = Shout(str(tmp_path / "root" / "out"), str(tmp_path / "told"))
    with pytest.raises(IsADirectoryError):
        list(ModalExecutor(1, config(tmp_path)).run(stage, tasks))
    assert "Traceback" not in capfd.readouterr().err


def test_a_fault_comes_with_the_traceback_of_its_container(tmp_path: Path):
    with pytest.raises(ValueError, match="could not convert string to float") as raised:
        list(ModalExecutor(1, config(tmp_path)).run(Broken(), [Task("a", "x")]))
    assert "in __call__" in str(raised.value.__cause__)


def test_outcomes_that_are_none_are_refused(tmp_path: Path):
    texts(tmp_path, "one")
    executor = ModalExecutor(1, config(tmp_path))
    stage, journal = Shout(str(tmp_path / "root" / "out"), ""), tmp_path / "root" / ".journal"
    from melisma.scale.modal.executor import _run_name

    path = f"{FOLDER}/{_run_name(stage, journal)}/x.jsonl"
    FolderVolume(tmp_path / "modal").upload([(b'["a", 1, null]\n{"no": 1}\n', path)])
    with pytest.raises(Exception, match=r"x\.jsonl on the volume, line 2, is no outcome: remove it"):
        list(executor.run(stage, [Task("a", "b")], journal=journal))


def test_a_file_that_no_container_can_see_is_refused_before_anything_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    outside = tmp_path / "outside.txt"
    outside.write_text("x", encoding="utf-8")
    monkeypatch.setattr(Rehearsal, "same_disk", False)
    stage = Shout(str(tmp_path / "root" / "out"), "")
    with pytest.raises(InputError, match=r"outside\.txt does not lie in .*root, the folder that the volume mirrors"):
        list(ModalExecutor(1, config(tmp_path)).run(stage, [Task("a", str(outside))]))
    with pytest.raises(InputError, match="does not lie in"):
        list(ModalExecutor(1, config(tmp_path)).run(Shout(str(tmp_path), ""), [Task("a", "b")]))


def test_needs_are_those_of_the_stage(tmp_path: Path):
    executor = ModalExecutor(7, config(tmp_path, gpu="T4", stop_s=100.0, task_s=1000.0))
    with_gpu = executor.needs(Resources(cpus=2, gpus=0.25, memory_mb=3000, seconds=50))
    assert (with_gpu.cpus, with_gpu.memory_mb, with_gpu.gpu) == (2, 3000, "T4:1")
    assert (with_gpu.timeout_s, with_gpu.workers) == (150.0, 7)
    assert executor.needs(None).timeout_s == 1100.0


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("MELISMA_MODAL_"):
            monkeypatch.delenv(name)
