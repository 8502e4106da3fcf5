"""A corpus of units, and the motifs that are found in it."""

from __future__ import annotations

from pathlib import Path

import pytest

import unit_words

pytest.importorskip("sentencepiece", reason="SentencePiece is not installed (pip install 'melisma[units]')")

from melisma.units.line import UnitLine
from melisma.units.motifs import learn
from melisma.units.motifs.corpus import Corpus
from melisma.units.motifs.learn import Learning, Learnt, Sample


@pytest.fixture(scope="session")
def said() -> list[UnitLine]:
    """Sixty utterances."""
    return unit_words.utterances(60)


@pytest.fixture(scope="session")
def spoken(said, tmp_path_factory) -> Path:
    """The folder of their corpus."""
    return unit_words.write(tmp_path_factory.mktemp("units"), said)


@pytest.fixture(scope="session")
def sample(spoken) -> Sample:
    """What motifs are learnt from."""
    return learn.draw(Corpus.of(spoken).utterances(), Learning())


@pytest.fixture(scope="session")
def learnt(sample) -> Learnt:
    """Motifs that occur five times or more."""
    return learn.learn(sample, unit_words.K, Learning(vocab_size=80, min_count=5))
