"""Long recordings → segments of a length that trainings take, cut in pauses or between words, never through one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from melisma.core.errors import InputError, UnknownName
from melisma.core.files import make_folder
from melisma.core.records import Float32
from melisma.data import by_recording, cuts, levels, manifest, pieces, recordings, sound_file
from melisma.data.cuts import SAMPLE_RATE, Part
from melisma.data.levels import Bool
from melisma.data.manifest import TimedWord, Utterance
from melisma.data.pieces import Lengths, Pieces
from melisma.data.preprocess import moved, recording_start
from melisma.data.recordings import Recording, Recordings
from melisma.data.report import Problem
from melisma.models.voice import voice
from melisma.scale.protocol import Executor, Outcome, Progress

WAYS = ("silence", "voice", "words", "lines")
_TOKEN = re.compile(r"\S+")
_LATE_S = 0.5  # as in `preprocess`


@dataclass(frozen=True, slots=True)
class Settings:
    """How recordings are cut.

    Parameters
    ----------
    by : {"silence", "voice", "words", "lines"}
        At pauses that are silent, or in which no voice is heard; or into chunks of timed words, of lines if possible.
    silence_db : float
        What is silent: below this level of a frame of 10 ms, in dB of full scale.
    relative : bool
        Count `silence_db` from the loudest frames (99.9th percentile) of the recording instead.
    pause_s : float
        A pause is at least that long, in seconds.
    voice : float
        Probability from which on a voice is heard.
    lengths : Lengths
        Of the segments.
    format : {"wav", "flac"}
        Of the files.
    """

    by: str = "silence"
    silence_db: float = -40.0
    relative: bool = False
    pause_s: float = 0.5
    voice: float = 0.3
    lengths: Lengths = field(default_factory=Lengths)
    format: str = "wav"

    def __post_init__(self) -> None:
        if self.by not in WAYS:
            raise UnknownName("way to segment", self.by, WAYS)
        if self.format not in sound_file.FORMATS:
            raise InputError(f"segments are written as {' or '.join(sound_file.FORMATS)}, not as {self.format!r}")
        if not -120 <= self.silence_db < 0 or not 0.01 <= self.pause_s <= 60 or not 0 < self.voice < 1:
            raise InputError("silence is -120 to 0 dB, a pause 0.01 to 60 s, a voice heard from 0 to 1: one is not")


@dataclass(frozen=True, slots=True)
class Segment:
    """Stage: a recording and its utterances → files of segments, and where each lies in its utterance."""

    out: str
    settings: Settings = field(default_factory=Settings)

    @property
    def name(self) -> str:
        """Of the stage."""
        return "segment"

    def configuration(self) -> str:
        """Return what decides the outcome."""
        return repr((1, self.out, asdict(self.settings)))

    def __call__(self, item: tuple[str, list[str]]) -> list[dict[str, Any]]:
        """Segment one recording: its path, and the lines of its utterances."""
        path, lines = by_recording.read_item(item)
        spans = [cuts.span_of(each.start, each.duration) for each in lines]
        made: dict[int, dict[str, Any]] = {}
        for i, part in cuts.parts(path, spans, Path(self.out)):
            made[i] = self._one(lines[i], part, path)
        return [made[i] for i in range(len(lines))]

    def _one(self, utterance: Utterance, part: Part, source: Path) -> dict[str, Any]:
        if not part.n_samples:
            return {"error": f"{source} has no sound at {utterance.start:.2f} s"}
        if part.n_samples < (utterance.duration - _LATE_S) * SAMPLE_RATE:
            end = utterance.start + part.n_samples / SAMPLE_RATE
            return {"error": f"{source} ends at {end:.2f} s, before the utterance does"}
        if self.settings.by in ("words", "lines") and not utterance.words:
            return {"error": f"{utterance.id} has no timed words: align it first (melisma data align)"}
        found = self._pieces(utterance, part)
        segments, files = [], []
        for number, (first, last) in enumerate(found.kept, 1):
            name = Path("audio") / recordings.file_name(f"{utterance.id}/{number:04d}", f".{self.settings.format}")
            target = Path(self.out) / name
            if target.exists() and target.samefile(source):
                return {"error": f"{source} would be written over by what is made of it"}
            written = sound_file.write(target, part.blocks(first, last))
            segments.append({"first": first, "last": last, "sha256": written.sha256})
            files.append([name.as_posix(), target.stat().st_size])
        return {"segments": segments, "files": files, "n_samples": part.n_samples, "dropped": found.dropped}

    def _pieces(self, utterance: Utterance, part: Part) -> Pieces:
        words = ordered(utterance.words)
        lengths = self.settings.lengths
        if self.settings.by in ("words", "lines"):
            ends = line_ends(utterance)
            groups = pieces.chunks(words, ends, lengths, by_lines=self.settings.by == "lines" and len(ends) > 1)
            return pieces.around(words, groups, part.n_samples, lengths)
        heard = levels.levels(part.blocks())
        silent = self._silent(heard, part)
        return pieces.between_pauses(silent, heard, part.n_samples, words, self.settings.pause_s, lengths)

    def _silent(self, heard: Float32, part: Part) -> Bool:
        if self.settings.by == "voice":
            unheard: Bool = voice(part.blocks()) < self.settings.voice
            return unheard
        loudest = float(np.percentile(heard, 99.9)) if self.settings.relative else 0.0
        silent: Bool = heard < loudest + self.settings.silence_db
        return silent


def ordered(words: Sequence[TimedWord] | None) -> list[TimedWord]:
    """Return words in the order of their starts."""
    return sorted(words or (), key=lambda word: (word.start, word.end))


def line_ends(utterance: Utterance) -> set[int]:
    """Return which of the words end a line of the transcript; none where its words are not the timed ones."""
    rows = [row.split() for row in utterance.transcript.splitlines()]
    words = utterance.words or []
    if sum(map(len, rows)) != len(words) or ordered(words) != words:
        return set()
    return {int(i) - 1 for i in np.cumsum([len(row) for row in rows if row])}


@dataclass(slots=True)
class Made:
    """What a run has done so far; complete when its utterances are used up."""

    n_reused: int = 0
    n_failed: int = 0
    lengths_s: list[float] = field(default_factory=list)
    seconds_in: float = 0.0
    seconds_dropped: float = 0.0
    n_dropped: int = 0
    n_words: int = 0
    n_words_left_out: int = 0
    problems: list[Problem] = field(default_factory=list)


def run(
    found: Recordings,
    out: Path,
    settings: Settings,
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> tuple[Iterator[Utterance], Made]:
    """Segment every utterance of a manifest; return the segments, and what was done.

    Parameters
    ----------
    found : Recordings
        The manifest.
    out : Path
        Folder: `audio/` below it takes the files, `.<name>.journal` beside it what is done already.
    settings : Settings
        How they are cut.
    executor : Executor, optional
        Who does it; all cores of this machine without.
    progress : callable, optional
        Told of the share that is done.
    """
    made = Made()
    stage = Segment(str(out), settings)

    def walk() -> Iterator[Utterance]:
        for recording, outcome in by_recording.outcomes(found, out, stage, executor=executor, progress=progress):
            yield from _told(recording, outcome, made)

    return walk(), made


def write(found: Recordings, out: Path, settings: Settings, **how: Any) -> Made:
    """Segment a manifest into a folder with a `manifest.jsonl`; see `run`."""
    make_folder(out)
    utterances, made = run(found, out, settings, **how)
    manifest.write(out / "manifest.jsonl", utterances)
    return made


def _told(recording: Recording, outcome: Outcome, made: Made) -> Iterator[Utterance]:
    if outcome.error is not None:
        made.problems += [Problem(each.id, "unreadable", outcome.error) for each in recording.utterances]
        made.n_failed += len(recording.utterances)
        return
    for utterance, facts in zip(recording.utterances, outcome.value, strict=True):
        if "error" in facts:
            made.problems.append(Problem(utterance.id, "missing", facts["error"]))
            made.n_failed += 1
            continue
        cut = segments_of(utterance, facts)
        made.n_reused += len(cut) * outcome.reused
        made.seconds_in += facts["n_samples"] / SAMPLE_RATE
        made.lengths_s += [each.duration for each in cut]
        made.seconds_dropped += sum(last - first for first, last in facts["dropped"]) / SAMPLE_RATE
        made.n_dropped += len(facts["dropped"])
        n_kept = sum(len(each.words or ()) for each in cut)
        made.n_words += len(utterance.words or ())
        made.n_words_left_out += len(utterance.words or ()) - n_kept
        made.problems += _complaints(utterance, cut, n_kept)
        yield from cut


def _complaints(utterance: Utterance, cut: list[Utterance], n_kept: int) -> Iterator[Problem]:
    n_words = len(utterance.words or ())
    if not cut:
        yield Problem(utterance.id, "empty", "nothing of it is a segment: too quiet or too short for these settings")
    elif n_kept < n_words:
        yield Problem(utterance.id, "words", f"{n_words - n_kept} of {n_words} words are in no segment")
    if utterance.transcript and not n_words and len(cut) > 1:
        said = "the segments have no transcript: which words are where is not known (melisma data align tells it)"
        yield Problem(utterance.id, "transcript", said)


def segments_of(utterance: Utterance, facts: dict[str, Any]) -> list[Utterance]:
    """Return the segments of an utterance as utterances: their words moved along, and their part of the transcript."""
    found: list[Utterance] = []
    dealt = _dealt(utterance, [(each["first"], each["last"]) for each in facts["segments"]])
    n_segments = len(facts["segments"])
    for number, (each, (path, _), words) in enumerate(zip(facts["segments"], facts["files"], dealt, strict=True), 1):
        shift, duration = each["first"] / SAMPLE_RATE, (each["last"] - each["first"]) / SAMPLE_RATE
        texts = {"transcript": _text_of(utterance.transcript, utterance, words, whole=n_segments == 1)}
        norm = (utterance.model_extra or {}).get("norm")
        if isinstance(norm, str):
            texts["norm"] = _text_of(norm, utterance, words, whole=n_segments == 1, exact=True)
        found.append(
            utterance.changed(
                id=f"{utterance.id}/{number:04d}",
                audio=path,
                start=0.0,
                duration=duration,
                words=None if utterance.words is None else moved([utterance.words[i] for i in words], shift, duration),
                sha256=each["sha256"],
                recording_id=utterance.recording_id or utterance.audio,
                recording_start=recording_start(utterance) + shift,
                clip_of=utterance.id,
                **texts,
            )
        )
    return found


def _dealt(utterance: Utterance, spans: list[tuple[int, int]]) -> list[list[int]]:
    """Deal the words out to the segments in which they lie whole, each to one at most, in their order."""
    dealt: list[list[int]] = [[] for _ in spans]
    firsts = np.array([first for first, _ in spans])
    for i, word in enumerate(utterance.words or ()):
        start, end = round(word.start * SAMPLE_RATE), round(word.end * SAMPLE_RATE)
        at = int(np.searchsorted(firsts, start, side="right")) - 1
        # The recording may end a little before its last word does, where times are rounded.
        if at >= 0 and start <= spans[at][1] and end <= spans[at][1] + (at == len(spans) - 1) * _LATE_S * SAMPLE_RATE:
            dealt[at].append(i)
    return dealt


def _text_of(text: str, utterance: Utterance, words: list[int], *, whole: bool, exact: bool = False) -> str:
    """Return the part of a text that some of the words are, as it is written there.

    Where the text has other words than those with times, these are it; nothing, if it is to be `exact`.
    """
    if utterance.words is None:
        return text if whole else ""
    if len(words) == len(utterance.words):
        return text
    if not words:
        return ""
    tokens = _tokens(text)
    if len(tokens) == len(utterance.words) and words == list(range(words[0], words[-1] + 1)):
        return text[tokens[words[0]][0] : tokens[words[-1]][1]]
    return "" if exact else " ".join(utterance.words[i].text for i in words)


def _tokens(text: str) -> list[tuple[int, int]]:
    return [found.span() for found in _TOKEN.finditer(text)]
