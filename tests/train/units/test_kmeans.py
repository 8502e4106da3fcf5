"""Clusters: a fair sample, the centres that were planted, none that is dead, and the same ones each time."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from melisma.core.errors import InputError
from melisma.train.units import kmeans
from melisma.train.units.kmeans import Config, batches, nearest, repaired
from melisma.train.units.sample import Reservoir, sampled

pytest.importorskip("sklearn", reason="needs the extra [units]")


def planted(n: int = 600, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return centres far apart, and frames near them, in turn."""
    rng = np.random.default_rng(seed)
    centres = (10.0 * rng.permutation(np.eye(6))).astype(np.float32)
    frames = centres[np.arange(n) % 6] + rng.normal(0, 0.3, (n, 6))
    return centres, frames.astype(np.float32)


def test_a_sample_does_not_depend_on_how_frames_are_handed_over():
    frames = np.arange(1000, dtype=np.float32).reshape(500, 2)
    whole = sampled([frames], 50, 3).frames()
    pieces = sampled([frames[:7], frames[7:7], frames[7:49], frames[49:51], frames[51:]], 50, 3)
    assert pieces.frames().tolist() == whole.tolist()
    assert pieces.n_seen == 500
    assert sampled([frames], 50, 4).frames().tolist() != whole.tolist()


def test_a_sample_keeps_every_frame_as_often_as_any_other():
    frames = np.arange(40, dtype=np.float32)[:, None]
    kept = np.zeros(40)
    for seed in range(800):
        found = sampled([frames[:11], frames[11:]], 10, seed).frames()[:, 0].astype(int)
        assert len(set(found)) == 10
        kept[found] += 1
    # 800 draws with a chance of 1/4: 200, and a standard deviation of 12.
    assert kept.min() > 145
    assert kept.max() < 255


def test_few_frames_are_all_kept_and_what_is_no_number_is_refused():
    frames = np.ones((3, 2), np.float32)
    assert sampled([frames], 10, 0).frames().shape == (3, 2)
    assert Reservoir(5, 0).frames().shape == (0, 0)
    with pytest.raises(InputError, match="not finite"):
        sampled([np.full((1, 2), np.nan, np.float32)], 10, 0)


def test_batches_hold_every_frame_once_and_in_order():
    frames = np.arange(103, dtype=np.float32)[:, None]
    cut = [frames[a:b] for a, b in ((0, 1), (1, 40), (40, 40), (40, 99), (99, 103))]
    found = list(batches(cut, 20))
    assert np.concatenate(found).tolist() == frames.tolist()
    assert [len(each) for each in found[:-1]] == [20] * (len(found) - 1)
    assert 20 <= len(found[-1]) < 40
    assert [len(each) for each in batches(cut[:1], 20)] == [1]


def test_planted_clusters_are_found():
    centres, frames = planted()
    found = kmeans.fit(frames, Config(k=6, n_init=3, batch=100))
    apart = np.linalg.norm(found.centres[:, None] - centres[None], axis=2)
    assert sorted(apart.argmin(axis=1).tolist()) == list(range(6))
    assert apart.min(axis=1).max() < 0.3


def test_the_same_seed_finds_the_same_bits():
    rng = np.random.default_rng(0)
    frames = rng.normal(size=(700, 8)).astype(np.float32)
    config = Config(k=20, n_init=2, batch=100, max_iter=5, passes=1)
    one, two = (kmeans.fit(frames, config, lambda: iter([frames])).centres for _ in range(2))
    assert one.tobytes() == two.tobytes()
    other = kmeans.fit(frames, Config(k=20, seed=1, n_init=2, batch=100, max_iter=5)).centres
    assert other.tobytes() != one.tobytes()


THREADS = """
import hashlib, numpy
from melisma.train.units import kmeans
frames = numpy.random.default_rng(0).normal(size=(3000, 40)).astype(numpy.float32)
config = kmeans.Config(k=30, n_init=2, batch=1000, max_iter=3, passes=1)
centres = kmeans.fit(frames, config, lambda: iter([frames])).centres
print(hashlib.sha256(centres.tobytes()).hexdigest())
"""


def test_the_number_of_threads_changes_no_bit():
    found = set()
    for threads in ("1", "3"):
        environ = os.environ | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        done = subprocess.run(
            [sys.executable, "-c", THREADS], env=environ, capture_output=True, text=True, timeout=1200
        )
        assert done.returncode == 0, done.stderr
        found.add(done.stdout)
    assert len(found) == 1


def test_a_stream_moves_the_centres_to_where_its_frames_are():
    _, frames = planted()
    moved = frames + np.float32(1.0)
    found = kmeans.fit(frames, Config(k=6, batch=100, passes=1), lambda: (moved[i : i + 7] for i in range(0, 600, 7)))
    units, _ = nearest(moved, found.centres)
    for unit in range(6):
        assert np.abs(found.centres[unit] - moved[units == unit].mean(axis=0)).max() < 0.1


def test_mini_batches_of_fewer_frames_than_clusters_go_over_a_stream():
    centres, frames = planted()
    found = kmeans.fit(frames, Config(k=6, batch=2, passes=1), lambda: iter(np.array_split(frames, 50)))
    assert found.centres.shape == centres.shape
    assert np.isfinite(found.centres).all()


def test_a_dead_centre_goes_where_frames_are_far_from_theirs():
    centres, frames = planted()
    astray = centres.copy()
    astray[2], astray[4] = 1e4, -1e4
    fixed, n_repaired = repaired(frames, astray, np.random.default_rng(0))
    assert n_repaired >= 2
    assert np.bincount(nearest(frames, fixed)[0], minlength=6).min() > 0
    same, none = repaired(frames, centres, np.random.default_rng(0))
    assert none == 0
    assert same.tobytes() == centres.tobytes()


def test_more_clusters_than_kinds_of_frames_are_refused():
    frames = np.repeat(np.arange(5, dtype=np.float32)[:, None], 40, axis=0)
    with pytest.raises(InputError, match="the frames are of 5 kinds, too few for 9 clusters"):
        kmeans.fit(frames, Config(k=9, n_init=1))
    with pytest.raises(InputError, match="there are 200 frames, too few for 300 clusters"):
        kmeans.fit(frames, Config(k=300))


@pytest.mark.parametrize("wrong", [{"k": 1}, {"k": 10**6}, {"batch": 0}, {"n_init": 0}, {"passes": -1}, {"seed": -1}])
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(InputError):
        Config(**wrong)


def test_the_estimator_says_the_same_after_a_pickle():
    _, frames = planted()
    found = kmeans.fit(frames, Config(k=6, n_init=1, passes=1), lambda: iter([frames]))
    again = pickle.loads(pickle.dumps(found.estimator))
    assert again.predict(frames).tolist() == nearest(frames, found.centres)[0].tolist()
