"""Words that an engine heard, matched onto the known lyrics: every lyric word once, timed or unsung.

Heard words are put on the recording's clock (`melisma.core.units`), laid beside the lyrics by their spelling and their
sound (`melisma.aligner.sequence`), and give their times to the words that they are. Lyric words between two matched
ones take the time of what was heard there and is nobody's, or a plausible gap; all others are unsung.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

from melisma.aligner.sequence import Pair, Spelt, pair
from melisma.core.errors import EngineFailed, InputError
from melisma.core.records import Heard, Lyrics, Word
from melisma.core.timebase import MILLISECONDS, Timebase
from melisma.core.units import Clocked, to_clock
from melisma.text.spellings import pieces

_UNKNOWN = 0.7  # confidence of a heard word of which the engine says nothing
_NEAR = 4  # lyric words on either side whose fate bears on the confidence of one
_FROM_SOUND, _FROM_GAP = 0.4, 0.2  # confidence of words that stand where something else, or nothing, was heard


@dataclass(frozen=True, slots=True)
class MatchConfig:
    """When lyric words between two matched ones are given a time, in seconds, and when heard words may be one word."""

    shortest_s: float = 0.08  # that a word can be sung in
    usual_s: float = 0.15  # a gap of so much for each word holds them; a smaller one takes time from the word before
    longest_s: float = 1.5  # a gap of more for each word holds something else too
    gap_s: float = 10.0  # a gap of more is no place for a word, however many there are
    most: int = 12  # words in a row; more are a passage that was not heard
    joined_s: float = 1.0  # heard pieces so far apart are not one word


@dataclass(frozen=True, slots=True)
class Match:
    """Every word of the lyrics once, in order; how many were timed and how, and how many heard words are none."""

    words: tuple[Word, ...]
    n_matched: int
    n_interpolated: int
    n_unsung: int
    n_unclaimed: int


def place_heard(
    heard: Heard, lyrics: Lyrics, duration: int, timebase: Timebase = MILLISECONDS, language: str | None = None
) -> tuple[Word, ...]:
    """Return every word of the lyrics once, in order, timed by what was heard; `match` tells the counts too."""
    return match(heard, lyrics, duration, timebase, language).words


def match(
    heard: Heard,
    lyrics: Lyrics,
    duration: int,
    timebase: Timebase = MILLISECONDS,
    language: str | None = None,
    config: MatchConfig | None = None,
) -> Match:
    """Give the times of heard words to the words of the lyrics.

    Parameters
    ----------
    heard : Heard
        Of an engine that transcribes, or of one that places: words that carry the index of their lyric word need no
        matching, and lyric words that it did not place are unsung.
    lyrics : Lyrics
        Known words.
    duration : int
        Length of the recording in ticks of `timebase`.
    timebase : Timebase
        The clock of the words that come out.
    language : str, optional
        ISO 639 code, for the sounds of words; the engine's if not given. Spelling alone decides where it is not known.
    config : MatchConfig, optional
        When to interpolate.

    Returns
    -------
    Match
        Starts never go back, no word overlaps the next; words that are no more than interpolated have a low confidence.

    Raises
    ------
    UnitsError
        If the times cannot be what the engine says they are.
    EngineFailed
        If the engine names a lyric word that does not exist, or one twice.
    """
    config = config or MatchConfig()
    clocked = to_clock(heard, duration, timebase)
    lines = [i for i, line in enumerate(lyrics.lines) for _ in line.words]
    blank = [Word(text, line, None, None, None, timebase) for text, line in zip(lyrics.words, lines, strict=True)]
    if any(word.index is not None for word in clocked.words):
        return _by_index(clocked, blank)
    ours = _heard_pieces(clocked)
    theirs = [(spelling, i) for i, text in enumerate(lyrics.words) for spelling in pieces(text)]
    code = language or clocked.language
    joins = _joins(ours, timebase.ticks(config.joined_s))
    pairs = pair(
        Spelt(tuple(p.letters for p in ours), _sounds([p.letters for p in ours], code), joins),
        Spelt(tuple(s for s, _ in theirs), _sounds([s for s, _ in theirs], code)),
    )
    spans = _spans(pairs, ours, theirs, len(blank))
    placed = _matched(blank, spans)
    n_matched = sum(not word.unsung for word in placed)
    claimed = {p.word for each in pairs for p in ours[each.heard : each.heard_stop]}
    loose = [_Slot(w.start, w.end) if i not in claimed else None for i, w in enumerate(clocked.words)]
    placed = _Interpolation(placed, spans, loose, timebase, config).words()
    n_sung = sum(not word.unsung for word in placed)
    return Match(tuple(placed), n_matched, n_sung - n_matched, len(placed) - n_sung, len(clocked.words) - len(claimed))


def _by_index(clocked: Clocked, blank: list[Word]) -> Match:
    """Take the times of an engine that says itself which lyric word each of its words is."""
    out = list(blank)
    for word in clocked.words:
        if word.index is None or not 0 <= word.index < len(blank):
            raise EngineFailed(f"the engine placed a word {word.index}, the lyrics have {len(blank)}")
        if not out[word.index].unsung:
            raise EngineFailed(f"the engine placed word {word.index} ({out[word.index].text[:40]!r}) twice")
        out[word.index] = replace(out[word.index], start=word.start, end=word.end, confidence=word.confidence)
    n_placed = len(clocked.words)
    return Match(tuple(out), n_placed, 0, len(out) - n_placed, 0)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of a heard word that compares by itself; times in ticks."""

    letters: str
    start: int
    end: int
    confidence: float
    word: int


@dataclass(frozen=True, slots=True)
class _Slot:
    """A stretch of time in ticks."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Span:
    """The time of a lyric word, how sure it is by itself, and the heard words [first, stop) that it comes from."""

    start: int
    end: int
    confidence: float
    first: int
    stop: int


def _heard_pieces(clocked: Clocked) -> list[_Piece]:
    out: list[_Piece] = []
    for i, word in enumerate(clocked.words):
        cut = pieces(word.text)
        sure = _UNKNOWN if word.confidence is None else word.confidence
        for text, slot in zip(cut, _shares(_Slot(word.start, word.end), [len(c) for c in cut]), strict=True):
            out.append(_Piece(text, slot.start, slot.end, sure, i))
    return out


def _shares(slot: _Slot, weights: Sequence[int]) -> list[_Slot]:
    """Cut a stretch of time into parts by their weights, exactly: each begins where the one before it ends."""
    total, at, edges = max(1, sum(weights)), 0, [slot.start]
    for weight in weights:
        at += weight
        edges.append(slot.start + (slot.end - slot.start) * at // total)
    return [_Slot(a, b) for a, b in pairwise(edges)]


def _joins(ours: Sequence[_Piece], most: int) -> tuple[bool, ...]:
    """Return whether each heard piece is near enough to the one before it to be of one word with it."""
    return tuple(i == 0 or piece.start - ours[i - 1].end <= most for i, piece in enumerate(ours))


def _sounds(spellings: Sequence[str], language: str) -> tuple[str, ...]:
    """Return how spellings sound, a letter a phone; nothing where the language is unknown or has no voice."""
    from melisma.text.g2p import EspeakG2P
    from melisma.text.phones import INVENTORY

    g2p = EspeakG2P()
    letter = {phone: chr(0xE000 + i) for i, phone in enumerate(INVENTORY)}
    try:
        known = {each: "".join(letter[phone] for phone in g2p.phones(each, language)) for each in set(spellings)}
    except InputError:  # no such language, or none that espeak-ng speaks
        return ()
    return tuple(known[each] or each for each in spellings)


def _spans(
    pairs: Sequence[Pair], ours: Sequence[_Piece], theirs: Sequence[tuple[str, int]], n_words: int
) -> list[_Span | None]:
    """Return the time of each lyric word that has a piece in a pair."""
    found: list[list[_Span]] = [[] for _ in range(n_words)]
    n_pieces = [0] * n_words
    for _, owner in theirs:
        n_pieces[owner] += 1
    for each in pairs:
        heard = ours[each.heard : each.heard_stop]
        sure = each.similarity * sum(p.confidence for p in heard) / len(heard)
        known = theirs[each.known : each.known_stop]
        slots = _shares(_Slot(heard[0].start, heard[-1].end), [len(spelling) for spelling, _ in known])
        for (_, owner), slot in zip(known, slots, strict=True):
            found[owner].append(_Span(slot.start, slot.end, sure, heard[0].word, heard[-1].word + 1))
    return [
        _Span(
            spans[0].start,
            spans[-1].end,
            sum(span.confidence for span in spans) / n_pieces[i],
            spans[0].first,
            spans[-1].stop,
        )
        if spans
        else None
        for i, spans in enumerate(found)
    ]


def _support(spans: Sequence[_Span | None]) -> list[float]:
    """Return the share of matched words around each word, itself among them."""
    known = [0]
    for span in spans:
        known.append(known[-1] + (span is not None))
    edges = [(max(0, i - _NEAR), min(len(spans), i + _NEAR + 1)) for i in range(len(spans))]
    return [(known[b] - known[a]) / (b - a) for a, b in edges]


def _matched(blank: Sequence[Word], spans: Sequence[_Span | None]) -> list[Word]:
    """Time the words that were heard; a match that stands alone is worth less than one among others."""
    return [
        replace(word, start=span.start, end=span.end, confidence=round(span.confidence * (0.3 + 0.7 * near), 4))
        if span
        else word
        for word, span, near in zip(blank, spans, _support(spans), strict=True)
    ]


@dataclass(slots=True)
class _Interpolation:
    """Words between matched ones, while they are given times."""

    placed: list[Word]
    spans: Sequence[_Span | None]
    loose: Sequence[_Slot | None]  # heard words that are no lyric word
    timebase: Timebase
    config: MatchConfig
    pace: float = 0.0  # ticks that a letter of a matched word usually lasts

    def words(self) -> list[Word]:
        """Fill every run of words without a time whose two neighbours have one, where its place is plausible."""
        known = [i for i, span in enumerate(self.spans) if span is not None]
        near = _support(self.spans)
        lengths = [(self.spans[i], len(self.placed[i].text)) for i in known]
        self.pace = median((span.end - span.start) / n for span, n in lengths if span) if known else 0.0
        for before, after in pairwise(known):
            if after - before > 1:
                self._fill(before, after, min(near[before], near[after]))
        return self.placed

    def _fill(self, before: int, after: int, support: float) -> None:
        left, right = self.spans[before], self.spans[after]
        run = range(before + 1, after)
        if left is None or right is None or len(run) > self.config.most:
            return
        heard = [slot for slot in self.loose[left.stop : right.first] if slot is not None]
        if heard:
            slots, sure = self._on_sound(heard, run), _FROM_SOUND
        else:
            slots, sure = self._in_gap(before, after, run), _FROM_GAP
        for i, slot in zip(run, slots, strict=False):
            self.placed[i] = replace(
                self.placed[i], start=slot.start, end=slot.end, confidence=round(sure * support, 4)
            )

    def _weights(self, run: Sequence[int]) -> list[int]:
        return [max(1, sum(map(len, pieces(self.placed[i].text)))) for i in run]

    def _on_sound(self, heard: list[_Slot], run: range) -> list[_Slot]:
        """Put words where something was heard that is no lyric word: a misheard word stands where it was heard."""
        total = sum(slot.end - slot.start for slot in heard)
        few = len(heard) <= 2 * len(run) + 2 and len(run) <= 3 * len(heard)
        if not few or total < len(run) * self.timebase.ticks(self.config.shortest_s):
            return []
        if len(heard) == len(run):
            return heard
        parts = _shares(_Slot(0, total), self._weights(run))
        return [_Slot(_at(heard, part.start, False), _at(heard, part.end, True)) for part in parts]

    def _in_gap(self, before: int, after: int, run: range) -> list[_Slot]:
        """Spread words over a gap that is theirs by its length; a small one takes time from the word before it."""
        config, ticks, n = self.config, self.timebase.ticks, len(run)
        left, right = self.placed[before], self.placed[after]
        if left.start is None or left.end is None or right.start is None:
            return []
        gap = right.start - left.end
        if gap > min(ticks(config.gap_s), n * ticks(config.longest_s)):
            return []
        if gap >= n * ticks(config.usual_s):
            return self._by_line(run, _Slot(left.end, right.start), (left.line, right.line))
        whole = _Slot(left.start, right.start)
        if whole.end - whole.start < (n + 1) * ticks(config.shortest_s):
            return []
        first, *rest = _shares(whole, self._weights(range(before, after)))
        self.placed[before] = replace(left, end=first.end)
        return rest

    def _by_line(self, run: range, gap: _Slot, lines: tuple[int, int]) -> list[_Slot]:
        """Keep words near their line: behind the word before them, or in front of the word after them."""
        weights = self._weights(run)
        need = [round(weight * self.pace) for weight in weights]
        if lines[0] == lines[1] or sum(need) >= gap.end - gap.start:
            return _shares(gap, weights)
        of_first = sum(self.placed[i].line == lines[0] for i in run)
        of_last = len(run) - sum(self.placed[i].line == lines[1] for i in run)
        edges = gap.start + sum(need[:of_first]), gap.end - sum(need[of_last:])
        return [
            *_shares(_Slot(gap.start, edges[0]), weights[:of_first]),
            *_shares(_Slot(*edges), weights[of_first:of_last]),
            *_shares(_Slot(edges[1], gap.end), weights[of_last:]),
        ]


def _at(slots: Sequence[_Slot], offset: int, is_end: bool) -> int:
    """Return the time that lies so many ticks into slots laid end to end."""
    for slot in slots:
        length = slot.end - slot.start
        if offset < length or (is_end and offset == length):
            return slot.start + offset
        offset -= length
    return slots[-1].end
