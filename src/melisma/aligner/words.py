"""From the best path to words: a start, an end where the sound ends, a confidence and an expected error for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from melisma.aligner import confidence as judge
from melisma.aligner import posterior
from melisma.aligner.viterbi import Path
from melisma.core.records import Emission, Float32, Int64, Line, Lyrics, Tokens, Word
from melisma.core.timebase import Timebase

# A frame sounds sung from this probability of a voice on.
_VOICED = 0.5
# Voices hardly ever hold a note for longer: what sounds on after that is something else.
LONGEST_HELD_S = 8
# A held note may dip for so long without having ended.
_DIP_S = 0.15


@dataclass(frozen=True, slots=True)
class _Spans:
    """Per word: the frame it starts in, the frame its sound ends in, both −1 without tokens, and how sure it is.

    `spread_s` is how far from its start all paths put it, in the mean.
    """

    start: Int64
    sound: Int64
    confidence: Float32
    spread_s: Float32


def words(path: Path, emission: Emission, tokens: Tokens, lyrics: Lyrics) -> tuple[Word, ...]:
    """Put every word of the lyrics on the timeline, once and in order.

    A word that owns no token has no length of its own: it stands where the word before it in its line ends or, at the
    head of a line, where the first word with a sound begins. If no word owns a token, all are unsung.

    Returns
    -------
    tuple of Word
        On the clock of the recording's samples.
    """
    return settled(unsettled(path, emission, tokens, lyrics))


def settled(placed: Sequence[Word], first: Sequence[Word] | None = None) -> tuple[Word, ...]:
    """Calibrate what `unsettled` says of words, now that all of a song are known.

    Parameters
    ----------
    placed : sequence of Word
        Every word of the lyrics.
    first : sequence of Word, optional
        The words as the first search placed them; where they differ, another way of searching did.
    """
    sung = [i for i, word in enumerate(placed) if not word.unsung]
    again = [first is not None and placed[i] is not first[i] for i in sung]
    spread_s = np.array([(placed[i].expected_error_ms or 0.0) / 1000 for i in sung], np.float32)
    sure = np.array([placed[i].confidence or 0.0 for i in sung], np.float32)
    share = 1 - len(sung) / max(1, len(placed))
    confidences = judge.calibrated(judge.Context(sure, spread_s, np.array(again, np.bool_), share))
    errors_ms = 1000 * judge.expected_errors_s(confidences, spread_s)
    out = list(placed)
    for i, confidence, error_ms in zip(sung, confidences.tolist(), errors_ms.tolist(), strict=True):
        out[i] = replace(out[i], confidence=round(confidence, 4), expected_error_ms=round(error_ms, 1))
    return tuple(out)


def unsettled(path: Path, emission: Emission, tokens: Tokens, lyrics: Lyrics) -> tuple[Word, ...]:
    """Put words on the timeline as `words` does, for a search to compare.

    Their confidence is that of `melisma.aligner.confidence`'s first step, their expected error how far all paths put
    them away, in the mean; `settled` makes of them what they are meant to be.
    """
    clock = Timebase(emission.timebase.sample_rate, 1)
    texts, line_of = lyrics.words, tokens.line.tolist()
    if len(tokens.ids) == 0:
        return tuple(Word(text, line, None, None, None, clock) for text, line in zip(texts, line_of, strict=True))
    spans = _spans(path, emission, tokens, len(texts))
    stride = emission.timebase.stride
    starts = _starts(spans, _shifts(emission, tokens, len(texts)), stride, emission.duration)
    coming = _next_sounding(spans)
    placed: list[Word] = []
    end, sounded = 0, -1  # where the last word ends, and the line of the last one with a sound

    def begin(word: int) -> int:
        return _clip(int(starts[word]), end, emission.duration)

    for i, (text, line) in enumerate(zip(texts, line_of, strict=True)):
        after = int(coming[i])
        if spans.start[i] < 0:
            opens_line = sounded != line and after >= 0 and line_of[after] == line
            at = begin(after) if opens_line else end
            placed.append(Word(text, line, at, at, None, clock))
            continue
        start = begin(i)
        limit = emission.duration if after < 0 else int(starts[after])
        sound = max(int(spans.sound[i]) * stride, start + stride)
        end = _clip(sound, start, max(start, min(limit, emission.duration)))
        sure, spread_ms = round(float(spans.confidence[i]), 4), round(1000 * float(spans.spread_s[i]), 1)
        placed.append(Word(text, line, start, end, sure, clock, expected_error_ms=spread_ms))
        sounded = line
    return tuple(_fill_confidence(placed))


def _starts(spans: _Spans, shifts: Int64, stride: int, duration: int) -> Int64:
    """Return where words start, in samples, int64 [n_words]: a frame apart at least, however they are shifted."""
    out = spans.start * stride + shifts
    least = 0
    for word in np.flatnonzero(spans.start >= 0):
        out[word] = min(max(int(out[word]), least), duration)
        least = int(out[word]) + stride
    return out


def _shifts(emission: Emission, tokens: Tokens, n_words: int) -> Int64:
    """Return what to add to the start of each word, in samples, int64 [n_words]."""
    out = np.zeros(n_words, np.int64)
    if emission.onset_shifts_s is not None:
        owners, begins = np.unique(tokens.word, return_index=True)
        seconds = emission.onset_shifts_s[tokens.ids[begins]]
        out[owners] = np.round(seconds * emission.timebase.sample_rate).astype(np.int64)
    return out


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


def _next_sounding(spans: _Spans) -> Int64:
    """Return the index of the next word that has a start, or −1, int64 [n_words]."""
    out = np.full(len(spans.start), -1, np.int64)
    coming = -1
    for i in range(len(out) - 1, -1, -1):
        out[i] = coming
        if spans.start[i] >= 0:
            coming = i
    return out


def _spans(path: Path, emission: Emission, tokens: Tokens, n_words: int) -> _Spans:
    owners, begins = np.unique(tokens.word, return_index=True)
    first, stop = _token_frames(path, len(tokens.ids))
    spelt = stop[np.append(begins[1:], len(stop)) - 1]
    limits = np.append(first[begins][1:], len(path.states))
    limits = np.minimum(limits, np.maximum(spelt, first[begins] + emission.timebase.ticks(LONGEST_HELD_S)))
    pauses = _pauses(emission)
    ends = np.array([_sound_end(pauses, int(e), int(limit)) for e, limit in zip(spelt, limits, strict=True)], np.int64)
    start = np.full(n_words, -1, np.int64)
    sound = np.full(n_words, -1, np.int64)
    sure, spread_s = np.zeros(n_words, np.float32), np.zeros(n_words, np.float32)
    start[owners], sound[owners] = first[begins], ends
    known = evidence(path, emission, tokens, ends)
    sure[owners], spread_s[owners] = judge.confidences(known), known.spread_s
    return _Spans(start, sound, sure, spread_s)


def evidence(path: Path, emission: Emission, tokens: Tokens, ends: Int64) -> judge.Evidence:
    """Gather what is known of each word that owns tokens; see `melisma.aligner.confidence`.

    `ends` is the frame at which each of these words stops sounding, int64 [n].
    """
    owners, begins, counts = np.unique(tokens.word, return_index=True, return_counts=True)
    first, stop = _token_frames(path, len(tokens.ids))
    spans = zip(first, stop, tokens.ids, strict=True)
    peaks = np.array([emission.log_probs[a:b, label].max() for a, b, label in spans], np.float32)
    behind = _behind(path, emission, tokens)
    spelt = stop[begins + counts - 1]
    behind_words = (behind[spelt] - behind[first[begins]]).astype(np.float32)
    if emission.vocal is None:
        voices = np.full(len(owners), 0.5, np.float32)
    else:
        runs = zip(first[begins], np.maximum(ends, first[begins] + 1), strict=True)
        voices = np.array([emission.vocal[a:b].mean() for a, b in runs], np.float32)
    starts = posterior.starts(path, emission, tokens, judge.WITHIN_S)
    return judge.Evidence(
        start=starts.near,
        word=(np.add.reduceat(peaks, begins) / counts).astype(np.float32),
        line=judge.by_line(behind_words, counts.astype(np.int64), tokens.line[owners]),
        voice=voices,
        spread_s=starts.spread_s,
    )


def _behind(path: Path, emission: Emission, tokens: Tokens) -> npt.NDArray[np.float64]:
    """Return by how many nats the path has fallen behind the best labels before each frame, float64 [n_frames + 1]."""
    index = np.minimum(path.states // 2, len(tokens.ids) - 1)
    labels = np.where(path.states % 2, tokens.ids[index], emission.blank)
    own = np.take_along_axis(emission.log_probs, labels[:, None], axis=1)[:, 0]
    return np.concatenate([[0.0], np.cumsum(own - emission.log_probs.max(axis=1), dtype=np.float64)])


def _token_frames(path: Path, n_tokens: int) -> tuple[Int64, Int64]:
    """Return the frames [first, stop) that the path spends in each token, int64 [n_tokens] both."""
    states = 2 * np.arange(n_tokens) + 1
    first, stop = np.searchsorted(path.states, states, "left"), np.searchsorted(path.states, states, "right")
    return first.astype(np.int64), stop.astype(np.int64)


def _pauses(emission: Emission) -> tuple[Int64, Int64]:
    """Return the frames [begin, end) of pauses, voiceless for longer than a dip, int64 [n_pauses] both."""
    if emission.vocal is None:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    quiet = np.concatenate(([0], (emission.vocal < _VOICED).astype(np.int8), [0]))
    edges = np.diff(quiet)
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    long = ends - begins > emission.timebase.ticks(_DIP_S)
    return begins[long].astype(np.int64), ends[long].astype(np.int64)


def _sound_end(pauses: tuple[Int64, Int64], spelt: int, limit: int) -> int:
    """Return the frame at which a word stops sounding: where it is spelt, or the pause after it, or the next word."""
    begins, ends = pauses
    k = int(np.searchsorted(begins, spelt))
    if k and spelt - 1 < ends[k - 1]:
        return min(limit, spelt)  # its last phone is whispered, or heard late, inside a pause
    return min(limit, int(begins[k])) if k < len(begins) else limit


def _fill_confidence(placed: list[Word]) -> list[Word]:
    """Give words without sound the lower confidence of their neighbours: their place is no surer than those."""
    known = [(word.confidence, word.expected_error_ms) for word in placed]
    before, after = _carried(known), _carried(known[::-1])[::-1]
    return [
        word
        if word.confidence is not None
        else replace(word, confidence=min(left[0], right[0]), expected_error_ms=max(left[1], right[1]))
        for word, left, right in zip(placed, before, after, strict=True)
    ]


def _carried(values: list[tuple[float | None, float | None]]) -> list[tuple[float, float]]:
    """Return the last known confidence and spread at each place; sure and none before the first."""
    out, last = [], (1.0, 0.0)
    for confidence, spread_ms in values:
        last = last if confidence is None else (confidence, spread_ms or 0.0)
        out.append(last)
    return out
