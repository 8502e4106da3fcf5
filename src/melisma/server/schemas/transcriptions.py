"""Transcriptions as JSON."""

from __future__ import annotations

from pydantic import Field, model_validator

from melisma.server.schemas.common import EXAMPLE_ID, Given, Id, Moment, Shown, Text, given
from melisma.store.service.transcripts import Transcript


class TranscriptionWish(Given):
    """Which recording is to be heard, and by which engine."""

    model_config = given({"song_id": EXAMPLE_ID, "engine": "whisper", "language": "fr"})

    song_id: Id | None = None
    library: Text | None = Field(default=None, min_length=1, max_length=1000, examples=[None])
    engine: Text | None = Field(default=None, min_length=1, max_length=60, description="One that transcribes.")
    model: Text | None = Field(default=None, min_length=1, max_length=60, description="A choice of /v1/models.")
    language: Text | None = Field(default=None, max_length=16, description="ISO 639 code; heard, if not given.")
    priority: int = Field(default=0, ge=-10, le=10, description="Higher goes first.")

    @model_validator(mode="after")
    def _one_song(self) -> TranscriptionWish:
        if (self.song_id is None) == (self.library is None):
            raise ValueError("give either song_id or library, or send a form with the part audio")
        if self.engine is not None and self.model is not None and self.engine != self.model:
            raise ValueError("a model names its engine, as whisper:small: give one of engine and model")
        return self


class TranscriptionBrief(Shown):
    """A transcription without its words."""

    id: str = Field(description="That of the job that made it.")
    song_id: str
    model: str
    created_at: Moment

    @classmethod
    def of(cls, found: Transcript) -> TranscriptionBrief:
        """Spell a transcription."""
        return cls(id=found.id, song_id=found.song_id, model=found.model, created_at=found.created_at)


class TranscriptionPage(Shown):
    """A page of transcriptions, the newest first."""

    items: list[TranscriptionBrief]
    next: str | None
