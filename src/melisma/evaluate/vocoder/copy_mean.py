"""The baseline that knows no neighbours: each unit sounds as its training frames do on average."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from melisma.core.errors import InputError
from melisma.core.records import Float32
from melisma.metrics import cepstra, synthesis, world
from melisma.metrics.synthesis import Float64, Heard
from melisma.units.clock import STRIDE

_FINE = STRIDE // world.HOP  # frames of 5 ms in one of 20 ms
_BINS = world.N_FFT // 2 + 1


@dataclass(frozen=True, slots=True, eq=False)
class CopyMean:
    """What the frames of each unit are on average.

    Parameters
    ----------
    cepstra : float64 [k, 25]
        Mel-cepstra.
    log_mel : float64 [k, 80]
        Log-mels.
    breath : float64 [k, n_bins]
        Aperiodicity in the middle of frames of 20 ms.
    f0_hz : float64 [k]
        Geometric mean of the pitch, 0 where less than half of the frames have a voice.
    seconds : float
        Of speech that it was learnt from.
    """

    cepstra: Float64
    log_mel: Float64
    breath: Float64
    f0_hz: Float64
    seconds: float

    def heard(self, frames: Sequence[int], n_samples: int) -> Heard:
        """Return the means themselves as if they had been heard: no synthesis makes them worse."""
        units = np.asarray(frames, np.int64)
        fine = self._fine(units, world.n_frames(n_samples))
        return Heard(np.zeros(n_samples, np.float32), self.log_mel[units], self.cepstra[fine], self.f0_hz[fine])

    def sound(self, frames: Sequence[int]) -> Float32:
        """Speak frames with WORLD, float32 [320 · n_frames]."""
        units = np.asarray(frames, np.int64)
        n_samples = len(units) * STRIDE
        fine = self._fine(units, world.n_frames(n_samples))
        power = cepstra.to_envelope(self.cepstra[fine], _BINS)
        made = world.speak(self.f0_hz[fine], power, self.breath[fine])[:n_samples]
        return np.clip(np.pad(made, (0, n_samples - len(made))), -1, 1)

    def write(self, path: Path) -> None:
        """Write them into an `.npz`."""
        np.savez(path, **{name: getattr(self, name) for name in self.__slots__})

    @classmethod
    def read(cls, path: Path) -> CopyMean:
        """Read what `write` has written."""
        with np.load(path, allow_pickle=False) as found:
            values = {name: found[name] for name in cls.__slots__}
        return cls(**values | {"seconds": float(values["seconds"])})

    @staticmethod
    def _fine(units: np.ndarray, n: int) -> np.ndarray:
        """Return the unit of each frame of 5 ms."""
        found: np.ndarray = units[np.minimum(np.arange(n) // _FINE, len(units) - 1)]
        return found


class Sums:
    """What the frames of each unit add up to.

    Parameters
    ----------
    k : int
        How many units there are.
    """

    _PARTS = ("cepstra", "breath", "breaths", "fine", "log_mel", "coarse", "log_f0", "voiced")

    def __init__(self, k: int) -> None:
        self.cepstra = np.zeros((k + 1, cepstra.ORDER + 1))  # the last row is of all units
        self.breath = np.zeros((k + 1, _BINS))
        self.breaths = np.zeros(k + 1)
        self.fine = np.zeros(k + 1)
        self.log_mel = np.zeros((k + 1, synthesis.N_MELS))
        self.coarse = np.zeros(k + 1)
        self.log_f0 = np.zeros(k + 1)
        self.voiced = np.zeros(k + 1)
        self.n_samples = 0

    def add(self, frames: Sequence[int], samples: Float32) -> None:
        """Add a recording, float32 [n_samples], the unit of whose every frame is known; nothing if it has none."""
        units = np.asarray(frames, np.int64)
        samples = samples[: len(units) * STRIDE]
        if len(samples) < STRIDE:
            return
        heard = synthesis.hear(samples)
        fine = CopyMean._fine(units, len(heard.f0_hz))
        middle = slice(_FINE // 2, None, _FINE)  # of 20 ms: breath changes slowly, and takes long to measure
        breath = world.breath(samples, heard.f0_hz, middle)
        voiced = heard.f0_hz > 0
        log_f0 = np.log(np.where(voiced, heard.f0_hz, 1.0))
        n = min(len(units), len(heard.log_mel))
        for sums, rows, values in (
            (self.cepstra, fine, heard.cepstra),
            (self.breath, fine[middle], breath),
            (self.breaths, fine[middle], np.ones(len(breath))),
            (self.fine, fine, np.ones(len(fine))),
            (self.voiced, fine, voiced.astype(float)),
            (self.log_f0, fine, log_f0),
            (self.log_mel, units[:n], heard.log_mel[:n]),
            (self.coarse, units[:n], np.ones(n)),
        ):
            np.add.at(sums, rows, values)
            sums[-1] += values.sum(axis=0)
        self.n_samples += len(samples)

    def write(self, path: Path) -> None:
        """Write them into an `.npz`."""
        np.savez(path, n_samples=self.n_samples, **{name: getattr(self, name) for name in self._PARTS})

    def add_file(self, path: Path) -> None:
        """Add what another process has written."""
        with np.load(path, allow_pickle=False) as found:
            for name in self._PARTS:
                sums: Float64 = getattr(self, name)
                sums += found[name]
            self.n_samples += int(found["n_samples"])

    def means(self) -> CopyMean:
        """Return the means; of a unit that was not met, those of all.

        Raises
        ------
        InputError
            If there is nothing to learn from.
        """
        if not self.n_samples:
            raise InputError("there is no recording for the baseline to learn from")
        fine = np.where(self.fine > 0, self.fine, np.inf)
        coarse = np.where(self.coarse > 0, self.coarse, np.inf)
        pitch = np.exp(self.log_f0 / np.maximum(self.voiced, 1))
        f0 = np.where(2 * self.voiced > self.fine, pitch, 0.0)
        return CopyMean(
            cepstra=_filled(self.cepstra / fine[:, None], self.fine),
            log_mel=_filled(self.log_mel / coarse[:, None], self.coarse),
            breath=_filled(self.breath / np.maximum(self.breaths, 1)[:, None], self.breaths),
            f0_hz=_filled(f0, self.fine),
            seconds=self.n_samples / world.SAMPLE_RATE,
        )


def _filled(means: Float64, counts: Float64) -> Float64:
    found = means[:-1].copy()
    found[counts[:-1] == 0] = means[-1]
    return found
