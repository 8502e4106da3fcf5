"""An alignment as the bytes of a file: every installed format, and a karaoke page, which needs the recording too."""

from __future__ import annotations

from pathlib import Path

from melisma.core.errors import InputError
from melisma.core.files import format_named
from melisma.core.records import Alignment

KARAOKE = "karaoke"  # a page needs the recording too, so it is no plug-in of melisma.formats
PAGE_SUFFIXES = (".html", ".htm")


def format_names() -> list[str]:
    """Every name that `--format` takes."""
    from melisma.core import plugins

    return sorted([*plugins.names(plugins.FORMATS), KARAOKE])


def suffix_of(name: str) -> str:
    """Return the suffix of files of a format."""
    return PAGE_SUFFIXES[0] if name == KARAOKE else format_named(name).suffixes[0]


def render(alignment: Alignment, name: str, audio: Path | None = None, title: str | None = None) -> bytes:
    """Write an alignment as the bytes of a file in the named format.

    Raises
    ------
    InputError
        If a karaoke page is asked for, and no recording is given or it cannot be played.
    """
    if name == KARAOKE:
        from melisma.formats.karaoke import page_for_file

        if audio is None:
            raise InputError("a karaoke page needs the recording: melisma karaoke ALIGNMENT.json --audio FILE")
        return page_for_file(alignment, audio, title=title).encode("utf-8")
    return format_named(name).write(alignment).encode("utf-8")
