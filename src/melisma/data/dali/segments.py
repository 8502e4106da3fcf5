"""Matched songs cut into chunks of whole words near 15 seconds, as a manifest that a training reads."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from melisma.core.errors import InputError
from melisma.data import manifest
from melisma.data.cuts import SAMPLE_RATE
from melisma.data.dali.annotation import Levels, Segment
from melisma.data.dali.download import address_of
from melisma.data.dali.integrity import NEAR_S, repair
from melisma.data.dali.matching import Placement, moved, read_placements
from melisma.data.dali.service import LICENCE, SOURCE, DaliService, Header, Selection
from melisma.data.manifest import TimedWord, Utterance
from melisma.data.pieces import Lengths, around, chunks
from melisma.data.report import Problem, Report
from melisma.data.split import Settings
from melisma.data.split import split as split_manifest
from melisma.scale.protocol import Executor, Progress

MANIFEST = "segments.jsonl"


def _lengths() -> Lengths:
    return Lengths(shortest=1.0, longest=20.0, target=15.0, padding=0.1)


@dataclass(frozen=True, slots=True)
class SegmentConfig:
    """How matched songs become a manifest.

    Parameters
    ----------
    lengths : Lengths
        What a chunk may be, in seconds.
    min_score : float
        Songs that were matched with less are left out, beside those that were not accepted.
    split : Settings, optional
        How the manifest is divided; not at all without it.
    """

    lengths: Lengths = field(default_factory=_lengths)
    min_score: float = 0.0
    split: Settings | None = field(default_factory=Settings)


@dataclass(frozen=True, slots=True)
class Cut:
    """A chunk of a song: [start_s, end_s) of its recording, and its words in the recording's time."""

    start_s: float
    end_s: float
    words: tuple[TimedWord, ...]


def cut(levels: Levels, placement: Placement, lengths: Lengths) -> list[Cut]:
    """Cut a song where its placement has it.

    A chunk holds words whole, and all words that are known between its ends. None reaches over a line that was not
    heard where it should be, over a cut of the recording, or over lines that are sung at once.

    Parameters
    ----------
    levels : Levels
        Put right, as `matching` had them.
    placement : Placement
        Where they lie.
    lengths : Lengths
        What a chunk may be.
    """
    pieces = [(each.first, each.stop, each.offset_s) for each in placement.pieces]
    placed = moved(levels, placement.rate, pieces, placement.absent)
    everything = sorted(word.time for word in placed.words)
    out = []
    for run in _runs(levels, placed, placement):
        timed = [(each.index, word) for each in run if (word := _timed(each)) is not None]
        if not timed:
            continue
        words = [word for _, word in timed]
        ends = {i for i in range(len(timed) - 1) if timed[i][0] != timed[i + 1][0]} | {len(timed) - 1}
        groups = chunks(words, ends, lengths, by_lines=False)
        spans = around(words, groups, round(placement.duration_s * SAMPLE_RATE), lengths).kept
        for first, last in spans:
            mine = tuple(
                w for w in words if first / SAMPLE_RATE - NEAR_S <= w.start and w.end <= last / SAMPLE_RATE + NEAR_S
            )
            if mine:
                out.append(_clear(first / SAMPLE_RATE, last / SAMPLE_RATE, mine, everything))
    return out


def _runs(levels: Levels, placed: Levels, placement: Placement) -> Iterator[list[Segment]]:
    """Yield the words of lines that follow each other: a run ends where something between two lines is not known."""
    of_piece = {line: k for k, piece in enumerate(placement.pieces) for line in range(piece.first, piece.stop)}
    by_line: dict[int, list[Segment]] = {}
    for word in placed.words:
        by_line.setdefault(word.index or 0, []).append(word)
    spans = {line: (words[0].time[0], max(w.time[1] for w in words)) for line, words in by_line.items()}
    run: list[Segment] = []
    before = -1
    for line in sorted(by_line):
        clear = not _overlaps(line, spans) and spans[line][0] >= 0 and spans[line][1] <= placement.duration_s
        follows = before == line - 1 and of_piece.get(before) == of_piece.get(line)
        if run and not (follows and clear):
            yield run
            run = []
        if clear:
            run += by_line[line]
        before = line if clear else -2
    if run:
        yield run


def _overlaps(line: int, spans: dict[int, tuple[float, float]]) -> bool:
    """Say whether one of the lines around a line is sung at the same time."""
    start, end = spans[line]
    near = (spans[i] for i in range(line - 8, line + 9) if i != line and i in spans)
    return any(other[0] < end - 0.05 and start < other[1] - 0.05 for other in near)


def _timed(word: Segment) -> TimedWord | None:
    """Return a word as manifests have it; None if it is a held note of the word before (~) or a sign."""
    text = unicodedata.normalize("NFC", word.text).replace("~", "").strip()
    if not any(char.isalnum() for char in text):
        return None
    return TimedWord(text=" ".join(text.split()), start=word.time[0], end=word.time[1])


def _clear(start_s: float, end_s: float, words: tuple[TimedWord, ...], everything: list[tuple[float, float]]) -> Cut:
    """Let the pause at an end of a chunk not reach into words that are none of it."""
    low, high = min(word.start for word in words), max(word.end for word in words)
    start_s = max([start_s, *(end for start, end in everything if start < low - NEAR_S and end <= low + NEAR_S)])
    end_s = min([end_s, *(start for start, end in everything if end > high + NEAR_S and start >= high - NEAR_S)])
    return Cut(min(start_s, low), max(end_s, high), words)


def utterances(
    header: Header, cuts: Iterable[Cut], placement: Placement, audio: str, speaker: str
) -> Iterator[Utterance]:
    """Yield the lines of the manifest for a song."""
    for number, each in enumerate(cuts):
        words = [
            TimedWord(text=w.text, start=round(max(0.0, w.start - each.start_s), 4), end=round(w.end - each.start_s, 4))
            for w in each.words
        ]
        yield Utterance.model_validate(
            {
                "id": f"{header.id}-{number:03d}",
                "audio": audio,
                "start": round(each.start_s, 4),
                "duration": round(each.end_s - each.start_s, 4),
                "transcript": " ".join(word.text for word in words),
                "language": placement.language,
                "speaker_id": speaker,
                "license": LICENCE,
                "source": SOURCE,
                "recording_id": header.id,
                "words": words,
                "artist": header.artist,
                "title": header.title,
                "genre": ", ".join(header.genres),
                "source_url": address_of(header.url) or "",
                "ncc": header.ncc,
                "match_score": placement.score,
            }
        )


_TOGETHER = re.compile(r"\s*(?:[,;/&]|\b(?:feat|ft|featuring|vs)\b\.?|\bwith\b|\s[x+]\s)\s*", re.IGNORECASE)


def voices(artists: Iterable[str]) -> dict[str, str]:
    """Name the group of each artist: those who ever sing together are one, so that no voice is on two sides of a split.

    >>> found = voices(["Queen", "The Queen feat. David Bowie", "David Bowie", "Abba", ""])
    >>> [found[name] for name in ("Queen", "David Bowie", "Abba", "")]
    ['david bowie', 'david bowie', 'abba', '']
    """
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            name = parent[name]
        return name

    members = {artist: _members(artist) for artist in artists}
    for names in members.values():
        for other in names[1:]:
            low, high = sorted((root(names[0]), root(other)))
            parent[high] = low
    return {artist: root(names[0]) if names else "" for artist, names in members.items()}


def _members(artist: str) -> list[str]:
    folded = " ".join(unicodedata.normalize("NFKC", artist).casefold().split())
    return [part.removeprefix("the ").strip() for part in _TOGETHER.split(folded) if part.removeprefix("the ").strip()]


def segment(
    dali: DaliService,
    selection: Selection,
    placements: Path,
    output: Path,
    config: SegmentConfig | None = None,
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Report:
    """Write the manifest of all songs that are meant and were matched, and divide it by artist.

    Parameters
    ----------
    dali : DaliService
    selection : Selection
        Which songs are meant.
    placements : Path
        What `matching.match_all` wrote.
    output : Path
        Folder for segments.jsonl and splits/.
    config : SegmentConfig, optional
    executor : Executor, optional
        Who listens for copies, where it is divided; all cores of this machine without.
    progress : callable, optional

    Raises
    ------
    InputError
        If nothing is left to write.
    """
    config = config or SegmentConfig()
    headers = {song.id: song for song in dali.headers(selection)}
    matched = [each for each in read_placements(placements) if each.id in headers]
    taken = [each for each in matched if each.accepted and each.score >= config.min_score]
    if not taken:
        raise InputError(f"{placements} has no accepted match of the {len(headers):,} songs that are meant")
    work = _Work(dali, headers, placements.parent, output, config.lengths, progress)
    n_lines = manifest.write(output / MANIFEST, work.lines(taken))
    if not n_lines:
        raise InputError("no chunk is long enough: nothing can be trained on")
    details = {}
    if config.split is not None:
        certificate = split_manifest(
            output / MANIFEST, output / "splits", config.split, executor=executor, progress=progress
        )
        details["splits"] = {name: part.utterances for name, part in certificate.parts.items()}
    counts = {"songs": len(headers), "matched": len(matched), "used": len(taken), "segments": n_lines, **work.counts()}
    settings = {"annotations": str(dali.annotations), "match": str(placements), "min_score": config.min_score}
    return Report("dali segment", settings, counts, work.problems, details)


@dataclass(slots=True)
class _Work:
    """What is cut, and what came of it so far."""

    dali: DaliService
    headers: dict[str, Header]
    beside: Path  # the folder that paths of recordings start at
    output: Path
    lengths: Lengths
    progress: Progress | None
    numbers: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)

    def lines(self, taken: list[Placement]) -> Iterator[Utterance]:
        """Yield the lines of the manifest, song by song."""
        speakers = voices(self.headers[each.id].artist for each in taken)
        self.numbers["artists"] = len(set(speakers.values()))
        for done, placement in enumerate(taken, 1):
            header = self.headers[placement.id]
            levels = repair(self.dali.song(placement.id).levels()).levels
            audio = os.path.relpath((self.beside / placement.audio).resolve(), self.output.resolve())
            found = cut(levels, placement, self.lengths)
            self.numbers["words_of_songs"] += len(levels.words)
            self.numbers["words"] += sum(len(each.words) for each in found)
            self.numbers["ms"] += round(1000 * sum(each.end_s - each.start_s for each in found))
            if not found:
                self.problems.append(Problem(placement.id, "nothing", "no chunk of it is long enough"))
            yield from utterances(header, found, placement, audio, speakers[header.artist])
            if self.progress is not None:
                self.progress("segment", done / len(taken))

    def counts(self) -> dict[str, int | float]:
        """Return the numbers of the report."""
        n = self.numbers
        left_out = n["words_of_songs"] - n["words"]
        hours = round(n["ms"] / 3.6e6, 4)
        return {"artists": n["artists"], "hours": hours, "words": n["words"], "words_left_out": left_out}
