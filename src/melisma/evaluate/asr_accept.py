"""Whether a model is accepted, by the rules of the training contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from melisma.core.errors import UnknownName
from melisma.evaluate.asr_figures import NEAR_S
from melisma.evaluate.asr_judge import Judged
from melisma.evaluate.asr_result import Acceptance, Criterion
from melisma.evaluate.asr_scores import Group, Timing

# Highest word error rates: of the small baseline run, of a model in production, of the first runs.
LEVELS = {"baseline": 0.12, "production": 0.20, "initial": 0.30}
_COVERAGE = 0.80
_TIMED = 0.5  # share of what was heard that has times, where an utterance counts as timed


@dataclass(frozen=True, slots=True)
class Rules:
    """What a model has to reach.

    Parameters
    ----------
    level : str
        What the rules are called.
    max_wer : float
        Of the view that was asked for, a share.
    min_coverage : float
        Share of the utterances with words of whose heard words half or more have times; where the reference has times
        too, these must be off by less than `max_offset` on average.
    max_offset : float
        Seconds, mean over all matched words.
    """

    level: str = "baseline"
    max_wer: float = LEVELS["baseline"]
    min_coverage: float = _COVERAGE
    max_offset: float = NEAR_S

    @classmethod
    def of(
        cls,
        level: str = "baseline",
        max_wer: float | None = None,
        min_coverage: float | None = None,
        max_offset: float | None = None,
    ) -> Rules:
        """Return the rules of a level, some of them replaced.

        Raises
        ------
        UnknownName
            If there is no such level.
        """
        if level not in LEVELS:
            raise UnknownName("level", level, tuple(LEVELS))
        plain = cls(level, LEVELS[level])
        given = (max_wer, min_coverage, max_offset)
        if given == (None, None, None):
            return plain
        return cls(
            f"{level}, changed",
            plain.max_wer if max_wer is None else max_wer,
            plain.min_coverage if min_coverage is None else min_coverage,
            plain.max_offset if max_offset is None else max_offset,
        )


def accept(judged: Sequence[Judged], overall: Group, timing: Timing | None, rules: Rules) -> Acceptance:
    """Hold the figures of a model against the rules."""
    criteria = [_wer(overall, rules), _coverage(judged, rules), _offset(timing, rules)]
    return Acceptance(level=rules.level, passed=all(each.passed is not False for each in criteria), criteria=criteria)


def _wer(overall: Group, rules: Rules) -> Criterion:
    scores = overall.scores
    if scores.wer is None:
        return Criterion(name="wer", limit=rules.max_wer, value=None, passed=False, note="no reference has words")
    note = ""
    if scores.wer <= rules.max_wer and scores.wer_interval and scores.wer_interval[1] > rules.max_wer:
        note = f"not sure: the interval reaches {scores.wer_interval[1]:.3f}"
    return Criterion(name="wer", limit=rules.max_wer, value=scores.wer, passed=scores.wer <= rules.max_wer, note=note)


def _coverage(judged: Sequence[Judged], rules: Rules) -> Criterion:
    spoken = [each for each in judged if each.scores.words.n_reference]
    if not spoken:
        return Criterion(
            name="coverage", limit=rules.min_coverage, value=None, passed=None, note="no reference has words"
        )
    value = sum(_covered(each, rules.max_offset) for each in spoken) / len(spoken)
    note = "" if any(each.times.n_heard for each in judged) else "no hypothesis has times of words"
    return Criterion(
        name="coverage", limit=rules.min_coverage, value=value, passed=value >= rules.min_coverage, note=note
    )


def _covered(judged: Judged, max_offset: float) -> bool:
    """Whether the words of an utterance have times, near the true ones where these are known."""
    heard = judged.times.n_heard
    if not heard or heard < _TIMED * judged.scores.words.n_hypothesis:
        return False
    offset = judged.times.offset
    return not judged.times.n_words or (offset is not None and offset < max_offset)


def _offset(timing: Timing | None, rules: Rules) -> Criterion:
    if timing is None or timing.mean is None:
        why = "no reference has times of words" if timing is None else "no word with a time was heard rightly"
        return Criterion(
            name="offset", limit=rules.max_offset, value=None, passed=None if timing is None else False, note=why
        )
    return Criterion(name="offset", limit=rules.max_offset, value=timing.mean, passed=timing.mean < rules.max_offset)
