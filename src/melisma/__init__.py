"""Melisma puts words, and the sounds beneath them, on the timeline of a recording.

>>> import melisma
>>> alignment = melisma.align("song.mp3", "lyrics.txt", language="fr")  # doctest: +SKIP
>>> alignment.save("song.ass")  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from melisma.core.errors import InputError as InputError
    from melisma.core.errors import MelismaError as MelismaError
    from melisma.core.records import Alignment as Alignment
    from melisma.core.records import Emission as Emission
    from melisma.core.records import Line as Line
    from melisma.core.records import Lyrics as Lyrics
    from melisma.core.records import Tokens as Tokens
    from melisma.core.records import Waveform as Waveform
    from melisma.core.records import Word as Word

__version__ = "0.1.0"

_HOME = {
    "Alignment": "melisma.core.records",
    "Emission": "melisma.core.records",
    "InputError": "melisma.core.errors",
    "Line": "melisma.core.records",
    "Lyrics": "melisma.core.records",
    "MelismaError": "melisma.core.errors",
    "Tokens": "melisma.core.records",
    "Waveform": "melisma.core.records",
    "Word": "melisma.core.records",
}

__all__ = ["__version__", *sorted(_HOME)]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that `import melisma` stays fast."""
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'melisma' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
