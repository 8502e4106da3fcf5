"""What may be done to words once they are placed: starts to onsets, starts to strong beats, ends to where it is silent.

Nothing of this is on unless it is asked for; `docs/separate.md` says what each was measured to do. Every step moves a
word by a bounded amount or not at all, keeps the order of starts, and leaves words without a time, words of backing
voices and confidences as they are. All steps work on the waveform that the engine listened to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from melisma.audio import beats, onsets
from melisma.core.errors import InputError, UnknownName
from melisma.core.records import LEAD, Emission, Int64, Waveform, Word
from melisma.core.timebase import Timebase

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

ONSET, BEAT, ENDS, NONE = "onset", "beat", "ends", "none"
_LEAST_S = 0.03  # what a start that moves leaves of its word
_FRAME_S = 0.01  # of the energy under a word
_LOUD = 0.9  # quantile of a word's frames that stands for how loud it is
_SILENT_DB = -30.0  # below that, or below _FLOOR_DB of full scale, a frame is silent
_FLOOR_DB = -60.0
_VOICED = 0.5  # probability from which on a voice is heard, as in `melisma.aligner.words`
_RELEASE_S = 0.03  # left of the silence behind a word, for what still rings
_WORTH_S = 0.08  # less silence than this is not worth a cut
MAX_MS = 500.0


@dataclass(frozen=True, slots=True)
class RefineConfig:
    """What to do, each off at 0.

    Parameters
    ----------
    onset_ms, beat_ms : float
        How far a start may move to the nearest onset, and to the nearest strong beat, in ms.
    ends : bool
        Whether to cut silence off the ends of words.
    """

    onset_ms: float = 0.0
    beat_ms: float = 0.0
    ends: bool = False

    @property
    def flag(self) -> str:
        """All that decides the result in one word, for the key of a cache; empty where nothing is done."""
        parts = [f"{ONSET}={self.onset_ms:g}"] * (self.onset_ms > 0)
        parts += [f"{BEAT}={self.beat_ms:g}"] * (self.beat_ms > 0) + [ENDS] * self.ends
        return f"refine={_VERSION}:{','.join(parts)}" if parts else ""


_VERSION = 1  # changes with anything that may change a result
_DEFAULT_MS = {ONSET: 80.0, BEAT: 60.0}
ONSET_MS = _DEFAULT_MS[ONSET]


def parse(said: str, onset_ms: float = ONSET_MS) -> RefineConfig:
    """Read `onset,beat,ends` in any order, or `none`; `onset=40` sets how many milliseconds a start may move.

    Parameters
    ----------
    said : str
        Names of steps between commas; empty for none.
    onset_ms : float
        What `onset` without a number means.

    Raises
    ------
    UnknownName
        If a step is not known; the sentence lists those that are.
    InputError
        If a number is none, or is beyond half a second.

    Examples
    --------
    >>> parse("ends, onset=40")
    RefineConfig(onset_ms=40.0, beat_ms=0.0, ends=True)
    """
    config, usual_ms = RefineConfig(), {**_DEFAULT_MS, ONSET: onset_ms}
    if said.strip() == NONE:
        return config
    for part in filter(None, (part.strip() for part in said.split(","))):
        name, equals, number = (piece.strip() for piece in part.partition("="))
        if name not in (*_DEFAULT_MS, ENDS):
            raise UnknownName("refinement", name, (*_DEFAULT_MS, ENDS))
        if name == ENDS and equals:
            raise InputError("the refinement 'ends' takes no number")
        if name == ENDS:
            config = replace(config, ends=True)
            continue
        within = _number(name, number) if equals else usual_ms[name]
        config = replace(config, onset_ms=within) if name == ONSET else replace(config, beat_ms=within)
    return config


def _number(name: str, said: str) -> float:
    try:
        value = float(said)
    except ValueError:
        value = -1.0
    if not 0 < value <= MAX_MS:
        raise InputError(f"the refinement {name!r} takes milliseconds, 1 to {MAX_MS:g}, not {said[:40]!r}")
    return value


def refine(
    words: tuple[Word, ...], waveform: Waveform, config: RefineConfig, emission: Emission | None = None
) -> tuple[Word, ...]:
    """Refine words on the timeline of a recording.

    Parameters
    ----------
    words : tuple of Word
        Every word of the lyrics; they share a timebase.
    waveform : Waveform
        What the engine listened to.
    config : RefineConfig
        What to do: onsets first, then beats, then ends.
    emission : Emission, optional
        Where it knows when a voice is heard, ends are cut by that as well.

    Returns
    -------
    tuple of Word
        The same words in the same order.
    """
    if config.onset_ms or config.beat_ms:
        found = onsets.flux(waveform)
        if config.onset_ms:
            peaks = onsets.onsets(found) * found.timebase.stride / found.timebase.sample_rate
            words = _to_nearest(words, peaks, config.onset_ms / 1000)
        if config.beat_ms:
            pulse = beats.track(found)
            words = _to_nearest(words, pulse.times_s[pulse.strong], config.beat_ms / 1000)
    return _without_silence(words, waveform, emission) if config.ends else words


@dataclass(frozen=True, slots=True)
class _Lead:
    """Timed words of the lead voice in the order of time: their indices, starts and ends in ticks, int64 [n]."""

    index: Int64
    start: Int64
    end: Int64
    clock: Timebase


def _lead(words: tuple[Word, ...]) -> _Lead | None:
    timed = [(w.start, i, w.end) for i, w in enumerate(words) if w.voice == LEAD and w.start is not None]
    if not timed:
        return None
    start, index, end = (np.array(column, np.int64) for column in zip(*sorted(timed), strict=True))
    return _Lead(index, start, end, words[int(index[0])].timebase)


def _to_nearest(words: tuple[Word, ...], places_s: Floats, within_s: float) -> tuple[Word, ...]:
    """Move the start of each word to the nearest place, where that is near and between the starts beside it."""
    lead = _lead(words)
    if lead is None or not len(places_s):
        return words
    ticks_s = lead.clock.sample_rate / lead.clock.stride
    places = np.round(places_s * ticks_s).astype(np.int64)
    after = np.clip(np.searchsorted(places, lead.start), 1, max(1, len(places) - 1))
    sides = np.stack([places[after - 1], places[np.minimum(after, len(places) - 1)]])
    nearest = np.take_along_axis(sides, np.abs(sides - lead.start).argmin(axis=0)[None], axis=0)[0]
    near = np.abs(nearest - lead.start) <= within_s * ticks_s
    sung = lead.end > lead.start  # a word without a length stands where another one ends
    last = np.minimum(lead.end - np.minimum(lead.end - lead.start, round(_LEAST_S * ticks_s)), _following(lead.start))
    start = lead.start.copy()
    floor = 0
    for i in range(len(start)):
        if near[i] and sung[i] and floor <= nearest[i] <= last[i]:
            start[i] = nearest[i]
        floor = int(start[i])
    return _with(words, lead, start, _ends(lead, start))


def _following(start: Int64) -> Int64:
    """Return where the next word starts; far away behind the last one."""
    return np.append(start[1:], np.iinfo(np.int64).max)


def _ends(lead: _Lead, start: Int64) -> Int64:
    """Return ends that follow the starts: words that touched still touch, and none begins to overlap."""
    old, new = _following(lead.start), _following(start)
    end = np.where(lead.end == old, new, np.where(lead.end < old, np.minimum(lead.end, new), lead.end))
    # A word without a length in front of the start that it stood at has not moved.
    return np.maximum(np.where(lead.end == lead.start, start, end), start)


def _with(words: tuple[Word, ...], lead: _Lead, start: Int64, end: Int64) -> tuple[Word, ...]:
    out = list(words)
    for i, first, last in zip(lead.index.tolist(), start.tolist(), end.tolist(), strict=True):
        if (first, last) != (out[i].start, out[i].end):
            out[i] = replace(out[i], start=first, end=last)
    return tuple(out)


def _without_silence(words: tuple[Word, ...], waveform: Waveform, emission: Emission | None) -> tuple[Word, ...]:
    """Cut silence off the ends of words."""
    lead = _lead(words)
    if lead is None:
        return words
    level_db = _levels(waveform)
    step_s = round(_FRAME_S * waveform.sample_rate) / waveform.sample_rate
    heard = _heard(emission, len(level_db), step_s)
    ticks_s = lead.clock.sample_rate / lead.clock.stride
    end = lead.end.copy()
    for i, (start, stop) in enumerate(zip(lead.start.tolist(), lead.end.tolist(), strict=True)):
        first, last = int(start / ticks_s / step_s), min(len(level_db), -int(-stop / ticks_s // step_s))
        sounds = _sounds(level_db[first:last], heard(first, last))
        if not sounds.any():
            continue  # a word that is not heard at all is nothing to cut at
        quiet_from_s = (first + int(np.flatnonzero(sounds)[-1]) + 1) * step_s
        if stop / ticks_s - quiet_from_s >= _WORTH_S:
            end[i] = min(stop, max(start, round((quiet_from_s + _RELEASE_S) * ticks_s)))
    return _with(words, lead, lead.start, end)


def _sounds(level_db: Floats, heard: Bools) -> Bools:
    if not len(level_db):
        return np.zeros(0, bool)
    loud = max(float(np.quantile(level_db, _LOUD)) + _SILENT_DB, _FLOOR_DB)
    sounds: Bools = (level_db > loud) & heard
    return sounds


def _levels(waveform: Waveform) -> Floats:
    """Return the level of each 10 ms in dB of full scale, float64 [n_frames]."""
    step = round(_FRAME_S * waveform.sample_rate)
    n = len(waveform.samples) // step
    frames = waveform.samples[: n * step].reshape(n, step)
    energy = np.einsum("ns,ns->n", frames, frames, dtype=np.float64) / step
    level_db: Floats = 10 * np.log10(energy + 1e-12)
    return level_db


def _heard(emission: Emission | None, n: int, step_s: float) -> Callable[[int, int], Bools]:
    """Return what tells for frames [first, last) whether a voice is heard; always, where that is not known."""
    if emission is None or emission.vocal is None or not len(emission.vocal):
        return lambda first, last: np.ones(max(0, last - first), bool)
    clock = emission.timebase
    frames = (np.arange(n) * step_s * clock.sample_rate / clock.stride).astype(np.int64)
    voiced = (emission.vocal >= _VOICED)[np.minimum(frames, len(emission.vocal) - 1)]
    return lambda first, last: voiced[first:last]
