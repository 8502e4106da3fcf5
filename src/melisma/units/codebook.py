"""A codebook: the centres of k-means, with who made the features that they stand for. An `.npz` and a `.json`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from melisma.core.errors import InputError
from melisma.core.records import Float32, Int64
from melisma.units.encoder import EncoderFacts

MAX_UNITS = 1 << 16
MAX_DIMS = 1 << 14
_BLOCK_VALUES = 1 << 21  # values of features and distances that are in memory at once, in float64: 16 MiB
_ROUNDING = 4 * float(np.finfo(np.float64).eps)

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Codebook:
    """Centres of clusters of features.

    Parameters
    ----------
    centres : float32 [k, n_dims]
        Row i is the centre of unit i.
    encoder : EncoderFacts
        Whose features they are.
    facts : mapping
        What else the `.json` says: seed, frames, inertia, usage, quality; plain JSON.

    Raises
    ------
    InputError
        If the centres are not finite, none, too many, or of other dimensions than the encoder's features.
    """

    centres: Float32
    encoder: EncoderFacts
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        centres = np.ascontiguousarray(self.centres, dtype=np.float32)
        if centres.ndim != 2 or not 0 < centres.shape[0] <= MAX_UNITS or not 0 < centres.shape[1] <= MAX_DIMS:
            raise InputError(
                f"a codebook has 1 to {MAX_UNITS:,} centres of 1 to {MAX_DIMS:,} dimensions, not {self.centres.shape}"
            )
        if not np.isfinite(centres).all():
            raise InputError("a centre of the codebook is not finite")
        if centres.shape[1] != self.encoder.n_dims:
            raise InputError(
                f"the centres have {centres.shape[1]} dimensions, "
                f"the features of {self.encoder.name} {self.encoder.n_dims}"
            )
        centres.setflags(write=False)
        object.__setattr__(self, "centres", centres)

    @property
    def k(self) -> int:
        """How many units there are."""
        return int(self.centres.shape[0])

    @property
    def sha256(self) -> str:
        """SHA-256 of the centres: units of another codebook mean other sounds."""
        shape = f"{self.centres.shape[0]} {self.centres.shape[1]}\0".encode()
        return hashlib.sha256(shape + self.centres.astype("<f4").tobytes()).hexdigest()

    def predict(self, features: Float32) -> Int64:
        """Return the nearest centre of each frame, int64 [n_frames]; of equally near ones the first.

        It is the same whatever stands beside a frame, on any number of threads: where the rounding of a product of
        matrices could decide, the distances are summed anew, each for itself. 16 MiB are used beside the result.

        Parameters
        ----------
        features : float32 [n_frames, n_dims]
            Of the encoder in `encoder`.

        Raises
        ------
        InputError
            If they have another number of dimensions, or are not finite.
        """
        if features.ndim != 2 or features.shape[1] != self.centres.shape[1]:
            raise InputError(f"features of shape {features.shape} fit no centres of {self.centres.shape[1]} dimensions")
        return nearest_centres(features, self.centres)


def nearest_centres(features: Float32, centres: Float32) -> Int64:
    """Return the nearest centre of each frame, int64 [n_frames], as `Codebook.predict` promises it.

    Parameters
    ----------
    features : float32 [n_frames, n_dims]
        Of recordings.
    centres : float32 [k, n_dims]
        To choose among.

    Raises
    ------
    InputError
        If features are not finite.
    """
    wide = centres.astype(np.float64)
    squares: Float64 = np.einsum("ij,ij->i", wide, wide)
    found = np.empty(len(features), np.int64)
    step = max(1, _BLOCK_VALUES // sum(wide.shape))
    for first in range(0, len(features), step):
        block = features[first : first + step].astype(np.float64)
        if not np.isfinite(block).all():
            raise InputError("features of the recording are not finite")
        found[first : first + step] = _nearest(block, wide, squares)
    return found


def _nearest(frames: Float64, centres: Float64, squares: Float64) -> Int64:
    """Return the nearest centre of each frame, int64 [n_frames]."""
    far = squares - 2.0 * (frames @ centres.T)  # squared distances less the frame's own square
    lengths = np.einsum("ij,ij->i", frames, frames)
    # n · eps · |x| |c| bounds what the order of n sums may change (Higham, Accuracy and Stability, section 3.5).
    unsure = _ROUNDING * (frames.shape[1] + 2) * (lengths + squares.max())
    nearest = far.argmin(axis=1)
    close = far <= (far[np.arange(len(far)), nearest] + unsure)[:, None]
    for i in np.flatnonzero(close.sum(axis=1) > 1):
        candidates = np.flatnonzero(close[i])
        apart = np.square(frames[i] - centres[candidates])  # rows are summed one by one, in the same order each time
        nearest[i] = candidates[np.argmin([row.sum() for row in apart])]
    found: Int64 = nearest.astype(np.int64)
    return found
