"""Lines that go on after a step, and what a step took."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import pytest
import torch

from melisma.core.errors import InputError, OutputError
from melisma.train.log_lines import Clock, Lines, gpu_utilization, memory_mb


def written(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_lines_of_later_steps_and_half_lines_are_dropped(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"step": 3, "lo', encoding="utf-8")
    lines = Lines(path, 2)
    lines.add({"step": 3, "loss": 0.5})
    assert written(path) == [{"step": 1}, {"step": 2}, {"step": 3, "loss": 0.5}]


def test_numbers_that_are_none_are_null(tmp_path):
    Lines(tmp_path / "log.jsonl", 0).add({"step": 1, "loss": math.nan, "aae_s": math.inf})
    assert written(tmp_path / "log.jsonl") == [{"step": 1, "loss": None, "aae_s": None}]


def test_a_log_that_is_no_text_is_one_sentence(tmp_path):
    (tmp_path / "log.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be gone on with"):
        Lines(tmp_path / "log.jsonl", 0)


def test_a_log_that_cannot_be_written_is_one_sentence(tmp_path):
    lines = Lines(tmp_path / "none" / "log.jsonl", 0)
    with pytest.raises(OutputError, match="cannot write"):
        lines.add({"step": 1})


def test_memory_is_that_of_this_process_without_a_gpu():
    assert memory_mb(torch.device("cpu")) > 50
    assert gpu_utilization(torch.device("cpu")) is None


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU that tells")
def test_a_gpu_that_tells_nothing_of_itself_does_not_end_a_training():
    assert gpu_utilization(torch.device("cuda", 0)) is None


def test_waiting_and_working_are_counted_and_forgotten(monkeypatch):
    times = iter([0.0, 10.0, 12.0, 17.0])
    # The module's own clock: that of threads which others have left goes on.
    monkeypatch.setattr("melisma.train.log_lines.time", SimpleNamespace(monotonic=lambda: next(times)))
    clock = Clock()
    clock.restart()
    clock.end_wait()
    clock.end_work()
    assert clock.take() == (2.0, 5.0)
    assert clock.take() == (0.0, 0.0)
