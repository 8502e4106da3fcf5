"""What decides a training of the phone model: one TOML file per released model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from melisma.core.toml_files import read_toml
from melisma.train.augment import AugmentConfig
from melisma.train.rows import RowConfig

# How weights are stored; an 8-bit one has a scale per output channel, and is a float32 again before it is used.
Storage = Literal["float32", "float16", "int8"]


class CardFacts(BaseModel):
    """What the released model's card says and the network cannot know."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")] = "phone-dev"
    title: str = "Phones of many languages"
    licence: str = "Apache-2.0"
    languages: tuple[str, ...] = ()  # heard from recordings
    synthetic_languages: tuple[str, ...] = ()  # heard from synthesised voices only
    weights: Storage = "float16"

    @model_validator(mode="after")
    def _one_list_each(self) -> CardFacts:
        both = set(self.languages) & set(self.synthetic_languages)
        if both:
            raise ValueError(f"{min(both)} cannot be heard from recordings and from synthesised voices only")
        return self


class PhoneTrainingConfig(BaseModel):
    """Everything that decides what comes out; one TOML file per released model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 1
    channels: int = Field(384, ge=8)
    dilations: tuple[Annotated[int, Field(ge=1)], ...] = (1, 2, 4, 8, 1, 2, 4, 8, 1, 2, 4, 16)
    stride: Literal[1, 2, 3, 4] = 3  # feature frames of 10 ms per emission frame
    dropout: float = Field(0.1, ge=0, lt=1)
    passes: float = Field(30, gt=0)  # over the training clips
    clean_passes: float = Field(2.0, ge=0)  # without augmentation, the first of them from short clips to long
    ramp_passes: float = Field(4.0, gt=0)  # over which music becomes as frequent as it stays
    batch_s: float = Field(80, gt=0)  # seconds of audio before augmentation
    max_clip_s: float = Field(16, gt=0)
    lr: float = Field(1.5e-3, gt=0)
    warmup_steps: int = Field(300, ge=0)
    weight_decay: float = Field(0.02, ge=0)
    ema: float = Field(0.999, ge=0, lt=1)
    vocal_weight: float = Field(0.3, ge=0)
    held_out: float = Field(0.04, ge=0, lt=1)
    skip_languages: frozenset[str] = frozenset()
    bf16: bool = True
    augment: AugmentConfig = AugmentConfig()
    # What follows is for rows: training on clips with phone times.
    steps: int = Field(20000, ge=1)
    fine_weight: float = Field(0.0, ge=0)  # of a second head that learns what sounds in every frame of 10 ms
    shares: dict[str, Annotated[float, Field(gt=0)]] = {}  # how often each folder of clips is drawn, 1 unless said
    music_shares: dict[str, Annotated[float, Field(gt=0)]] = {}
    label_smoothing: float = Field(0.05, ge=0, lt=1)
    rows: RowConfig = RowConfig()
    card: CardFacts = CardFacts()

    @classmethod
    def read(cls, path: Path) -> PhoneTrainingConfig:
        """Read a TOML file; a wrong key or value is an error that names it."""
        return read_toml(path, cls, "configuration")
