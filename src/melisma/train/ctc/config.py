"""What decides a CTC training, and what only decides how it runs; one TOML file holds both."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from melisma.core.toml_files import read_settings
from melisma.train import facts
from melisma.train.ctc.trained import Units

DEFAULT_MODEL = "facebook/wav2vec2-base-960h"
Share = Annotated[float, Field(ge=0, le=1)]
Precision = Literal["fp32", "bf16", "fp16"]

# What may differ when a training goes on: it changes how long it takes and what is kept, not what is learnt.
FREE = frozenset({"checkpoint_steps", "checkpoint_minutes", "keep", "log_steps"})


class PhoneNetShape(BaseModel):
    """The shape of a `phone-net` that begins with random weights; see `melisma.models.phone_net.PhoneNetConfig`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    channels: Annotated[int, Field(ge=8)] = 256
    dilations: tuple[Annotated[int, Field(ge=1)], ...] = (1, 2, 4, 8, 1, 2, 4, 8)
    stride: Literal[1, 2, 3, 4] = 2  # feature frames of 10 ms per emission frame


class CtcTrainingConfig(BaseModel):
    """Everything that decides a training of a CTC aligner. Times are seconds of audio, steps those of the optimiser."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    # What is trained.
    model: Annotated[str, Field(min_length=1)] = DEFAULT_MODEL
    revision: str = ""
    units: Units = Units.CHARACTERS
    vocabulary: Literal["auto", "checkpoint", "corpus"] = "auto"
    phone_net: PhoneNetShape = Field(default_factory=PhoneNetShape)
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None  # None: that of the checkpoint, 0.1 of a phone-net

    # On what.
    min_clip_s: float = Field(0.4, ge=0.4)
    max_clip_s: float = Field(20.0, gt=0)
    batch_s: float = Field(80.0, gt=0)
    accumulate: int = Field(1, ge=1)
    short_first: bool = True  # the first pass over the clips goes from short ones to long

    # How.
    seed: int = Field(1, ge=0)
    steps: int = Field(20_000, ge=1)
    lr: float = Field(3e-4, gt=0)
    warmup_steps: int = Field(500, ge=0)
    final_lr: Share = 0.01  # of lr, where the cosine ends
    weight_decay: float = Field(0.005, ge=0)
    clip: float = Field(1.0, gt=0)  # L2 norm of all gradients
    freeze_features: bool = True  # the convolutions of a transformers network
    freeze_features_steps: int = Field(0, ge=0)  # after which they learn as well; 0: never
    freeze_steps: int = Field(0, ge=0)  # in which only the head learns
    precision: Precision = "fp32"
    label_priors: float = Field(0.0, ge=0, le=1)
    mask_time: Share = 0.05  # of the frames; SpecAugment
    mask_time_length: int = Field(10, ge=1)
    mask_feature: Share = 0.0
    mask_feature_length: int = Field(10, ge=1)

    # How it is judged.
    validate_steps: int = Field(500, ge=1)
    validation_clips: int = Field(200, ge=1)
    patience: int = Field(0, ge=0)  # validations without a better one after which it ends; 0: never

    # How it runs.
    checkpoint_steps: int = Field(500, ge=1)
    checkpoint_minutes: float = Field(15.0, gt=0)
    keep: int = Field(2, ge=1)  # checkpoints of earlier steps
    log_steps: int = Field(10, ge=1)

    @classmethod
    def read(cls, path: Path | None, given: dict[str, Any]) -> CtcTrainingConfig:
        """Read a TOML file, if there is one, and what the command line says instead of it.

        Raises
        ------
        InputError
            If the file cannot be read, or a key or value is wrong; it names the first.
        """
        return read_settings(path, given, cls)

    def fast(self) -> CtcTrainingConfig:
        """Return it with so few steps that all of a training can be seen to work in a minute."""
        return self.model_copy(
            update={
                "steps": 6,
                "warmup_steps": 2,
                "freeze_features_steps": min(self.freeze_features_steps, 3),
                "freeze_steps": min(self.freeze_steps, 2),
                "validate_steps": 3,
                "checkpoint_steps": 3,
                "validation_clips": 4,
                "batch_s": min(self.batch_s, 20.0),
                "log_steps": 1,
            }
        )


def check_same(begun: dict[str, Any], now: CtcTrainingConfig, run: Path) -> None:
    """Refuse to go on with another configuration: the steps that are left would be of another training.

    Parameters
    ----------
    begun : dict
        Plain values of the configuration that the training was begun with.
    now : CtcTrainingConfig
        The one that is given.
    run : Path
        Folder of the training.

    Raises
    ------
    InputError
        If they differ; it names the first key and both values.
    """
    # A training from before a key was there went as the key's default says.
    defaults = CtcTrainingConfig.model_validate({}).model_dump(mode="json")
    facts.check_same(defaults | begun, now.model_dump(mode="json"), FREE, run)
