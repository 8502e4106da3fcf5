"""Lyrics whose lines come with times: searched without them, then with those that can be trusted; the better one stays.

So hints can only help: without a law that most lines obey nothing is searched again, where every line was heard inside
of its window nothing needs to be, and a second result that is less sure of its words is not taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from melisma.aligner.decoder import Decoded
from melisma.aligner.synced import HeardLine, LineWindow, SyncConfig, SyncFit, heard_lines, sync
from melisma.core.records import Lyrics, Word

Decode = Callable[[tuple[LineWindow, ...]], Decoded]
_LESS_SURE = 0.005  # mean confidence that a guided result may lose: a line moved by a frame changes it by as much


@dataclass(frozen=True, slots=True)
class Guided:
    """The better of both results, what the hints were worth, and whether they changed anything."""

    decoded: Decoded
    fit: SyncFit
    moved: bool = False


def decode_guided(
    decode: Decode,
    lyrics: Lyrics,
    duration_s: float,
    stated_duration_s: float | None = None,
    config: SyncConfig | None = None,
) -> Guided:
    """Place words with the help of the times of their lines.

    Parameters
    ----------
    decode : callable
        Places every word of these lyrics, with the windows that it is given; called once or twice, first with none.
    lyrics : Lyrics
        Lines with `start_ms` where a file gave one; without any, one search is all that happens.
    duration_s : float
        Of the recording.
    stated_duration_s : float, optional
        Of the recording that the times were made for, where somebody states it.
    config : SyncConfig, optional
        When hints are trusted.
    """
    first = decode(())
    heard = heard_lines(first.words, len(lyrics.lines))
    fit = sync(lyrics, heard, duration_s, stated_duration_s, config)
    if all(_inside(heard[window.line], window) for window in fit.windows):
        return Guided(first, fit)
    second = decode(fit.windows)
    if _sureness(second.words) < _sureness(first.words) - _LESS_SURE:
        return Guided(first, fit)
    return Guided(second, fit, True)


def _inside(found: HeardLine | None, window: LineWindow) -> bool:
    return found is not None and abs(found.start_s - window.expected_s) <= window.tolerance_s


def _sureness(words: Sequence[Word]) -> float:
    """Return the mean confidence, an unsung word counting nothing."""
    sure = [0.0 if word.unsung or word.confidence is None else word.confidence for word in words]
    return sum(sure) / len(sure) if sure else 0.0
