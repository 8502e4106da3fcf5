"""What a Whisper training leaves behind: a model that transformers loads, and what is to be known of it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from melisma.core.errors import OutputError
from melisma.core.files import make_folder, write_atomically
from melisma.models.quiet import quiet
from melisma.train.log_lines import now
from melisma.train.whisper import checkpoints
from melisma.train.whisper.generation import settle
from melisma.train.whisper.network import merged
from melisma.train.whisper.processor import open_processor, save_processor
from melisma.train.whisper.progress import Progress
from melisma.train.whisper.trained import (
    MANIFEST,
    PROCESSOR,
    SCHEMA,
    config_of,
    find,
    languages_of,
    of_checkpoint,
)

METRICS, CONFIG, SPLIT, ADAPTER = "metrics.json", "training_config.json", "split.json", "adapter"
_NEW = ".model.part"


def begun(run: Path, progress: Progress) -> None:
    """Write down what a training is, before its first step."""
    make_folder(run / checkpoints.FOLDER)
    _json(run / CONFIG, {"run_id": progress.run_id, **progress.facts["config"]})
    if progress.facts.get("split") is not None:
        _json(run / SPLIT, progress.facts["split"])


def is_written(run: Path, step: int) -> bool:
    """Whether the model of a training that ended with a step is in its folder."""
    return (run / MANIFEST).is_file() and checkpoints.read(run / MANIFEST).get("steps") == step


def write_out(run: Path) -> Path:
    """Write the best network of a training into its folder, adapters merged, with its processor and its manifest.

    The manifest comes last: a folder without it was left half written, and is written anew.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    last, best = Progress.read(find(run, "last")), find(run, "best")
    config, processor = config_of(last), open_processor(run / PROCESSOR)
    partial = run / _NEW
    try:
        (run / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(partial, ignore_errors=True)
        if config.tuning == "lora":
            shutil.copytree(best, partial / ADAPTER, ignore=lambda folder, names: _not_adapter(names))
        model = merged(of_checkpoint(best, config, processor, last))
        settle(model, processor, languages_of(last), config.task)
        model.config.use_cache, model.config.apply_spec_augment = True, False
        with quiet():
            model.save_pretrained(partial)
        save_processor(processor, partial)
        _move(partial, run)
    except (OSError, RuntimeError) as error:  # safetensors reports a full disk as an error of its own
        raise OutputError(f"cannot write the model into {run}: {str(error).splitlines()[0][:200]}") from error
    step = int(best.name.rpartition("-")[2])
    _json(run / METRICS, {"run_id": last.run_id, "step": step, "train_loss": last.train_loss, **last.metrics_of(step)})
    _json(run / MANIFEST, _manifest(run, last, step))
    return run


def _not_adapter(names: list[str]) -> list[str]:
    return [name for name in names if not name.startswith("adapter_")]


def _move(partial: Path, run: Path) -> None:
    """Put what was written in its place, file by file."""
    for path in sorted(partial.iterdir()):
        if path.is_dir():
            shutil.rmtree(run / path.name, ignore_errors=True)
        os.replace(path, run / path.name)
    partial.rmdir()


def _manifest(run: Path, last: Progress, best_step: int) -> dict[str, Any]:
    facts = dict(last.facts)
    return {
        "schema": SCHEMA,
        "run": run.resolve().name,
        "run_id": last.run_id,
        "created": now(),
        "git_commit": facts.pop("commit", ""),
        **facts,
        "steps": last.step,
        "ended": last.ended,
        "best_step": best_step,
        "metrics": last.metrics_of(best_step),
    }


def _json(path: Path, said: dict[str, Any]) -> None:
    write_atomically(path, (json.dumps(said, ensure_ascii=False, indent=1) + "\n").encode("utf-8"))
