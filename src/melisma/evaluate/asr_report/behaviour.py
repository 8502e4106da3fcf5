"""What a model does beside spelling words: it takes languages for others, invents, and is off in time."""

from __future__ import annotations

from collections.abc import Mapping

from melisma.evaluate.asr_report.clips import FLAGS
from melisma.evaluate.asr_report.evaluations import Evaluated
from melisma.evaluate.asr_report.markup import Markup, element, join, number, percent, table
from melisma.evaluate.asr_scores import Hallucinations, Timing
from melisma.text.scoring import FOLDED

_MOST = 30  # languages that are shown


def section(model: Evaluated) -> Markup:
    """Draw what there is of hallucinations, times of words, languages and pronunciations."""
    result = model.result
    return join(
        (
            _invented(result.hallucinations, result.overall.n_utterances),
            _timed(result.timing),
            _heard(result.languages_heard),
            _variants(model),
        )
    )


def _invented(found: Hallucinations, n: int) -> Markup:
    title = element("h3", "Hallucinations and loops")
    if not found.n_utterances:
        return join((title, element("p", f"None of {number(n)} clips looks invented.", class_="quiet-text")))
    said = (
        f"{number(found.n_utterances)} of {number(n)} clips ({percent(found.share)}) look invented, with "
        f"{number(found.n_words)} words that nobody said."
    )
    rows = [
        element("tr", element("th", FLAGS.get(name, name), scope="row"), element("td", number(count)))
        for name, count in found.reasons.items()
        if count
    ]
    return join((title, element("p", said), table(("sign", "clips"), rows, class_="narrow")))


def _timed(found: Timing | None) -> Markup:
    title = element("h3", "Times of words")
    if found is None:
        return join((title, element("p", "No reference has times of words.", class_="quiet-text")))
    figures = (
        ("timed words of the references", number(found.n_words)),
        ("heard rightly, with a time", f"{number(found.n_matched)} ({percent(found.coverage)})"),
        ("off by, on average", _ms(found.mean)),
        ("half of them by less than", _ms(found.median)),
        ("nine of ten by less than", _ms(found.p90)),
        ("late (early below 0), in the middle", _ms(found.bias)),
        (f"off by less than {1000 * found.limit:.0f} ms", percent(found.within)),
        ("ends off by, on average", _ms(found.mean_end)),
    )
    rows = [element("tr", element("th", name, scope="row"), element("td", value)) for name, value in figures]
    return join((title, table(("onsets", ""), rows, class_="narrow")))


def _ms(seconds: float | None) -> str:
    return "–" if seconds is None else f"{1000 * seconds:.0f} ms"


def _heard(heard: Mapping[str, Mapping[str, int]]) -> Markup | None:
    """Draw which languages clips were taken for, where the model says so."""
    if not heard:
        return None
    names = sorted({name for counts in heard.values() for name in counts})[:_MOST]
    rows = [
        element("tr", element("th", said, scope="row"), *(element("td", number(counts.get(name, 0))) for name in names))
        for said, counts in list(heard.items())[:_MOST]
    ]
    title = element("h3", "Languages that clips were taken for")
    return join((title, table(["said", *(f"heard {name}" for name in names)], rows, class_="narrow")))


def _variants(model: Evaluated) -> Markup | None:
    found = model.result.variants
    if found is None:
        return None
    ways = ", ".join(f"{n} × {way}" for way, n in found.directions.items()) or "none"
    wer = model.result.overall.views[FOLDED].wer
    said = (
        f"{number(found.n)} substitutions are the same word in another pronunciation of yat ({ways}). Were they right, "
        f"the rate in one script would be {percent(found.wer_without)}, not {percent(wer)}."
    )
    most = ", ".join(f"{each.reference} → {each.hypothesis} ({each.n})" for each in found.most[:12])
    return join((element("h3", "Ijekavian and ekavian"), element("p", said), element("p", most, class_="quiet-text")))
