"""Progress on standard error: a bar on a terminal, a line per stage with `-v`, silence otherwise."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

Progress = Callable[[str, float], None]


@contextmanager
def progress(*, quiet: bool, verbose: bool) -> Iterator[Progress]:
    """Offer a function that takes a stage's name and a fraction in [0, 1]."""
    if verbose:
        with _lines() as report:
            yield report
    elif quiet or not sys.stderr.isatty():
        yield lambda stage, fraction: None
    else:
        with _bar() as report:
            yield report


@contextmanager
def _bar() -> Iterator[Progress]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress

    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("", total=1.0)

        def report(stage: str, fraction: float) -> None:
            bars.update(task, description=escape(stage), completed=min(max(fraction, 0.0), 1.0))

        yield report


@contextmanager
def _lines() -> Iterator[Progress]:
    stages: list[tuple[str, float]] = []  # name and start of the stage under way

    def finish() -> None:
        if stages:
            name, since = stages.pop()
            typer.echo(f"{name}: {time.perf_counter() - since:.2f} s", err=True)

    def report(stage: str, fraction: float) -> None:
        if not stages or stages[-1][0] != stage:
            finish()
            stages.append((stage, time.perf_counter()))

    try:
        yield report
    finally:
        finish()
