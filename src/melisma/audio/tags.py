"""Who sings what, as far as a recording's own tags say it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_LONGEST = 300  # characters; longer ones are no names


@dataclass(frozen=True, slots=True)
class Tags:
    """Names in a file's tags; None where it has none."""

    artist: str | None = None
    title: str | None = None
    album: str | None = None


def read_tags(path: str | Path) -> Tags:
    """Read the tags of a file that libsndfile reads (WAV, FLAC, MP3, Ogg, Opus); none of any other file."""
    import soundfile

    try:
        with soundfile.SoundFile(str(path)) as file:
            return Tags(_name(file.artist), _name(file.title), _name(file.album))
    except (soundfile.LibsndfileError, OSError, RuntimeError, TypeError):
        return Tags()  # what is wrong with it is said by whoever decodes it


def _name(text: str) -> str | None:
    shown = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return shown if 0 < len(shown) <= _LONGEST else None
