from __future__ import annotations

import numpy as np
import pytest

from melisma.train.composer import compose
from melisma.train.midi_score import smf


def rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed or 1)


def test_the_same_generator_gives_the_same_piece_and_another_one_another():
    first, again, other = (smf(compose(15, rng(seed)).score) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize("seed", range(12))
def test_a_piece_lasts_as_long_as_it_was_ordered(seed):
    piece = compose(50.0, rng(seed))
    ends = max(n.start + n.length for t in piece.score.tracks for n in t.notes)
    slowest = min(bpm for _, bpm in piece.score.tempi)
    assert 50.0 - 240 / slowest < ends * 60 / piece.tempo_bpm  # at most the last bar is a rest
    assert ends * 60 / slowest < 50.0 + 3 * 4 * 60 / slowest


def test_many_pieces_have_many_styles_keys_and_tempi():
    pieces = [compose(8.0, rng(3, i)) for i in range(60)]
    assert len({p.style for p in pieces}) >= 20
    assert len({p.key for p in pieces}) >= 20
    tempi = [p.tempo_bpm for p in pieces]
    assert min(tempi) < 80
    assert max(tempi) > 145
