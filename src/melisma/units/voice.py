"""What speaks units: one protocol for networks on torch and for exported ones that need onnxruntime only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from melisma.core.records import Float32, Waveform
from melisma.units.encoder import EncoderFacts


@dataclass(frozen=True, slots=True)
class Spoken:
    """What is to be said.

    Parameters
    ----------
    frames : sequence of int
        The unit of every 20 ms, [n_frames].
    speaker : str, optional
        One of the vocoder's speakers; without one, a voice between all of them.
    f0_hz : float32 [n_frames], optional
        Pitch of every frame, 0 where there is no voice; for vocoders that were trained with it.
    """

    frames: Sequence[int]
    speaker: str | None = None
    f0_hz: Float32 | None = None


@dataclass(frozen=True, slots=True)
class VocoderFacts:
    """What there is to know of a vocoder; `vocoder.json` says it.

    Parameters
    ----------
    kind : str
        "vocos" or "hifigan".
    k : int
        How many units it knows.
    speakers : tuple of str
        Whom it can speak as; empty if it was trained without.
    with_f0 : bool
        Whether it takes pitch.
    encoder : EncoderFacts
        Whose features the units were clustered from.
    codebook : str
        SHA-256 of the centres: units of another codebook mean other sounds.
    """

    kind: str
    k: int
    speakers: tuple[str, ...]
    with_f0: bool
    encoder: EncoderFacts
    codebook: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        given = {name: getattr(self, name) for name in self.__slots__}
        return given | {"speakers": list(self.speakers), "encoder": self.encoder.as_dict()}


class Vocoder(Protocol):
    """Says units: 320 samples at 16 kHz for each frame, no more and no fewer."""

    @property
    def facts(self) -> VocoderFacts:
        """Who it is."""

    def synthesize(self, spoken: Spoken) -> Waveform:
        """Return float32 samples in [-1, 1] at 16 kHz, 320 for each frame, of any length in bounded memory.

        Raises
        ------
        InputError
            If a unit, a speaker or a pitch is none that it knows, or `f0_hz` has another length.
        """
