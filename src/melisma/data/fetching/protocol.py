"""What fetching recordings is made of: what is wanted, what a site says of it, what came of it, and who downloads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

# Told of the bytes that are here, and of those that there are, or None where the server does not say.
BytesDone = Callable[[int, int | None], None]


class Fate(StrEnum):
    """What came of a recording that was wanted."""

    FETCHED = "fetched"
    PRESENT = "present"  # fetched by an earlier run
    GONE = "gone"  # removed, or never there
    PRIVATE = "private"
    MEMBERS = "members"  # for those who signed in or paid
    GEO_BLOCKED = "geo-blocked"
    AGE_GATED = "age-gated"
    LIVE = "live"  # has not begun or not ended
    TOO_LARGE = "too large"
    TOO_LONG = "too long"
    TOO_SHORT = "too short"
    NOT_AUDIO = "not audio"
    REFUSED = "refused"  # by us: no address of the web
    REMOVED = "removed"  # by us, at the wish of whoever it belongs to: never fetched again
    THROTTLED = "throttled"  # the site wants us to ask less often
    FAILED = "failed"  # the network or the site failed; another run tries again


GOOD = frozenset({Fate.FETCHED, Fate.PRESENT})
# What another run would meet again; it asks for these only when it is told to.
LASTING = frozenset(Fate) - GOOD - {Fate.THROTTLED, Fate.FAILED, Fate.LIVE}


class Unfetched(Exception):
    """A recording cannot be had: what came of it, and a sentence that says why."""

    def __init__(self, fate: Fate, reason: str) -> None:
        super().__init__(reason)
        self.fate, self.reason = fate, reason


@dataclass(frozen=True, slots=True)
class Wanted:
    """A recording, or a playlist of them, that is wanted.

    Parameters
    ----------
    url : str
        Of a page, a file, a feed or a playlist; http or https.
    id : str
        What the recording is to be called; by its site and its id there without one. Of no meaning for a playlist.
    licence : str
        What the user knows of its licence; stands above what the site says.
    language : str
        BCP 47, where the user knows it.
    speaker_id : str
        Who is heard, where the user knows it.
    """

    url: str
    id: str = ""
    licence: str = ""
    language: str = ""
    speaker_id: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a site says of a recording; empty or None where it says nothing.

    Parameters
    ----------
    site, site_id : str
        yt-dlp's name of the site and the recording's id there.
    url : str
        Of the page, or of the file where there is no page.
    title, uploader, licence, language, date : str
        As the site has them; the date of publication as YYYY-MM-DD.
    duration_s : float, optional
        Length.
    age_limit : int, optional
        Years.
    """

    site: str
    site_id: str
    url: str
    title: str = ""
    uploader: str = ""
    licence: str = ""
    language: str = ""
    date: str = ""
    duration_s: float | None = None
    age_limit: int | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording that can be downloaded now: its key in the archive, facts, and whatever the downloader needs."""

    key: str
    facts: Facts
    handle: Any = field(repr=False, compare=False, default=None)


@dataclass(frozen=True, slots=True)
class Reference:
    """Something that a page, a feed or a playlist leads to; `key` where that is known before anybody looks.

    `alone` says whether the address leads to it and to nothing else.
    """

    url: str
    key: str = ""
    handle: Any = field(repr=False, compare=False, default=None)
    alone: bool = True


@dataclass(frozen=True, slots=True)
class Playlist:
    """References, found as they are taken."""

    title: str
    items: Iterator[Reference]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a download is held to.

    Parameters
    ----------
    max_mb : float
        Megabytes of a file, whatever its server promises.
    min_duration_s, max_duration_s : float
        Length of a recording.
    timeout_s : float
        Of one recording's download.
    rate_limit : float, optional
        Bytes a second.
    """

    max_mb: float = 2000.0
    min_duration_s: float = 0.0
    max_duration_s: float = 4 * 3600.0
    timeout_s: float = 3600.0
    rate_limit: float | None = None


@dataclass(frozen=True, slots=True)
class Download:
    """A file that has come; `pictures` tells whether it holds some beside the sound, None where nobody knows."""

    path: Path
    pictures: bool | None = None


class Downloader(Protocol):
    """Finds recordings behind addresses and brings their audio."""

    def look(self, reference: Reference) -> Recording | Playlist:
        """Ask what is there.

        Raises
        ------
        Unfetched
            If nothing is that we could have.
        """

    def download(self, recording: Recording, stem: Path, limits: Limits, told: BytesDone) -> Download:
        """Bring the audio to a file that begins with `stem`; what an earlier try left there goes on.

        Raises
        ------
        Unfetched
            If it did not come.
        """


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of a recording.

    Parameters
    ----------
    wanted : Wanted
        What was asked for: of a playlist, the playlist.
    fate : Fate
        What came of it.
    url : str
        Of the recording itself.
    reason : str
        A sentence, where it did not come or something is to be said of it.
    id : str
        Its id in the manifest.
    path : Path, optional
        The audio.
    duration_s : float
        Length of the audio.
    sha256 : str
        Of the audio's file.
    facts : Facts, optional
        What the site says.
    key : str
        In the archive.
    """

    wanted: Wanted
    fate: Fate
    url: str
    reason: str = ""
    id: str = ""
    path: Path | None = None
    duration_s: float = 0.0
    sha256: str = ""
    facts: Facts | None = None
    key: str = ""

    @property
    def licence(self) -> str:
        """What is known of the licence: the user's word, or else the site's."""
        return self.wanted.licence or (self.facts.licence if self.facts else "")


def check_address(url: str) -> str:
    """Return the address without blanks around it.

    Raises
    ------
    Unfetched
        If it is none of the web: another scheme than http and https, no host, or characters that no address has.
    """
    url = url.strip()
    try:
        parts = urlsplit(url)
        good = parts.scheme.lower() in ("http", "https") and bool(parts.hostname) and url.isprintable()
    except ValueError:
        good = False
    if not good or " " in url or len(url) > 8192:
        raise Unfetched(Fate.REFUSED, f"{shown(url)} is no address of the web: only http:// and https:// are fetched")
    return url


def shown(text: str, at_most: int = 200) -> str:
    """Return text of a stranger, fit to be printed on one line."""
    line = " ".join("".join(c if c.isprintable() else "?" for c in text[: 4 * at_most]).split())
    return line if len(line) <= at_most else line[: at_most - 1] + "…"


def plain(facts: Facts) -> Mapping[str, Any]:
    """Return facts as plain values, without what is not known."""
    return {name: value for name in Facts.__slots__ if (value := getattr(facts, name)) not in ("", None)}
