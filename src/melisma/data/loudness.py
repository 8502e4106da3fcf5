"""Loudness of a recording of any length, as ITU-R BS.1770-4 defines it, in bounded memory.

pyloudnorm measures an array that is in memory as a whole, with a loop over its blocks; this takes its filters and its
gates, and a stream. A test holds the two to the same number.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from melisma.core.errors import MissingDependency
from melisma.core.records import Float32

_STEP_S, _STEPS = 0.1, 4  # blocks of 400 ms, a new one every 100 ms
_ABSOLUTE_LUFS, _RELATIVE_LU = -70.0, -10.0  # gates
_OFFSET = -0.691


@dataclass(slots=True)
class Loudness:
    """A meter for one channel; 8 bytes per 100 ms are kept."""

    sample_rate: int
    _filters: list[tuple[Any, Any, Any]] = field(default_factory=list)
    _rest: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    _energies: list[npt.NDArray[np.float64]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Take the filters of pyloudnorm.

        Raises
        ------
        MissingDependency
            If it is not installed.
        """
        try:
            from pyloudnorm import Meter
        except ImportError as error:
            raise MissingDependency("loudness needs pyloudnorm: pip install 'melisma[data]'") from error
        for stage in Meter(self.sample_rate)._filters.values():
            self._filters.append((stage.b, stage.a, np.zeros(max(len(stage.a), len(stage.b)) - 1)))

    def push(self, samples: Float32) -> None:
        """Take samples, float32 [n]."""
        from scipy.signal import lfilter

        heard: Any = samples.astype(np.float64)
        for i, (b, a, state) in enumerate(self._filters):
            heard, state = lfilter(b, a, heard, zi=state)
            self._filters[i] = b, a, state
        heard = np.concatenate([self._rest, heard])
        step = round(_STEP_S * self.sample_rate)
        n = len(heard) // step
        self._energies.append(np.square(heard[: n * step]).reshape(n, step).sum(axis=1))
        self._rest = heard[n * step :]

    def lufs(self) -> float | None:
        """Return the integrated loudness; None where all is below the absolute gate, as silence is."""
        steps = np.concatenate([*self._energies, np.zeros(0)])
        step = round(_STEP_S * self.sample_rate)
        if len(steps) < _STEPS:  # shorter than a block: all of it is one
            n = max(1, len(steps) * step + len(self._rest))
            blocks = np.array([(steps.sum() + np.square(self._rest).sum()) / n])
        else:
            blocks = np.convolve(steps, np.ones(_STEPS), "valid") / (_STEPS * step)
        loud = blocks[_lufs(blocks) >= _ABSOLUTE_LUFS]
        if not len(loud):
            return None
        loud = loud[_lufs(loud) > _lufs(loud.mean()) + _RELATIVE_LU]
        return float(_lufs(loud.mean())) if len(loud) else None


def _lufs(power: Any) -> Any:
    return _OFFSET + 10.0 * np.log10(np.maximum(power, 1e-20))


def measure(blocks: Iterable[Float32], sample_rate: int) -> float | None:
    """Return the integrated loudness of samples in order; None for silence."""
    meter = Loudness(sample_rate)
    for block in blocks:
        meter.push(block)
    return meter.lufs()
