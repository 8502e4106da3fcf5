"""Logs: what is waited for, and validations that end a training."""

from __future__ import annotations

import json
from types import SimpleNamespace

from melisma.train.ctc.history import Stopwatch


def written(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_waiting_and_working_are_told_apart(monkeypatch):
    times = iter([0.0, 10.0, 12.0, 17.0, 30.0, 33.0])
    # The module's own clock: that of threads which others have left goes on.
    monkeypatch.setattr("melisma.train.log_lines.time", SimpleNamespace(monotonic=lambda: next(times)))
    watch = Stopwatch()  # 0
    watch.on_train_start(None, None)  # 10
    watch.on_train_batch_start(None, None, None, 0)  # 12: two seconds waited
    watch.end_work()  # 17: five worked
    watch.on_train_batch_end(None, None, None, None, 0)  # 30: a validation, which is neither
    watch.on_train_batch_start(None, None, None, 1)  # 33: three more waited
    assert (watch.waited_s, watch.worked_s) == (5.0, 5.0)


def test_a_training_that_gets_no_better_ends_and_stays_ended(train):
    said: list[str] = []
    shape = {"lr": 1e-9, "validate_steps": 1, "patience": 2, "steps": 50}
    folder = train(**shape)
    steps = [line["step"] for line in written(folder / "training_history.jsonl")]
    assert steps[-1] < 50
    assert [line["best"] for line in written(folder / "training_history.jsonl")][-2:] == [False, False]
    train(**shape, said=said)
    assert any("is done: no validation since step" in sentence for sentence in said)
    assert [line["step"] for line in written(folder / "training_history.jsonl")] == steps
