"""A Whisper that a training has left behind, as evaluation, packaging and later trainings take it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from melisma.core.errors import InputError, ModelError
from melisma.models.quiet import quiet
from melisma.train.whisper import checkpoints
from melisma.train.whisper.config import WhisperTrainingConfig
from melisma.train.whisper.generation import settle
from melisma.train.whisper.network import load, merged, open_network, plain, source
from melisma.train.whisper.processor import open_processor
from melisma.train.whisper.progress import Progress

MANIFEST = "run_manifest.json"  # written last: a folder with it holds a whole model
SCHEMA = "melisma.whisper-run/1"
PROCESSOR = Path("prepared", "processor")


@dataclass(frozen=True, slots=True)
class TrainedWhisper:
    """A trained network.

    Parameters
    ----------
    model : transformers.WhisperForConditionalGeneration
        On the CPU, in evaluation mode, float32, adapters merged; its generation config is what it was trained for.
    processor : transformers.WhisperProcessor
        Its own.
    facts : mapping
        What `run_manifest.json` says.
    run : Path
        Folder of the training.
    """

    model: Any
    processor: Any
    facts: Mapping[str, Any]
    run: Path


def is_run(path: Path) -> bool:
    """Whether a folder is that of a Whisper training, finished or under way."""
    return (path / MANIFEST).is_file() or bool(checkpoints.found(path))


def load_trained(path: str | Path, which: str = "best") -> TrainedWhisper:
    """Load what a training has learnt.

    Parameters
    ----------
    path : str or Path
        Folder of the training.
    which : str
        best, by the word error rate of the validations, last, or checkpoint-N. Before the first validation, the last
        stands for the best. A training that has ended has its best in its folder, whether checkpoints are left or not.

    Raises
    ------
    InputError
        If there is no such training or checkpoint.
    ModelError
        If it is damaged.
    """
    run = Path(path).expanduser()
    if which == "best" and (run / MANIFEST).is_file():
        model = load(run)
        return TrainedWhisper(model.eval(), open_processor(run), checkpoints.read(run / MANIFEST), run)
    checkpoint = find(run, which)
    progress = Progress.read(checkpoint)
    config = config_of(progress)
    processor = open_processor(run / PROCESSOR)
    model = merged(of_checkpoint(checkpoint, config, processor, progress))
    settle(model, processor, languages_of(progress), config.task)
    facts = {"schema": SCHEMA, **progress.facts, "run_id": progress.run_id, "steps": progress.step}
    return TrainedWhisper(model.eval(), processor, facts | {"metrics": progress.metrics_of(progress.step)}, run)


def find(run: Path, which: str = "best") -> Path:
    """Return a checkpoint of a training: best, last, or checkpoint-N.

    Raises
    ------
    InputError
        If there is none.
    """
    known = {path.name: path for _, path in checkpoints.found(run)}
    if which not in ("best", "last"):
        if which not in known:
            raise InputError(f"{run} has no {which[:60]}: it has {', '.join(known) or 'no checkpoint'}")
        return known[which]
    last = checkpoints.last(run)
    if last is None:
        raise InputError(f"{run} holds no Whisper training")
    if which == "last":
        return last[1]
    best = Progress.read(last[1]).best_step
    return known.get(f"checkpoint-{best}", last[1])


def of_checkpoint(checkpoint: Path, config: WhisperTrainingConfig, processor: Any, progress: Progress) -> Any:
    """Return the network of a checkpoint; one with adapters has them beside the weights that it began with.

    Raises
    ------
    InputError
        If it has adapters, and what it began with is gone or another model now.
    ModelError
        If it is damaged.
    """
    if config.tuning != "lora":
        return load(checkpoint)
    from peft import PeftModel

    opened = open_network(config, source(config), processor)
    progress.check_base(config.model, opened.fingerprint)
    try:
        with quiet():
            return PeftModel.from_pretrained(plain(opened.model), str(checkpoint), is_trainable=False)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise ModelError(
            f"the adapters in {checkpoint} cannot be loaded: {str(error).splitlines()[0][:200]}"
        ) from error


def config_of(progress: Progress) -> WhisperTrainingConfig:
    """Return the configuration that a training was begun with."""
    return WhisperTrainingConfig.read(None, dict(progress.facts["config"]))


def languages_of(progress: Progress) -> list[str]:
    """Return Whisper's codes of the languages that a training learns."""
    return [str(code) for code in progress.facts.get("languages", ())]
