"""What `melisma eval asr` has found, as a table for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from melisma.evaluate.asr_result import Acceptance, Difference, EvalResult, ModelResult
from melisma.evaluate.asr_scores import NORMALISED, Group, Interval, Scores, Timing, Variants

_WIDTH, _GROUPS, _PAIRS = 34, 40, 8
_PARTS = (
    ("by_language", "language"),
    ("by_speaker", "speaker"),
    ("by_length", "length"),
    ("by_noise", "noise"),
)


def table(result: EvalResult, *, groups: bool = True) -> str:
    """Return the table of an evaluation.

    Parameters
    ----------
    result : EvalResult
        Of one model or several.
    groups : bool
        Whether languages, speakers, lengths and noises have rows of their own, where they are few.
    """
    lines = []
    for label, model in result.models.items():
        lines += [*_model(label, model, groups), ""]
    lines += [_difference(each) for each in result.differences]
    return "\n".join(_shown(line) for line in lines).rstrip()


def _shown(line: str) -> str:
    """Return a line without what would steer a terminal: names and words are a stranger's."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in line).rstrip()


def _model(label: str, model: ModelResult, groups: bool) -> Iterator[str]:
    whole = model.overall
    yield f"{label}: {whole.n_utterances:,} utterances, {whole.seconds / 3600:.2f} h of audio{_lacking(model)}"
    if model.note:
        yield f"  {model.note}"
    if whole.view != NORMALISED:
        yield f"  groups, confusions and acceptance are of the {whole.view} texts"
    yield f"{'':{_WIDTH}s} {'WER %':>7s} {'':15s} {'CER %':>7s} {'words':>8s} {'sub':>6s} {'del':>6s} {'ins':>6s}"
    for view, scores in whole.views.items():
        yield _row(view, scores)
    if groups:
        yield from _groups(model)
    yield from _errors(model)
    if model.variants is not None:
        yield _variants(model.variants)
    if model.timing is not None:
        yield _timing(model.timing)
    yield from _verdict(model.acceptance)


def _lacking(model: ModelResult) -> str:
    said = ""
    if model.overall.n_missing:
        said += f"; {model.overall.n_missing:,} have no hypothesis, and count as deleted"
    if model.seconds:
        said += f"; heard in {model.seconds:,.0f} s, {model.overall.seconds / model.seconds:,.1f} times real time"
    if model.n_strange:
        said += f"; {model.n_strange:,} hypotheses are for no utterance of the manifest"
    return said


def _row(name: str, scores: Scores) -> str:
    words = scores.words
    counts = f"{words.n_reference:8d} {words.substitutions:6d} {words.deletions:6d} {words.insertions:6d}"
    return f"{_short(name)} {_percent(scores.wer)} {_interval(scores.wer_interval)} {_percent(scores.cer)} {counts}"


def _percent(rate: float | None) -> str:
    return " " * 7 if rate is None else f"{100 * rate:7.2f}"


def _interval(interval: Interval | None) -> str:
    return " " * 15 if interval is None else f"[{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]".ljust(15)


def _short(name: str) -> str:
    return f"{name if len(name) <= _WIDTH else '…' + name[1 - _WIDTH :]:{_WIDTH}s}"


def _groups(model: ModelResult) -> Iterator[str]:
    for key, title in _PARTS:
        found: Mapping[str, Group] = getattr(model, key)
        if len(found) > _GROUPS:
            yield f"({len(found):,} {title}s are in the JSON)"
        elif len(found) > 1:
            for name, group in found.items():
                yield _row(f"{title} {name}", group.scores)


def _errors(model: ModelResult) -> Iterator[str]:
    found = model.confusions
    for title, pairs in (
        ("heard for", found.words),
        ("deleted", found.words_deleted),
        ("inserted", found.words_inserted),
    ):
        if pairs:
            said = ", ".join(
                f"{'/'.join(filter(None, (each.reference, each.hypothesis)))} {each.n}" for each in pairs[:_PAIRS]
            )
            yield f"{title}: {said}"
    flagged = model.hallucinations
    if flagged.n_utterances:
        reasons = ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in flagged.reasons.items())
        yield (
            f"hallucinated: {flagged.n_utterances:,} utterances, {flagged.n_words:,} words inserted in them ({reasons})"
        )


def _variants(variants: Variants) -> str:
    said = ", ".join(f"{name} {n}" for name, n in variants.directions.items())
    without = "" if variants.wer_without is None else f"; WER without them {100 * variants.wer_without:.2f} %"
    return f"variants of yat: {variants.n:,}{f' ({said})' if said else ''}{without}"


def _timing(timing: Timing) -> str:
    if timing.mean is None:
        return f"times: none of {timing.n_words:,} timed words was heard rightly, with a time"
    return (
        f"times: {timing.n_matched:,} of {timing.n_words:,} words, onsets off by {1000 * timing.mean:.0f} ms "
        f"on average (median {1000 * (timing.median or 0):.0f}), {100 * (timing.within or 0):.1f} % by less than "
        f"{1000 * timing.limit:.0f} ms"
    )


def _verdict(acceptance: Acceptance) -> Iterator[str]:
    yield f"{'ACCEPTED' if acceptance.passed else 'NOT ACCEPTED'} ({acceptance.level})"
    for each in acceptance.criteria:
        mark = {True: "pass", False: "FAIL", None: "n/a"}[each.passed]
        value = "not measured" if each.value is None else f"{each.value:.3f}"
        sign = ">=" if each.name == "coverage" else "<" if each.name == "offset" else "<="
        yield f"  {mark:4s} {each.name} {value} ({sign} {each.limit:g}){f': {each.note}' if each.note else ''}"


def _difference(each: Difference) -> str:
    low, high = (100 * value for value in each.interval)
    sure = "" if each.sure else " (not sure)"
    return (
        f"{each.model} less {each.other}: {each.rate.upper()} {100 * each.difference:+.2f} points "
        f"[{low:+.2f}, {high:+.2f}], drawn by {each.unit}{sure}"
    )
