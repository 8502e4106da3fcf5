"""Alignments, their versions and their corrections as JSON."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from melisma.server.edits import EditObject
from melisma.server.schemas.common import EXAMPLE_ID, Given, Id, Index, Moment, Name, Shown, Text, given
from melisma.store.service import alignments

MAX_EDITS = 20_000
Span = Annotated[list[Index], Field(min_length=2, max_length=2, description="Words [first, stop).")]
Version = Annotated[int, Field(ge=1, le=1_000_000_000, description="That was current when the change was made.")]


class Lyrics(Given):
    """Lyrics by their text, or by whose song they are; nothing for those that the song has."""

    text: Text | None = Field(default=None, min_length=1, description="Plain text, LRC, enhanced LRC or SRT.")
    artist: Name | None = Field(default=None, min_length=1, examples=["Georges Bizet"])
    title: Name | None = Field(default=None, min_length=1, examples=["Habanera"])

    @model_validator(mode="after")
    def _one_way(self) -> Lyrics:
        if (self.text is None) == (self.artist is None and self.title is None):
            raise ValueError("give either text, or artist and title")
        if self.text is None and (self.artist is None or self.title is None):
            raise ValueError("give both artist and title")
        return self


class Options(Given):
    """How to align, as the options of `melisma align`."""

    language: Text | None = Field(default=None, max_length=16, examples=["fr"], description="ISO 639 code.")
    engine: Text = Field(default="auto", min_length=1, max_length=60, description="As /v1/engines lists them, or auto.")
    separate: Text = Field(default="auto", max_length=60, description="none, center, demucs or auto.")
    refine: Text = Field(default="", max_length=60, description="onset, beat, ends, separated by commas.")
    fallback: bool = Field(default=False, description="Whether other engines follow the one that is named.")
    priority: int = Field(default=0, ge=-10, le=10, description="Higher goes first.")


class AlignmentWish(Options):
    """What is to be aligned: a song that is here, or a recording of the library."""

    model_config = given(
        {"song_id": EXAMPLE_ID},
        {"song_id": EXAMPLE_ID, "lyrics": {"text": "L'amour est enfant de bohème"}, "language": "fr"},
        {"library": "folder/song.mp3", "lyrics": {"artist": "Georges Bizet", "title": "Habanera"}},
        {"song_id": EXAMPLE_ID, "lyrics": None, "engine": "whisper"},
    )

    song_id: Id | None = None
    library: Text | None = Field(default=None, min_length=1, max_length=1000, examples=[None])
    lyrics: Lyrics | None = Field(
        default=None, description="Without it the lyrics that the song has; null to time the words that are heard."
    )

    @model_validator(mode="after")
    def _one_song(self) -> AlignmentWish:
        if (self.song_id is None) == (self.library is None):
            raise ValueError("give either song_id or library, or send a form with the part audio")
        return self


class Regenerate(Given):
    """How to make an alignment anew."""

    model_config = given({}, {"engine": "phone", "keep_corrections": True})

    engine: Text | None = Field(default=None, min_length=1, max_length=60, description="As before, if not given.")
    language: Text | None = Field(default=None, max_length=16, description="As before, if not given.")
    keep_corrections: bool = Field(
        default=False, description="Whether words that a person has set stay where they are."
    )
    priority: int = Field(default=0, ge=-10, le=10, description="Higher goes first.")


class Corrections(Given):
    """What a person changes: edits, each of which counts words as they are when those before it are done."""

    model_config = given(
        {
            "version": 1,
            "edits": [
                {"op": "move", "word": 0, "start_ms": 120, "end_ms": 240},
                {"op": "retype", "word": 1, "text": "bohème"},
            ],
        }
    )

    version: Version | None = Field(default=None, ge=1, description="Or the header If-Match.", examples=[1])
    edits: list[EditObject] = Field(min_length=1, max_length=MAX_EDITS)
    summary: Name = Field(default="", description="What was changed, for people.")


class Undo(Given):
    """Which version is to be undone."""

    model_config = given({"version": 2})

    version: Version | None = Field(default=None, ge=1, description="Or the header If-Match.", examples=[2])


class Restore(Given):
    """Which version is to be current again."""

    model_config = given({"version": 2, "to": 1})

    version: Version | None = Field(default=None, ge=1, description="Or the header If-Match.", examples=[2])
    to: Version


class Realign(Given):
    """What is to be placed anew between words that a person has set."""

    model_config = given({"version": 2}, {"version": 2, "words": [0, 6], "preview": True})

    version: Version | None = Field(default=None, ge=1, description="Or the header If-Match.", examples=[1])
    corrected: list[Index] | None = Field(
        default=None,
        max_length=200_000,
        description="Words that stay where they are; those that are corrected, if not given.",
    )
    words: Span | None = Field(default=None, description="Only words of [first, stop) may move; all, if not given.")
    edits: list[EditObject] = Field(default=[], max_length=MAX_EDITS, description="Done first.")
    preview: bool = Field(default=False, description="Whether to save nothing, and only show what would be.")
    priority: int = Field(default=0, ge=-10, le=10, description="Higher goes first.")


class AlignmentBrief(Shown):
    """An alignment in a line."""

    id: str
    song_id: str
    version: int = Field(description="That is current; 0 until there is one.")
    source: str = Field(description="user_corrected, imported, ctc, whisper or placed; empty until there is a version.")
    n_words: int
    n_unsung: int
    confidence_avg: float | None
    engine: str
    updated_at: Moment

    @classmethod
    def of(cls, found: alignments.Record) -> AlignmentBrief:
        """Spell an alignment."""
        return cls(**_brief(found))


class AlignmentInfo(AlignmentBrief):
    """Everything about an alignment but its words."""

    request: dict[str, Any] = Field(description="What was asked for.")
    corrected: list[int] = Field(description="Indices of the words that a person has set.")
    doubtful: list[int] = Field(description="Indices of the words that are worth a look.")
    versions: int = Field(description="How many there are.")
    warnings: list[str]
    created_at: Moment
    links: dict[str, str]


class AlignmentPage(Shown):
    """A page of alignments, the newest first."""

    items: list[AlignmentBrief]
    next: str | None


class VersionOut(Shown):
    """A version of an alignment, without its words."""

    version: int
    parent: int = Field(description="The version that it was made from; 0 where an engine made it.")
    source: str
    author: str = Field(description="Name of the token that was used; empty where none is needed.")
    summary: str
    engine: str
    n_corrected: int
    created_at: Moment

    @classmethod
    def of(cls, found: alignments.Version) -> VersionOut:
        """Spell a version."""
        return cls(
            version=found.version,
            parent=found.parent,
            source=found.source,
            author=found.author,
            summary=found.summary,
            engine=found.engine,
            n_corrected=len(found.corrected),
            created_at=found.created_at,
        )


class VersionPage(Shown):
    """A page of versions, the newest first."""

    items: list[VersionOut]
    next: str | None


class WordOut(Shown):
    """A word on the timeline; both times are null where it is unsung."""

    text: str
    start_ms: int | None
    end_ms: int | None
    confidence: float | None = Field(description="0 to 1; null where nothing is known.")
    line: int = Field(description="Index of its line.")
    unsung: bool = False
    voice: Literal["lead", "backing"] = "lead"
    expected_error_ms: float | None = Field(default=None, description="How far its start is expected to be off.")


class LineOut(Shown):
    """A line: words [first, stop) of the alignment."""

    text: str
    start_ms: int | None
    end_ms: int | None
    words: list[int] = Field(min_length=2, max_length=2)
    stanza: int


class RepeatOut(Shown):
    """Lines [first, stop) that are sung once more than they are written."""

    lines: list[int] = Field(min_length=2, max_length=2)
    start_ms: int
    end_ms: int


class AlignmentDocument(Shown):
    """The JSON format melisma.alignment/1: every word of the lyrics once, in the order of the text."""

    schema_name: Literal["melisma.alignment/1"] = Field(alias="schema")
    text: str
    language: str
    duration_ms: int
    engine: str
    engine_version: str
    model_id: str
    model_revision: str
    confidence_avg: float | None
    word_count: int
    words: list[WordOut]
    lines: list[LineOut]
    repeats: list[RepeatOut] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)


class Saved(Shown):
    """What a change has led to."""

    version: int
    alignment: AlignmentDocument
    corrected: list[int] = Field(description="Indices of the words that a person has set.")


def _brief(found: alignments.Record) -> dict[str, Any]:
    return {
        "id": found.id,
        "song_id": found.song_id,
        "version": found.version,
        "source": found.source,
        "n_words": found.n_words,
        "n_unsung": found.n_unsung,
        "confidence_avg": found.confidence_avg,
        "engine": found.engine,
        "updated_at": found.updated_at,
    }


def info(
    found: alignments.Record, version: alignments.Version | None, doubtful: list[int], warnings: tuple[str, ...]
) -> AlignmentInfo:
    """Spell everything about an alignment but its words."""
    here = f"/v1/alignments/{found.id}"
    return AlignmentInfo(
        **_brief(found),
        request=dict(found.request),
        corrected=[] if version is None else list(version.corrected),
        doubtful=doubtful,
        versions=found.version,
        warnings=list(warnings),
        created_at=found.created_at,
        links={"self": here, "versions": f"{here}/versions", "audio": f"/v1/songs/{found.song_id}/audio"},
    )
