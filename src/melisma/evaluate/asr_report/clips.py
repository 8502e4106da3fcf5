"""The clips that a model got most wrong: what was said, what was heard, and the sound of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, zip_longest
from pathlib import Path

from melisma.core.errors import AudioError, MissingDependency
from melisma.evaluate.asr_report import diffs, sound
from melisma.evaluate.asr_report.evaluations import Evaluated
from melisma.evaluate.asr_report.markup import Markup, clock, element, join, percent
from melisma.evaluate.asr_result import UtteranceScore

_LONGEST = 20_000  # characters of a text; in a minute nobody says 3,000
FLAGS = {
    "nothing_said": "words where nothing was said",
    "silence": "words where it is silent",
    "too_long": "twice as many words as said",
    "too_fast": "faster than anybody speaks",
    "loop": "goes round in a loop",
    "usual_line": "usual line of subtitles",
}


def worst(utterances: Sequence[UtteranceScore], n: int) -> list[UtteranceScore]:
    """Choose clips in turn: most words wrong, highest rate, most suspicious; those with nothing wrong are left out.

    Parameters
    ----------
    utterances : sequence of UtteranceScore
        All of them.
    n : int
        How many at most.

    Returns
    -------
    list of UtteranceScore
        Those with the most wrong words first.
    """
    wrong = [each for each in utterances if _errors(each) or each.flags]
    by_errors = sorted(wrong, key=lambda each: (-_errors(each), each.id))
    by_rate = sorted(wrong, key=lambda each: (-_rate(each), -_errors(each), each.id))
    flagged = sorted((each for each in wrong if each.flags), key=lambda each: (-len(each.flags), each.id))
    turns = chain.from_iterable(zip_longest(by_errors, by_rate, flagged))
    chosen = list({each.id: each for each in turns if each is not None}.values())[:n]
    return sorted(chosen, key=lambda each: (-_errors(each), each.id))


def section(model: Evaluated, n: int, *, with_audio: bool, tell: Callable[[float], None]) -> Markup:
    """Draw the worst clips, and what chooses among them."""
    chosen = worst(model.result.utterances, n)
    if not chosen:
        return element("p", "There is nothing wrong with any clip.", class_="quiet-text")
    drawn = []
    for k, each in enumerate(chosen):
        tell(k / len(chosen))
        drawn.append(_clip(model, each, k, with_audio))
    said = (
        f"{len(chosen)} of {len(model.result.utterances):,} clips: those with the most wrong words, with the highest "
        "rates, and such as look hallucinated. Said above, heard below."
    )
    return join((element("p", said, class_="quiet-text"), _tools(chosen), element("div", *drawn, id="clips")))


def _tools(chosen: Sequence[UtteranceScore]) -> Markup:
    languages = sorted({each.language for each in chosen})
    flags = [flag for flag in FLAGS if any(flag in each.flags for each in chosen)]
    orders = {"errors": "most words wrong", "rate": "highest rate", "length": "longest"}
    return element(
        "form",
        _choice("language", "Language", {"": "all", **{each: each for each in languages}}),
        _choice("flag", "Suspicion", {"": "any or none", **{each: FLAGS[each] for each in flags}}),
        _choice("order", "Order", orders),
        _field("search", "Search", element("input", type="search", id="clip-search", autocomplete="off")),
        element("output", f"{len(chosen)} clips", id="clip-count", class_="small", aria_live="polite"),
        class_="tools needs-script",
        id="clip-tools",
        hidden=True,
    )


def _choice(name: str, label: str, options: dict[str, str]) -> Markup:
    shown = [element("option", text, value=value) for value, text in options.items()]
    return _field(name, label, element("select", *shown, id=f"clip-{name}"))


def _field(name: str, label: str, control: Markup) -> Markup:
    return element("div", element("label", label, for_=f"clip-{name}"), control, class_="field")


def _clip(model: Evaluated, each: UtteranceScore, k: int, with_audio: bool) -> Markup:
    tally = each.words
    counted = f"{tally.substitutions} changed, {tally.deletions} missing, {tally.insertions} too many"
    rate = f"{percent(tally.rate, 0)} of {tally.n_reference} words" if tally.n_reference else "nothing was said"
    head = element(
        "header",
        element("h3", element("a", f"{k + 1}", href=f"#clip-{k}", class_="rank"), " ", element("bdi", each.id)),
        element("p", element("b", rate, class_="bad"), f" · {counted}"),
        element("p", *_chips(each), class_="chips"),
    )
    parts = [head, _sound(model, each) if with_audio else None, _texts(model, each)]
    return element(
        "article",
        *parts,
        class_="card clip",
        id=f"clip-{k}",
        tabindex=-1,
        data_language=each.language,
        data_flags=" ".join(each.flags),
        data_errors=_errors(each),
        data_rate=float(_rate(each)),
        data_length=float(each.duration),
    )


def _chips(each: UtteranceScore) -> list[Markup]:
    said = [each.language, clock(each.duration)]
    if each.speaker_id:
        said.append(f"speaker {each.speaker_id}")
    if each.snr_db is not None:
        said.append(f"{each.snr_db:.0f} dB over noise")
    if each.offset is not None:
        said.append(f"words {1000 * each.offset:.0f} ms off")
    if each.heard_language and each.heard_language != each.language:
        said.append(f"taken for {each.heard_language}")
    found = [element("span", text, class_="chip") for text in said]
    found += [element("span", FLAGS.get(flag, flag), class_="chip warn") for flag in each.flags]
    if each.missing:
        found.append(element("span", each.fault or "no hypothesis", class_="chip bad"))
    return [join((chip, " ")) for chip in found]


def _sound(model: Evaluated, each: UtteranceScore) -> Markup:
    path = model.folder / each.audio
    try:
        address = sound.address(path, each.start, each.duration)
    except (AudioError, OSError) as error:
        return element("p", f"No sound: {_without_folders(error, path)}", class_="small quiet-text")
    return element("audio", controls=True, preload="none", src=address, aria_label=f"Sound of {each.id}")


def _without_folders(error: Exception, path: Path) -> str:
    """Return why a recording is not heard; whoever reads the page need not know where it lay."""
    why = error.strerror or "cannot be read" if isinstance(error, OSError) else str(error)
    return why.replace(str(path), path.name)


def _texts(model: Evaluated, each: UtteranceScore) -> Markup:
    said, heard = _beginning(each.reference), _beginning(each.hypothesis)
    try:
        aligned = diffs.cells(said, heard, each.language, numbers=model.of.settings.numbers)
    except MissingDependency:  # what writes numbers in words is not here
        aligned = diffs.cells(said, heard, each.language)
    rows = [
        element("dt", name) + element("dd", text or "∅", dir="auto", lang=each.language)
        for name, text in (("said", said), ("heard", heard))
    ]
    whole = element("details", element("summary", "as it is written"), element("dl", *map(Markup, rows)))
    return join((diffs.draw(aligned), whole))


def _beginning(text: str) -> str:
    """Return as much of a text as a page can show."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"


def _errors(each: UtteranceScore) -> int:
    return each.words.substitutions + each.words.deletions + each.words.insertions


def _rate(each: UtteranceScore) -> float:
    """Return the rate of words; of an utterance in which nothing was said, how many were heard."""
    return each.words.rate if each.words.rate is not None else float(_errors(each))
