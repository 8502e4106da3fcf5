"""Timed words and synced lyrics → the same words in the lines of the lyrics."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

from melisma.aligner.match import place_heard
from melisma.aligner.regroup import RegroupConfig, Regrouped, RegroupMode, regroup
from melisma.aligner.synced import SyncFit, heard_lines, sync
from melisma.core.environment import number
from melisma.core.errors import InputError
from melisma.core.records import Alignment, Heard, HeardWord, LyricLine, Lyrics


@dataclass(frozen=True, slots=True)
class IntoLines:
    """The alignment with its new lines, how words were put into them, and what the times of the lyrics were worth."""

    alignment: Alignment
    regrouped: Regrouped
    fit: SyncFit


def from_environment(environ: Mapping[str, str] | None = None) -> RegroupConfig:
    """Read MELISMA_REGROUP_TOLERANCE_MS: how far outside of a line's time its words may be.

    Raises
    ------
    InputError
        If it is no number, 0 or more.
    """
    environ = os.environ if environ is None else environ
    usual = RegroupConfig()
    within_ms = number(environ, "MELISMA_REGROUP_TOLERANCE_MS", float, 1000 * usual.tolerance_s)
    return replace(usual, tolerance_s=within_ms / 1000)


def into_lines(alignment: Alignment, lyrics: Lyrics, config: RegroupConfig | None = None) -> IntoLines:
    """Put the words of an alignment into the lines of synced lyrics; no word is lost, changed or moved.

    The lyrics may be shifted or stretched against the recording: their words are first looked for among those heard,
    and what that says of their times is applied to them.

    Parameters
    ----------
    alignment : Alignment
        Words as an engine or another program heard them; its lines are not looked at.
    lyrics : Lyrics
        Lines with times.
    config : RegroupConfig, optional
        Thresholds.

    Raises
    ------
    InputError
        If the lyrics time no line, or the words are not in the order in which they are sung.
    """
    if all(line.start_ms is None for line in lyrics.lines):
        raise InputError("the lyrics time no line: give synced ones (LRC)")
    _check_order(alignment)
    fit = _fit(alignment, lyrics)
    lines = tuple(_moved(line, fit) for line in lyrics.lines) if fit.windows else lyrics.lines
    found = regroup(alignment.words, lines, config)
    said = list(fit.warnings)
    if found.regroup_mode_used is RegroupMode.GAPS:
        said.append(
            f"{found.skipped_words} of {len(found.words)} words are in none of the lines: "
            "pauses between words made lines instead"
        )
    made = replace(alignment, words=found.words, lines=found.lines, repeats=(), warnings=(*alignment.warnings, *said))
    made.check()
    return IntoLines(made, found, fit)


def _fit(alignment: Alignment, lyrics: Lyrics) -> SyncFit:
    """Match the words of the lyrics onto those heard, and hold the times of lines against where they were heard."""
    heard = Heard(
        tuple(
            HeardWord(word.text, word.start, word.end, word.confidence)
            for word in alignment.words
            if word.start is not None and word.end is not None
        ),
        alignment.timebase,
        alignment.language,
    )
    placed = place_heard(heard, lyrics, alignment.duration, alignment.timebase, alignment.language)
    duration_s = alignment.timebase.seconds(alignment.duration)
    return sync(lyrics, heard_lines(placed, len(lyrics.lines)), duration_s)


def _moved(line: LyricLine, fit: SyncFit) -> LyricLine:
    """Put a line on the clock of the recording."""

    def moved(ms: int | None) -> int | None:
        return None if ms is None else max(0, round(1000 * fit.offset_s + fit.slope * ms))

    return replace(line, start_ms=moved(line.start_ms), end_ms=moved(line.end_ms), word_starts_ms=())


def _check_order(alignment: Alignment) -> None:
    last = 0
    for i, word in enumerate(alignment.words):
        if word.start is None:
            continue
        if word.start < last:
            raise InputError(
                f"word {i + 1} ({word.text[:40]!r}) is sung before the word in front of it: regroup needs order"
            )
        last = word.start
