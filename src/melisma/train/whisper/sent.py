"""What was sent to an object store: the manifest of a checkpoint, which is written there last."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from melisma.core.errors import InputError

MANIFEST = "manifest.json"
BESIDE = "run"  # folder, within one of a checkpoint, of what lies beside the checkpoints
LOG = "log.jsonl"  # among them, the log, which may lie elsewhere
MODEL = "model"  # name of what a finished training is
MOST_BYTES = 4 << 20  # of a manifest
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._=+-]{0,199}")
_STEP = re.compile(r"checkpoint-(\d{1,12})")


def safe_path(path: str) -> str:
    """Return a path that stays in the folder it is put into.

    Raises
    ------
    ValueError
        If it could lead elsewhere.
    """
    parts = path.split("/")
    if not 1 <= len(parts) <= 8 or not all(_PART.fullmatch(part) for part in parts):
        raise ValueError(f"{path[:80]!r} is no path of a file of a checkpoint")
    return path


class SentFile(BaseModel):
    """A file, by its path below the checkpoint."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Annotated[str, AfterValidator(safe_path)]
    size: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Sent(BaseModel):
    """A checkpoint, or the model of a finished training, that is there whole."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["melisma.whisper-checkpoint/1"] = "melisma.whisper-checkpoint/1"
    run: Annotated[str, Field(min_length=1, max_length=100)]
    run_id: Annotated[str, Field(max_length=100)]
    step: Annotated[int, Field(ge=0)]
    files: Annotated[tuple[SentFile, ...], Field(max_length=10_000)]

    @model_validator(mode="after")
    def _once(self) -> Sent:
        paths = [file.path.lower() for file in self.files]
        if len(set(paths)) != len(paths) or MANIFEST in paths:
            raise ValueError("a path stands in it twice")
        return self

    @classmethod
    def read(cls, data: bytes, where: str) -> Sent:
        """Read a manifest that somebody else may have written.

        Raises
        ------
        InputError
            If it is none.
        """
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            first = error.errors()[0]
            raise InputError(
                f"{where} is no manifest of a checkpoint: {'.'.join(map(str, first['loc']))}: {first['msg']}"
            ) from error

    def to_json(self) -> bytes:
        """Write it."""
        return (self.model_dump_json(indent=1) + "\n").encode("utf-8")

    @property
    def n_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def step_of(name: str) -> int | None:
    """Return the step of `checkpoint-N`; None for any other name.

    Examples
    --------
    >>> step_of("checkpoint-300")
    300
    """
    match = _STEP.fullmatch(name)
    return int(match[1]) if match else None
