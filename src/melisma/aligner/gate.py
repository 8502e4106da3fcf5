"""Whether an alignment may be shown: judged by evidence that the search did not optimise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from melisma.core.records import Emission, Word


@dataclass(frozen=True, slots=True)
class GateConfig:
    """Thresholds; all of them can be set (`MELISMA_GATE_…`)."""

    min_confidence_avg: float = 0.6
    low_confidence: float = 0.3  # a word below this counts as low
    max_low_conf_ratio: float = 0.4


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate found; `reasons` is empty where it lets the alignment pass."""

    confidence_avg: float | None
    low_conf_ratio: float
    reasons: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the alignment may be shown."""
        return not self.reasons


def judge(
    placed: Sequence[Word],
    emission: Emission | None = None,
    config: GateConfig | None = None,
    second: Sequence[Word] | None = None,
) -> Verdict:
    """Judge words on the timeline.

    Parameters
    ----------
    placed : sequence of Word
        Every word of the lyrics.
    emission : Emission, optional
        What the engine heard, where it emits.
    config : GateConfig, optional
        Thresholds.
    second : sequence of Word, optional
        The same words as another engine placed them.
    """
    config = config or GateConfig()
    known = [word.confidence for word in placed if word.confidence is not None]
    average = sum(known) / len(known) if known else None
    low = sum(each < config.low_confidence for each in known) / len(known) if known else 0.0
    reasons = []
    if average is not None and average < config.min_confidence_avg:
        reasons.append(f"the average confidence is {average:.2f}, below {config.min_confidence_avg:.2f}")
    if low > config.max_low_conf_ratio:
        reasons.append(f"{low:.0%} of the words are doubtful, more than {config.max_low_conf_ratio:.0%}")
    return Verdict(average, low, tuple(reasons))
