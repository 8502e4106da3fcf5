"""Where engines run: names, what is there, and memory as the kernel tells it."""

from __future__ import annotations

import pytest

from melisma.engines import device


@pytest.mark.parametrize(
    ("wanted", "name"), [(None, "cpu"), ("auto", "cpu"), ("cpu", "cpu"), (" CPU ", "cpu"), ("", "cpu")]
)
def test_without_a_gpu_the_cpu_is_taken(monkeypatch, wanted, name):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    monkeypatch.delenv("MELISMA_DEVICE", raising=False)
    assert device.choose(wanted) == device.Device(name)


def test_the_environment_names_a_device(monkeypatch):
    monkeypatch.setenv("MELISMA_DEVICE", "cpu_invalid")
    got = device.choose()
    assert got.name == "cpu_invalid"
    assert got.fault == "'cpu_invalid' is no device: MELISMA_DEVICE is auto, cpu, mps, cuda, or cuda:1 …"
    assert device.choose("cpu").fault is None


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:1", "mps"])
def test_a_device_that_is_not_there_is_one_sentence(name):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available() or torch.backends.mps.is_available():
        pytest.skip("there is a GPU here")
    fault = device.choose(name).fault
    assert fault is not None
    assert fault.startswith(f"there is no device {name}: torch sees n")


@pytest.mark.parametrize("name", ["cuda:", "cuda:x", "cuda:-1", "gpu", "cpu:0", "cuda:1234"])
def test_what_is_no_device_is_said(name):
    assert "is no device" in (device.choose(name).fault or "")


def test_half_precision_is_for_gpus():
    assert device.Device("cuda:1").half
    assert not device.Device("cpu").half


def test_one_card_has_one_name_whatever_a_process_sees_of_it(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert device.physical("cuda") == device.physical("cuda:0") == "cuda:0"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, GPU-1f")
    assert [device.physical(name) for name in ("cuda", "cuda:1", "cuda:7")] == ["cuda:2", "cuda:GPU-1f", "cuda:7"]


def test_free_memory_is_what_the_tighter_of_machine_and_control_group_leaves(tmp_path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 8 kB\nMemAvailable:   4096000 kB\n")
    free = device._free_ram_mb
    assert free(tmp_path, meminfo) == 4000
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("1\n")
    assert free(tmp_path, meminfo) == 4000
    (tmp_path / "memory.max").write_text(f"{1000 * 2**20}\n")
    (tmp_path / "memory.current").write_text(f"{600 * 2**20}\n")
    assert free(tmp_path, meminfo) == 400
    (tmp_path / "memory.stat").write_text(f"anon 1\ninactive_file {100 * 2**20}\n")  # cached files give way
    assert free(tmp_path, meminfo) == 500
    assert free(tmp_path / "none", tmp_path / "none") is None


def test_the_cpu_has_memory_and_a_server_has_none_of_ours():
    assert (device.free_mb("cpu") or 0) > 10
    assert device.free_mb("http") is None
