"""What a test of a vocoder computes on any process: sums for the baseline, and the measures of a sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from melisma.core.errors import EngineUnavailable, InputError
from melisma.core.records import Float32
from melisma.data.units.sound import samples_of
from melisma.evaluate.vocoder.copy_mean import CopyMean, Sums
from melisma.evaluate.vocoder.result import MEANS, NOISE, ORIGINAL, SPOKEN_MEANS, VOCODER, Rated, UnitTally
from melisma.metrics import synthesis
from melisma.metrics.synthesis import Heard, Scores
from melisma.units.encode import UnitEncoder, open_unit_encoder
from melisma.units.encoder import EncoderConfig
from melisma.units.read import parse


@dataclass(frozen=True, slots=True)
class AddUp:
    """Stage: lines of a corpus → what their units add up to, in a file.

    Parameters
    ----------
    corpus : str
        Folder of the corpus.
    out : str
        Folder of the files.
    k : int
        Units of the codebook.
    """

    corpus: str
    out: str
    k: int

    @property
    def name(self) -> str:
        """Of the stage."""
        return "baseline"

    def configuration(self) -> str:
        """Return what decides the sums."""
        return repr((1, self.k))

    def __call__(self, item: tuple[str, list[str]]) -> str:
        """Add up lines; one that cannot be read, or has units that there are not, is no loss where there are others."""
        name, texts = item
        sums = Sums(self.k)
        for line in map(parse, texts):
            if line.units and max(line.units) >= self.k:
                continue
            try:
                samples = samples_of(line, Path(self.corpus))
            except InputError:
                continue
            sums.add(line.frames(), samples)
        sums.write(Path(self.out) / name)
        return name


@dataclass(frozen=True, slots=True, eq=False)
class Rater:
    """Measures what was said.

    Parameters
    ----------
    encoder : UnitEncoder
        Hears units in it.
    baseline : CopyMean
        What it is held against.
    """

    encoder: UnitEncoder
    baseline: CopyMean

    def rate(
        self, recording: Float32, said: Float32, frames: Sequence[int], rng: np.random.Generator
    ) -> tuple[dict[str, Rated], dict[str, Float32]]:
        """Measure a synthesis and what stands beside it; return also what is to be listened to, by system.

        Parameters
        ----------
        recording, said : float32 [n_samples]
            At 16 kHz.
        frames : sequence of int
            The units that were said.
        rng : Generator
            Makes noise.
        """
        loud = np.sqrt(np.square(recording, dtype=np.float64).mean())
        noise = np.clip(loud * rng.standard_normal(len(recording)), -1, 1).astype(np.float32)
        sounds = {VOCODER: said, SPOKEN_MEANS: self.baseline.sound(frames), NOISE: noise}
        original = synthesis.hear(recording)
        rated = {name: self._scored(original, sound, frames) for name, sound in sounds.items()}
        # Means have spectra and a pitch, but no samples to be compared.
        means = synthesis.compare(original, self.baseline.heard(frames, len(said)))
        rated[MEANS] = Rated(replace(means, snr_db=None))
        rated[ORIGINAL] = Rated(None, self._again(recording, frames))
        return rated, {ORIGINAL: recording, **sounds}

    def _scored(self, original: Heard, sound: Float32, frames: Sequence[int]) -> Rated:
        return Rated(synthesis.compare(original, synthesis.hear(sound)), self._again(sound, frames))

    def _again(self, sound: Float32, frames: Sequence[int]) -> UnitTally:
        [heard] = self.encoder.units([sound])
        return UnitTally(*synthesis.unit_errors(frames, heard.tolist()), *synthesis.unit_edits(frames, heard.tolist()))


@dataclass(frozen=True, slots=True)
class Rate:
    """Stage: a line that was said → its measures; sounds beside them in a file.

    Parameters
    ----------
    corpus : str
        Folder of the corpus.
    scratch : str
        Where the baseline and what was said lie, and sounds go.
    codebook, sha256 : str
        Of the corpus: its folder, and the SHA-256 of its centres.
    encoder : EncoderConfig
        Of the codebook.
    seed : int
        Of the noise.
    """

    BASELINE: ClassVar[str] = "baseline.npz"
    corpus: str
    scratch: str
    codebook: str
    sha256: str
    encoder: EncoderConfig
    seed: int

    @staticmethod
    def said(number: int) -> str:
        """Return the name of what was said, float32 [n_samples]."""
        return f"said-{number}.npy"

    @staticmethod
    def sounds(number: int) -> str:
        """Return the name of the sounds of a sample, by system."""
        return f"sounds-{number}.npz"

    @property
    def name(self) -> str:
        """Of the stage."""
        return "testing"

    def configuration(self) -> str:
        """Return what decides the measures."""
        return repr((1, self.sha256, self.seed))

    def __call__(self, item: tuple[int, str]) -> dict[str, Any]:
        """Measure a line."""
        number, text = item
        line, place = parse(text), Path(self.scratch)
        recording = samples_of(line, Path(self.corpus))
        rater = Rater(opened_encoder(self.codebook, self.sha256, self.encoder), _learnt(place / self.BASELINE))
        rng = np.random.default_rng([self.seed, number])
        rated, sounds = rater.rate(recording, np.load(place / self.said(number)), line.frames(), rng)
        np.savez(place / self.sounds(number), **sounds)  # type: ignore[arg-type]
        return {"n_samples": len(recording), "rated": {name: asdict(each) for name, each in rated.items()}}


@lru_cache(maxsize=1)
def opened_encoder(codebook: str, sha256: str, config: EncoderConfig) -> UnitEncoder:
    """Return the encoder of a codebook, opened once in a process.

    Raises
    ------
    EngineUnavailable
        If it cannot be had, or the codebook is another one by now.
    """
    encoder = open_unit_encoder(Path(codebook), config)
    if encoder.codebook.sha256 != sha256:
        raise EngineUnavailable(f"{codebook} is not the codebook that the test began with", lasting=True)
    return encoder


@lru_cache(maxsize=1)
def _learnt(path: Path) -> CopyMean:
    return CopyMean.read(path)


def rated_of(said: Mapping[str, Mapping[str, Any]]) -> dict[str, Rated]:
    """Return the measures that a stage gave as plain values."""
    return {
        name: Rated(
            Scores(**each["scores"]) if each["scores"] is not None else None,
            UnitTally(**each["units"]) if each["units"] is not None else None,
        )
        for name, each in said.items()
    }
