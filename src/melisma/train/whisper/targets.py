"""What a clip's words are learnt as: in one script, and where it is known when they are said, cut into segments."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from melisma.core.errors import InputError
from melisma.data.manifest import TimedWord, Utterance
from melisma.text import transliterate
from melisma.text.language import normalise
from melisma.train.whisper.config import Script

# A segment ends where nobody speaks for so long, or behind a sentence, and grows no longer than that: Whisper's own
# are of a few seconds.
PAUSE_S = 0.35
LONGEST_SEGMENT_S = 6.0
_SENTENCE_ENDS = ".!?…"
_CLOSING = "\"'”’»)]"


@dataclass(frozen=True, slots=True)
class Segment:
    """Words that are said on end; seconds from the beginning of the clip, the text behind a space."""

    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True, slots=True)
class Target:
    """What is learnt of a clip.

    Parameters
    ----------
    segments : tuple of Segment
        At least one; their texts on end are the whole.
    timed : bool
        Whether the times are those of words, not of the clip alone.
    """

    segments: tuple[Segment, ...]
    timed: bool

    @property
    def text(self) -> str:
        """The whole, behind a space."""
        return "".join(segment.text for segment in self.segments)


@dataclass(frozen=True, slots=True)
class Wording:
    """Which text of an utterance is learnt, and in which script."""

    script: Script = "keep"
    field: Literal["transcript", "norm"] = "transcript"

    def text(self, utterance: Utterance, language: str = "") -> str:
        """Return the text, its spaces single; empty where there is none. It may be read as another language."""
        said = utterance.transcript
        if self.field == "norm":
            found = (utterance.model_extra or {}).get("norm")
            said = found if isinstance(found, str) else ""
        return written(said, language or utterance.language, self.script)

    def target(self, utterance: Utterance, language: str = "") -> Target | None:
        """Return what is learnt of an utterance; None where nothing is said."""
        words = _spoken(self.text(utterance, language))
        if not words:
            return None
        times = _matched(words, utterance.words or (), utterance.duration)
        if times is None:
            return Target((Segment(0.0, utterance.duration, "".join(f" {word}" for word in words)),), False)
        return Target(tuple(_segments(words, times)), True)


def written(text: str, language: str, script: Script) -> str:
    """Return a text as it is learnt: composed characters, single spaces, and in the script that is asked for.

    Only languages that are written in both scripts are rewritten.

    >>> written("Dobar  dan, svijete", "bs", "cyrillic"), written("Привет", "ru", "latin")
    ('Добар дан, свијете', 'Привет')
    """
    if script != "keep" and _has_both(language):
        text = transliterate.convert(text, script)
    plain = "".join(" " if unicodedata.category(char) == "Cc" else char for char in unicodedata.normalize("NFC", text))
    return " ".join(plain.split())


def _has_both(language: str) -> bool:
    try:
        return normalise(language).split("-")[0] in transliterate.LANGUAGES
    except InputError:
        return False


def _matched(words: Sequence[str], timed: Sequence[TimedWord], duration: float) -> list[tuple[float, float]] | None:
    """Return when each word is said, if the timed ones are the same words in the same order."""
    timed = [each for each in timed if _bare(each.text)]
    if len(words) != len(timed) or not timed:
        return None
    if any(_bare(word) != _bare(each.text) for word, each in zip(words, timed, strict=True)):
        return None
    spans = [(min(each.start, duration), min(each.end, duration)) for each in timed]
    return spans if all(one[0] <= other[0] for one, other in pairwise(spans)) else None


def _spoken(text: str) -> list[str]:
    """Return the words of a text; a sign that stands by itself, such as a dash, goes with the word before it."""
    words: list[str] = []
    for word in text.split():
        if words and not (_bare(word) and _bare(words[0])):
            words[-1] += f" {word}"
        else:
            words.append(word)
    return words


def _bare(word: str) -> str:
    """Return what tells a word from another whatever its script, its capitals and the signs around it."""
    return "".join(char for char in transliterate.folded(word) if char.isalnum())


def _segments(words: Sequence[str], times: Sequence[tuple[float, float]]) -> list[Segment]:
    segments: list[Segment] = []
    first = 0
    for i in range(1, len(words) + 1):
        if i < len(words) and not _ends(words[i - 1], times[first][0], times[i - 1], times[i]):
            continue
        end = max(times[k][1] for k in range(first, i))
        if i < len(words):
            end = min(end, times[i][0])  # sung words may overlap; segments do not
        segments.append(Segment(times[first][0], end, "".join(f" {word}" for word in words[first:i])))
        first = i
    return segments


def _ends(word: str, since: float, now: tuple[float, float], then: tuple[float, float]) -> bool:
    """Whether a segment ends between two words."""
    sentence = word.rstrip(_CLOSING)[-1:] in _SENTENCE_ENDS if word.rstrip(_CLOSING) else False
    return sentence or then[0] - now[1] >= PAUSE_S or then[1] - since > LONGEST_SEGMENT_S
