"""Emissions kept in memory: made once for the same file, anew for another, and never more than fits."""

from __future__ import annotations

import numpy as np

from melisma.core.records import Emission, Waveform
from melisma.core.timebase import Timebase
from melisma.engines.phone import PhoneEngine
from melisma.pipeline.emissions import Emissions, key


def emission(n_frames: int = 10) -> Emission:
    return Emission(np.zeros((n_frames, 5), np.float32), tuple("-abcd"), 0, Timebase(16000, 480), 480 * n_frames)


class Maker:
    """Makes emissions, and counts them."""

    def __init__(self, n_frames: int = 10) -> None:
        self.n_made, self._n_frames = 0, n_frames

    def __call__(self) -> Emission:
        self.n_made += 1
        return emission(self._n_frames)


def test_an_emission_is_made_once():
    kept, make = Emissions(), Maker()
    assert kept.get("a", make) is kept.get("a", make)
    assert make.n_made == 1
    kept.clear()
    kept.get("a", make)
    assert make.n_made == 2


def test_what_has_no_key_is_made_each_time():
    kept, make = Emissions(), Maker()
    kept.get(None, make)
    kept.get(None, make)
    assert make.n_made == 2


def test_the_least_recently_used_goes_first():
    kept, make = Emissions(max_bytes=2 * 10 * 5 * 4), Maker()
    for name in ("a", "b", "a", "c"):
        kept.get(name, make)
    assert make.n_made == 3
    kept.get("a", make)
    assert make.n_made == 3
    kept.get("b", make)
    assert make.n_made == 4


def test_what_is_too_large_by_itself_is_not_kept():
    kept, make = Emissions(max_bytes=100), Maker(1000)
    assert len(kept.get("a", make).log_probs) == 1000
    kept.get("a", make)
    assert make.n_made == 2


def test_a_file_is_another_one_once_it_is_written_anew(tmp_path):
    facts = PhoneEngine().facts
    path = tmp_path / "song.wav"
    path.write_bytes(b"one")
    first = key(path, facts, "none")
    assert first is not None
    assert key(str(path), facts, "none") == first
    assert key(path, facts, "center") != first
    path.write_bytes(b"another")
    assert key(path, facts, "none") != first
    path.unlink()
    assert key(path, facts, "none") is None
    assert key(Waveform(np.zeros(4, np.float32), 16000), facts, "none") is None
