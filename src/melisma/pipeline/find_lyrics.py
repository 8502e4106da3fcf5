"""Lyrics of a song by its names: from the providers to text, and to lines that can be aligned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from melisma.audio.probe import probe
from melisma.audio.tags import read_tags
from melisma.core.errors import FormatError, InputError, LyricsError
from melisma.core.files import format_named
from melisma.core.records import Lyrics
from melisma.lyrics.protocol import LONGEST_SONG_S, Candidate, SongQuery
from melisma.lyrics.search import Hit, SearchConfig, search
from melisma.pipeline import lyrics as lyrics_files
from melisma.text import encoding


@dataclass(frozen=True, slots=True)
class FoundLyrics:
    """Lyrics as found: LRC where `synced`, else plain text, and where they are from."""

    text: str
    synced: bool
    provider: str
    artist: str
    title: str
    album: str | None = None
    duration_s: float | None = None  # of the recording that they were made for; None where nobody says
    source: str = ""
    notes: tuple[str, ...] = ()

    @property
    def lyrics(self) -> Lyrics:
        """The sung lines, with the times of the LRC as hints."""
        called = f"the lyrics from {self.provider}"
        return lyrics_files.read(self.text.encode("utf-8"), name=called, format="lrc" if self.synced else "text")


def find(
    query: SongQuery, config: SearchConfig | None = None, tell: Callable[[str], None] | None = None
) -> FoundLyrics:
    """Find the lyrics of a song.

    Parameters
    ----------
    query : SongQuery
        Artist and title; the length of the recording tells its version from others.
    config : SearchConfig, optional
        Which providers, with or without times, and where answers are kept.
    tell : callable, optional
        Called with a provider's name before it is asked.

    Raises
    ------
    LyricsNotFound
        If no provider has them; the sentence says of each why.
    LyricsError
        If what was found cannot be read.
    """
    hit = search(query, config, tell)
    notes = list(hit.notes)
    text, synced = _text(hit, notes)
    chosen = hit.match.candidate
    facts = (chosen.artist, chosen.title, chosen.album, chosen.duration_s, chosen.source)
    return FoundLyrics(text, synced, hit.provider, *facts, tuple(notes))


def _text(hit: Hit, notes: list[str]) -> tuple[str, bool]:
    """Return the text and whether it is LRC; an LRC that cannot be read gives its words, or way to the plain text."""
    chosen = hit.match.candidate
    if not hit.synced and chosen.plain and chosen.file is None:
        return _ended(chosen.plain), False
    text = _whole(chosen)
    if not chosen.has_synced:
        return _ended(text), False
    try:
        rows = (format_named("lrc").read_lines or _no_lines)(text)
    except FormatError as error:
        if not chosen.plain:
            raise LyricsError(f"the lyrics from {hit.provider} cannot be read: {error}") from error
        notes.append(f"the times from {hit.provider} cannot be read ({error}): plain text was taken")
        return _ended(chosen.plain), False
    return (_ended(text), True) if hit.synced else (_ended("\n".join(row.text for row in rows)), False)


def _no_lines(text: str) -> tuple[()]:
    return ()


def _whole(chosen: Candidate) -> str:
    if chosen.file is None:
        return chosen.synced or chosen.plain or ""
    try:
        with chosen.file.open("rb") as file:
            data = file.read(encoding.MAX_BYTES + 1)
    except OSError as error:
        raise LyricsError(f"the lyrics file {chosen.file} cannot be read: {error.strerror or error}") from error
    return encoding.decode(data, str(chosen.file))


def _ended(text: str) -> str:
    """Return the text with one newline at its end, without a byte order mark or carriage returns."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").strip("\n") + "\n"


def query_for(audio: str | Path, artist: str | None = None, title: str | None = None) -> SongQuery:
    """Ask for the song of a recording: names that are not given come from its tags, the length from itself.

    Raises
    ------
    AudioError
        If there is no such recording, or it cannot be used.
    InputError
        If neither the caller nor the file says who sings what.
    """
    duration_s = probe(audio).duration_s
    tags = read_tags(audio)
    names = {"artist": artist or tags.artist, "title": title or tags.title}
    unknown = [name for name, value in names.items() if not value]
    if unknown:
        options = " and ".join(f"--{name}" for name in unknown)
        raise InputError(f"{audio} does not say its {' and '.join(unknown)} in its tags: give {options}")
    usable = duration_s if duration_s is not None and 0 < duration_s <= LONGEST_SONG_S else None
    return SongQuery(names["artist"] or "", names["title"] or "", tags.album, usable)
