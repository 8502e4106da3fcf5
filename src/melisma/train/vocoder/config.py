"""What decides the training of a vocoder, and what only decides how it runs; one TOML file holds both."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from melisma.core.toml_files import read_settings
from melisma.models.vocoder.shape import Kind

# What may differ when a training goes on: how long it takes, when it ends and what is kept, not what a step learns.
FREE = frozenset(
    {
        "epochs",
        "patience",
        "min_delta",
        "save_every",
        "checkpoint_minutes",
        "log_steps",
        "validation_utterances",
        "rescues",
    }
)


class VocoderTrainingConfig(BaseModel):
    """Everything that decides a training; the first block is the document's."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    epochs: int = Field(500, ge=1)
    batch_size: int = Field(16, ge=1)
    lr: float = Field(2e-4, gt=0)
    samples_per_epoch: int = Field(10_000, ge=1)
    patience: int = Field(50, ge=0)  # epochs without a better one after which it ends; 0: it does not
    min_delta: float = Field(0.5, ge=0)  # by which 45 times the mel distance of held-out speech must fall to be better
    save_every: int = Field(20, ge=1)  # epochs between checkpoints that stay, with a sample to listen to

    # The network.
    generator: Kind = "vocos"
    channels: int | None = Field(None, ge=4, le=8192)  # None: 256 of a Vocos, 128 of a HiFi-GAN
    coarse: tuple[Annotated[int, Field(ge=1, le=1000)], ...] = (1, 2, 4, 8)
    fine: tuple[Annotated[int, Field(ge=1, le=1000)], ...] = (1, 2, 4, 1, 2, 4)
    speaker: bool = False
    f0: bool = False

    # How it learns.
    seed: int = Field(1, ge=0)
    segment_s: float = Field(1.0, ge=0.2, le=60)
    warmup_epochs: int = Field(20, ge=0)  # in which it learns by mel spectra alone
    decay: float = Field(0.999, gt=0, le=1)  # of the learning rate, an epoch
    ema: float = Field(0.999, ge=0, lt=1)  # what speaks is the mean of the last steps
    mel_weight: float = Field(45.0, gt=0)
    feature_weight: float = Field(2.0, ge=0)
    discriminator_width: int | None = Field(None, ge=1, le=256)  # None: 32 on a GPU, as HiFi-GAN's; 8 on a CPU
    clip: float = Field(100.0, gt=0)  # L2 norm of the gradients of each network
    hide: float = Field(0.1, ge=0, le=1)  # share of the segments whose speaker, or pitch, is not told
    dropout: float = Field(0.0, ge=0, lt=1)  # of a generator that would learn a small corpus by heart
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"

    # How it is judged, and how it runs.
    held_out: float = Field(0.05, gt=0, lt=1)  # of the speech; of whole speakers where there are enough
    validation_utterances: int = Field(24, ge=1)
    checkpoint_minutes: float = Field(5.0, gt=0)
    log_steps: int = Field(25, ge=1)
    rescues: int = Field(4, ge=0)  # times that the doctor takes a training back before it is given up

    @classmethod
    def read(cls, path: Path | None, given: dict[str, Any]) -> VocoderTrainingConfig:
        """Read a TOML file, if there is one, and what the command line says instead of it.

        Raises
        ------
        InputError
            If the file cannot be read, or a key or value is wrong; it names the first.
        """
        return read_settings(path, given, cls)

    @property
    def steps_per_epoch(self) -> int:
        """How many batches an epoch has."""
        return -(-self.samples_per_epoch // self.batch_size)

    def fast(self) -> VocoderTrainingConfig:
        """Return it with so few steps that all of a training can be seen to work in a minute."""
        return self.model_copy(
            update={
                "epochs": 2,
                "warmup_epochs": min(self.warmup_epochs, 1),
                "batch_size": min(self.batch_size, 2),
                "samples_per_epoch": 3 * min(self.batch_size, 2),
                "save_every": 1,
                "validation_utterances": 2,
                "log_steps": 1,
            }
        )
