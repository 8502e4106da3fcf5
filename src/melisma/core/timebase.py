"""The one clock: ticks to samples and milliseconds, in integers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timebase:
    """Ticks of `stride` samples at `sample_rate` Hz; a tick may be an emission frame, a sample or a millisecond.

    Examples
    --------
    >>> Timebase(16000, 480).seconds(100)
    3.0
    >>> Timebase(16000, 1).ms(24)  # 1.5 ms, halves go up
    2
    """

    sample_rate: int  # Hz
    stride: int = 1  # samples per tick

    def __post_init__(self) -> None:
        if self.sample_rate <= 0 or self.stride <= 0:
            raise ValueError(f"a timebase needs positive numbers, not {self.sample_rate} Hz and {self.stride} samples")

    def samples(self, tick: int) -> int:
        """First sample of a tick."""
        return tick * self.stride

    def seconds(self, tick: int) -> float:
        """Start of a tick in seconds, correctly rounded."""
        return tick * self.stride / self.sample_rate

    def ms(self, tick: int) -> int:
        """Start of a tick in whole milliseconds, halves up, in exact integer arithmetic."""
        return (2000 * tick * self.stride + self.sample_rate) // (2 * self.sample_rate)

    def ticks(self, seconds: float) -> int:
        """Nearest tick to a time in seconds."""
        return round(seconds * self.sample_rate / self.stride)


MILLISECONDS = Timebase(1000, 1)
SECONDS = Timebase(1, 1)
