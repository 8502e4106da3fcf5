"""Songs as JSON."""

from __future__ import annotations

from pydantic import Field

from melisma.server.schemas.alignments import AlignmentBrief
from melisma.server.schemas.common import Given, Moment, Name, Shown, Text, given
from melisma.server.schemas.jobs import JobBriefOut
from melisma.store.service import alignments, songs

Language = Field(default=None, max_length=16, examples=["fr"], description="ISO 639 code of the lyrics.")


class SongFromLibrary(Given):
    """A recording of the library folder, and what it is called; what is not said, its tags say."""

    model_config = given({"library": "folder/song.mp3", "language": "fr"})

    library: Text = Field(min_length=1, max_length=1000, examples=["folder/song.mp3"])
    title: Name | None = Field(default=None, examples=["Habanera"])
    artist: Name | None = Field(default=None, examples=["Georges Bizet"])
    language: Text | None = Language
    lyrics: Text | None = Field(default=None, description="Plain text, LRC, enhanced LRC or SRT.")


class SongChange(Given):
    """What people say of a song; what is left out stays."""

    model_config = given({"title": "Habanera", "artist": "Georges Bizet"})

    title: Name | None = Field(default=None, examples=["Habanera"])
    artist: Name | None = Field(default=None, examples=["Georges Bizet"])
    language: Text | None = Language
    lyrics: Text | None = Field(default=None, description="Empty to forget them.")


class SongLinks(Shown):
    """Where to go on from a song."""

    self: str
    audio: str
    peaks: str
    onsets: str


class SongOut(Shown):
    """A recording, what people call it, and what has become of it."""

    id: str
    title: str
    artist: str
    language: str = Field(description="ISO 639 code, empty where nobody said it.")
    file_name: str
    duration_ms: int
    size_bytes: int
    media_type: str = Field(description="By the content of the file.", examples=["audio/mpeg"])
    has_lyrics: bool
    lyrics: str | None = Field(default=None, description="That were given last; only where one song is asked for.")
    library: str | None = Field(description="Path below the library folder, where the recording stays there.")
    created_at: Moment
    updated_at: Moment
    alignment: AlignmentBrief | None = Field(description="The newest that there is.")
    job: JobBriefOut | None = Field(description="The newest that is not over, else the last one if it failed.")
    stems: list[str] = Field(description="Separated voices that there are: vocals, instrumental.")
    links: SongLinks

    @classmethod
    def of(
        cls,
        song: songs.Song,
        around: songs.Around,
        newest: alignments.Record | None,
        *,
        with_lyrics: bool = False,
    ) -> SongOut:
        """Spell a song with what is around it."""
        here, recording = f"/v1/songs/{song.id}", song.recording
        return cls(
            id=song.id,
            title=song.title,
            artist=song.artist,
            language=song.language,
            file_name=recording.file_name,
            duration_ms=recording.duration_ms,
            size_bytes=recording.size_bytes,
            media_type=recording.media_type,
            has_lyrics=bool(song.lyrics.strip()),
            lyrics=song.lyrics if with_lyrics else None,
            library=recording.library_path,
            created_at=song.created_at,
            updated_at=song.updated_at,
            alignment=None if newest is None else AlignmentBrief.of(newest),
            job=None if around.job is None else JobBriefOut.of(around.job),
            stems=list(around.stems),
            links=SongLinks(self=here, audio=f"{here}/audio", peaks=f"{here}/peaks", onsets=f"{here}/onsets"),
        )


class SongPage(Shown):
    """A page of songs, the newest first."""

    items: list[SongOut]
    next: str | None


class LibraryEntry(Shown):
    """A folder or a recording of the library."""

    path: str = Field(description="Below the library folder, with slashes.")
    name: str
    size_bytes: int | None = Field(description="None for a folder.")
    is_folder: bool


class LibraryPage(Shown):
    """A page of the library: folders first, then recordings by name."""

    items: list[LibraryEntry]
    next: str | None
