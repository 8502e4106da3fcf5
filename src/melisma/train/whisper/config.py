"""What decides a Whisper training, and what only decides how it runs; one TOML file holds both."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from melisma.core.artifacts import Artifacts
from melisma.core.toml_files import read_settings

DEFAULT_MODEL = "openai/whisper-small"
WINDOW_S = 30.0  # of audio that the encoder sees
MAX_LABELS = 448  # positions of the decoder
Share = Annotated[float, Field(ge=0, le=1)]
Script = Literal["keep", "latin", "cyrillic"]
Tuning = Literal["full", "frozen-encoder", "lora"]

# What may differ when a training goes on: it changes how long it takes and what is kept, not what is learnt.
FREE = frozenset({"checkpoint_steps", "checkpoint_minutes", "keep", "log_steps"})


class Lora(BaseModel):
    """Low-rank adapters; `targets` are the ends of the names of the layers that get one."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    rank: Annotated[int, Field(ge=1)] = 32
    alpha: Annotated[float, Field(gt=0)] = 64.0
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.05
    targets: tuple[Annotated[str, Field(min_length=1)], ...] = ("q_proj", "v_proj")


class Shape(BaseModel):
    """The shape of a network that begins with random weights, `random:custom`; see transformers' WhisperConfig."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: Annotated[int, Field(ge=8)] = 192
    heads: Annotated[int, Field(ge=1)] = 3
    encoder_layers: Annotated[int, Field(ge=1)] = 3
    decoder_layers: Annotated[int, Field(ge=1)] = 3
    mels: Literal[80, 128] = 80


class WhisperTrainingConfig(BaseModel):
    """Everything that decides a training of Whisper. Times are seconds of audio, steps those of the optimiser."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    # What is trained.
    model: Annotated[str, Field(min_length=1)] = DEFAULT_MODEL  # id, folder, an earlier run, random:tiny, random:custom
    revision: str = ""
    processor: str = ""  # folder of `train whisper-processor`; that of the model without one
    shape: Shape = Field(default_factory=Shape)
    tuning: Tuning = "full"
    lora: Lora = Field(default_factory=Lora)
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None  # None: that of the checkpoint

    # On what.
    script: Script = "keep"
    text: Literal["transcript", "norm"] = "transcript"
    task: Literal["transcribe", "translate"] = "transcribe"
    min_clip_s: float = Field(1.0, ge=0.1)
    max_clip_s: float = Field(WINDOW_S, gt=0, le=WINDOW_S)
    max_labels: int = Field(MAX_LABELS, ge=8, le=MAX_LABELS)
    pack: Share = 1.0  # of the windows are several clips, as many as 30 s hold
    pack_gap_s: float = Field(0.3, ge=0, le=5)  # of silence between two clips of a window
    timestamps: Share = 0.2  # of the windows are learnt with the times of their segments

    # How.
    seed: int = Field(1, ge=0)
    steps: int = Field(4000, ge=1)
    batch_size: int = Field(8, ge=1)  # windows
    accumulate: int = Field(2, ge=1)
    lr: float = Field(1e-5, gt=0)
    warmup_steps: int = Field(500, ge=0)
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    weight_decay: float = Field(0.0, ge=0)
    clip: float = Field(1.0, gt=0)  # L2 norm of all gradients
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    gradient_checkpointing: bool = False
    mask_time: Share = 0.0  # of the frames; SpecAugment
    mask_feature: Share = 0.0

    # How it is judged.
    validate_steps: int = Field(500, ge=1)
    validation_clips: int = Field(200, ge=1)
    validation_batch: int = Field(8, ge=1)  # clips that are heard at once
    beams: int = Field(1, ge=1)
    max_new_tokens: int = Field(225, ge=1, le=MAX_LABELS)
    patience: int = Field(0, ge=0)  # validations without a lower WER after which it ends; 0: never

    # How it runs.
    checkpoint_steps: int = Field(500, ge=1)
    checkpoint_minutes: float = Field(15.0, gt=0)
    keep: int = Field(2, ge=1)  # checkpoints of earlier steps, beside the best
    log_steps: int = Field(10, ge=1)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.min_clip_s > self.max_clip_s:
            raise ValueError(f"min_clip_s is {self.min_clip_s:g} and max_clip_s {self.max_clip_s:g}")
        if self.shape.width % self.shape.heads:
            raise ValueError(f"shape.width is {self.shape.width}, which {self.shape.heads} heads cannot share")
        return self

    @classmethod
    def read(cls, path: Path | None, given: dict[str, Any]) -> WhisperTrainingConfig:
        """Read a TOML file, if there is one, and what the command line says instead of it.

        A folder of `model` or `processor` is one of the current folder or, where it has none, below MELISMA_ROOT.

        Raises
        ------
        InputError
            If the file cannot be read, or a key or value is wrong; it names the first.
        """
        read = read_settings(path, given, cls)
        at = Artifacts.of()
        return read.model_copy(update={key: at.found(getattr(read, key)) for key in ("model", "processor")})

    def fast(self) -> WhisperTrainingConfig:
        """Return it with so few steps that all of a training can be seen to work in a minute or two on a CPU."""
        return self.model_copy(
            update={
                "steps": 4,
                "warmup_steps": 1,
                "batch_size": min(self.batch_size, 2),
                "accumulate": 1,
                "validate_steps": 2,
                "checkpoint_steps": 2,
                "validation_clips": 5,
                "validation_batch": 2,
                "max_new_tokens": min(self.max_new_tokens, 32),
                "log_steps": 1,
            }
        )
