"""A small real objective: a line is fitted to points by gradient descent, with the settings of a training."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from melisma.train.sweep.trial import Pruned, lowest

SPACE = """
[base]
model = "random:tiny"
steps = 60
validate_steps = 10

[space.lr]
low = 1e-4
high = 1.0
log = true

[space.weight_decay]
low = 0.0
high = 0.5

[space.batch_size]
choices = [2, 4, 8]

[space.warmup_steps]
low = 0
high = 20
step = 5

[sweep]
startup_trials = 4
"""


@dataclass(frozen=True, slots=True)
class FitLine:
    """Fits y = 3x - 1; goes on from the file of an earlier try.

    Parameters
    ----------
    folder : Path
        A file a trial, rewritten with every validation.
    die_in : int
        The trial whose process is killed after its third validation, once.
    pause_s : float
        Between validations.
    """

    folder: Path
    die_in: int = -1
    pause_s: float = 0.0
    steps: int = 60

    def __call__(self, index: int, drawn: Mapping[str, float], report) -> float:
        kept = self.folder / f"{index}.json"
        known = (
            json.loads(kept.read_text()) if kept.exists() else {"step": 0, "w": [0.0, 0.0], "errors": [], "pids": []}
        )
        rng = np.random.default_rng(0)
        x = rng.uniform(-1, 1, 64)
        y, w = 3 * x - 1, np.array(known["w"])
        known["pids"].append(os.getpid())
        known["drawn"], known["threads"] = dict(drawn), os.environ.get("MELISMA_THREADS")
        known["gpus"] = os.environ.get("CUDA_VISIBLE_DEVICES")
        for step in range(known["step"] + 1, self.steps + 1):
            some = np.random.default_rng(step).integers(0, 64, int(drawn["batch_size"]))
            off = w[0] * x[some] + w[1] - y[some]
            rate = drawn["lr"] * min(1.0, step / max(1, drawn["warmup_steps"]))
            w = w - rate * (np.array([np.mean(off * x[some]), np.mean(off)]) + drawn["weight_decay"] * w)
            if step % 10:
                continue
            error = float(np.mean((w[0] * x + w[1] - y) ** 2)) / 10
            known |= {"step": step, "w": w.tolist(), "errors": [*known["errors"], error]}
            kept.with_suffix(".new").write_text(json.dumps(known))
            os.replace(kept.with_suffix(".new"), kept)
            time.sleep(self.pause_s)
            try:
                report(step, error)
            except Pruned:
                if step < self.steps:
                    raise
            if index == self.die_in and step == 30 and len(known["pids"]) == 1:
                os.kill(os.getpid(), signal.SIGKILL)
        return lowest(known["errors"])

    def ended(self, index: int) -> None:
        """Note it."""
        (self.folder / f"{index}.ended").touch()
