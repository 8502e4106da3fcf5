"""What a vocoder's training leaves in its folder: checkpoints, weights, samples and logs."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from melisma.core.files import make_folder, write_atomically
from melisma.models.vocoder.file import packed
from melisma.train.checkpoint import also, read_checkpoint, write_checkpoint
from melisma.train.log_lines import Lines, memory_mb
from melisma.train.vocoder.doctor import Doctor
from melisma.train.vocoder.judge import Judge, write_sample
from melisma.train.vocoder.material import Material
from melisma.train.vocoder.trainer import Trainer

FINAL, LATEST, BEST = "vocoder_final.pt", "vocoder_latest.pt", "vocoder_best.pt"
GOOD = "vocoder_good.pt"  # the end of the last epoch that nothing was wrong with: where the doctor goes back to
HELD_OUT = "held_out.txt"  # ids that nothing was learnt from, one a line as JSON: `units vocoder test` says them
LOG, STEPS = "training_log.json", "training_steps.jsonl"


class Keeper:
    """Writes all of it.

    Parameters
    ----------
    folder : Path
        Of the training.
    trainer : Trainer
        Whose state is kept.
    doctor : Doctor
        What it has seen is kept, too.
    material : Material
        What is learnt from, and what is held out.
    fresh : bool
        Whether the training begins: nothing of an earlier one is gone back to.
    """

    def __init__(self, folder: Path, trainer: Trainer, doctor: Doctor, material: Material, *, fresh: bool) -> None:
        self.folder, self.trainer, self.doctor = folder, trainer, doctor
        self.material = material.fingerprint()
        make_folder(folder)
        if fresh:
            for name in (GOOD, BEST, LATEST):
                (folder / name).unlink(missing_ok=True)
        ids = "".join(json.dumps(row.id) + "\n" for row in material.held_out)
        write_atomically(folder / HELD_OUT, ids.encode("ascii"))
        self.lines = Lines(folder / STEPS, trainer.progress.step)
        self._saved = time.monotonic()

    def is_due(self) -> bool:
        """Whether the last checkpoint is long enough ago."""
        return time.monotonic() - self._saved > 60 * self.trainer.config.checkpoint_minutes

    def save(self, *, good: bool = False) -> None:
        """Write the latest checkpoint; a good one may be gone back to."""
        write_checkpoint(self.folder / LATEST, self._state())
        if good:
            also(self.folder / LATEST, self.folder / GOOD)
        self._saved = time.monotonic()

    def back_to(self, step: int) -> None:
        """Drop what was written down of later steps."""
        self.lines = Lines(self.folder / STEPS, step)

    def keep_epoch(self, judge: Judge, *, whole: bool) -> None:
        """Keep something to listen to and to look at, and, if `whole`, the checkpoint."""
        epoch = self.trainer.progress.epoch
        if whole:
            also(self.folder / LATEST, self.folder / f"vocoder_epoch_{epoch:04}.pt")
        made, real = judge.say(self.trainer.average, 0)
        write_sample(self.folder, f"sample_epoch_{epoch:04}", made, real)

    def _state(self) -> dict[str, Any]:
        return {**self.trainer.state(), "material": self.material, "doctor": self.doctor.state()}

    def write_weights(self, name: str) -> None:
        """Write what speaks, and nothing that is needed to go on."""
        trainer, progress = self.trainer, self.trainer.progress
        said = {"epoch": progress.epoch, "step": progress.step}
        weights = packed(trainer.shape, trainer.facts, trainer.average.state_dict())
        write_checkpoint(self.folder / name, {**weights, "trained": said})

    def write_log(self) -> None:
        """Write training_log.json."""
        trainer, progress = self.trainer, self.trainer.progress
        said = {
            "config": trainer.config.model_dump(mode="json"),
            "facts": trainer.facts,
            "memory_mb": round(memory_mb(trainer.device), 1),
            "best_epoch": progress.kept,
            "doctor": progress.doctor,
            "epochs": progress.history,
        }
        data = json.dumps(said, ensure_ascii=False, indent=1) + "\n"
        write_atomically(self.folder / LOG, data.encode("utf-8", "backslashreplace"))

    def finish(self) -> int:
        """Write the final weights: the best of the last phase of the training, or the last; return their epoch."""
        best = self.folder / BEST
        since = [one["epoch"] for one in self.trainer.progress.history if self._of_phase(one)]
        if best.exists() and self.trainer.progress.kept in since:
            write_checkpoint(self.folder / FINAL, read_checkpoint(best))
            return int(self.trainer.progress.kept)
        self.write_weights(FINAL)
        return self.trainer.progress.epoch

    def _of_phase(self, entry: dict[str, Any]) -> bool:
        history = self.trainer.progress.history
        return bool(entry.get("adversarial", False) == history[-1].get("adversarial", False))
