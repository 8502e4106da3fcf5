"""Which labels a network spells in, and transcripts in these labels: the same spelling as that of the engines."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from melisma.core.errors import InputError, UnknownName
from melisma.core.records import Int64, Tokens
from melisma.data.manifest import Utterance
from melisma.models.pretrained import Vocabulary
from melisma.text.characters import visible
from melisma.text.g2p import EspeakG2P, speakable
from melisma.text.letters import Letters
from melisma.text.phones import INVENTORY
from melisma.train.ctc.trained import Units

PAD, UNKNOWN, DELIMITER = "<pad>", "<unk>", "|"
# A character that stands for less than this share of a corpus is a foreign name or a slip: it is spelt by its nearest.
_RARE = 1e-5

PHONES = Vocabulary((PAD, *INVENTORY), 0, frozenset({PAD}))


def words_of(utterance: Utterance) -> tuple[str, ...]:
    """Return the words of an utterance: those that are timed, or of its normalised transcript, or of its transcript."""
    if utterance.words:
        return tuple(word.text for word in utterance.words)
    normalised = (utterance.model_extra or {}).get("norm")
    return tuple(visible(normalised if isinstance(normalised, str) else utterance.transcript).split())


def characters_of(words: Iterable[str]) -> Counter[str]:
    """Count the letters, marks and apostrophes of words, in lower case and composed; signs and digits are read out."""
    found: Counter[str] = Counter()
    for word in words:
        for char in unicodedata.normalize("NFC", speakable(word).lower()):
            if unicodedata.category(char)[0] in "LM" or char == "'":
                found[char] += 1
    return found


def common(counts: Counter[str]) -> tuple[str, ...]:
    """Return the characters that are frequent enough to be learnt, in order."""
    least = counts.total() * _RARE
    return tuple(sorted(char for char, n in counts.items() if n >= least and char != "'")) + (
        ("'",) if counts["'"] > least else ()
    )


def of_corpus(counts: Counter[str]) -> Vocabulary:
    """Return a vocabulary of the characters of a corpus.

    Raises
    ------
    InputError
        If there is none.
    """
    found = common(counts)
    if not found:
        raise InputError("the transcripts hold no letter to learn")
    return Vocabulary((PAD, UNKNOWN, DELIMITER, *found), 0, frozenset({PAD, UNKNOWN, DELIMITER}), DELIMITER)


def lacking(vocabulary: Vocabulary, counts: Counter[str]) -> tuple[str, ...]:
    """Return the frequent characters of a corpus that a vocabulary has in no case, the commonest first."""
    known = set(vocabulary.labels) - vocabulary.silent
    lost = [char for char in common(counts) if not {char, char.upper(), char.lower()} & known and char != "'"]
    return tuple(sorted(lost, key=lambda char: -counts[char]))


@dataclass(frozen=True, slots=True)
class Spelt:
    """A transcript in labels.

    Parameters
    ----------
    ids : int64 [n]
        As a network learns them, with the sign between words where the vocabulary has one.
    tokens : Tokens
        As the aligner places them, without that sign.
    """

    ids: Int64
    tokens: Tokens


class Speller:
    """Spells words in the labels of a vocabulary.

    Parameters
    ----------
    vocabulary : Vocabulary
        The labels.
    units : Units
        Whether they are characters or phones.
    """

    def __init__(self, vocabulary: Vocabulary, units: Units) -> None:
        self.vocabulary, self.units = vocabulary, units
        self._ids = {label: number for number, label in enumerate(vocabulary.labels)}
        spelling = tuple(label for label in vocabulary.labels if label not in vocabulary.silent)
        self._spell: Callable[[str, str], Sequence[str]] = (
            EspeakG2P(spelling).phones if units is Units.PHONES else Letters(spelling).spell
        )
        self._known: dict[tuple[str, str], tuple[int, ...]] = {}

    def word(self, word: str, language: str) -> tuple[int, ...]:
        """Return the label ids of a word; none if it has no sound of its own."""
        key = word, language
        if key not in self._known:
            if len(self._known) >= 1 << 20:  # as many different words take some 200 MB
                self._known.clear()
            self._known[key] = tuple(self._ids[label] for label in self._spell(word, language))
        return self._known[key]

    def spell(self, words: Sequence[str], language: str) -> Spelt:
        """Spell words.

        Raises
        ------
        UnknownName
            If phones are asked for in a language that has no voice.
        """
        spelt = [self.word(word, language) for word in words]
        heard = [ids for ids in spelt if ids]
        between = (self._ids[self.vocabulary.delimiter],) if self.vocabulary.delimiter else ()
        learnt = [i for k, ids in enumerate(heard) for i in ((*between, *ids) if k else ids)]
        tokens = Tokens(
            np.array([i for ids in spelt for i in ids], np.int64),
            np.repeat(np.arange(len(spelt)), [len(ids) for ids in spelt]).astype(np.int64),
            np.zeros(len(spelt), np.int64),
        )
        return Spelt(np.array(learnt, np.int64), tokens)


def frames_needed(ids: Sequence[int]) -> int:
    """Return the fewest frames that can spell labels: one each, and a blank between equal neighbours."""
    return len(ids) + sum(a == b for a, b in pairwise(ids))


def check_language(language: str, units: Units) -> str | None:
    """Say why the phones of a language cannot be told; None if they can, or characters are wanted."""
    if units is Units.CHARACTERS:
        return None
    try:
        EspeakG2P().phones("a", language)
    except UnknownName:
        return f"no voice reads the language {language}"
    return None
