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
    model: Text | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="A choice of /v1/models; the default of the language there, if neither this nor engine is given.",
    )
    language: Text | None = Field(default=None, max_length=16, description="ISO 639 code; heard, if not given.")
    align: bool = Field(default=True, description="Time the words exactly once they are known, by an aligner.")
    adopt: bool = Field(default=False, description="Make it an alignment of the song too, to be played and corrected.")
    priority: int = Field(default=0, ge=-10, le=10, description="Higher goes first.")

    @model_validator(mode="after")
    def _one_song(self) -> TranscriptionWish:
        if (self.song_id is None) == (self.library is None):
            raise ValueError("give either song_id or library, or send a form with the part audio")
        if self.engine is not None and self.model is not None and self.engine != self.model:
            raise ValueError("a model names its engine, as whisper:small: give one of engine and model")
        return self


class ProcessWish(Given):
    """By which model a song is to be transcribed."""

    model_config = given({"language": "hr"})

    model: Text | None = Field(
        default=None, min_length=1, max_length=64, description="A choice of /v1/models; the language's default if not."
    )
    language: Text | None = Field(default=None, max_length=16, description="ISO 639 code; heard, if not given.")
    align: bool = Field(default=True, description="Time the words exactly once they are known, by an aligner.")
    again: bool = Field(default=False, description="Transcribe anew what was transcribed by this model already.")


class WordTime(Shown):
    """A word of a record of word timestamps."""

    word: str
    startMs: int
    endMs: int
    confidence: float | None = None
    unsung: bool = False


class LineTime(Shown):
    """A line of a record of word timestamps."""

    startMs: int
    endMs: int
    text: str
    words: list[WordTime]


class SegmentWord(Shown):
    """A word of a segment, in seconds."""

    word: str
    start: float | None
    end: float | None
    probability: float | None


class Segment(Shown):
    """A line as transcribers give it, in seconds."""

    id: int
    start: float
    end: float
    text: str
    words: list[SegmentWord]


class RecordLinks(Shown):
    """Where to go on from a transcription."""

    self: str
    song: str
    lrc: str


class TranscriptionRecord(Shown):
    """What was heard, as `transcription_base.json` has it."""

    transcription_id: str
    schema_: str = Field(alias="schema", examples=["melisma.transcription/1"])
    file_id: str
    audio: str
    request_id: str | None
    duration: float = Field(description="Seconds.")
    engine: str
    engine_version: str
    model: str
    model_revision: str
    aligned_by: str | None = Field(description="What timed the words once they were known; null where nothing did.")
    aligned_words: int
    text: str
    language: str
    word_count: int
    duration_ms: int
    confidence_avg: float | None
    source: str
    model_version: str
    words: list[WordTime]
    lines: list[LineTime]
    segments: list[Segment]
    warnings: list[str]
    links: RecordLinks


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
