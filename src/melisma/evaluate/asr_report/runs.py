"""Models beside one another, what decided them, and whether they are accepted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from melisma.evaluate.asr_report import paired
from melisma.evaluate.asr_report.charts import whisker
from melisma.evaluate.asr_report.evaluations import Evaluated
from melisma.evaluate.asr_report.markup import Markup, between, element, join, number, percent, table
from melisma.evaluate.asr_report.run_files import RunFiles
from melisma.evaluate.asr_result import Acceptance, Criterion, Difference
from melisma.evaluate.asr_scores import Timing
from melisma.text.scoring import FOLDED, RAW

_DEEPEST = 6
_LONGEST = 500  # characters of a value
_MOST_FACTS = 400


def verdict(model: Evaluated) -> Markup:
    """Draw the conditions of acceptance, which hold and which do not."""
    found = model.result.acceptance
    rows = [_criterion(each) for each in found.criteria]
    return join((element("p", verdict_chip(found), " ", f"level: {found.level}"), table(_CRITERIA, rows)))


_CRITERIA = ("condition", "asked", "found", "holds")
_CONDITIONS = {
    "wer": "WER, no more than",
    "coverage": "clips whose words have good times, no less than",
    "offset": "mean error of words' times, less than",
}


def verdict_chip(found: Acceptance) -> Markup:
    """Draw whether a model is accepted, in a word."""
    kind, said = ("good", "✓ accepted") if found.passed else ("bad", "✗ not accepted")
    return element("span", said, class_=f"chip {kind}")


def _criterion(each: Criterion) -> Markup:
    kind, said = {True: ("good", "✓ yes"), False: ("bad", "✗ no"), None: ("quiet-text", "not measured")}[each.passed]
    cells = (
        element("th", _CONDITIONS.get(each.name, each.name), _note(each.note), scope="row"),
        element("td", _amount(each, each.limit)),
        element("td", "–" if each.value is None else _amount(each, each.value)),
        element("td", said, class_=kind),
    )
    return element("tr", *cells)


def _note(said: str) -> Markup | None:
    return element("span", said, class_="spread note") if said else None


def _amount(each: Criterion, value: float) -> str:
    return f"{1000 * value:.0f} ms" if each.name == "offset" else percent(value)


def comparison(models: Sequence[Evaluated], runs: Sequence[RunFiles]) -> Markup:
    """Draw every model in a row, paired differences, and the settings in which the runs differ."""
    parts: list[Markup | None] = [_models(models)] if models else []
    if len({each.of.manifest_sha256 for each in models}) > 1:
        said = "These models were not measured on the same manifest: their rates say little about one another."
        parts.append(element("p", said, class_="notice warning"))
    return join((*parts, _differences(paired.differences(models)), _trainings(runs), _settings(runs)))


def _models(models: Sequence[Evaluated]) -> Markup:
    most = max(
        (each.result.overall.scores.wer_interval or (0, each.result.overall.scores.wer or 0))[1] for each in models
    )
    rows = []
    for k, each in enumerate(models):
        overall, scores = each.result.overall, each.result.overall.scores
        cells = (
            element("th", element("bdi", each.label), scope="row"),
            element(
                "td", element("b", percent(scores.wer)), element("span", between(scores.wer_interval), class_="spread")
            ),
            element("td", whisker(scores.wer, scores.wer_interval, min(1.0, most) or 1.0, 2 * k)),
            *(element("td", percent(overall.views[view].wer)) for view in (RAW, FOLDED)),
            element("td", percent(scores.cer), element("span", between(scores.cer_interval), class_="spread")),
            element("td", number(overall.n_utterances)),
            element("td", percent(each.result.hallucinations.share)),
            element("td", timing(each.result.timing)),
            element("td", verdict_chip(each.result.acceptance)),
            element("td", each.result.note, class_="note"),
        )
        rows.append(element("tr", *cells))
    head = ("model", "WER", "", "as written", "one script", "CER", "clips", "suspicious", "words off by", "verdict", "")
    return table(head, rows, class_="rates")


def timing(found: Timing | None) -> str:
    """Return how far words are off, and how many of them have times."""
    if found is None or found.mean is None:
        return "–"
    return f"{1000 * found.mean:.0f} ms ({percent(found.coverage, 0)} timed)"


def _differences(found: Sequence[Difference]) -> Markup | None:
    if not found:
        return None
    rows = []
    for each in found:
        better = "better" if each.difference < 0 else "worse" if each.difference > 0 else "the same"
        kind = ("good" if each.difference < 0 else "bad") if each.sure else "quiet-text"
        said = f"{better}, surely" if each.sure else "may be chance"
        low, high = (f"{100 * end:+.1f}" for end in each.interval)
        cells = (
            element("th", element("bdi", each.model), " against ", element("bdi", each.other), scope="row"),
            element("td", each.rate.upper()),
            element("td", f"{100 * each.difference:+.1f} points", element("span", f"{low} to {high}", class_="spread")),
            element("td", said, class_=kind),
            element("td", f"{each.unit}s drawn", class_="note"),
        )
        rows.append(element("tr", *cells))
    said = "On the same clips, drawn together: 95 of 100 such draws lie within the interval; below 0 is better."
    title = element("h3", "Differences")
    return join((title, element("p", said, class_="quiet-text"), table(("", "rate", "difference", "", ""), rows)))


def _trainings(runs: Sequence[RunFiles]) -> Markup | None:
    if len(runs) < 2:
        return None
    rows = []
    for run in runs:
        best, last = run.best, run.validations[-1] if run.validations else None
        steps = max((each.step or 0 for each in (*run.log[-1:], *run.validations[-1:])), default=0)
        cells = (
            number(steps),
            "–" if best is None else f"{percent(best.wer)} at step {best.step or 0:,}",
            "–" if best is None else percent(best.cer),
            "–" if last is None else percent(last.wer),
        )
        rows.append(element("tr", element("th", run.name, scope="row"), *(element("td", cell) for cell in cells)))
    head = ("training", "steps", "best WER on its held-out clips", "CER there", "last WER")
    return join((element("h3", "Trainings"), table(head, rows)))


def _settings(runs: Sequence[RunFiles]) -> Markup | None:
    """Draw the settings in which runs differ."""
    known = [run for run in runs if run.config]
    if len(known) < 2:
        return None
    flat = [dict(flattened(run.config)) for run in known]
    names = list(dict.fromkeys(name for each in flat for name in each))
    differ = [name for name in names if len({each.get(name) for each in flat}) > 1]
    title = element("h3", "Settings that differ")
    if not differ:
        return join((title, element("p", "None.", class_="quiet-text")))
    rows = [
        element("tr", element("th", name, scope="row"), *(element("td", each.get(name, "–")) for each in flat))
        for name in differ
    ]
    return join((title, table(("setting", *(run.name for run in known)), rows)))


def facts(run: RunFiles) -> Markup:
    """Draw what decided a training and what it says of itself."""
    parts = []
    for title, found in (("Settings", run.config), ("Facts", _without(run.facts, "config"))):
        rows = [
            element("tr", element("th", name, scope="row"), element("td", value, class_="note", dir="auto"))
            for name, value in list(flattened(found))[:_MOST_FACTS]
        ]
        if rows:
            parts.append(element("div", element("h3", title), table(("what", "value"), rows)))
    if not parts:
        said = "There is no run_manifest.json and no training_config.json of this run."
        return element("p", said, class_="quiet-text")
    return element("div", *parts, class_="columns wide")


def _without(found: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name != key}


def flattened(value: object, name: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield the values of nested objects by their names, joined by dots; lists of plain values are one.

    >>> list(flattened({"lora": {"rank": 8}, "targets": ["a", "b"], "fast": None}))
    [('lora.rank', '8'), ('targets', 'a, b'), ('fast', '–')]
    """
    if isinstance(value, dict) and value and depth < _DEEPEST:
        for key, each in value.items():
            yield from flattened(each, f"{name}.{key}" if name else str(key), depth + 1)
        return
    if isinstance(value, list) and not any(isinstance(each, (dict, list)) for each in value):
        shown = ", ".join(map(str, value)) or "–"
    else:
        shown = "–" if value is None or value == {} else f"{value:.6g}" if isinstance(value, float) else str(value)
    yield name, shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"
