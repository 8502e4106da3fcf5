"""training_history.jsonl: a line for every validation of a Whisper training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from melisma.train.log_lines import Lines, now
from melisma.train.whisper.progress import Progress

HISTORY = "training_history.jsonl"


class History(TrainerCallback):
    """Writes a line for every validation; only the first of several processes does.

    Parameters
    ----------
    run : Path
        Folder of the training.
    progress : Progress
        Where it stands; lines of steps that were taken after its checkpoint are dropped, for they come again.
    """

    def __init__(self, run: Path, progress: Progress) -> None:
        self.path, self.progress = run / HISTORY, progress
        self._lines: Lines | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Open the file."""
        if state.is_world_process_zero:
            self._lines = Lines(self.path, self.progress.step)

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any) -> None:
        """Write the line of a validation."""
        if self._lines is None:
            return
        said = {key.removeprefix("eval_"): value for key, value in (metrics or {}).items()}
        best = said.pop("best")
        self._lines.add(
            {
                "timestamp": now(),
                "step": state.global_step,
                "epoch": round(state.epoch, 4),
                "stage": "validate",
                "train_loss": self.progress.train_loss,
                **said,
                "best": best,
                "run_id": self.progress.run_id,
            }
        )
