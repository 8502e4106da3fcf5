"""An alignment made anew, in which the words that a person has set before stay where they were."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from melisma.core.errors import NoEngine
from melisma.core.records import Alignment, Waveform, Word
from melisma.pipeline.align import AlignConfig
from melisma.pipeline.realign import realign
from melisma.pipeline.song import Progress


def keep_corrections(
    audio: str | Path | Waveform,
    made: Alignment,
    before: Alignment,
    corrected: Collection[int],
    *,
    config: AlignConfig | None = None,
    progress: Progress | None = None,
) -> Alignment:
    """Put corrected words back where a person has set them, and their neighbours between them.

    Parameters
    ----------
    audio : path or Waveform
        The recording.
    made : Alignment
        The new one, of the same words as `before`.
    before : Alignment
        The one that was corrected.
    corrected : collection of int
        Words that a person has set.
    config, progress
        As for `melisma.pipeline.realign.realign`.

    Returns
    -------
    Alignment
        On the clock of `made`.

    Raises
    ------
    ValueError
        If the two are not of the same words.
    """
    if [(word.text, word.line) for word in made.words] != [(word.text, word.line) for word in before.words]:
        raise ValueError("corrections can only be kept where the words are the same")
    held = _held(made, before, frozenset(corrected))
    try:
        return realign(audio, held, corrected, config=config, progress=progress)
    except NoEngine:  # what heard the words places none between others: they stay beside those that are held
        return held


def _held(made: Alignment, before: Alignment, corrected: frozenset[int]) -> Alignment:
    """Return the new alignment with the old places of corrected words; others of their lines are kept in order."""
    out = list(made.words)
    for i in corrected:
        out[i] = _on_clock(before.words[i], made)
    for line in made.lines:
        for voice in {word.voice for word in out[line.first : line.stop]}:
            own = [i for i in range(line.first, line.stop) if out[i].voice == voice and not out[i].unsung]
            for i, word in _in_order(out, own, corrected).items():
                out[i] = word
    held = replace(made, words=tuple(out))
    held.check()
    return held


def _on_clock(word: Word, made: Alignment) -> Word:
    if word.start is None or word.end is None:
        return replace(word, timebase=made.timebase)
    start, end = (
        min(made.timebase.ticks(word.timebase.seconds(tick)), made.duration) for tick in (word.start, word.end)
    )
    return replace(word, start=start, end=max(start, end), timebase=made.timebase)


def _in_order(words: list[Word], own: list[int], corrected: frozenset[int]) -> dict[int, Word]:
    """Bring the words of a line that are not corrected between those that are."""
    out: dict[int, Word] = {}
    least = 0
    for k, i in enumerate(own):
        word = words[i]
        if i in corrected:
            least = word.start or 0
            continue
        most = min((words[j].start or 0 for j in own[k + 1 :] if j in corrected), default=None)
        start = max(word.start or 0, least)
        start = start if most is None else min(start, max(most, least))
        least = start
        out[i] = replace(word, start=start, end=max(start, word.end or 0))
    return out
