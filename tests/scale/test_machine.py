from __future__ import annotations

import pytest

from melisma.scale.machine import free_memory_mb, n_workers, visible_gpus
from melisma.scale.protocol import Resources


def machine(folder, *, available_mb: int = 8000, gpus: int = 0, group: tuple[int, int] | None = None):
    (folder / "proc").mkdir()
    (folder / "proc/meminfo").write_text(f"MemTotal: 99999999 kB\nMemAvailable: {available_mb * 1024} kB\n")
    (folder / "dev").mkdir()
    for each in ("nvidiactl", "nvidia-uvm", *(f"nvidia{i}" for i in range(gpus))):
        (folder / "dev" / each).touch()
    if group is not None:
        (folder / "sys/fs/cgroup").mkdir(parents=True)
        for name, text in zip(("memory.max", "memory.current"), group, strict=True):
            (folder / "sys/fs/cgroup" / name).write_text(f"{text * 2**20}\n")
        (folder / "sys/fs/cgroup/memory.stat").write_text(f"anon 5\ninactive_file {100 * 2**20}\n")
    return folder


def test_free_memory_is_what_the_machine_and_the_control_group_leave(tmp_path):
    assert free_memory_mb(machine(tmp_path, group=(1000, 700))) == 400


def test_without_a_bound_the_control_group_is_not_heard(tmp_path):
    machine(tmp_path, group=(1000, 700))
    (tmp_path / "sys/fs/cgroup/memory.max").write_text("max\n")
    assert free_memory_mb(tmp_path) == 8000


def test_of_a_machine_that_says_nothing_nothing_is_known(tmp_path, monkeypatch):
    assert free_memory_mb(tmp_path) is None
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_gpus(tmp_path) == ()


def test_gpus_are_the_devices_or_what_the_environment_leaves_of_them(tmp_path, monkeypatch):
    machine(tmp_path, gpus=2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_gpus(tmp_path) == ("0", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, GPU-8f")
    assert visible_gpus(tmp_path) == ("3", "GPU-8f")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert visible_gpus(tmp_path) == ()


@pytest.mark.parametrize(
    ("asked", "resources", "expected"),
    [
        (None, None, 8),
        (3, None, 3),
        (None, Resources(cpus=2), 4),
        (6, Resources(cpus=2), 6),
        (None, Resources(memory_mb=3000), 2),
        (6, Resources(memory_mb=3000), 2),
        (6, Resources(memory_mb=30000), 1),
        (None, Resources(gpus=0.25), 8),
        (None, Resources(gpus=0.5), 4),
        (None, Resources(gpus=0.3), 6),
        (None, Resources(gpus=2), 1),
        (1, Resources(gpus=0.1), 1),
    ],
)
def test_processes_by_cores_memory_and_gpus(monkeypatch, asked, resources, expected):
    monkeypatch.setattr("melisma.scale.machine.free_memory_mb", lambda: 8000)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert n_workers(asked, 8, resources) == expected


def test_without_a_gpu_what_a_stage_wants_of_one_bounds_nothing(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert n_workers(None, 4, Resources(gpus=1)) == 4
