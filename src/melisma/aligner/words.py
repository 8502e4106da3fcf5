"""From the best path to words: a start, an end where the sound ends, and a confidence for each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from melisma.aligner import confidence as judge
from melisma.aligner.viterbi import Path
from melisma.core.records import Emission, Float32, Int64, Line, Lyrics, Tokens, Word
from melisma.core.timebase import Timebase

# A frame sounds sung from this probability of a voice on.
_VOICED = 0.5
# A held note may dip for so many frames (150 ms) without having ended.
_DIP = 5


@dataclass(frozen=True, slots=True)
class _Spans:
    """Per word: the frame it starts in, the frame its sound ends in, both −1 without tokens, and how sure it is."""

    start: Int64
    sound: Int64
    confidence: Float32


def words(path: Path, emission: Emission, tokens: Tokens, lyrics: Lyrics) -> tuple[Word, ...]:
    """Put every word of the lyrics on the timeline, once and in order.

    Words that own no token stand between their neighbours with no length of their own; if no word owns one, all are
    unsung.

    Returns
    -------
    tuple of Word
        On the clock of the recording's samples.
    """
    clock = Timebase(emission.timebase.sample_rate, 1)
    texts = lyrics.words
    if len(tokens.ids) == 0:
        return tuple(Word(t, int(line), None, None, None, clock) for t, line in zip(texts, tokens.line, strict=True))
    spans = _spans(path, emission, tokens, len(texts))
    stride, shift = emission.timebase.stride, round(emission.onset_shift_s * clock.sample_rate)
    placed: list[Word] = []
    last_end, next_start = 0, _next_starts(spans)
    for i, text in enumerate(texts):
        line = int(tokens.line[i])
        if spans.start[i] < 0:
            # No sound of its own: it shares the moment at which the word before it ends.
            placed.append(Word(text, line, last_end, last_end, None, clock))
            continue
        start = _clip(int(spans.start[i]) * stride + shift, last_end if i else 0, emission.duration)
        limit = emission.duration if next_start[i] < 0 else int(next_start[i]) * stride + shift
        end = _clip(int(spans.sound[i]) * stride, start, max(start, min(limit, emission.duration)))
        placed.append(Word(text, line, start, end, round(float(spans.confidence[i]), 4), clock))
        last_end = end
    return tuple(_fill_confidence(placed))


def lines(lyrics: Lyrics) -> tuple[Line, ...]:
    """Return the lines of the lyrics as ranges of words."""
    out: list[Line] = []
    at = 0
    for line in lyrics.lines:
        out.append(Line(at, at + len(line.words), line.stanza))
        at += len(line.words)
    return tuple(out)


def _clip(value: int, low: int, high: int) -> int:
    return max(low, min(value, high))


def _next_starts(spans: _Spans) -> Int64:
    """Return the start of the next word that has one, or −1, int64 [n_words]."""
    out = np.full(len(spans.start), -1, np.int64)
    coming = -1
    for i in range(len(out) - 1, -1, -1):
        out[i] = coming
        if spans.start[i] >= 0:
            coming = int(spans.start[i])
    return out


def _spans(path: Path, emission: Emission, tokens: Tokens, n_words: int) -> _Spans:
    owners, begins = np.unique(tokens.word, return_index=True)
    first, stop = _token_frames(path, len(tokens.ids))
    spelt = stop[np.append(begins[1:], len(stop)) - 1]
    limits = np.append(first[begins][1:], len(path.states))
    pauses = _pauses(emission)
    ends = np.array([_sound_end(pauses, int(e), int(limit)) for e, limit in zip(spelt, limits, strict=True)], np.int64)
    start = np.full(n_words, -1, np.int64)
    sound = np.full(n_words, -1, np.int64)
    sure = np.zeros(n_words, np.float32)
    start[owners], sound[owners] = first[begins], ends
    sure[owners] = judge.confidences(evidence(path, emission, tokens, ends))
    return _Spans(start, sound, sure)


def evidence(path: Path, emission: Emission, tokens: Tokens, ends: Int64) -> Float32:
    """Gather what speaks for each word that owns tokens, float32 [n, 3]; see `melisma.aligner.confidence`.

    `ends` is the frame at which each of these words stops sounding, int64 [n].
    """
    owners, begins, inverse = np.unique(tokens.word, return_index=True, return_inverse=True)
    first, stop = _token_frames(path, len(tokens.ids))
    spans = zip(first, stop, tokens.ids, strict=True)
    peaks = np.array([emission.log_probs[a:b, label].max() for a, b, label in spans], np.float32)
    if emission.vocal is None:
        voices = np.full(len(owners), 0.5, np.float32)
    else:
        runs = zip(first[begins], np.maximum(ends, first[begins] + 1), strict=True)
        voices = np.array([emission.vocal[a:b].mean() for a, b in runs], np.float32)
    return judge.evidence(peaks, inverse.astype(np.int64), tokens.line[owners], voices)


def _token_frames(path: Path, n_tokens: int) -> tuple[Int64, Int64]:
    """Return the frames [first, stop) that the path spends in each token, int64 [n_tokens] both."""
    states = 2 * np.arange(n_tokens) + 1
    first, stop = np.searchsorted(path.states, states, "left"), np.searchsorted(path.states, states, "right")
    return first.astype(np.int64), stop.astype(np.int64)


def _pauses(emission: Emission) -> Int64:
    """Return the first frames of pauses: voiceless for longer than a dip, int64 [n_pauses]."""
    if emission.vocal is None:
        return np.zeros(0, np.int64)
    quiet = np.concatenate(([0], (emission.vocal < _VOICED).astype(np.int8), [0]))
    edges = np.diff(quiet)
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return np.asarray(begins[ends - begins > _DIP], np.int64)


def _sound_end(pauses: Int64, spelt: int, limit: int) -> int:
    """Return the frame at which a word stops sounding: the first pause after it is spelt, or the next word."""
    k = int(np.searchsorted(pauses, spelt - 1))
    return min(limit, max(spelt, int(pauses[k]))) if k < len(pauses) else limit


def _fill_confidence(placed: list[Word]) -> list[Word]:
    """Give words without sound the lower confidence of their neighbours: their place is no surer than those."""
    known = [w.confidence for w in placed]
    out: list[Word] = []
    for i, word in enumerate(placed):
        if word.confidence is not None:
            out.append(word)
            continue
        before = next((c for c in reversed(known[:i]) if c is not None), None)
        after = next((c for c in known[i + 1 :] if c is not None), None)
        near = [c for c in (before, after) if c is not None]
        out.append(Word(word.text, word.line, word.start, word.end, min(near, default=0.0), word.timebase))
    return out
