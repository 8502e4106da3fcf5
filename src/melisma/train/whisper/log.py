"""What a Whisper training says of itself while it runs: JSON lines, and whatever else follows them."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from transformers import TrainerCallback

from melisma.core.files import make_folder
from melisma.train.log_lines import Clock, Lines, gpu_utilization, memory_mb, now


@dataclass(frozen=True, slots=True)
class Run:
    """Whose lines they are.

    Parameters
    ----------
    name : str
        Of the run.
    run_id : str
        Of this training; stays when it goes on.
    log : Path
        File of the lines: `Artifacts.of().log(name)`.
    step : int
        That is done already; lines of later steps are dropped.
    request_id : str, optional
        Of the call that started it: `core.request_ids.started_by`.
    """

    name: str
    run_id: str
    log: Path
    step: int = 0
    request_id: str | None = None


class Follower(Protocol):
    """What is told every line: a file of metrics, a dashboard."""

    def add(self, line: dict[str, Any]) -> None:
        """Take a line, as it stands in the log."""

    def close(self) -> None:
        """Hear that no more come."""


class RunLog(TrainerCallback):
    """Writes a JSON line every few steps, and one for the start, every validation, checkpoint and the end.

    Every line has `timestamp`, `step`, `epoch`, `stage` (start, train, validate, checkpoint, upload, end), `loss`,
    `lr`, `gpu_utilization` (percent), `memory` and `memory_mb` (both the most so far, in MiB), `run_id` and
    `request_id`; what does not apply, or nothing tells, is null. Lines of stage `train` add `grad_norm`,
    `audio_s_per_s` and `windows_per_s` of all processes, and `wait_share`, the share of the time that the network
    waited for data.

    Only the first of several processes writes.

    Parameters
    ----------
    run : Run
        Whose lines.
    followers : iterable of Follower
        Told every line, too.
    """

    def __init__(self, run: Run, followers: Iterable[Follower] = ()) -> None:
        self.run, self.followers = run, tuple(followers)
        self.clock = Clock()
        self._lines: Lines | None = None
        self._seconds, self._windows = 0.0, 0
        self._device = torch.device("cpu")
        self._epoch: float | None = None
        self._one_at_a_time = threading.Lock()

    def count(self, seconds: float, n_windows: int) -> None:
        """Count a batch of this process: its seconds of audio, without padding, and its windows."""
        self._seconds += seconds
        self._windows += n_windows

    def say(self, stage: str, step: int, /, **more: Any) -> None:
        """Write a line, from any thread."""
        if self._lines is None:
            return
        most = round(memory_mb(self._device), 1)
        more = {key: value for key, value in more.items() if key not in ("timestamp", "step", "epoch", "stage")}
        line = {
            "timestamp": now(),
            "step": step,
            "epoch": self._epoch,
            "stage": stage,
            "loss": None,
            "lr": None,
            **more,
            "gpu_utilization": gpu_utilization(self._device),
            "memory": most,
            "memory_mb": most,
            "run_id": self.run.run_id,
            "request_id": self.run.request_id,
        }
        with self._one_at_a_time:
            self._lines.add(line)
            for follower in self.followers:
                follower.add(line)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Open the file, and begin to count."""
        self._device, self._epoch = args.device, _rounded(state.epoch)
        if state.is_world_process_zero:
            make_folder(self.run.log.parent)
            self._lines = Lines(self.run.log, self.run.step)
        self.say("start", state.global_step, steps=state.max_steps, processes=args.world_size, device=str(args.device))
        self.clock.restart()

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Count what was waited for."""
        self.clock.end_wait()

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Count what was worked; a GPU finishes first where a line is due, for only then is it seen."""
        step = state.global_step + 1
        if self._device.type == "cuda" and (step % state.logging_steps == 0 or step == state.max_steps):
            torch.cuda.synchronize(self._device)
        self.clock.end_work()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Begin to wait for the next batch."""
        self._epoch = _rounded(state.epoch)
        self.clock.restart()

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Write the line of a step."""
        if logs is not None and "loss" in logs:
            self._train(logs, state.global_step, args.world_size)
        self.clock.restart()

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        """Write the line of a validation."""
        told = {k.removeprefix("eval_"): v for k, v in (metrics or {}).items() if isinstance(v, (int, float, dict))}
        self.say("validate", state.global_step, **told)
        self.clock.restart()

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write the line of a checkpoint."""
        self.say("checkpoint", state.global_step)
        self.clock.restart()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write the last line."""
        self.say("end", state.global_step)
        if self._lines is not None:
            for follower in self.followers:
                follower.close()

    def _train(self, logs: dict[str, Any], step: int, n_processes: int) -> None:
        waited, worked = self.clock.take()
        elapsed = max(1e-9, waited + worked)
        self.say(
            "train",
            step,
            loss=float(logs["loss"]),
            lr=float(logs.get("learning_rate", math.nan)),
            grad_norm=float(logs.get("grad_norm", math.nan)),
            audio_s_per_s=round(self._seconds * n_processes / elapsed, 3),
            windows_per_s=round(self._windows * n_processes / elapsed, 4),
            wait_share=round(waited / elapsed, 4),
        )
        self._seconds, self._windows = 0.0, 0


def _rounded(epoch: float | None) -> float | None:
    return None if epoch is None else round(epoch, 4)


def run_log(run: Run, *, steps: int, tensorboard: bool = False, followers: Sequence[Follower] = ()) -> RunLog:
    """Return the log of a run with its file of metrics beside it, and its events for TensorBoard where asked for.

    Parameters
    ----------
    run : Run
        Whose.
    steps : int
        That it is to take.
    tensorboard : bool
        Whether events are written to `logs/tensorboard/<run>/`; needs the extra `[tensorboard]`.
    followers : sequence of Follower
        More of them.

    Raises
    ------
    MissingDependency
        If TensorBoard is asked for and not installed.
    """
    from melisma.train.whisper.prometheus import MetricsFile

    told: list[Follower] = [MetricsFile(run.log.with_suffix(".prom"), run.name, steps), *followers]
    if tensorboard:
        from melisma.train.whisper.tensorboard import Events

        told.append(Events(run.log.parent.parent / "tensorboard" / run.name, run.step))
    return RunLog(run, told)
