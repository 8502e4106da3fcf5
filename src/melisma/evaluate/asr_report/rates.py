"""Error rates: of everything, and by language, speaker, length and noise, with their intervals."""

from __future__ import annotations

from collections.abc import Mapping

from melisma.evaluate.asr_report.charts import whisker
from melisma.evaluate.asr_report.evaluations import Evaluated
from melisma.evaluate.asr_report.markup import Markup, between, clock, element, join, number, percent, table
from melisma.evaluate.asr_scores import UNKNOWN, Group, Scores
from melisma.text.scoring import FOLDED, RAW

_MOST_GROUPS = 30  # speakers may be thousands; those with the most wrong words tell most
_COLUMNS = (
    ("WER", "small letters, no punctuation; 95 of 100 sets drawn of these clips lie within the interval"),
    ("", "the same, drawn"), ("as written", "WER with case, punctuation and script"),
    ("one script", "WER with Cyrillic read as Latin"), ("CER", "of characters"), ("changed", "substituted words"),
    ("missing", "deleted words"), ("too many", "inserted words"), ("suspicious", "clips that look hallucinated"),
    ("clips", "how many"), ("words", "of the references"), ("length", "of audio"),
)  # fmt: skip


def section(model: Evaluated) -> Markup:
    """Draw all tables of a model."""
    result = model.result
    kinds = (
        ("language", result.by_language), ("speaker", result.by_speaker), ("length", result.by_length),
        ("noise", result.by_noise),
    )  # fmt: skip
    most = _most([result.overall, *(group for _, groups in kinds for group in groups.values())])
    parts: list[Markup | None] = [_table("all", {"all clips": result.overall}, most)]
    for name, groups in kinds:
        if set(groups) <= {UNKNOWN}:
            said = f"The manifest does not say: no figures by {name}."
            parts += [element("h3", f"By {name}"), element("p", said, class_="quiet-text")]
            continue
        parts += [element("h3", f"By {name}"), _note(len(groups)), _table(name, _chosen(groups), most)]
    return join(parts)


def _most(groups: list[Group]) -> float:
    """Return what the drawn lines end at: the highest rate or interval, 1 at most."""
    ends = [max(group.scores.wer or 0.0, (group.scores.wer_interval or (0.0, 0.0))[1]) for group in groups]
    return min(1.0, max(ends)) or 1.0


def _chosen(groups: Mapping[str, Group]) -> dict[str, Group]:
    if len(groups) <= _MOST_GROUPS:
        return dict(groups)
    order = sorted(groups, key=lambda name: -_errors(groups[name].scores))
    return {name: groups[name] for name in order[:_MOST_GROUPS]}


def _note(n: int) -> Markup | None:
    if n <= _MOST_GROUPS:
        return None
    return element("p", f"The {_MOST_GROUPS} of {number(n)} with the most wrong words.", class_="quiet-text")


def _errors(scores: Scores) -> int:
    return scores.words.substitutions + scores.words.deletions + scores.words.insertions


def _table(name: str, groups: Mapping[str, Group], most: float) -> Markup:
    head = [element("th", name if name != "all" else "", scope="col")]
    head += [element("th", label, scope="col", title=what) for label, what in _COLUMNS]
    return table(head, (_row(label, group, most) for label, group in groups.items()), class_="sortable rates")


def _row(label: str, group: Group, most: float) -> Markup:
    scores, words = group.scores, group.scores.words
    wider = scores.wer_interval_by_speaker
    tip = f"with whole speakers drawn: {between(wider)}" if wider else None
    rate = element("b", percent(scores.wer))
    spread = element("span", between(scores.wer_interval), class_="spread")
    cells = (
        element("td", rate, spread, data_value=_sorted_by(scores.wer), title=tip),
        element("td", whisker(scores.wer, scores.wer_interval, most), data_value=_sorted_by(scores.wer)),
        *(_rate(group.views[view].wer) for view in (RAW, FOLDED)),
        _rate(scores.cer),
        *(_rate(each / words.n_reference if words.n_reference else None) for each in _kinds(scores)),
        element("td", number(group.n_flagged), data_value=group.n_flagged),
        element("td", number(group.n_utterances), data_value=group.n_utterances),
        element("td", number(words.n_reference), data_value=words.n_reference),
        element("td", clock(group.seconds), data_value=float(group.seconds)),
    )
    return element("tr", element("th", element("bdi", label), scope="row"), *cells)


def _kinds(scores: Scores) -> tuple[int, int, int]:
    return scores.words.substitutions, scores.words.deletions, scores.words.insertions


def _rate(rate: float | None) -> Markup:
    return element("td", percent(rate), data_value=_sorted_by(rate))


def _sorted_by(rate: float | None) -> str:
    return "-1" if rate is None else f"{rate:.6f}"
