"""Separators that need no model: the plain mix, and the centre of the stereo image."""

from __future__ import annotations

from pathlib import Path

from melisma.audio.decode import Decoded, DownmixName, decode
from melisma.audio.separation.protocol import Progress, SeparatorFacts


class _Mix:
    """A way to mix down, as a separator."""

    name: str
    downmix: DownmixName

    @property
    def facts(self) -> SeparatorFacts:
        """What it says of itself."""
        return SeparatorFacts(self.name, "1")

    def missing(self) -> str | None:
        """Nothing: it is part of the base installation."""
        return None

    def separate(self, path: Path, sample_rate: int, progress: Progress | None = None) -> Decoded:
        """Decode and mix down; parameters and errors as in the protocol."""
        return decode(path, sample_rate=sample_rate, downmix=self.downmix, progress=progress)


class PlainMix(_Mix):
    """The mean of all channels: nothing is taken away."""

    name, downmix = "none", "mean"


class Centre(_Mix):
    """What is alike in both channels of a stereo recording (`melisma.audio.downmix.CentreMix`); else the plain mix."""

    name, downmix = "center", "centre"
