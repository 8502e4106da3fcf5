"""Signs that a transcriber wrote what nobody said.

References
----------
Koenecke et al., Careless Whisper, FAccT 2024; Barański et al., Investigation of Whisper ASR Hallucinations Induced by
Non-Speech Audio, ICASSP 2025: hallucinations are words over non-speech, usual lines of subtitles, and loops.
"""

from __future__ import annotations

from collections.abc import Sequence

from melisma.engines.hallucinations import usual_lines
from melisma.text import loops

NOTHING_SAID = "nothing_said"  # words, and the reference has none
SILENCE = "silence"  # words, and the recording is silent
TOO_LONG = "too_long"  # more than twice the words of the reference
TOO_FAST = "too_fast"  # more than anybody says in the time
LOOP = "loop"  # a phrase goes round more often than it was said
USUAL_LINE = "usual_line"  # of subtitles: "thanks for watching"
REASONS = (NOTHING_SAID, SILENCE, TOO_LONG, TOO_FAST, LOOP, USUAL_LINE)

_TIMES_LONGER = 2.0
_WORDS_LONGER = 5  # so that one word heard as two or three is none
# Fast readers and rappers stay under 25 letters a second; the fastest of the open corpus say 22.
_FASTEST = 30.0
_LETTERS = 15  # fewer say nothing about a rate


def flags(reference: Sequence[str], hypothesis: Sequence[str], seconds: float, *, silent: bool = False) -> list[str]:
    """Return which of `REASONS` hold for an utterance.

    Parameters
    ----------
    reference, hypothesis : sequence of str
        Normalised words.
    seconds : float
        How long the utterance is.
    silent : bool
        Whether its audio is known to hold no sound.

    Examples
    --------
    >>> flags(["ljubav"], ["ljubav"] * 12, 4.0)
    ['too_long', 'loop']
    """
    if not hypothesis:
        return []
    found = {
        NOTHING_SAID: not reference,
        SILENCE: silent,
        TOO_LONG: bool(reference) and _too_long(len(reference), len(hypothesis)),
        TOO_FAST: _too_fast(reference, hypothesis, seconds),
        LOOP: _loops(reference, hypothesis),
        USUAL_LINE: bool(usual_lines(" ".join(hypothesis), " ".join(reference))),
    }
    return [name for name in REASONS if found[name]]


def _too_long(said: int, heard: int) -> bool:
    return heard > _TIMES_LONGER * said and heard - said >= _WORDS_LONGER


def _too_fast(reference: Sequence[str], hypothesis: Sequence[str], seconds: float) -> bool:
    """Whether more was heard than anybody says in the time, and more than was said in it."""
    said, heard = sum(map(len, reference)), sum(map(len, hypothesis))
    return heard >= _LETTERS and heard > said and heard > _FASTEST * seconds


def _loops(reference: Sequence[str], hypothesis: Sequence[str]) -> bool:
    for at, length, rounds in loops.loops(hypothesis):
        if rounds > loops.most_rounds(reference, hypothesis[at : at + length]):
            return True
    return False
