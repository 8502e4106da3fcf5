"""K-means over features: scikit-learn's mini-batches, on a sample or over a stream, and no centre that nothing is near.

Centres are the same for the same frames, settings and seed, on any number of threads: scikit-learn sums in another
order where it has more, so it has one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from melisma.core.errors import InputError, MissingDependency
from melisma.core.records import Float32, Int64
from melisma.units.codebook import nearest_centres

_ROUNDS = 50  # of repairs
_BLOCK = 2048  # frames whose distances are in memory at once
Float64 = npt.NDArray[np.float64]
Stream = Callable[[], Iterable[Float32]]


@dataclass(frozen=True, slots=True)
class Config:
    """How centres are found.

    The defaults are those of HuBERT (fairseq, learn_kmeans.py), but for `n_init`, of which 5 suffice.

    Parameters
    ----------
    k : int
        How many.
    seed : int
        Of all that is drawn.
    n_init : int
        Beginnings by k-means++, of which the best goes on.
    batch : int
        Frames of a mini-batch; in the passes over all features as many as there are clusters, at least.
    max_iter : int
        Passes over the sample, at most.
    patience : int
        Mini-batches without a gain after which it ends.
    passes : int
        Passes over all features after the sample, one mini-batch after another; 0 leaves it at the sample.
    """

    k: int = 100
    seed: int = 0
    n_init: int = 5
    batch: int = 10000
    max_iter: int = 100
    patience: int = 100
    passes: int = 0

    def __post_init__(self) -> None:
        if not 1 < self.k <= 1 << 16:
            raise InputError(f"there are 2 to 65,536 clusters, not {self.k}")
        if min(self.n_init, self.batch, self.max_iter, self.patience) < 1 or self.passes < 0 or self.seed < 0:
            raise InputError("beginnings, batches and passes are counted from 1, seeds from 0: one is not")


@dataclass(frozen=True, slots=True)
class Fitted:
    """Centres float32 [k, n_dims], what of scikit-learn's made them, and how often a dead one was put elsewhere."""

    centres: Float32
    estimator: Any
    n_repaired: int


def fit(sample: Float32, config: Config, stream: Stream | None = None) -> Fitted:
    """Find the centres of clusters.

    Parameters
    ----------
    sample : float32 [n_frames, n_dims]
        In memory: k-means++ and the first centres are of it.
    config : Config
        How.
    stream : callable, optional
        Gives all features, anew each time, for `config.passes`.

    Raises
    ------
    InputError
        If there are fewer different frames than clusters.
    MissingDependency
        If scikit-learn is not installed.
    """
    estimator_of, one_thread = scikit_learn()
    if len(sample) < config.k:
        raise InputError(f"there are {len(sample):,} frames, too few for {config.k:,} clusters")
    how = {
        "n_clusters": config.k,
        "batch_size": min(config.batch, len(sample)),
        "max_iter": config.max_iter,
        "max_no_improvement": config.patience,
        "tol": 0.0,
        "reassignment_ratio": 0.0,  # dead centres are seen to below, by where frames are far off
        "random_state": config.seed,
        "compute_labels": False,
    }
    with one_thread(limits=1):
        estimator = estimator_of(init="k-means++", n_init=config.n_init, **how).fit(sample)
        if stream is not None and config.passes:
            # Anew from these centres: the stream's frames count, not how often the sample was gone through.
            estimator = estimator_of(init=estimator.cluster_centers_, n_init=1, **how)
            size = max(config.batch, config.k)  # scikit-learn begins with no fewer frames than clusters
            for batch in (each for _ in range(config.passes) for each in batches(stream(), size)):
                estimator.partial_fit(batch)
        centres = np.ascontiguousarray(estimator.cluster_centers_, np.float32)
        centres, n_repaired = repaired(sample, centres, np.random.default_rng(config.seed))
    estimator.cluster_centers_ = centres
    return Fitted(centres, estimator, n_repaired)


def scikit_learn() -> tuple[Any, Any]:
    """Return the estimator and what limits its threads; MissingDependency without the extra."""
    try:
        from sklearn.cluster import MiniBatchKMeans
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise MissingDependency("k-means needs scikit-learn: pip install 'melisma[units]'") from error
    return MiniBatchKMeans, threadpool_limits


def batches(stream: Iterable[Float32], size: int) -> Iterator[Float32]:
    """Yield a stream of frames in batches of one size; what is left at its end joins the last one.

    Two batches are in memory, and the longest recording.
    """
    held: list[Float32] = []
    n_held = 0
    for features in stream:
        held.append(features)
        n_held += len(features)
        if n_held < 2 * size:
            continue
        frames = np.concatenate(held)
        while len(frames) >= 2 * size:
            yield frames[:size]
            frames = frames[size:]
        held, n_held = [frames.copy()], len(frames)
    if n_held:
        yield np.concatenate(held)


def repaired(sample: Float32, centres: Float32, rng: np.random.Generator) -> tuple[Float32, int]:
    """Return centres each of which some frame is nearest to, and how many were put elsewhere on the way.

    One that is dead goes to a frame, drawn the more readily the further it is from its centre, as k-means++ draws; then
    all centres go to the mean of their frames. Centres of which none is dead stay as they are.

    Raises
    ------
    InputError
        If there are fewer different frames than centres.
    """
    centres, n_repaired = centres.copy(), 0
    for _ in range(_ROUNDS):
        units, apart = nearest(sample, centres)
        counts = np.bincount(units, minlength=len(centres))
        dead = np.flatnonzero(counts == 0)
        if not len(dead):
            return centres, n_repaired
        if np.count_nonzero(apart) < len(dead):
            raise InputError(
                f"the frames are of {len(centres) - len(dead)} kinds, too few for {len(centres)} clusters: take fewer"
            )
        drawn = rng.choice(len(sample), size=len(dead), replace=False, p=apart / apart.sum())
        centres[dead] = sample[drawn]
        n_repaired += len(dead)
        centres = _means(sample, centres)
    raise InputError(f"{len(dead)} of {len(centres)} clusters stay empty: take fewer")


def nearest(frames: Float32, centres: Float32) -> tuple[Int64, Float64]:
    """Return the nearest centre of each frame, int64 [n_frames], and its squared distance, float64 [n_frames]."""
    units = nearest_centres(frames, centres)
    apart = np.empty(len(frames), np.float64)
    for first in range(0, len(frames), _BLOCK):
        block = frames[first : first + _BLOCK].astype(np.float64)
        apart[first : first + _BLOCK] = np.square(block - centres[units[first : first + _BLOCK]]).sum(axis=1)
    return units, apart


def _means(sample: Float32, centres: Float32) -> Float32:
    units, _ = nearest(sample, centres)
    order = np.argsort(units, kind="stable")
    counts = np.bincount(units, minlength=len(centres))
    moved, at = centres.copy(), 0
    for unit in np.flatnonzero(counts):
        moved[unit] = sample[order[at : at + counts[unit]]].mean(axis=0, dtype=np.float64)
        at += counts[unit]
    return moved
