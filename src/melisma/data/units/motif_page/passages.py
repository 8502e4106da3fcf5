"""Which recordings a page holds: few seconds in which each motif is heard several times, of several speakers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from melisma.core.records import Int64
from melisma.units.motifs.analysis import Analysis
from melisma.units.motifs.corpus import Corpus, Utterance
from melisma.units.motifs.model import MotifModel

_MOST_CANDIDATES = 1500
_LONGEST = 1000  # frames of a passage: 20 s; of a longer recording so much around an occurrence
_BEFORE = 400  # of them in front of the occurrence
_EACH = 6  # occurrences of a motif that are looked for
_NEW_VOICE = 1.5  # by how much more a passage is worth whose speaker is not yet heard


@dataclass(frozen=True, slots=True, eq=False)
class Passage:
    """Part of an utterance, cut into motifs.

    Parameters
    ----------
    utterance : Utterance
        Which it is of.
    number : int
        Of the utterance in the corpus.
    first : int
        Frame of the utterance that it begins with.
    pieces, runs : int64 [n]
        Ids of its motifs and for how many frames each lasts.
    """

    utterance: Utterance
    number: int
    first: int
    pieces: Int64
    runs: Int64

    @property
    def n_frames(self) -> int:
        """How long it is."""
        return int(self.runs.sum())


def candidates(corpus: Corpus, model: MotifModel, analysis: Analysis, motifs: Sequence[int]) -> list[Passage]:
    """Return passages around the examples of motifs, in the order of the corpus; reads it once more.

    Parameters
    ----------
    corpus, model, analysis
        What was analysed.
    motifs : sequence of int
        Ids, the most important in front: some example of each is taken before a second one of any.
    """
    places: dict[int, list[int]] = {}
    n = 0
    for turn in range(max((len(each) for each in analysis.occurrences.values()), default=0)):
        for motif in motifs:
            found = analysis.occurrences.get(motif, ())
            if turn < len(found) and n < _MOST_CANDIDATES:
                starts = places.setdefault(found[turn].number, [])
                if not any(0 <= found[turn].first - first < _LONGEST - _BEFORE for first in starts):
                    starts.append(found[turn].first)
                    n += 1
    made: list[Passage] = []
    for number, utterance in enumerate(corpus.utterances()):
        if number in places:
            made += _passages(utterance, number, model, sorted(places.pop(number)))
        if not places:
            break
    return made


def _passages(utterance: Utterance, number: int, model: MotifModel, places: list[int]) -> list[Passage]:
    assert utterance.runs is not None  # noqa: S101 - of a corpus with times
    (pieces,) = model.encode([utterance.units])
    last = np.cumsum(model.lengths[pieces])
    ends = np.append(0, np.cumsum(utterance.runs))[last]  # frame behind each piece
    starts = np.append(0, ends)[:-1]
    if ends[-1] <= _LONGEST:
        return [Passage(utterance, number, 0, pieces, ends - starts)]
    made = []
    for place in places:
        inside = (starts >= place - _BEFORE) & (ends <= place - _BEFORE + _LONGEST)
        if inside.any():  # a unit may last longer than a passage
            made.append(Passage(utterance, number, int(starts[inside][0]), pieces[inside], (ends - starts)[inside]))
    return made


def choose(found: Sequence[Passage], motifs: Sequence[int], n_pieces: int) -> list[int]:
    """Return the indices of passages, the most useful in front, until all motifs are heard often enough.

    Each is the one that has, for its length, the most occurrences of motifs that are still looked for.

    Parameters
    ----------
    found : sequence of Passage
        What there is.
    motifs : sequence of int
        Ids of what is to be heard.
    n_pieces : int
        How many ids there are.
    """
    if not found or not motifs:
        return []
    counts = np.stack([np.bincount(each.pieces, minlength=n_pieces)[list(motifs)] for each in found])
    wanted = np.minimum(counts.sum(axis=0), _EACH)
    length = np.array([each.n_frames + 50 for each in found])
    voices: set[str | None] = set()
    chosen: list[int] = []
    while True:
        worth = np.minimum(counts, wanted).sum(axis=1) / length
        worth *= np.array([1.0 if each.utterance.speaker in voices else _NEW_VOICE for each in found])
        worth[chosen] = 0
        best = int(np.argmax(worth))
        if worth[best] <= 0:
            return chosen
        chosen.append(best)
        voices.add(found[best].utterance.speaker)
        wanted = np.maximum(wanted - counts[best], 0)
