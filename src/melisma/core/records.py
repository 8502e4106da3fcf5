"""The records that stages pass to each other: frozen, slotted, checked when made."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from melisma.core.timebase import MILLISECONDS, Timebase

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Waveform:
    """Mono audio: `samples` is float32 [n_samples], full scale is ±1, at `sample_rate` Hz."""

    samples: Float32
    sample_rate: int

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate


@dataclass(frozen=True, slots=True)
class TimedLine:
    """A line of text as a lyrics or subtitle file gives it, with the times it gives, in ms, or None.

    `word_starts_ms` holds one entry per whitespace-separated word of `text`, or is empty.
    """

    text: str
    start_ms: int | None = None
    end_ms: int | None = None
    word_starts_ms: tuple[int | None, ...] = ()


@dataclass(frozen=True, slots=True)
class LyricLine:
    """A sung line: the user's own spelling, word by word, and hints where the file gave times (ms)."""

    words: tuple[str, ...]
    stanza: int = 0
    start_ms: int | None = None
    end_ms: int | None = None
    word_starts_ms: tuple[int | None, ...] = ()

    @property
    def text(self) -> str:
        """The words with one space between them."""
        return " ".join(self.words)


@dataclass(frozen=True, slots=True)
class Lyrics:
    """Sung lines in order; headings, notes and blank lines are gone, repeats are written out."""

    lines: tuple[LyricLine, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """Every word once, in order."""
        return tuple(w for line in self.lines for w in line.words)

    @property
    def text(self) -> str:
        """The lines, with a blank line between stanzas."""
        out: list[str] = []
        for i, line in enumerate(self.lines):
            if i and line.stanza != self.lines[i - 1].stanza:
                out.append("")
            out.append(line.text)
        return "\n".join(out)


@dataclass(frozen=True, slots=True)
class Emission:
    """Natural-log probabilities, float32 [n_frames, n_labels], with their labels, their blank and their clock."""

    log_probs: Float32
    labels: tuple[str, ...]
    blank: int
    timebase: Timebase
    duration: int  # samples of the whole recording at timebase.sample_rate
    vocal: Float32 | None = None  # probability that a voice is heard, [n_frames], where the engine knows it
    # Seconds to add to the onset of a word that begins with a label, float32 [n_labels], where that was measured: a
    # spike of CTC comes late in a vowel and early in what a listener takes for the beginning of a consonant.
    onset_shifts_s: Float32 | None = None

    def part(self, first: int, stop: int) -> Emission:
        """Return frames [first, stop) as an emission of their own, whose clock begins with them."""
        stride = self.timebase.stride
        return replace(
            self,
            log_probs=self.log_probs[first:stop],
            vocal=None if self.vocal is None else self.vocal[first:stop],
            duration=max(0, min(self.duration, stop * stride) - first * stride),
        )


@dataclass(frozen=True, slots=True)
class Tokens:
    """What is to be spelt: `ids` int64 [n_tokens] without blanks, the word of each token, the line of each word."""

    ids: Int64  # label of each token
    word: Int64  # index of the word that each token belongs to, never decreasing
    line: Int64  # line of each word, [n_words]; words may own no token
    phrase: Int64 | None = None  # phrase of each word, [n_words], between which singers pause; None for its line


@dataclass(frozen=True, slots=True)
class HeardWord:
    """A word that an engine has timed by itself: times in ticks of the unit of its `Heard`, fractions allowed."""

    text: str
    start: float
    end: float
    confidence: float | None = None  # in [0, 1]; None where the engine says nothing
    index: int | None = None  # word of the given lyrics that this is; None where the engine was not given any


@dataclass(frozen=True, slots=True)
class Heard:
    """What an engine that times words by itself returns; `unit` says outright what its numbers count."""

    words: tuple[HeardWord, ...]
    unit: Timebase  # SECONDS, MILLISECONDS, or the engine's frames
    language: str = "und"
    breaks: tuple[int, ...] = ()  # words that begin a segment, as far as the engine tells


LEAD, BACKING = 0, 1  # voices


@dataclass(frozen=True, slots=True)
class Word:
    """A word on the timeline, in ticks of its timebase; both times are None where the word is unsung."""

    text: str
    line: int
    start: int | None
    end: int | None
    confidence: float | None = None  # in [0, 1]; None where nothing is known
    timebase: Timebase = MILLISECONDS
    voice: int = LEAD  # BACKING: sung over the lead, may overlap it
    expected_error_ms: float | None = None  # how far the start is expected to be off; None where nothing is known

    @property
    def unsung(self) -> bool:
        """Whether the word has no time."""
        return self.start is None

    @property
    def start_s(self) -> float | None:
        """Start in seconds."""
        return None if self.start is None else self.timebase.seconds(self.start)

    @property
    def end_s(self) -> float | None:
        """End in seconds."""
        return None if self.end is None else self.timebase.seconds(self.end)

    @property
    def start_ms(self) -> int | None:
        """Start in whole milliseconds."""
        return None if self.start is None else self.timebase.ms(self.start)

    @property
    def end_ms(self) -> int | None:
        """End in whole milliseconds."""
        return None if self.end is None else self.timebase.ms(self.end)


@dataclass(frozen=True, slots=True)
class Line:
    """Words [first, stop) of an alignment and the stanza they stand in."""

    first: int
    stop: int
    stanza: int = 0


@dataclass(frozen=True, slots=True)
class Repeat:
    """Lines [first, stop) that are sung once more than they are written, at [start, end) in ticks of the alignment."""

    first: int
    stop: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Alignment:
    """Every word of the lyrics once, in the order of the text, on the timeline of a recording.

    Words of one voice go forward in time within a line; a line may be sung before the line that is written in front of
    it. Backing voices may overlap the lead.

    Made by the pipeline, by a format's reader, or by hand; `check()` names the first broken promise.
    """

    words: tuple[Word, ...]
    lines: tuple[Line, ...]
    duration: int  # ticks of `timebase`
    timebase: Timebase = MILLISECONDS
    language: str = "und"
    engine: str = ""
    engine_version: str = ""
    model_id: str = ""
    model_revision: str = ""
    warnings: tuple[str, ...] = field(default=())
    repeats: tuple[Repeat, ...] = ()

    @property
    def duration_ms(self) -> int:
        """Length of the recording in whole milliseconds."""
        return self.timebase.ms(self.duration)

    @property
    def confidence_avg(self) -> float | None:
        """Mean confidence of the words that have one."""
        known = [w.confidence for w in self.words if w.confidence is not None]
        return sum(known) / len(known) if known else None

    @property
    def text(self) -> str:
        """The lines, with a blank line between stanzas."""
        out: list[str] = []
        for i, line in enumerate(self.lines):
            if i and line.stanza != self.lines[i - 1].stanza:
                out.append("")
            out.append(self.line_text(i))
        return "\n".join(out)

    def line_words(self, index: int) -> tuple[Word, ...]:
        """Return the words of a line."""
        return self.words[self.lines[index].first : self.lines[index].stop]

    def line_text(self, index: int) -> str:
        """Return the text of a line, one space between words."""
        return " ".join(w.text for w in self.line_words(index))

    def line_ms(self, index: int) -> tuple[int, int] | None:
        """Return start and end of a line in ms: those of its timed words, or None where it has none."""
        timed = [w for w in self.line_words(index) if w.start is not None]
        if not timed:
            return None
        return min(w.start_ms or 0 for w in timed), max(w.end_ms or 0 for w in timed)

    def check(self) -> None:
        """Raise ValueError where 0 ≤ start ≤ end ≤ duration, the order of starts in a line or the lines are broken."""
        self._check_words()
        self._check_lines()

    def _check_words(self) -> None:
        last: dict[tuple[int, int], int] = {}
        for i, w in enumerate(self.words):
            if (w.start is None) != (w.end is None):
                raise ValueError(f"word {i} ({w.text!r}) has only one of its two times")
            if w.timebase != self.timebase:
                raise ValueError(f"word {i} ({w.text!r}) is on another clock than its alignment")
            if not w.text or w.text.split() != [w.text]:
                raise ValueError(f"word {i} ({w.text!r}) is not one whitespace-free word")
            if w.start is None or w.end is None:
                continue
            if not 0 <= w.start <= w.end <= self.duration:
                raise ValueError(f"word {i} ({w.text!r}) spans {w.start}..{w.end}, outside 0..{self.duration}")
            before = last.get((w.line, w.voice), 0)
            if w.start < before:
                raise ValueError(
                    f"word {i} ({w.text!r}) starts at {w.start}, before the word in front of it at {before}"
                )
            last[w.line, w.voice] = w.start

    def _check_lines(self) -> None:
        at = 0
        for k, line in enumerate(self.lines):
            if line.first != at or line.stop <= line.first:
                raise ValueError(f"line {k} holds words {line.first}..{line.stop}, expected to begin at {at}")
            if any(w.line != k for w in self.words[line.first : line.stop]):
                raise ValueError(f"line {k} holds a word that says it is of another line")
            at = line.stop
        if at != len(self.words):
            raise ValueError(f"{len(self.words) - at} words stand in no line")
        for k, again in enumerate(self.repeats):
            of_lines = 0 <= again.first < again.stop <= len(self.lines)
            if not (of_lines and 0 <= again.start <= again.end <= self.duration):
                raise ValueError(
                    f"repeat {k} holds lines {again.first}..{again.stop} at {again.start}..{again.end}, "
                    f"outside {len(self.lines)} lines or 0..{self.duration}"
                )

    def save(self, path: str | Path, format: str | None = None) -> Path:
        """Write to a file in the format named, or told from the file's name; see `melisma.core.files.save`."""
        from melisma.core.files import save

        return save(self, Path(path), format)
