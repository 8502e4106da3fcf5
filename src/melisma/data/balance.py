"""How a corpus is spread over languages, speakers, pronunciations, noise, lengths and scripts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from melisma.data.manifest import Utterance
from melisma.text import scripts, yat

UNKNOWN = "unknown"
LENGTHS_S = (1.0, 3.0, 5.0, 10.0, 15.0, 20.0, 30.0)
NOISE_DB = (5.0, 10.0, 15.0, 20.0, 25.0, 30.0)


@dataclass(slots=True)
class Amount:
    """How much there is of something."""

    clips: int = 0
    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one clip."""
        self.clips += 1
        self.seconds += seconds

    @property
    def hours(self) -> float:
        """Its length."""
        return self.seconds / 3600


Amounts = dict[str, Amount]


@dataclass(slots=True)
class Tally:
    """What the utterances of a corpus are; filled by `add`, in the memory of its speakers.

    Parameters
    ----------
    languages, lengths, scripts, noise : dict of str to Amount
        By language, by length and by ratio of sound to noise in buckets, by script and language ("sr cyrillic").
    speakers : dict of (str, str) to Amount
        By language and speaker.
    voices : dict of (str, str) to Counter
        Words that tell a pronunciation, by language and whoever speaks.
    by_voice : dict of (str, str) to Amount
        How much each of these is.
    fields : dict of str to dict of str to Amount
        By the values of further fields that were asked for.
    """

    languages: Amounts = field(default_factory=dict)
    speakers: dict[tuple[str, str], Amount] = field(default_factory=dict)
    lengths: Amounts = field(default_factory=dict)
    scripts: Amounts = field(default_factory=dict)
    noise: Amounts = field(default_factory=dict)
    dialects_said: dict[tuple[str, str], Amount] = field(default_factory=dict)
    voices: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)
    by_voice: dict[tuple[str, str], Amount] = field(default_factory=dict)
    fields: dict[str, Amounts] = field(default_factory=dict)
    total: Amount = field(default_factory=Amount)
    n_without_text: int = 0
    n_unreadable: int = 0

    def add(self, utterance: Utterance, snr_db: float | None, further: Sequence[str] = ()) -> None:
        """Count an utterance."""
        seconds, language = utterance.duration, language_of(utterance)
        extra = utterance.model_extra or {}
        self.total.add(seconds)
        _count(self.languages, language, seconds)
        _count(self.lengths, bucket(seconds, LENGTHS_S, "s"), seconds)
        _count(self.noise, UNKNOWN if snr_db is None else bucket(snr_db, NOISE_DB, "dB"), seconds)
        self.speakers.setdefault((language, utterance.speaker_id), Amount()).add(seconds)
        self._write_down(utterance, language, seconds, extra.get("dialect"))
        for name in further:
            value = extra.get(name, getattr(utterance, name, ""))
            _count(self.fields.setdefault(name, {}), str(value or UNKNOWN)[:100], seconds)

    def _write_down(self, utterance: Utterance, language: str, seconds: float, said: Any) -> None:
        text = utterance.transcript
        if not text.strip():
            self.n_without_text += 1
        found = scripts.count(text)
        script = found.most_common(1)[0][0] if found else UNKNOWN
        _count(self.scripts, f"{language} {script}", seconds)
        if isinstance(said, str) and said.strip():
            self.dialects_said.setdefault((language, said.strip()[:100]), Amount()).add(seconds)
        elif language.split("-")[0] in yat.LANGUAGES:
            voice = (language, utterance.speaker_id or utterance.recording_id or utterance.id)
            self.voices.setdefault(voice, Counter()).update(yat.count(text))
            self.by_voice.setdefault(voice, Amount()).add(seconds)

    def people(self) -> Amounts:
        """Return how much there is of each speaker who is known, in all languages together."""
        found: Amounts = {}
        for (_, name), amount in self.speakers.items():
            if name:
                _merge(found, name, amount)
        return found

    def dialects(self) -> Amounts:
        """Return how much there is by language and dialect ("hr ijekavian"), as said or as each voice's words tell."""
        found: Amounts = {}
        for (language, name), amount in self.dialects_said.items():
            _merge(found, f"{language} {name}", amount)
        for voice, amount in self.by_voice.items():
            _merge(found, f"{voice[0]} {yat.guess(self.voices[voice]) or UNKNOWN}", amount)
        return found


def language_of(utterance: Utterance) -> str:
    """Return the language of an utterance, or "unknown"."""
    return UNKNOWN if utterance.language in ("", "und") else utterance.language


def bucket(value: float, edges: Sequence[float], unit: str) -> str:
    """Name the interval between two edges that a value lies in.

    >>> bucket(0.5, LENGTHS_S, "s"), bucket(7, LENGTHS_S, "s"), bucket(99, LENGTHS_S, "s")
    ('< 1 s', '5–10 s', '≥ 30 s')
    """
    if value < edges[0]:
        return f"< {edges[0]:g} {unit}"
    for low, high in pairwise(edges):
        if value < high:
            return f"{low:g}–{high:g} {unit}"
    return f"≥ {edges[-1]:g} {unit}"


def buckets(edges: Sequence[float], unit: str) -> list[str]:
    """Return the names of all intervals, in order."""
    inside = [bucket(low, edges, unit) for low in edges]
    return [bucket(edges[0] - 1, edges, unit), *inside]


def _count(amounts: Amounts, key: str, seconds: float) -> None:
    amounts.setdefault(key, Amount()).add(seconds)


def _merge(amounts: Amounts, key: str, other: Amount) -> None:
    kept = amounts.setdefault(key, Amount())
    kept.clips += other.clips
    kept.seconds += other.seconds


@dataclass(frozen=True, slots=True)
class Spread:
    """How evenly something is divided.

    Parameters
    ----------
    n : int
        Parts.
    effective : float
        As many parts of equal size would be as uncertain: exp of Shannon's entropy.
    gini : float
        0 for equal parts, toward 1 for one that has all.
    largest : float
        Share of the largest.
    """

    n: int
    effective: float
    gini: float
    largest: float


def spread(amounts: Sequence[float]) -> Spread:
    """Tell how evenly amounts are divided.

    References
    ----------
    Hill, Ecology 1973 (effective numbers); Gini 1912, as the mean difference over twice the mean.

    Examples
    --------
    >>> spread([1, 1, 1, 1])
    Spread(n=4, effective=4.0, gini=0.0, largest=0.25)
    """
    kept = sorted(each for each in amounts if each > 0)
    total = math.fsum(kept)
    if not kept:
        return Spread(0, 0.0, 0.0, 0.0)
    entropy = -math.fsum(each / total * math.log(each / total) for each in kept)
    n = len(kept)
    gini = 2 * math.fsum(rank * each for rank, each in enumerate(kept, 1)) / (n * total) - (n + 1) / n
    return Spread(n, round(math.exp(entropy), 4), round(max(0.0, gini), 4), round(kept[-1] / total, 4))


def temperature_weights(hours: Mapping[str, float], temperature: float) -> dict[str, float]:
    """Return how many times as often a clip of each group is to be drawn, on the average over all time 1.

    Each group gets a share in proportion to its own share to the power of the temperature: 1 leaves the corpus as it
    is, 0 gives all groups the same.

    References
    ----------
    Arivazhagan et al., 2019, arXiv:1907.05019, section 4.2 (with 1/T for our temperature).
    """
    total = math.fsum(hours.values())
    shares = {name: each / total for name, each in hours.items() if each > 0}
    raised = {name: share**temperature for name, share in shares.items()}
    norm = math.fsum(raised.values())
    return {name: raised[name] / norm / shares[name] for name in shares}
