"""The shape of a generator: what its file holds beside the weights, so that the network can be made again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from melisma.core.errors import ModelError

Kind = Literal["vocos", "hifigan"]
KINDS: tuple[Kind, ...] = ("vocos", "hifigan")
STRIDE = 320  # samples that come of a unit, at 16 kHz; `melisma.units.clock.STRIDE`
_LARGEST = {"k": 1 << 16, "n_speakers": 1_000_000, "channels": 8192}


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides the tensors of a generator.

    Parameters
    ----------
    kind : str
        "vocos": convolutions at 50 and 100 frames a second and an inverse Fourier transform; or "hifigan":
        transposed convolutions up to the sample.
    k : int
        Units.
    n_speakers : int
        Speakers that it is told of; 0 for a network that knows none.
    with_f0 : bool
        Whether it is told the pitch.
    channels : int
        Of the trunk; of HiFi-GAN's first layer.
    coarse, fine : tuple of int
        Dilations of a Vocos's blocks at 50 and at 100 frames a second.
    """

    kind: Kind
    k: int
    n_speakers: int = 0
    with_f0: bool = False
    channels: int = 256
    coarse: tuple[int, ...] = (1, 2, 4, 8)
    fine: tuple[int, ...] = (1, 2, 4, 1, 2, 4)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        said = {name: getattr(self, name) for name in self.__slots__}
        return said | {"coarse": list(self.coarse), "fine": list(self.fine)}

    @classmethod
    def of_dict(cls, said: Mapping[str, Any]) -> Shape:
        """Return the shape that `as_dict` gave, checked: it may come from a stranger's file.

        Raises
        ------
        ModelError
            If a value is missing, or none that a network can have.
        """
        try:
            found = cls(
                kind=said["kind"],
                with_f0=bool(said["with_f0"]),
                coarse=tuple(map(int, said["coarse"])),
                fine=tuple(map(int, said["fine"])),
                **{name: int(said[name]) for name in _LARGEST},
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"the shape of the vocoder cannot be read: {error}") from error
        found.check()
        return found

    def check(self) -> None:
        """Refuse what no network can have.

        Raises
        ------
        ModelError
            If a number is out of its bounds.
        """
        smallest = {"k": 1, "n_speakers": 0, "channels": 32 if self.kind == "hifigan" else 4}
        for name, least in smallest.items():
            if not least <= getattr(self, name) <= _LARGEST[name]:
                raise ModelError(f"a vocoder has {name} from {least} to {_LARGEST[name]}, not {getattr(self, name)}")
        if self.kind not in KINDS:
            raise ModelError(f"a vocoder is one of {', '.join(KINDS)}, not {str(self.kind)[:40]!r}")
        if len(self.coarse) + len(self.fine) > 200 or any(not 1 <= d <= 1000 for d in (*self.coarse, *self.fine)):
            raise ModelError("a vocoder has 200 blocks at most, with dilations from 1 to 1000")
