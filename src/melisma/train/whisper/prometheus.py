"""A training's latest figures as a text file of Prometheus, which node-exporter's textfile collector reads."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from melisma.core.files import write_atomically

# Metric, what it is, and what of a line it is times a factor; of lines of which stages.
_OF_STEPS = (
    ("loss", "Mean loss of the latest steps.", "loss", 1.0),
    ("learning_rate", "Learning rate of the latest step.", "lr", 1.0),
    ("gradient_norm", "Norm of the gradients of the latest step, before clipping.", "grad_norm", 1.0),
    ("audio_seconds_per_second", "Seconds of audio learnt from, a second.", "audio_s_per_s", 1.0),
    ("data_wait_ratio", "Share of the time that was waited for data.", "wait_share", 1.0),
)
_OF_VALIDATIONS = (
    ("validation_loss", "Loss of the latest validation.", "loss", 1.0),
    ("validation_wer_ratio", "Word error rate of the latest validation.", "wer", 1.0),
    ("validation_cer_ratio", "Character error rate of the latest validation.", "cer", 1.0),
)
_OF_ALL = (
    ("step", "Steps of the optimiser that are done.", "step", 1.0),
    ("epoch", "Passes over the clips that are done.", "epoch", 1.0),
    ("gpu_utilization_ratio", "Share of the time that the GPU worked of late.", "gpu_utilization", 0.01),
    ("memory_bytes", "Most memory so far, of the GPU or of the process.", "memory_mb", 2.0**20),
)
_FIXED = (
    ("steps", "Steps of the optimiser that it is to take."),
    ("running", "1 while it runs, 0 once it has ended."),
    ("last_line_timestamp_seconds", "When it last said anything."),
    ("best_wer_ratio", "Lowest word error rate of a validation of this process."),
    ("language_wer_ratio", "Word error rate of a language in the latest validation."),
    ("language_cer_ratio", "Character error rate of a language in the latest validation."),
    ("checkpoints", "Checkpoints that this process wrote."),
    ("uploads", "Checkpoints and models that this process sent to the object store."),
    ("upload_failures", "Checkpoints and models that this process could not send."),
)
_COUNTED = {"checkpoint": "checkpoints", "upload": "uploads", "upload-failed": "upload_failures"}
_HELP = {name: said for name, said, *_ in (*_OF_STEPS, *_OF_VALIDATIONS, *_OF_ALL)} | dict(_FIXED)


class MetricsFile:
    """Written anew, whole, at every line; gauges only, without times of their own, as the collector wants them.

    Parameters
    ----------
    path : Path
        Ends in `.prom`.
    run : str
        Name of the run: the label `run`.
    steps : int
        That it is to take.
    """

    def __init__(self, path: Path, run: str, steps: int) -> None:
        self.path, self.run = path, run
        self._values: dict[tuple[str, str], float] = {("steps", ""): float(steps)}
        self._values |= {(name, ""): 0.0 for name in _COUNTED.values()}

    def add(self, line: dict[str, Any]) -> None:
        """Take a line."""
        stage = line["stage"]
        for name, _, key, factor in (*_OF_ALL, *_of(stage)):
            self._set(name, line.get(key), factor)
        if stage == "validate":
            self._languages(line.get("by_language"))
            best = self._values.get(("best_wer_ratio", ""), math.inf)
            self._set("best_wer_ratio", _least(line.get("wer"), best))
        if stage in _COUNTED:
            self._values[_COUNTED[stage], ""] += 1
        if stage in ("start", "end"):
            self._set("running", float(stage == "start"))
        self._set("last_line_timestamp_seconds", datetime.fromisoformat(line["timestamp"]).timestamp())
        self._write()

    def close(self) -> None:
        """Say that it runs no more."""
        self._set("running", 0.0)
        self._write()

    def _set(self, name: str, value: Any, factor: float = 1.0, language: str = "") -> None:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            self._values[name, language] = float(value) * factor

    def _languages(self, by_language: Any) -> None:
        for language, found in (by_language or {}).items():
            self._set("language_wer_ratio", found.get("wer"), language=language)
            self._set("language_cer_ratio", found.get("cer"), language=language)

    def _write(self) -> None:
        write_atomically(self.path, "".join(self._text()).encode("utf-8"))

    def _text(self) -> Iterator[str]:
        for name in dict.fromkeys(name for name, _ in self._values):
            whole = f"melisma_training_{name}"
            yield f"# HELP {whole} {_HELP[name]}\n# TYPE {whole} gauge\n"
            for (of, language), value in self._values.items():
                if of == name:
                    more = f',language="{_escaped(language)}"' if language else ""
                    yield f'{whole}{{run="{_escaped(self.run)}"{more}}} {value!r}\n'


def _of(stage: str) -> tuple[tuple[str, str, str, float], ...]:
    return {"train": _OF_STEPS, "validate": _OF_VALIDATIONS}.get(stage, ())


def _least(value: Any, best: float) -> float:
    return min(float(value), best) if isinstance(value, (int, float)) else best


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
