"""Recordings of any length in pieces of at most 30 s, cut where no voice is heard, for models that hear one window.

Where two pieces meet in a pause, both hear the whole pause, and neither hears a word of the other. Where nobody pauses
for so long, as in singing over an accompaniment, they overlap, and what both have heard is laid side by side, so that
each word counts once. Stretches in which no voice is heard are not listened to: there a
transcriber would only invent words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from melisma.core.records import Float32, Heard, HeardWord, Waveform
from melisma.core.timebase import Timebase
from melisma.core.units import Clocked, ClockWord
from melisma.engines import chunks
from melisma.engines.chunks import Piece
from melisma.models.features import HOP, SAMPLE_RATE
from melisma.models.voice import voice
from melisma.text.spellings import pieces as pieces_of

_BLOCK = 60 * SAMPLE_RATE
_ENOUGH = SAMPLE_RATE  # samples; of two pauses of a second neither is the better seam
_SEARCHED_S = 8.0  # last part of a piece without a pause in which its seam is looked for
_AGREE_S = 1.0  # between what two pieces say of the middle of one word
Hear = Callable[[Float32, bool], Clocked]


@dataclass(frozen=True, slots=True)
class ChunkConfig:
    """Where recordings are cut; times in seconds.

    Parameters
    ----------
    most_s : float
        Of a piece, with all that it shares with its neighbours.
    heard : float
        Probability from which on a voice is heard: above 0.5 throughout in loud speech, lower in soft singing over
        music. With 0.2 all but 8 of 3,185 sung words of 12 songs are listened to, and none is cut (docs/benchmarks.md).
    pause_s : float
        Without a voice, from which on a pause can be a seam.
    margin_s : float
        That is listened to before and after a voice.
    gap_s : float
        Without a voice, from which on it is not listened to.
    overlap_s : float
        On either side of a seam that is in no pause.
    """

    most_s: float = 30.0
    heard: float = 0.2
    pause_s: float = 0.2
    margin_s: float = 0.4
    gap_s: float = 3.0
    overlap_s: float = 2.5

    def __post_init__(self) -> None:
        if self.most_s < 6 * self.overlap_s or self.overlap_s <= self.margin_s:
            raise ValueError(f"pieces of {self.most_s:g} s are too short for overlaps of {self.overlap_s:g} s")


def cut(waveform: Waveform, config: ChunkConfig | None = None) -> tuple[Piece, ...]:
    """Return the pieces of a recording that are to be listened to, in order.

    Memory beside the samples is that of five minutes of features.

    Parameters
    ----------
    waveform : Waveform
        At 16 kHz.
    config : ChunkConfig, optional
        How long they may be, and what a pause is.
    """
    if waveform.sample_rate != SAMPLE_RATE:
        raise ValueError(f"voices are heard at {SAMPLE_RATE} Hz, not at {waveform.sample_rate} Hz")
    samples = waveform.samples
    return between_pauses(waveform, voice(samples[i : i + _BLOCK] for i in range(0, len(samples), _BLOCK)), config)


def between_pauses(waveform: Waveform, vocal: Float32, config: ChunkConfig | None = None) -> tuple[Piece, ...]:
    """Return the pieces of a recording in which a voice is heard with these probabilities.

    Parameters
    ----------
    waveform : Waveform
        At 16 kHz.
    vocal : float32 [n_frames]
        In frames of 10 ms.
    config : ChunkConfig, optional
        How long pieces may be, and what a pause is.
    """
    config, n = config or ChunkConfig(), len(waveform.samples)
    if not n:
        return ()
    runs = _voiced(vocal >= config.heard, round(config.pause_s * SAMPLE_RATE), n) or [(0, n)]
    groups = list(_groups(runs, config))
    lead, tail = groups[0][0][0], n - groups[-1][-1][1]
    if len(groups) == 1 and n <= config.most_s * SAMPLE_RATE and max(lead, tail) < config.gap_s * SAMPLE_RATE:
        return (Piece(0, n, 0, n),)  # as it is heard in training and in validation: nothing to be won by a cut
    margin = round(config.margin_s * SAMPLE_RATE)
    pieces: list[Piece] = []
    for i, group in enumerate(groups):
        before = groups[i - 1][-1][1] if i else 0
        after = groups[i + 1][0][0] if i + 1 < len(groups) else n
        # Never into what the neighbour hears: half a word is heard as another one.
        first, stop = max(before, group[0][0] - margin), min(after, group[-1][1] + margin)
        pieces += _pieces(waveform, vocal, (first, stop), config)
    return tuple(_meeting(pieces, n))


def _voiced(heard: npt.NDArray[np.bool_], pause: int, n: int) -> list[tuple[int, int]]:
    """Return the runs of samples in which a voice is heard, those with less than a pause between them joined."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], heard, [False]]).astype(np.int8)))
    runs: list[tuple[int, int]] = []
    for start, stop in (edges.reshape(-1, 2) * HOP).tolist():
        if runs and start - runs[-1][1] < pause:
            runs[-1] = (runs[-1][0], min(n, stop))
        elif start < n:
            runs.append((start, min(n, stop)))
    return runs


def _groups(runs: Sequence[tuple[int, int]], config: ChunkConfig) -> Iterator[list[tuple[int, int]]]:
    """Put runs together that fit a piece with their margins and are not far apart; part them in the longest pauses."""
    most = round((config.most_s - 2 * config.margin_s) * SAMPLE_RATE)
    gap = round(config.gap_s * SAMPLE_RATE)
    group: list[tuple[int, int]] = []
    for run in runs:
        if group and run[0] - group[-1][1] >= gap:
            yield group
            group = []
        group.append(run)
        while len(group) > 1 and group[-1][1] - group[0][0] > most:
            at = _longest_pause(group, most)
            yield group[:at]
            group = group[at:]
    if group:
        yield group


def _longest_pause(group: Sequence[tuple[int, int]], most: int) -> int:
    """Return the run behind the longest pause in the second half of what a piece holds, the last of several."""
    fits = [i for i in range(1, len(group)) if group[i - 1][1] - group[0][0] <= most] or [1]
    late = [i for i in fits if 2 * (group[i - 1][1] - group[0][0]) >= most] or fits[-1:]
    return max(late, key=lambda i: (min(group[i][0] - group[i - 1][1], _ENOUGH), i))


def _pieces(waveform: Waveform, vocal: Float32, span: tuple[int, int], config: ChunkConfig) -> list[Piece]:
    """Cut a stretch without a pause where a voice is heard least, with overlaps; most are short enough as they are."""
    most, overlap = round(config.most_s * SAMPLE_RATE), round(config.overlap_s * SAMPLE_RATE)
    made: list[Piece] = []
    first, stop = span
    begin = first
    while stop - first > most:
        last = first + most - overlap
        seam = _least_voice(waveform, vocal, last - min(round(_SEARCHED_S * SAMPLE_RATE), (last - first) // 2), last)
        made.append(Piece(first, seam + overlap, begin, seam))
        first, begin = seam - overlap, seam
    return [*made, Piece(first, stop, begin, stop)]


def _least_voice(waveform: Waveform, vocal: Float32, first: int, stop: int) -> int:
    """Return where in [first, stop) a voice is heard least, and of such places the quietest."""
    n_frames = (stop - first) // HOP
    power = np.square(waveform.samples[first : first + n_frames * HOP].reshape(n_frames, HOP)).mean(axis=1)
    loud = power / max(float(power.max()), 1e-12)
    heard = np.zeros(n_frames, np.float32)
    known = vocal[first // HOP : first // HOP + n_frames]
    heard[: len(known)] = known
    width = min(n_frames, 20)
    cost = np.convolve(heard + loud, np.ones(width) / width, "valid")
    return first + (int(cost.argmin()) * 2 + width) * HOP // 2


def _meeting(pieces: Sequence[Piece], n: int) -> Iterator[Piece]:
    """Let the own parts of neighbours meet in the middle of what is between them; the outer ones reach the ends."""
    for i, piece in enumerate(pieces):
        before, after = pieces[i - 1] if i else None, pieces[i + 1] if i + 1 < len(pieces) else None
        begin = 0 if before is None else _between(before, piece)
        end = n if after is None else _between(piece, after)
        yield Piece(piece.first, piece.stop, begin, end)


def _between(before: Piece, after: Piece) -> int:
    return before.end if before.end == after.begin else (before.stop + after.first) // 2


def listen(
    waveform: Waveform, pieces: Sequence[Piece], hear: Hear, tell: Callable[[float], None] = lambda share: None
) -> Heard:
    """Return the words of all pieces of a recording, in ticks of its samples.

    Parameters
    ----------
    waveform : Waveform
        At 16 kHz.
    pieces : sequence of Piece
        As `cut` gives them.
    hear : callable
        Samples of a piece, and whether it is the first, to its words in ticks of samples.
    tell : callable
        Called with the share that is done.
    """
    clock, total = Timebase(waveform.sample_rate), max(1, len(waveform.samples))
    parts: list[tuple[Piece, Clocked]] = []
    for piece in pieces:
        parts.append((piece, hear(waveform.samples[piece.first : piece.stop], not parts)))
        tell(min(1.0, piece.stop / total))
    tell(1.0)
    return join(parts, clock)


@dataclass(frozen=True, slots=True)
class _Said:
    """A word on the clock of the recording, and whether it begins a segment."""

    word: HeardWord
    opens: bool

    @property
    def middle(self) -> float:
        return (self.word.start + self.word.end) / 2


def join(parts: Sequence[tuple[Piece, Clocked]], clock: Timebase) -> Heard:
    """Put the words of pieces together, each once.

    What both sides of a seam have heard is laid side by side. Where they agree on a word, the one that is nearest to
    the seam is where the words of one side end and those of the other begin, whatever their times say; attention is
    off by some tenths of a second, which is a word. Where they agree on none, the times decide (`chunks.join`).

    Parameters
    ----------
    parts : sequence of (Piece, Clocked)
        In order; times in ticks of `clock` from the first sample of each piece.
    clock : Timebase
        Of the samples.
    """
    kept: list[_Said] = []
    before: Piece | None = None
    for piece, clocked in parts:
        said = _placed(piece, clocked)
        if before is not None and before.stop > piece.first:
            kept, said = _seam(kept, said, (before, piece), clock)
        kept += said
        before = piece
    kept = _forward(kept)
    language = chunks.language_of([clocked for _, clocked in parts])
    breaks = tuple(i for i, each in enumerate(kept) if each.opens)
    return Heard(tuple(each.word for each in kept), clock, language, breaks)


def _forward(kept: Sequence[_Said]) -> list[_Said]:
    """Hold times to go forward where two pieces meet: neither knows those of the other."""
    made: list[_Said] = []
    for said in kept:
        word = said.word
        if made and word.start < made[-1].word.end:
            before = made[-1].word
            start = max(word.start, before.start)
            made[-1] = replace(made[-1], word=replace(before, end=min(before.end, start)))
            said = replace(said, word=replace(word, start=start, end=max(start, word.end)))
        made.append(said)
    return made


def _placed(piece: Piece, clocked: Clocked) -> list[_Said]:
    opening = set(clocked.breaks)
    return [
        _Said(HeardWord(w.text, w.start + piece.first, w.end + piece.first, w.confidence), i in opening)
        for i, w in enumerate(clocked.words)
    ]


def _seam(
    kept: list[_Said], said: list[_Said], pieces: tuple[Piece, Piece], clock: Timebase
) -> tuple[list[_Said], list[_Said]]:
    """Return the words in front of a seam and those behind it."""
    before, after = pieces
    tail = next((i for i, each in enumerate(kept) if each.middle >= after.first), len(kept))
    head = next((i for i, each in enumerate(said) if each.middle >= before.stop), len(said))
    agreed = _agreed(kept[tail:], said[:head], before.end, clock)
    if agreed is not None:
        return kept[: tail + agreed[0] + 1], said[agreed[1] + 1 :]
    by_time = chunks.join(
        [(piece, _clocked(each, piece, clock)) for piece, each in zip(pieces, (kept[tail:], said[:head]), strict=True)],
        clock,
    )
    opening = set(by_time.breaks)
    return kept[:tail] + [_Said(word, i in opening) for i, word in enumerate(by_time.words)], said[head:]


def _clocked(said: Sequence[_Said], piece: Piece, clock: Timebase) -> Clocked:
    words = tuple(
        ClockWord(w.word.text, int(w.word.start) - piece.first, int(w.word.end) - piece.first, w.word.confidence)
        for w in said
    )
    breaks = tuple(i for i, each in enumerate(said) if each.opens)
    return Clocked(words, piece.stop - piece.first, clock, breaks=breaks)


def _agreed(tail: Sequence[_Said], head: Sequence[_Said], seam: int, clock: Timebase) -> tuple[int, int] | None:
    """Return the words, one of each side, on which both agree next to the seam; None if there are none.

    They are a pair of the longest common run of words in order (Hunt and Szymanski, Comm. ACM 20(5), 1977, by plain
    dynamic programming: a few words).
    """
    near = clock.ticks(_AGREE_S)
    keys = [_key(each) for each in tail], [_key(each) for each in head]
    best = np.zeros((len(tail) + 1, len(head) + 1), np.int64)
    same = np.zeros((len(tail), len(head)), np.bool_)
    for i in range(len(tail) - 1, -1, -1):
        for j in range(len(head) - 1, -1, -1):
            same[i, j] = bool(keys[0][i]) and keys[0][i] == keys[1][j] and abs(tail[i].middle - head[j].middle) <= near
            best[i, j] = max(best[i + 1, j], best[i, j + 1], best[i + 1, j + 1] + 1 if same[i, j] else 0)
    pairs, i, j = [], 0, 0
    while i < len(tail) and j < len(head):
        if same[i, j] and best[i, j] == best[i + 1, j + 1] + 1:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif best[i + 1, j] >= best[i, j + 1]:
            i += 1
        else:
            j += 1
    return min(pairs, key=lambda pair: abs(tail[pair[0]].middle - seam), default=None)


def _key(said: _Said) -> str:
    return " ".join(pieces_of(said.word.text))
