"""Differences between models that were measured at different times, on the same utterances."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from melisma.evaluate.asr_bootstrap import Bootstrap, Floats, summed
from melisma.evaluate.asr_report.evaluations import Evaluated
from melisma.evaluate.asr_result import Difference
from melisma.evaluate.asr_scores import Tally


def differences(models: Sequence[Evaluated]) -> list[Difference]:
    """Return how the first model differs from each other one: as evaluated, or paired here where two files hold them.

    Models whose utterances, their references or their way to write numbers differ are left out.
    """
    if not models:
        return []
    own = models[0]
    found = list(own.of.differences)
    for other in models[1:]:
        if other.of is not own.of and _same(own, other):
            found += _paired(own, other)
    return found


def _same(own: Evaluated, other: Evaluated) -> bool:
    first, second = own.result.utterances, other.result.utterances
    return (
        len(first) == len(second)
        and own.of.settings.numbers == other.of.settings.numbers
        and all((a.id, a.reference) == (b.id, b.reference) for a, b in zip(first, second, strict=True))
    )


def _paired(own: Evaluated, other: Evaluated) -> Iterator[Difference]:
    bootstrap = Bootstrap(own.of.settings.seed, own.of.settings.draws, own.of.settings.level)
    ours, theirs = _table(own), _table(other)
    whole = [a - b for a, b in zip(_rates(ours), _rates(theirs), strict=True)]
    speakers = [each.speaker_id for each in own.result.utterances]
    for unit in ("utterance", "speaker") if len(set(speakers) - {""}) > 1 else ("utterance",):
        first, second = (ours, theirs) if unit == "utterance" else (summed(ours, speakers), summed(theirs, speakers))
        for rate, difference, interval in zip(("wer", "cer"), whole, bootstrap.differences(first, second), strict=True):
            if interval is not None and difference == difference:
                sure = interval[0] > 0 or interval[1] < 0
                said = {"model": own.label, "other": other.label, "unit": unit, "rate": rate}
                yield Difference.model_validate(said | {"difference": difference, "interval": interval, "sure": sure})


def _table(model: Evaluated) -> Floats:
    """Return edits and length of the reference, in words and in characters, float64 [n_utterances, 4]."""
    rows = [
        [figure for each in (one.words, one.characters) for figure in (_errors(each), each.n_reference)]
        for one in model.result.utterances
    ]
    return np.array(rows, np.float64).reshape(-1, 4)


def _errors(tally: Tally) -> int:
    return tally.substitutions + tally.deletions + tally.insertions


def _rates(table: Floats) -> list[float]:
    sums = table.sum(axis=0)
    return [float(sums[k] / sums[k + 1]) if sums[k + 1] else float("nan") for k in (0, 2)]
