"""What a training says of itself: lines of a real trainer, the file of metrics, events of TensorBoard."""

from __future__ import annotations

import json
import logging

import pytest
import torch
from prometheus_client.parser import text_string_to_metric_families
from torch import nn
from transformers import Trainer, TrainingArguments

from melisma.core.errors import InputError, MissingDependency
from melisma.core.request_ids import started_by
from melisma.train.whisper.log import Run, RunLog, run_log
from melisma.train.whisper.prometheus import MetricsFile

ALWAYS = {"timestamp", "step", "epoch", "stage", "loss", "lr", "gpu_utilization", "memory", "run_id", "request_id"}


class Net(nn.Module):
    """The smallest network that a trainer trains."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 1)

    def forward(self, x, labels):
        return {"loss": ((self.layer(x) - labels) ** 2).mean()}


class Counting(Trainer):
    """Counts what it hears, as the training does: here a second and a half each window."""

    def training_step(self, model, inputs, *rest):
        for callback in self.callback_handler.callbacks:
            if isinstance(callback, RunLog):
                callback.count(1.5 * len(inputs["x"]), len(inputs["x"]))
        return super().training_step(model, inputs, *rest)


def train(folder, log, steps=6, **settings):
    """Train the net, and judge it every third step."""
    logging.getLogger("transformers").setLevel(logging.ERROR)
    torch.manual_seed(0)
    data = [{"x": torch.randn(2), "labels": torch.randn(1)} for _ in range(16)]
    arguments = TrainingArguments(
        output_dir=str(folder / "run"),
        max_steps=steps,
        per_device_train_batch_size=4,
        logging_steps=2,
        eval_strategy="steps",
        eval_steps=3,
        save_steps=4,
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        dataloader_pin_memory=False,
        **settings,
    )
    trainer = Counting(Net(), arguments, train_dataset=data, eval_dataset=data[:2], callbacks=[log])
    trainer.remove_callback(
        next(c for c in trainer.callback_handler.callbacks if type(c).__name__ == "PrinterCallback")
    )
    trainer.train()


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("log")
    run = Run("first", "abc123", folder / "logs" / "training" / "first.log", request_id="call-7")
    train(folder, run_log(run, steps=6, tensorboard=True))
    return run.log


def test_every_line_has_what_the_contract_names(trained):
    said = lines(trained)
    assert [(line["stage"], line["step"]) for line in said] == [
        ("start", 0),
        ("train", 2),
        ("validate", 3),
        ("train", 4),
        ("checkpoint", 4),
        ("train", 6),
        ("validate", 6),
        ("checkpoint", 6),
        ("end", 6),
    ]
    for line in said:
        assert line.keys() >= ALWAYS
        assert (line["run_id"], line["request_id"]) == ("abc123", "call-7")
        assert line["memory"] == line["memory_mb"] > 50
        assert line["gpu_utilization"] is None  # nothing tells without a GPU


def test_lines_of_steps_say_how_they_went(trained):
    steps = [line for line in lines(trained) if line["stage"] == "train"]
    for line in steps:
        assert line["loss"] > 0
        assert line["grad_norm"] > 0
        assert 0 <= line["wait_share"] <= 1
        assert line["audio_s_per_s"] == pytest.approx(1.5 * line["windows_per_s"], rel=1e-3, abs=1e-3)
    assert [line["epoch"] for line in steps] == [0.5, 1.0, 1.5]
    assert steps[0]["lr"] > steps[-1]["lr"] > 0


def test_a_run_that_goes_on_says_no_step_twice(trained, tmp_path):
    log = tmp_path / "first.log"
    log.write_text(trained.read_text(encoding="utf-8"), encoding="utf-8")
    again = RunLog(Run("first", "abc123", log, step=4))
    train(tmp_path, again)  # the net begins anew; only the lines are looked at
    steps = [line["step"] for line in lines(log) if line["stage"] == "train"]
    assert steps == [2, 4, 2, 4, 6]  # those of steps up to 4 were there; step 6 was said by the first and came again
    assert [line["stage"] for line in lines(log)].count("start") == 2


def test_numbers_that_are_none_are_null_in_every_line(tmp_path):
    run = Run("bad", "x", tmp_path / "bad.log")
    log = run_log(run, steps=1)
    train(tmp_path, log, steps=1)
    log.say("train", 1, loss=float("nan"), lr=float("inf"))
    assert lines(run.log)[-1]["loss"] is None
    assert "NaN" not in run.log.read_text(encoding="utf-8")


def samples(path):
    families = text_string_to_metric_families(path.read_text(encoding="utf-8"))
    return {(s.name, s.labels.get("language")): s for family in families for s in family.samples}


def test_the_file_of_metrics_is_what_the_collector_reads(trained):
    found = samples(trained.with_suffix(".prom"))
    assert found["melisma_training_step", None].value == 6
    assert found["melisma_training_steps", None].value == 6
    assert found["melisma_training_running", None].value == 0
    assert found["melisma_training_checkpoints", None].value == 2
    assert found["melisma_training_loss", None].value == pytest.approx(lines(trained)[5]["loss"])
    for sample in found.values():
        assert sample.labels["run"] == "first"
        assert sample.timestamp is None  # the collector refuses a file with times


def test_metrics_of_validations_are_by_language_too(tmp_path):
    file = MetricsFile(tmp_path / "a.prom", 'odd "run"\\', 10)
    line = {"timestamp": "2026-01-01T00:00:00+00:00", "step": 1, "stage": "validate"}
    file.add({**line, "wer": 0.5, "by_language": {"hr": {"wer": 0.25, "cer": None}}})
    file.add({**line, "wer": 0.75, "cer": float("nan")})
    found = samples(tmp_path / "a.prom")
    assert found["melisma_training_validation_wer_ratio", None].value == 0.75
    assert found["melisma_training_best_wer_ratio", None].value == 0.5
    assert found["melisma_training_language_wer_ratio", "hr"].value == 0.25
    assert ("melisma_training_validation_cer_ratio", None) not in found
    assert found["melisma_training_step", None].labels["run"] == 'odd "run"\\'
    assert found["melisma_training_last_line_timestamp_seconds", None].value == 1767225600


def test_tensorboard_reads_the_events(trained):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(trained.parent.parent / "tensorboard" / "first"))
    events.Reload()
    losses = [(event.step, event.value) for event in events.Scalars("train/loss")]
    told = [(line["step"], pytest.approx(line["loss"])) for line in lines(trained) if line["stage"] == "train"]
    assert losses == told
    assert [event.step for event in events.Scalars("validate/loss")] == [3, 6]


def test_tensorboard_that_is_missing_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr("melisma.train.whisper.tensorboard.find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=r"pip install 'melisma\[tensorboard\]'"):
        run_log(Run("a", "b", tmp_path / "a.log"), steps=1, tensorboard=True)


def test_a_request_id_is_given_or_of_the_environment():
    assert started_by("given", {"MELISMA_REQUEST_ID": "other"}) == "given"
    assert started_by(None, {"MELISMA_REQUEST_ID": " other "}) == "other"
    assert started_by(None, {}) is None
    with pytest.raises(InputError, match="request id"):
        started_by("two\nlines", {})
