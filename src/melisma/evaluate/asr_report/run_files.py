"""What a training left: its facts, its validations and the lines of its log, read as any stranger's files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from melisma.core.artifacts import Artifacts
from melisma.core.errors import InputError

MANIFEST, CONFIG, HISTORY = "run_manifest.json", "training_config.json", "training_history.jsonl"
_FEW = "fast-dev-run"  # folder of a training that only shows that all works, within the training's own
_LARGEST = 1 << 25  # bytes of a file that is read whole
_LINE = 1 << 16  # bytes of a line of a log; longer ones are none of ours
_MOST_LINES = 500_000  # of a log: 5,000,000 steps at a line every ten

Real = Annotated[float, Field(allow_inf_nan=False)]
Size = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Step = Annotated[int, Field(ge=0, le=1 << 53)]


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True)
    STAGES: ClassVar[tuple[str, ...]]

    step: Step | None = None  # other lines say what is no step
    stage: str = ""
    epoch: Size | None = None


class LogLine(_Line):
    """A line of `logs/training/<run>.log`."""

    STAGES = ("", "train")

    loss: Real | None = None
    lr: Real | None = None
    grad_norm: Real | None = None
    audio_s_per_s: Size | None = None
    wait_share: Size | None = None
    memory_mb: Size | None = None
    gpu_utilization: Real | None = None


class LanguageRates(BaseModel):
    """Error rates of one language at a validation."""

    model_config = ConfigDict(frozen=True)

    wer: Size | None = None
    cer: Size | None = None


class Validation(_Line):
    """A line of `training_history.jsonl`."""

    STAGES = ("", "validate")

    train_loss: Real | None = None
    loss: Real | None = None
    wer: Size | None = None
    cer: Size | None = None
    by_language: dict[str, LanguageRates] = {}
    n_clips: int | None = None
    best: bool = False


L = TypeVar("L", LogLine, Validation)


@dataclass(frozen=True, slots=True)
class RunFiles:
    """A training.

    Parameters
    ----------
    name : str
        Of the run.
    facts, config : dict
        What run_manifest.json and training_config.json say; empty where they are not there.
    validations : tuple of Validation
        In the order of their steps, the last of several of one step.
    log : tuple of LogLine
        Lines of training, likewise.
    notes : tuple of str
        What could not be read, a sentence each.
    """

    name: str
    facts: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    validations: tuple[Validation, ...] = ()
    log: tuple[LogLine, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        """Whether there is anything of it."""
        return bool(self.facts or self.config or self.validations or self.log)

    @property
    def best(self) -> Validation | None:
        """The validation with the lowest WER; the first of several."""
        judged = [each for each in self.validations if each.wer is not None]
        return min(judged, key=lambda each: each.wer or 0.0) if judged else None


def folder_of(run: str, artifacts: Artifacts) -> tuple[str, Path]:
    """Return name and folder of a run that is given by either; one of a few steps is called by its training, too.

    Raises
    ------
    InputError
        If the name is none.
    """
    path = Path(run).expanduser()
    if path.is_dir() or "/" in run or "\\" in run:
        whole = path.resolve()
        return f"{whole.parent.name}.{_FEW}" if whole.name == _FEW else whole.name, path
    return run, artifacts.whisper(run)


def read(name: str, folder: Path, log: Path) -> RunFiles:
    """Read what there is of a training; what is missing is left out, lines that broke off are counted.

    Raises
    ------
    InputError
        If run_manifest.json or training_config.json is there and no JSON object.
    """
    notes: list[str] = []
    facts = _object(folder / MANIFEST)
    config = _object(folder / CONFIG) or facts.get("config")
    return RunFiles(
        name,
        facts,
        config if isinstance(config, dict) else {},
        tuple(_lines(folder / HISTORY, Validation, notes)),
        tuple(_lines(log, LogLine, notes)),
        tuple(notes),
    )


def _object(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError(f"{path} is larger than it can be")
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise InputError(f"{path} holds no object")
    return found


def _lines(path: Path, kind: type[L], notes: list[str]) -> list[L]:
    """Return the lines of a log by step; of several of one step the last: a training that went on says them again."""
    found: dict[int, L] = {}
    n_bad = 0
    try:
        for line in _raw(path):
            try:
                each = kind.model_validate_json(line)
            except ValidationError:
                n_bad += 1
                continue
            if each.step is not None and each.stage in kind.STAGES:
                found[each.step] = each
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        notes.append(f"{path.name} could not be read: {error.strerror or error}.")
    if n_bad:
        notes.append(f"{n_bad} line{'s' if n_bad > 1 else ''} of {path.name} could not be read.")
    return [found[step] for step in sorted(found)]


def _raw(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file that hold something, one in memory at a time, long ones in parts."""
    with path.open("rb") as file:
        for _ in range(_MOST_LINES):
            line = file.readline(_LINE)
            if not line:
                return
            if line.strip():
                yield line
