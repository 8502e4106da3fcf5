"""The page: its sections, its policy, and the file that it is written to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from string import Template

from melisma.core.files import make_folder, write_atomically
from melisma.core.page_head import page_head
from melisma.core.page_policy import page_policy
from melisma.evaluate.asr_report import behaviour, clips, confusions, curves, rates, runs
from melisma.evaluate.asr_report.evaluations import Evaluated
from melisma.evaluate.asr_report.markup import Markup, between, clock, element, join, number, percent, text
from melisma.evaluate.asr_report.run_files import RunFiles

NAME = "index.html"
N_CLIPS = 24


@dataclass(frozen=True, slots=True)
class Report:
    """What a page shows.

    Parameters
    ----------
    run : RunFiles
        The training; without files of its own where only evaluations are known.
    models : tuple of Evaluated
        The run's own model first, then those that it is compared with.
    others : tuple of RunFiles
        Trainings that it is compared with.
    n_clips : int
        Clips that are shown at most.
    with_audio : bool
        Whether their sound lies in the page.
    """

    run: RunFiles
    models: tuple[Evaluated, ...] = ()
    others: tuple[RunFiles, ...] = ()
    n_clips: int = N_CLIPS
    with_audio: bool = True


def write(report: Report, folder: Path, tell: Callable[[float], None] = lambda _: None) -> Path:
    """Write a report into a folder, made where it is missing; return its page.

    Parameters
    ----------
    report : Report
        What it shows.
    folder : Path
        Where `index.html` goes.
    tell : callable
        Called with the share done, from 0 to 1.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    shown = page(report, tell)
    make_folder(folder)
    write_atomically(folder / NAME, shown.encode("ascii", "xmlcharrefreplace"))
    return folder / NAME


def page(report: Report, tell: Callable[[float], None] = lambda _: None) -> str:
    """Return one HTML document that fetches nothing; what others wrote is text in it, whatever it holds."""
    style, script = _part("page.css"), _part("page.js")
    sections = _sections(report, tell)
    links = (element("a", title, href=f"#{name}") for name, title, _ in sections)
    bodies = (element("section", element("h2", title, tabindex=-1), body, id=name) for name, title, body in sections)
    policy = text(page_policy(script, style, media_src="data:", img_src="data:"))
    return Template(_part("page.html")).substitute(
        head=page_head(policy, text(f"{report.run.name}: report"), style, drawn="M3 11l3-4 3 2 4-5"),
        script=script,
        name=text(report.run.name),
        links=join(links),
        lead=_lead(report),
        sections=join(bodies),
    )


def _sections(report: Report, tell: Callable[[float], None]) -> list[tuple[str, str, Markup]]:
    found: list[tuple[str, str, Markup]] = []
    own = report.models[0] if report.models else None
    if own is not None:
        found.append(("verdict", "Verdict", runs.verdict(own)))
    found.append(("curves", "Training", curves.section(report.run, report.others)))
    if own is not None:
        found.append(("rates", "Error rates", rates.section(own)))
        found.append(("behaviour", "Behaviour", behaviour.section(own)))
        found.append(("confusions", "Confusions", confusions.section(own.result.confusions)))
        shown = clips.section(own, report.n_clips, with_audio=report.with_audio, tell=tell)
        found.append(("worst", "Worst clips", shown))
    else:
        said = (
            "Nothing is evaluated yet: melisma eval asr MANIFEST --model RUN writes what rates and clips are drawn of."
        )
        found.append(("rates", "Error rates", element("p", said, class_="notice")))
    if len(report.models) > 1 or report.others:
        found.append(("compared", "Compared", runs.comparison(report.models, (report.run, *report.others))))
    found.append(("facts", "Settings and data", runs.facts(report.run)))
    tell(1.0)
    return found


def _lead(report: Report) -> Markup:
    """Draw the few figures that a reader looks for first."""
    tiles: list[Markup] = []
    if report.models:
        tiles += _measured(report.models[0])
    best = report.run.best
    if best is not None:
        tiles.append(_tile("best validation", percent(best.wer), f"step {best.step or 0:,}"))
    if report.run.log:
        tiles.append(
            _tile("last loss", f"{report.run.log[-1].loss or 0:.3f}", f"step {report.run.log[-1].step or 0:,}")
        )
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    of = f"{report.models[0].label}, {report.models[0].of.manifest}; " if report.models else ""
    return join((element("p", f"{of}drawn {made}", class_="quiet-text"), element("div", *tiles, class_="tiles")))


def _measured(model: Evaluated) -> list[Markup]:
    result, scores = model.result, model.result.overall.scores
    tally = scores.words
    edits = (
        f"{number(tally.substitutions)} changed, {number(tally.deletions)} missing, {number(tally.insertions)} too many"
    )
    found = [
        element(
            "div",
            runs.verdict_chip(result.acceptance),
            element("small", f"level {result.acceptance.level}"),
            class_="tile",
        ),
        _tile("WER", percent(scores.wer), between(scores.wer_interval)),
        _tile("CER", percent(scores.cer), between(scores.cer_interval)),
        _tile("words", number(tally.n_reference), edits),
        _tile("clips", number(result.overall.n_utterances), clock(result.overall.seconds)),
        _tile("suspicious", percent(result.hallucinations.share), _clips(result.hallucinations.n_utterances)),
    ]
    if result.timing is not None and result.timing.mean is not None:
        timed = f"{percent(result.timing.coverage, 0)} of {number(result.timing.n_words)} words timed"
        found.append(_tile("words off by", f"{1000 * result.timing.mean:.0f} ms", timed))
    return found


def _clips(n: int) -> str:
    return "1 clip" if n == 1 else f"{number(n)} clips"


def _tile(label: str, value: str, note: str) -> Markup:
    return element("div", element("span", label), element("b", value), element("small", note), class_="tile")


def _part(name: str) -> str:
    return files("melisma.evaluate").joinpath("asr_report", "parts", name).read_text(encoding="ascii")
