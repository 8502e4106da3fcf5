"""A recording in pieces that a server takes, cut where it is quiet, and the words of the pieces put back together.

Pieces overlap by some seconds, so that each word is heard whole by one of them; a word counts in the piece in whose own
part its middle lies.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from melisma.core.records import Float32, Heard, HeardWord, Waveform
from melisma.core.timebase import Timebase
from melisma.core.units import Clocked

_FRAME_S = 0.02
_QUIET_S = 0.3  # a seam is the middle of the quietest stretch of this length
_SEARCHED = 0.25  # last part of a piece in which its seam is looked for
_EDGE_S = 0.1  # a word that touches the edge of a piece may be cut by it
_SILENT = 1e-4  # full scale is 1: nothing above −80 dB
_HEADER_BYTES = 65_536  # of a FLAC file, and what else a request holds


@dataclass(frozen=True, slots=True)
class Piece:
    """Samples [first, stop) of a recording; its own part is [begin, end), the rest belongs to its neighbours."""

    first: int
    stop: int
    begin: int
    end: int


def most_samples(max_bytes: int) -> int:
    """Return how many samples a FLAC file of a size holds at least: two bytes each if nothing is saved, and headers."""
    return max(0, (max_bytes - _HEADER_BYTES) * 99 // 200)


def cut(waveform: Waveform, most: int, overlap_s: float = 2.0) -> tuple[Piece, ...]:
    """Cut a recording into pieces of at most so many samples, overlaps included, where it is quiet.

    Raises
    ------
    ValueError
        If pieces are to be so short that they would be all overlap.
    """
    n, overlap = len(waveform.samples), round(overlap_s * waveform.sample_rate)
    if n <= most:
        return (Piece(0, n, 0, n),)
    body = most - 2 * overlap
    if body < 2 * overlap:
        raise ValueError(f"pieces of {most} samples are too short for overlaps of {overlap}")
    seams = [0]
    while n - seams[-1] > body + overlap:
        seams.append(_quietest(waveform, seams[-1] + round((1 - _SEARCHED) * body), seams[-1] + body))
    seams.append(n)
    return tuple(Piece(max(0, begin - overlap), min(n, end + overlap), begin, end) for begin, end in pairwise(seams))


def _quietest(waveform: Waveform, first: int, stop: int) -> int:
    """Return the middle of the quietest stretch of [first, stop)."""
    frame = max(1, round(_FRAME_S * waveform.sample_rate))
    n_frames = (stop - first) // frame
    width = min(n_frames, round(_QUIET_S / _FRAME_S))
    if width < 1:
        return stop
    power = np.square(waveform.samples[first : first + n_frames * frame].reshape(n_frames, frame)).mean(axis=1)
    heard = np.convolve(power, np.ones(width) / width, "valid")
    return first + (int(heard.argmin()) * 2 + width) * frame // 2


def is_silent(samples: Float32) -> bool:
    """Whether there is nothing to hear; transcribers invent words over silence."""
    return not len(samples) or float(np.abs(samples).max()) < _SILENT


def flac(samples: Float32, sample_rate: int) -> bytes:
    """Pack samples, without loss but for 16 bits."""
    import soundfile

    out = io.BytesIO()
    soundfile.write(out, np.clip(samples, -1, 1), sample_rate, format="FLAC", subtype="PCM_16")
    return out.getvalue()


def join(parts: Sequence[tuple[Piece, Clocked]], clock: Timebase) -> Heard:
    """Put the words of pieces together; each part's times are ticks of `clock` from the first sample of its piece."""
    heard = [_placed(number, piece, clocked) for number, (piece, clocked) in enumerate(parts)]
    ranges = [piece for piece, _ in parts]
    kept: list[_Placed] = []
    reaching: list[_Placed] = []  # words of the piece before that lie behind its end, and count
    for number, (words, piece) in enumerate(zip(heard, ranges, strict=True)):
        own = [word for word in words if word.of(piece)]
        over = [word for word in words if not word.of(piece) and word.whole(piece, clock)]
        before = [word for word in kept if word.part == number - 1] + reaching
        early = [w for w in over if w.middle < piece.begin and not any(map(w.meets, before))]
        after = [w for w in heard[number + 1] if w.of(ranges[number + 1])] if number + 1 < len(heard) else []
        kept += reaching
        reaching = [w for w in over if w.middle >= piece.end and not any(map(w.meets, after))]
        kept += early + [word for word in own if not any(map(word.same, before))]
    kept = sorted(kept + reaching, key=lambda placed: (placed.word.start, placed.part))
    breaks = tuple(i for i, placed in enumerate(kept) if placed.opens)
    language = language_of([clocked for _, clocked in parts])
    return Heard(tuple(placed.word for placed in kept), clock, language, breaks)


@dataclass(frozen=True, slots=True)
class _Placed:
    """A word on the clock of the recording, the piece that it was heard in, and whether it begins a segment."""

    word: HeardWord
    part: int
    opens: bool

    @property
    def middle(self) -> float:
        return (self.word.start + self.word.end) / 2

    def of(self, piece: Piece) -> bool:
        """Whether the word is in the piece's own part; what ends with the recording is."""
        return piece.begin <= self.middle < piece.end or (piece.end == piece.stop and self.middle >= piece.begin)

    def whole(self, piece: Piece, clock: Timebase) -> bool:
        """Whether the edges of the piece can not have cut the word."""
        edge = clock.ticks(_EDGE_S)
        return self.word.start >= piece.first + edge and self.word.end <= piece.stop - edge

    def meets(self, other: _Placed) -> bool:
        """Whether both sound at one time."""
        return self.word.start < other.word.end and other.word.start < self.word.end

    def same(self, other: _Placed) -> bool:
        """Whether both are one sound: they share most of the shorter one's time."""
        shared = min(self.word.end, other.word.end) - max(self.word.start, other.word.start)
        return 2 * shared > min(self.word.end - self.word.start, other.word.end - other.word.start)


def _placed(part: int, piece: Piece, clocked: Clocked) -> list[_Placed]:
    opening = set(clocked.breaks)
    return [
        _Placed(HeardWord(w.text, w.start + piece.first, w.end + piece.first, w.confidence), part, i in opening)
        for i, w in enumerate(clocked.words)
    ]


def language_of(parts: Sequence[Clocked]) -> str:
    """Return the language in which most words were heard."""
    counts: dict[str, int] = {}
    for part in parts:
        counts[part.language] = counts.get(part.language, 0) + len(part.words)
    return max(counts, key=lambda code: (code != "und", counts[code])) if counts else "und"
