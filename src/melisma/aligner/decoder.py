"""The one door of the decoder: an emission, tokens and lyrics → words on the timeline."""

from __future__ import annotations

from dataclasses import dataclass

from melisma.aligner import words
from melisma.aligner.search import SearchConfig, search
from melisma.core.records import Emission, Lyrics, Repeat, Tokens, Word


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """What a caller may turn."""

    wildcard: float | None = None  # nats a frame that unsung sound between lines costs; None for no wildcard


@dataclass(frozen=True, slots=True)
class Decoded:
    """Every word of the lyrics once, in order, on the clock of the recording's samples; and lines sung once more."""

    words: tuple[Word, ...]
    repeats: tuple[Repeat, ...] = ()


def decode_words(emission: Emission, tokens: Tokens, lyrics: Lyrics, config: DecoderConfig | None = None) -> Decoded:
    """Place every word of the lyrics.

    Parameters
    ----------
    emission : Emission
        What an engine heard.
    tokens : Tokens
        The lyrics spelt in its labels.
    lyrics : Lyrics
        The words themselves.

    Raises
    ------
    TooFewFrames
        If no path can spell the tokens in so few frames.
    """
    config = config or DecoderConfig()
    path = search(emission, tokens, SearchConfig(wildcard=config.wildcard))
    return Decoded(words.words(path, emission, tokens, lyrics))
