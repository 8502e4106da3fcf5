"""How a training went: loss, learning rate and error rates over its steps, beside those of others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from melisma.evaluate.asr_report.charts import Chart, Point, Series, draw, smoothed
from melisma.evaluate.asr_report.markup import Markup, element, join, percent, table
from melisma.evaluate.asr_report.run_files import LogLine, RunFiles, Validation

_SMOOTH_FROM = 40  # lines of a log; fewer are seen as they are
_MOST_LANGUAGES = 6


def section(run: RunFiles, others: Sequence[RunFiles]) -> Markup:
    """Draw all curves that there are points for."""
    runs = [run, *others]
    best = run.best
    mark = (float(best.step or 0), "best") if best is not None else None
    charts = (
        Chart("Loss", _losses(runs)),
        Chart("WER on held-out clips", _judged(runs, lambda each: each.wer), "share", mark=mark),
        Chart("CER on held-out clips", _judged(runs, lambda each: each.cer), "share", mark=mark),
        Chart("WER by language", _by_language(run), "share", mark=mark),
        Chart("Learning rate", _logged(runs, lambda each: each.lr), "tiny"),
        Chart("Norm of gradients", _logged(runs, lambda each: each.grad_norm)),
        Chart("Seconds of audio per second", _logged(runs, lambda each: each.audio_s_per_s)),
        Chart("Share of the time that it waits for data", _logged(runs, lambda each: each.wait_share), "share"),
        Chart("GPU at work, %", _logged(runs, lambda each: each.gpu_utilization)),
        Chart("Memory, MB", _logged(runs, lambda each: each.memory_mb)),
    )
    drawn = [found for chart in charts if (found := draw(chart)) is not None]
    notes = [element("p", note, class_="notice warning") for each in runs for note in each.notes]
    if not drawn:
        said = "There is no training_history.jsonl and no log of this run, so no curves."
        return join((element("p", said, class_="quiet-text"), *notes))
    return join((*notes, element("div", *drawn, class_="charts"), _history(run)))


def _points(lines: Sequence[LogLine] | Sequence[Validation], of: Callable[..., float | None]) -> list[Point]:
    found = ((each.step, of(each)) for each in lines)
    return [(float(step), value) for step, value in found if step is not None and value is not None]


def _label(name: str, run: RunFiles, runs: Sequence[RunFiles]) -> str:
    return name if len(runs) == 1 else f"{run.name}, {name}"


def _losses(runs: Sequence[RunFiles]) -> list[Series]:
    """Return losses of training and of validation; of others, which stand beside, only the former's mean."""
    found = []
    for k, run in enumerate(runs):
        points = _points(run.log, lambda each: each.loss) or _points(run.validations, lambda each: each.train_loss)
        if len(points) >= _SMOOTH_FROM:
            if not k:
                found.append(Series(_label("each line", run, runs), points, 0, faint=True))
            points = smoothed(points, len(points) // _SMOOTH_FROM)
        found.append(Series(_label("training", run, runs), points, 2 * k))
        held_out = _points(run.validations, lambda each: each.loss)
        found.append(Series(_label("held out", run, runs), held_out, 2 * k + 1, dotted=True))
    return found


def _judged(runs: Sequence[RunFiles], of: Callable[[Validation], float | None]) -> list[Series]:
    return [Series(run.name, _points(run.validations, of), 2 * k, dotted=True) for k, run in enumerate(runs)]


def _logged(runs: Sequence[RunFiles], of: Callable[[LogLine], float | None]) -> list[Series]:
    return [Series(run.name, _points(run.log, of), 2 * k) for k, run in enumerate(runs)]


def _by_language(run: RunFiles) -> list[Series]:
    """Return a curve for each language, where there are several; of many, those with the most validations."""
    found: dict[str, list[Point]] = {}
    for each in run.validations:
        for language, rates in each.by_language.items():
            if rates.wer is not None and each.step is not None:
                found.setdefault(language, []).append((float(each.step), rates.wer))
    chosen = sorted(found, key=lambda language: (-len(found[language]), language))[:_MOST_LANGUAGES]
    if len(found) < 2:
        return []
    return [Series(language, found[language], k, dotted=True) for k, language in enumerate(sorted(chosen))]


def _history(run: RunFiles) -> Markup | None:
    if not run.validations:
        return None
    best = run.best
    rows = []
    for each in run.validations:
        step = f"{each.step:,}" + (" · best" if each is best else "")
        cells = (
            "–" if each.epoch is None else f"{each.epoch:.2f}",
            *("–" if loss is None else f"{loss:.4f}" for loss in (each.train_loss, each.loss)),
            percent(each.wer),
            percent(each.cer),
        )
        rows.append(element("tr", element("th", step, scope="row"), *(element("td", cell) for cell in cells)))
    head = ("step", "passes", "training loss", "held-out loss", "WER", "CER")
    return element("details", element("summary", f"{len(rows)} validations as a table"), table(head, rows))
