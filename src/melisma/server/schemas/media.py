"""Videos, stems and fonts as JSON."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Path
from pydantic import Field

from melisma.pipeline.video import config
from melisma.server.schemas.common import Given, Moment, Name, Shown, Text, given
from melisma.store.service.exports import Export

Colour = Annotated[str, Field(pattern="^#[0-9a-fA-F]{6}$", examples=["#ffb000"])]
StemName = Annotated[Literal["vocals", "instrumental"], Path(description="Which stem.")]


class ColoursIn(Given):
    """Colours of words before and after they are sung, of the backing voice, and around all of them."""

    unsung: Colour = "#ffffff"
    sung: Colour = "#ffb000"
    backing: Colour = "#7fc8ff"
    outline: Colour = "#181820"


class VideoWish(Given):
    """What a video is to be like."""

    model_config = given({"container": "mp4", "width": 1920, "height": 1080, "background": "#101018"})

    container: Literal["mp4", "webm"] = "mp4"
    width: int = Field(default=1280, ge=config.WIDTHS[0], le=config.WIDTHS[1], multiple_of=2)
    height: int = Field(default=720, ge=config.HEIGHTS[0], le=config.HEIGHTS[1], multiple_of=2)
    fps: int = Field(default=30, ge=config.RATES[0], le=config.RATES[1])
    font: Text = Field(default="", max_length=100, description="One of /v1/fonts; empty for its default.")
    font_size: int = Field(default=0, ge=0, le=config.HEIGHTS[1] // 4, description="In pixels; 0 for one that fits.")
    colours: ColoursIn = ColoursIn()
    background: Colour = Field(default="#101018", description="Behind the words, and over a picture.")
    dim: float = Field(default=0.45, ge=0, le=1, description="How much of the background lies over a picture.")
    title: Name | None = Field(default=None, description="Of a card at the beginning; the song's, if not given.")
    artist: Name | None = Field(default=None, description="As the title.")
    count_in: bool = Field(default=True, description="Whether dots count singers in where they have waited.")
    version: int | None = Field(default=None, ge=1, le=1_000_000_000, description="The current one, if not given.")
    audio: Literal["song", "instrumental"] = Field(default="song", description="What is heard.")
    priority: int = Field(default=0, ge=-10, le=10, description="Higher goes first.")


class StemsWish(Given):
    """How to separate a song."""

    model_config = given({"priority": 0})

    priority: int = Field(default=0, ge=-10, le=10, description="Higher goes first.")


class VideoOut(Shown):
    """A video that was made."""

    id: str
    alignment_id: str | None
    version: int
    media_type: str
    size_bytes: int
    created_at: Moment
    links: dict[str, str]

    @classmethod
    def of(cls, found: Export) -> VideoOut:
        """Spell a video."""
        return cls(
            id=found.id,
            alignment_id=found.alignment_id,
            version=found.version,
            media_type=found.media_type,
            size_bytes=found.size_bytes,
            created_at=found.created_at,
            links={"self": f"/v1/videos/{found.id}"},
        )


class Videos(Shown):
    """Videos of an alignment, the newest first."""

    items: list[VideoOut]


class Fonts(Shown):
    """Fonts that words can be drawn in."""

    default: str
    fonts: list[str] = Field(description="Families that are installed; empty where that is not known.")
