"""How fast a training was, by its log: what calibrates a plan for the same hardware."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from melisma.core.artifacts import Artifacts
from melisma.core.errors import InputError
from melisma.models.pretrained import read_json
from melisma.train.plan.compute import step_operations
from melisma.train.plan.hardware import Range
from melisma.train.plan.shapes import NetworkShape, random_shape, shape_of
from melisma.train.whisper.config import WhisperTrainingConfig

_MOST_BYTES = 1 << 30  # of a log
_WARM = 1  # lines at the beginning, in which kernels are chosen and caches fill


@dataclass(frozen=True, slots=True)
class Measured:
    """What a log says.

    Parameters
    ----------
    run : str
        Its name.
    n_lines : int
        Lines of steps that it rests on.
    windows_per_s : tuple of float
        Of all devices together: quartiles, the lower and the upper.
    wait_share : float
        Median share of the time that was waited for data.
    devices : int
        Processes that took part.
    validation_s : float, optional
        Median seconds of a validation.
    teraflops : tuple of float
        10¹² operations a second of each device, by the formula of `compute`: the lower and the upper quartile.
    """

    run: str
    n_lines: int
    windows_per_s: Range
    wait_share: float
    devices: int
    validation_s: float | None
    teraflops: Range


def measure(run: Path, n_tokens: float, log: Path | None = None) -> Measured:
    """Read the log of a training.

    Parameters
    ----------
    run : Path
        Its folder.
    n_tokens : float
        Of a window, padding included: what the plan reckons with.
    log : Path, optional
        Its log; where it lies by default without one.

    Raises
    ------
    InputError
        If it has none, or too few lines of steps: three.
    """
    path = log if log is not None else Artifacts.of().log_of(run)
    lines = list(_lines(path))
    steps = [line for line in lines if line.get("stage") == "train"][_WARM:]
    speeds = _numbers(steps, "windows_per_s")
    if len(speeds) < 3:
        raise InputError(f"{path} has {len(speeds)} lines of steps after the first; a plan wants three")
    starts = [line for line in lines if line.get("stage") == "start"]
    devices = max(1, int(starts[-1].get("processes", 1))) if starts else 1
    config, shape = _trained(run)
    operations = step_operations(shape, math.ceil(n_tokens), config.tuning, again=config.gradient_checkpointing)
    low, high = (float(value) for value in np.quantile(speeds, (0.25, 0.75)))
    validations = _numbers([line for line in lines if line.get("stage") == "validate"], "seconds")
    waited = _numbers(steps, "wait_share")
    return Measured(
        run=run.absolute().name,
        n_lines=len(speeds),
        windows_per_s=(low, high),
        wait_share=float(np.median(waited)) if waited else 0.0,
        devices=devices,
        validation_s=float(np.median(validations)) if validations else None,
        teraflops=(low * operations / devices / 1e12, high * operations / devices / 1e12),
    )


def _trained(run: Path) -> tuple[WhisperTrainingConfig, NetworkShape]:
    """Return how a training was set up, and the shape of its network."""
    said = read_json(run / "training_config.json")
    known = {key: value for key, value in said.items() if key in WhisperTrainingConfig.model_fields}
    config = WhisperTrainingConfig.read(None, known)
    if (run / "config.json").is_file():
        return config, shape_of(read_json(run / "config.json"))
    kept = sorted((run / "checkpoints").glob("checkpoint-*/config.json"))
    if kept:
        return config, shape_of(read_json(kept[-1]))
    return config, random_shape(config, None)


def _lines(path: Path) -> list[dict[str, Any]]:
    """Read the lines of a log; those that broke off are dropped."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"the log {path} is too large")
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"cannot read the log {path}: {error.strerror or error}") from error
    found = []
    for line in text.splitlines():
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(said, dict):
            found.append(said)
    return found


def _numbers(lines: list[dict[str, Any]], key: str) -> list[float]:
    values = (line.get(key) for line in lines)
    return [float(v) for v in values if isinstance(v, (int, float)) and math.isfinite(v) and v >= 0 and v is not True]
