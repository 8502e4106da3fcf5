"""A watch over a training: a sentence when blanks take over, or when the loss runs away."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class WatchConfig:
    """When to speak up; counts are of reports, not of steps."""

    window: int = 5  # reports that the running figures look back on
    blanks: float = 0.9  # of the frames that are not truly silent; a sound CTC training settles near 0.8
    gain: float = 0.02  # the least share by which the loss must have fallen over a window not to be on a plateau
    rise: float = 1.5  # times the lowest running loss; music that came in raised that of phone-0.1 to 1.38 times
    patience: int = 3  # reports before anything is said: first figures are of a network that knows nothing


@dataclass(slots=True)
class Watch:
    """Takes the figures of each report and says what is wrong, once; it speaks again after all was well in between."""

    config: WatchConfig = WatchConfig()
    _losses: deque[float] = field(default_factory=deque)
    _blanks: deque[float] = field(default_factory=deque)
    _seen: int = 0
    _lowest: float = math.inf
    _said: set[str] = field(default_factory=set)

    def look(self, figures: Mapping[str, float]) -> str | None:
        """Take the figures of a report and return a sentence, or None if all is well or it has been said.

        Parameters
        ----------
        figures : mapping of str to float
            A line of log.jsonl: `loss`, and where there are such `blanks` (share of frames whose best label is the
            blank), `silence` (share of frames that truly are silent) and `step`.
        """
        self._seen += 1
        loss = figures.get("loss", math.nan)
        at = f"at step {figures['step']:.0f}" if "step" in figures else f"in report {self._seen}"
        if "loss" in figures and not math.isfinite(loss):
            return self._once("loss", f"the loss is not a number {at}: go on from the checkpoint with a lower lr")
        _push(self._losses, loss, 2 * self.config.window)
        _push(self._blanks, _spoken_blanks(figures), self.config.window)
        return self._diverged(at) or self._collapsed(at)

    def _diverged(self, at: str) -> str | None:
        recent = _mean(list(self._losses)[-self.config.window :])
        if not math.isfinite(recent):
            return None
        full = len(self._losses) >= self.config.window
        if full and recent > self.config.rise * self._lowest:
            grown = recent / self._lowest - 1
            return self._once("loss", f"the loss has grown by {grown:.0%} {at}: lower lr, or let music come in later")
        if full:
            self._lowest = min(self._lowest, recent)
        self._said.discard("loss")
        return None

    def _collapsed(self, at: str) -> str | None:
        config = self.config
        blanks = _mean(list(self._blanks))
        flat = self._flat()
        if self._seen <= config.patience or len(self._blanks) < config.window or blanks <= config.blanks:
            if not blanks > config.blanks:
                self._said.discard("blanks")
            return None
        if not flat:
            return None
        return self._once(
            "blanks",
            f"blanks take over {at}: {blanks:.0%} of the frames that are not silent are blank and the loss stands "
            "still; begin with clean, short clips, or with a longer warm-up",
        )

    def _flat(self) -> bool:
        window = self.config.window
        losses = list(self._losses)
        if len(losses) < 2 * window:
            return False
        before, after = _mean(losses[:window]), _mean(losses[window:])
        return after > before * (1 - self.config.gain)

    def _once(self, kind: str, sentence: str) -> str | None:
        if kind in self._said:
            return None
        self._said.add(kind)
        return sentence


def _push(values: deque[float], value: float, most: int) -> None:
    if math.isfinite(value):
        values.append(value)
    while len(values) > most:
        values.popleft()


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def _spoken_blanks(figures: Mapping[str, float]) -> float:
    """Return the share of blank frames beyond those that are silent in truth; NaN if the figures do not say."""
    blanks, silence = figures.get("blanks", math.nan), figures.get("silence", 0.0)
    return max(0.0, blanks - silence) / (1 - silence) if silence < 1 else math.nan
