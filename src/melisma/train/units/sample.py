"""A fair sample of frames from a stream of any length: each frame is as likely in it as any other."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from melisma.core.errors import InputError
from melisma.core.records import Float32


class Reservoir:
    """Frames that are kept of all that are shown, float32; memory is that of `size` frames from the first one on.

    Parameters
    ----------
    size : int
        How many are kept.
    seed : int
        The same frames in the same order, and the same seed, keep the same.

    References
    ----------
    Vitter, Random sampling with a reservoir, ACM TOMS 11, 1985: algorithm R.
    """

    def __init__(self, size: int, seed: int) -> None:
        if size < 1:
            raise InputError(f"a sample holds a frame at least, not {size}")
        self._size = size
        self._rng = np.random.default_rng(seed)
        self._kept: Float32 | None = None
        self.n_seen = 0

    def show(self, features: Float32) -> None:
        """Show frames, float32 [n_frames, n_dims]."""
        if not np.isfinite(features).all():
            raise InputError("features are not finite")
        if self._kept is None:
            self._kept = np.empty((self._size, features.shape[1]), np.float32)
        room = max(0, min(self._size - self.n_seen, len(features)))
        self._kept[self.n_seen : self.n_seen + room] = features[:room]
        rest = features[room:]
        if len(rest):
            numbers = np.arange(self.n_seen + room, self.n_seen + len(features))
            places = self._rng.integers(0, numbers + 1)
            for i in np.flatnonzero(places < self._size):
                self._kept[places[i]] = rest[i]
        self.n_seen += len(features)

    def frames(self) -> Float32:
        """Return what is kept, float32 [n_kept, n_dims]; a view."""
        if self._kept is None:
            return np.zeros((0, 0), np.float32)
        return self._kept[: min(self.n_seen, self._size)]


def sampled(stream: Iterable[Float32], size: int, seed: int) -> Reservoir:
    """Show a stream to a reservoir, once."""
    reservoir = Reservoir(size, seed)
    for features in stream:
        reservoir.show(features)
    return reservoir
