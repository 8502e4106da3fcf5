"""What a lyrics provider is, what it is asked and what it answers.

Plug-ins offer a class without required parameters under the group `melisma.lyrics`; making one reads the environment
and nothing else. What a provider returns is taken for a stranger's word: `melisma.lyrics.search` compares names and
lengths itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from melisma.core.errors import InputError, LyricsError, MelismaError

LONGEST_NAME = 300  # characters of an artist or a title; the longest song titles have about 200
LONGEST_SONG_S = 6 * 3600.0


class ProviderFailed(MelismaError):
    """A provider gave no usable answer: no connection, an error, a page that is none; the sentence says which."""


class LyricsNotFound(LyricsError):
    """No provider has these lyrics; the sentence says where was looked."""


@dataclass(frozen=True, slots=True)
class SongQuery:
    """The song whose lyrics are wanted.

    Parameters
    ----------
    artist, title : str
        As people write them.
    album : str, optional
        Where it is known.
    duration_s : float, optional
        Length of the recording: tells the version at hand from others.

    Raises
    ------
    InputError
        If a name is empty or too long, or the length is none.
    """

    artist: str
    title: str
    album: str | None = None
    duration_s: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("artist", self.artist), ("title", self.title), ("album", self.album or "-")):
            if not value.strip():
                raise InputError(f"the {name} is empty")
            if len(value) > LONGEST_NAME:
                raise InputError(f"the {name} has {len(value)} characters, more than {LONGEST_NAME}")
            if any(0xD800 <= ord(character) <= 0xDFFF for character in value):
                raise InputError(f"the {name} holds half a character (a lone surrogate)")
        if self.duration_s is not None and not 0 < self.duration_s <= LONGEST_SONG_S:
            raise InputError(f"a song lasts more than 0 and at most {LONGEST_SONG_S:.0f} s, not {self.duration_s} s")


@dataclass(frozen=True, slots=True)
class Candidate:
    """Lyrics that a provider offers: text in `plain` or LRC in `synced`, or a file that holds one of the two."""

    artist: str
    title: str
    album: str | None = None
    duration_s: float | None = None  # of the recording that they were made for; None where nobody says
    plain: str | None = None
    synced: str | None = None
    instrumental: bool = False  # the provider says that nobody sings
    source: str = ""  # address or path, for people
    file: Path | None = None  # not read yet, in whatever encoding
    file_synced: bool = False

    @property
    def has_synced(self) -> bool:
        """Whether there are times of lines."""
        return self.file_synced if self.file is not None else bool(self.synced)

    @property
    def has_text(self) -> bool:
        """Whether there is anything to sing."""
        return self.file is not None or bool(self.plain) or bool(self.synced)


@runtime_checkable
class LyricsProvider(Protocol):
    """A place to look for lyrics."""

    @property
    def name(self) -> str:
        """As its entry point is called."""
        ...

    @property
    def cache_key(self) -> str | None:
        """What tells its answers from those of another server or version; None for answers that are never kept."""
        ...

    def missing(self) -> str | None:
        """Say in one clause what it lacks to be asked, a token, a folder; None if nothing."""
        ...

    def candidates(self, query: SongQuery) -> Sequence[Candidate]:
        """Return what may be the song, best first or in any order; none where the provider knows of none.

        Raises
        ------
        ProviderFailed
            If it cannot be asked, or gives no usable answer.
        """
        ...
