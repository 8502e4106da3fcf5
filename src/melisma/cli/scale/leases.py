"""`melisma scale leases`: what runs had in hand when they were killed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from melisma.cli.program import AsJson, Verbose


def leases(
    journal: Annotated[Path, typer.Argument(metavar="JOURNAL", help="The hidden file beside what a run makes.")],
    forget: Annotated[bool, typer.Option("--forget", help="Let all of them be tried again.")] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Tell what runs had in hand when they were killed, or the machine went down.

    The next run does such a task alone, in a process of its own, and so does the one after it. One that was in hand
    three times is not tried again until this command is told to forget it.
    """
    from melisma.cli.summary import print_json, print_table
    from melisma.core.errors import InputError
    from melisma.scale.journal import Journal

    if not journal.is_file() or not _is_database(journal):
        raise InputError(f"{journal} is no journal: runs keep one as .NAME.journal beside what they make")
    with Journal(journal) as known:
        found = known.leases()
        if forget:
            known.forget_leases()
    rows = [(each.key, each.attempts, each.holder, _clock(each.since)) for each in found]
    if as_json:
        names = ("task", "runs", "holder", "since")
        print_json({"leases": [dict(zip(names, row, strict=True)) for row in rows], "forgotten": forget})
    elif rows:
        print_table([("task", "runs", "last in hand of", "since"), *(tuple(map(str, row)) for row in rows)])
    if not as_json:
        typer.echo(f"{len(rows)} in hand when runs were killed" + (", now forgotten" if forget and rows else ""))


def _is_database(path: Path) -> bool:
    """Tell databases from files of others, which nobody is to be told to delete."""
    with path.open("rb") as file:
        return file.read(16) in (b"", b"SQLite format 3\0")


def _clock(since: float) -> str:
    from datetime import UTC, datetime

    try:
        return datetime.fromtimestamp(since, UTC).isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):  # a journal of somebody else
        return str(since)
