"""What may be wrong with an utterance: its sound, its length, its text, and how the three fit together."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from melisma.core.errors import UnknownName
from melisma.data.manifest import Utterance
from melisma.data.report import Problem
from melisma.data.sound_levels import Facts
from melisma.text import scripts
from melisma.text.language import scripts_of

# Every kind of problem, and what it is, as the help of the command lists them.
KINDS = {
    "line": "the line is no utterance",
    "id": "another line has the same id",
    "missing": "there is no such file",
    "unreadable": "the file cannot be decoded, or only a part of it",
    "span": "the file ends before the utterance does",
    "duration": "the manifest says another length than the file has",
    "short": "shorter than the limit",
    "long": "longer than the limit",
    "silent": "nothing is heard",
    "clipped": "the loudest samples are cut off",
    "transcript": "there is no text",
    "encoding": "the text was read in a wrong encoding",
    "script": "the text is in a script that its language is not written in",
    "rate": "more, or less, text than anybody says in that time",
    "words": "the words' times lie outside, or run backwards",
}


def kinds_named(said: str) -> list[str]:
    """Read kinds of problems that are to be allowed, parted by commas; a line that cannot be read never is.

    Raises
    ------
    UnknownName
        If there is no such kind.
    """
    named = [kind.strip() for kind in said.split(",") if kind.strip()]
    for kind in named:
        if kind not in KINDS or kind == "line":
            raise UnknownName("kind of problem to allow", kind, set(KINDS) - {"line"})
    return named


_SYLLABIC = frozenset(("han", "kana", "hangul"))  # a letter is a syllable or more
_TOO_LATE_S = 0.1  # what durations may differ by: padding of codecs, rounding
_MISREAD = ("cp1252", "latin-1", "cp1250", "cp1251")
_RATE_FROM = 10  # letters; less is said slowly, shouted or sung on one note


@dataclass(frozen=True, slots=True)
class Limits:
    """What passes.

    Parameters
    ----------
    min_s, max_s : float
        Length in seconds; 1 s to 15 minutes, as the specification of the fine-tuning has it.
    silent_db : float
        Loudest sample below which nothing is heard, dB of full scale.
    max_clipped : float
        Share of samples. Of 700 recordings of Common Voice and studios none had more than 0.0005; of those clipped by
        6 dB, 95 in 100 have more than 0.001.
    letters_per_s : (float, float)
        Least and most. In 12,700 recordings in 45 languages: 0.7 to 23 letters, 0.4 to 6 in Han and kana.
    syllables_per_s : (float, float)
        The same for scripts whose letters are syllables or words.
    duration_tolerance : float
        Share of its length by which an utterance may differ from what the manifest says, if more than 0.1 s.
    """

    min_s: float = 1.0
    max_s: float = 900.0
    silent_db: float = -60.0
    max_clipped: float = 0.001
    letters_per_s: tuple[float, float] = (0.3, 30.0)
    syllables_per_s: tuple[float, float] = (0.1, 12.0)
    duration_tolerance: float = 0.01


def of_sound(utterance: Utterance, facts: Facts, file_s: float, limits: Limits) -> Iterator[Problem]:
    """Yield what is wrong with the sound of an utterance.

    Parameters
    ----------
    utterance : Utterance
    facts : Facts
        Of its part of the file.
    file_s : float
        How long the file is.
    limits : Limits
    """
    said, allowed = utterance.duration, max(_TOO_LATE_S, limits.duration_tolerance * utterance.duration)
    if facts.seconds < said - allowed:
        end = utterance.start + said
        if utterance.start == 0 and facts.seconds > 0:
            yield Problem(utterance.id, "duration", f"the manifest says {said:.2f} s, the file has {file_s:.2f} s")
        else:
            yield Problem(utterance.id, "span", f"it should end at {end:.2f} s, the file ends at {file_s:.2f} s")
        if not facts.seconds:
            return
    if facts.seconds < limits.min_s:
        yield Problem(utterance.id, "short", f"{facts.seconds:.2f} s, less than {limits.min_s:g} s")
    if facts.seconds > limits.max_s:
        yield Problem(utterance.id, "long", f"{facts.seconds:.1f} s, more than {limits.max_s:g} s")
    if facts.peak_db < limits.silent_db:
        yield Problem(utterance.id, "silent", f"its loudest sample is at {facts.peak_db:.0f} dB")
    if facts.clipped > limits.max_clipped:
        yield Problem(utterance.id, "clipped", f"{100 * facts.clipped:.2f} % of its samples are cut off")


def of_file(utterance: Utterance, file_s: float, whole: bool, limits: Limits) -> Iterator[Problem]:
    """Yield that a file is longer than the one utterance that the manifest has of it, where it starts at 0.

    Parameters
    ----------
    utterance : Utterance
    file_s : float
        How long the file is.
    whole : bool
        Whether the utterance is the only one of its file.
    limits : Limits
    """
    allowed = max(_TOO_LATE_S, limits.duration_tolerance * file_s)
    if whole and utterance.start == 0 and file_s > utterance.duration + allowed:
        said = f"the manifest says {utterance.duration:.2f} s, the file has {file_s:.2f} s"
        yield Problem(utterance.id, "duration", said)


def of_text(utterance: Utterance, limits: Limits) -> Iterator[Problem]:
    """Yield what is wrong with the text of an utterance, and with the times of its words."""
    text = utterance.transcript
    counts = scripts.count(text)
    if not text.strip():
        yield Problem(utterance.id, "transcript", "it has no transcript")
    elif not counts and not any(char.isalnum() for char in text):
        yield Problem(utterance.id, "transcript", f"its transcript holds no letter: {_short(text)}")
    else:
        yield from _of_letters(utterance, counts, limits)
    last = 0.0
    for word in utterance.words or ():
        if word.start < last or word.end > utterance.duration + _TOO_LATE_S:
            said = f"the word {_short(word.text)} is said from {word.start:.2f} to {word.end:.2f} s"
            yield Problem(utterance.id, "words", f"{said}, of {utterance.duration:.2f} s, behind one at {last:.2f} s")
            return
        last = word.start


def _of_letters(utterance: Utterance, counts: dict[str, int], limits: Limits) -> Iterator[Problem]:
    if (why := misread(utterance.transcript)) is not None:
        yield Problem(utterance.id, "encoding", why)
    total = sum(counts.values())
    expected = scripts_of(utterance.language) if utterance.language != "und" else frozenset()
    own = sum(n for script, n in counts.items() if script in expected)
    if expected and total and own < total / 2:
        most = max(counts, key=lambda script: counts[script])
        said = f"{utterance.language} is not written in {most}: {_short(utterance.transcript)}"
        yield Problem(utterance.id, "script", said)
    syllabic = sum(n for script, n in counts.items() if script in _SYLLABIC) > total / 2
    least, most_s = limits.syllables_per_s if syllabic else limits.letters_per_s
    rate = total / utterance.duration
    if total >= _RATE_FROM and not least <= rate <= most_s:
        yield Problem(utterance.id, "rate", f"{total} letters in {utterance.duration:.2f} s, {rate:.1f} a second")


def misread(text: str) -> str | None:
    """Say that a text was read in a wrong encoding, if it looks so.

    >>> misread("Å½ena"), misread("Žena")
    ("it was UTF-8 and was read as cp1252: 'Žena' became 'Å½ena'", None)
    """
    if "\ufffd" in text:
        return "it holds U+FFFD, a character that was lost"
    if any(unicodedata.category(char) == "Cc" and char not in "\n\r\t" for char in text):
        return "it holds control characters"
    if text.isascii():
        return None
    for encoding in _MISREAD:
        try:
            meant = text.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
        return f"it was UTF-8 and was read as {encoding}: {_short(meant)} became {_short(text)}"
    return None


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return repr(flat if len(flat) <= 40 else f"{flat[:37]}…")
