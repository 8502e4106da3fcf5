"""One utterance: its reference beside its hypothesis, in every view, and the times of its words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from melisma.data.manifest import TimedWord, Utterance
from melisma.data.noise import said_snr
from melisma.evaluate import asr_flags
from melisma.evaluate.asr_hypotheses import HeardWord, Hypothesis
from melisma.evaluate.asr_scores import NORMALISED, UNKNOWN, View
from melisma.metrics.transcription import Counts, Edits, edits, units
from melisma.text import scoring

LENGTHS = (2.0, 5.0, 10.0, 20.0, 30.0)  # seconds; Whisper hears 30 s at once
NOISES = (5.0, 10.0, 20.0, 30.0)  # dB of sound over noise


@dataclass(frozen=True, slots=True)
class Sound:
    """What is known of an utterance's audio: sound over noise in dB, and whether it is silent."""

    snr_db: float | None = None
    silent: bool = False


Wrong = tuple[tuple[str, str], ...]  # reference and hypothesis of each edit, "" for nothing


@dataclass(frozen=True, slots=True)
class Compared:
    """Edits in one view, of words and of characters."""

    words: Counts
    characters: Counts


@dataclass(frozen=True, slots=True)
class Times:
    """Timed words of a reference, and how far off those of them are that were heard rightly, with a time.

    Parameters
    ----------
    n_words : int
        Timed words of the reference; 0 where it is not timed.
    onsets, ends : float64 [n_matched]
        Hypothesis less reference, seconds.
    n_heard : int
        Words of the hypothesis with times.
    """

    n_words: int = 0
    onsets: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    ends: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    n_heard: int = 0

    @property
    def offset(self) -> float | None:
        """Mean size of the errors of onsets; None where nothing was matched."""
        return float(np.abs(self.onsets).mean()) if len(self.onsets) else None


@dataclass(frozen=True, slots=True)
class Judged:
    """An utterance with its hypothesis, compared.

    Parameters
    ----------
    utterance, hypothesis : Utterance, Hypothesis
        What was said and heard; an empty hypothesis where there is none.
    missing : bool
        Whether there is none, or an error in its place.
    view : str
        What single figures and edits are of.
    plain : str
        The reference in that view.
    views : dict of Compared
        By name of the view.
    wrong_words, wrong_characters : tuple of pairs
        Edits in that view.
    folded_words : tuple of pairs
        Edits of words in the folded view, where scripts do not hide that two words are variants of one.
    sound : Sound
        Of its audio.
    flags : tuple of str
        Signs of hallucination.
    times : Times
        Of its words.
    """

    utterance: Utterance
    hypothesis: Hypothesis
    missing: bool
    view: View
    plain: str
    views: dict[str, Compared]
    wrong_words: Wrong
    wrong_characters: Wrong
    folded_words: Wrong
    sound: Sound
    flags: tuple[str, ...]
    times: Times

    @property
    def scores(self) -> Compared:
        """Edits in the view that was asked for."""
        return self.views[self.view]

    @property
    def length(self) -> str:
        """Name of its length's group."""
        return bucket(self.utterance.duration, LENGTHS, "s")

    @property
    def noise(self) -> str:
        """Name of its noise's group."""
        return UNKNOWN if self.sound.snr_db is None else bucket(self.sound.snr_db, NOISES, "dB")


def judge(
    utterance: Utterance,
    hypothesis: Hypothesis | None,
    sound: Sound | None = None,
    *,
    view: View = NORMALISED,
    numbers: bool = False,
) -> Judged:
    """Compare what was heard of an utterance with what was said.

    Parameters
    ----------
    utterance : Utterance
        From a manifest; its `transcript` is the reference.
    hypothesis : Hypothesis, optional
        Without one, every word counts as deleted.
    sound : Sound, optional
        Of its audio; what the manifest says without it.
    view : {"normalised", "raw", "folded"}
        What edits, signs of hallucination and single figures are of.
    numbers : bool
        Write figures in words before.
    """
    heard = hypothesis or Hypothesis(id=utterance.id)
    sound = sound or Sound(said_snr(utterance))
    found = _in_views(utterance, heard.text, numbers)
    words, characters = found[view]
    flags = asr_flags.flags(words.reference, words.hypothesis, utterance.duration, silent=sound.silent)
    return Judged(
        utterance=utterance,
        hypothesis=heard,
        view=view,
        missing=hypothesis is None or bool(hypothesis.error),
        plain=" ".join(words.reference),
        views={name: Compared(a.counts, b.counts) for name, (a, b) in found.items()},
        wrong_words=tuple(words.wrong),
        wrong_characters=tuple(characters.wrong),
        folded_words=tuple(found[scoring.FOLDED][0].wrong),
        sound=sound,
        flags=tuple(flags),
        times=times_of(utterance.words or (), heard.words or (), utterance.language),
    )


def _in_views(utterance: Utterance, hypothesis: str, numbers: bool) -> dict[str, tuple[Edits, Edits]]:
    """Return the edits of words and of characters in every view; views in which both texts are the same are one."""
    done: dict[tuple[str, str], tuple[Edits, Edits]] = {}
    found = {}
    for name in scoring.VIEWS:
        said, heard = (
            scoring.view(text, utterance.language, name, numbers=numbers) for text in (utterance.transcript, hypothesis)
        )
        if (said, heard) not in done:
            characters = edits(units(said, "character"), units(heard, "character"))
            done[said, heard] = edits(units(said), units(heard)), characters
        found[name] = done[said, heard]
    return found


def times_of(reference: Sequence[TimedWord], hypothesis: Sequence[HeardWord], language: str) -> Times:
    """Match timed words that are the same when normalised and folded, in order, and measure how far off they are.

    Marks of punctuation that stand as words of their own are passed over.
    """
    said = [(key, word) for word in reference if (key := _key(word.text, language))]
    heard = [(key, word) for word in hypothesis if (key := _key(word.text, language))]
    if not said or not heard:
        return Times(len(said), n_heard=len(heard))
    found = edits([key for key, _ in said], [key for key, _ in heard])
    pairs = [(said[i][1], heard[j][1]) for i, j, equal in found.pairs if equal and i is not None and j is not None]
    onsets = np.array([b.start - a.start for a, b in pairs], np.float64)
    ends = np.array([b.end - a.end for a, b in pairs], np.float64)
    return Times(len(said), onsets, ends, len(heard))


def _key(word: str, language: str) -> str:
    return "".join(scoring.folded(word, language).split())


def bucket(value: float, edges: Sequence[float], unit: str) -> str:
    """Name the group that a value falls into; one that is equal to an edge belongs above it.

    >>> [bucket(value, (2.0, 5.0), "s") for value in (1.9, 2.0, 7.0)]
    ['under 2 s', '2 to 5 s', '5 s and more']
    """
    return buckets(edges, unit)[sum(value >= edge for edge in edges)]


def buckets(edges: Sequence[float], unit: str) -> list[str]:
    """Return the names of all groups between edges, in order."""
    between = [f"{a:g} to {b:g} {unit}" for a, b in pairwise(edges)]
    return [f"under {edges[0]:g} {unit}", *between, f"{edges[-1]:g} {unit} and more"]
