"""What an alignment says to whoever reads it: of the recording by the name that people know, and of no folder."""

from __future__ import annotations

import re
from dataclasses import replace

from melisma.audio.container import shown
from melisma.core.records import Alignment
from melisma.server.recordings import Recording

# An absolute path where a word begins, up to its last part; Windows' too.
_FOLDERS = re.compile(r"""(?<![^\s'"(\[])(?:[A-Za-z]:\\|/)(?:[^/\\\n:'"]+[/\\])+""")


def without_paths(made: Alignment, found: Recording) -> Alignment:
    """Return an alignment whose warnings name no folder, of this machine or of another that shares the cache."""
    warnings = tuple(_told(warning, found) for warning in made.warnings)
    return made if warnings == made.warnings else replace(made, warnings=warnings)


def _told(warning: str, found: Recording) -> str:
    for spelling in (shown(found.path.absolute()), shown(found.path), found.path.name):
        warning = warning.replace(spelling, found.name or "the recording")
    return _FOLDERS.sub("", warning)
