"""Melisma puts words, and the sounds beneath them, on the timeline of a recording.

>>> import melisma
>>> alignment = melisma.align("song.mp3", "lyrics.txt", language="fr")  # doctest: +SKIP
>>> alignment.save("song.ass")  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from melisma.aligner.viterbi import viterbi as viterbi
    from melisma.aligner.words import words as place_words
    from melisma.audio.decode import load as load_audio
    from melisma.core.errors import InputError as InputError
    from melisma.core.errors import MelismaError as MelismaError
    from melisma.core.records import Alignment as Alignment
    from melisma.core.records import Emission as Emission
    from melisma.core.records import Line as Line
    from melisma.core.records import Lyrics as Lyrics
    from melisma.core.records import Tokens as Tokens
    from melisma.core.records import Waveform as Waveform
    from melisma.core.records import Word as Word
    from melisma.engines.phone import PhoneEngine as PhoneEngine
    from melisma.formats.load import load as load_alignment
    from melisma.pipeline.align import align as align
    from melisma.pipeline.lyrics import read as read_lyrics
    from melisma.text.tokens import tokenize as tokenize

__version__ = "0.1.0"

# Public name → module and the name it has there.
_HOME = {
    "Alignment": ("melisma.core.records", "Alignment"),
    "Emission": ("melisma.core.records", "Emission"),
    "InputError": ("melisma.core.errors", "InputError"),
    "Line": ("melisma.core.records", "Line"),
    "Lyrics": ("melisma.core.records", "Lyrics"),
    "MelismaError": ("melisma.core.errors", "MelismaError"),
    "PhoneEngine": ("melisma.engines.phone", "PhoneEngine"),
    "Tokens": ("melisma.core.records", "Tokens"),
    "Waveform": ("melisma.core.records", "Waveform"),
    "Word": ("melisma.core.records", "Word"),
    "align": ("melisma.pipeline.align", "align"),
    "load_alignment": ("melisma.formats.load", "load"),
    "load_audio": ("melisma.audio.decode", "load"),
    "place_words": ("melisma.aligner.words", "words"),
    "read_lyrics": ("melisma.pipeline.lyrics", "read"),
    "tokenize": ("melisma.text.tokens", "tokenize"),
    "viterbi": ("melisma.aligner.viterbi", "viterbi"),
}

__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that `import melisma` stays fast."""
    if name in _HOME:
        module, attribute = _HOME[name]
        return getattr(import_module(module), attribute)
    raise AttributeError(f"module 'melisma' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
