"""`melisma cache`: what is kept of earlier alignments, and how to be rid of it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from melisma.cli.program import AsJson, Quiet, Verbose, group

if TYPE_CHECKING:
    from datetime import timedelta

    from melisma.store.admin import Admin, Removed, Stats
    from melisma.store.cache import Cache
    from melisma.store.database import Chosen

app = group("Look into the cache of alignments, or empty it.")

_SPANS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

Sources = Annotated[
    list[str] | None,
    typer.Option(
        "--source", metavar="NAME", help="Only of this source: user_corrected, imported, ctc, whisper, placed."
    ),
]
EngineName = Annotated[str, typer.Option("--engine", metavar="NAME", help="Only what this engine made.")]
OlderThan = Annotated[str, typer.Option(metavar="AGE", help="Only what is older: 90s, 15m, 12h, 30d, 8w.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@contextmanager
def at_hand(*, wanted: bool, quiet: bool) -> Iterator[Cache | None]:
    """Open the cache for an alignment, None if it is not wanted or switched off; say at the end what failed of it."""
    from melisma.store.cache import open_cache

    said: list[str] = []
    cache = open_cache(warn=said.append) if wanted else None
    try:
        yield cache
    finally:
        if cache is not None:
            cache.close()
        for sentence in () if quiet else said:
            typer.echo(f"warning: {sentence}", err=True)


@app.command()
def path(verbose: Verbose = False) -> None:
    """Print where the cache is."""
    from melisma.store import connect
    from melisma.store.settings import OFF, from_environment

    url = from_environment().url
    typer.echo(OFF if url.lower() == OFF else connect.shown(url))


@app.command()
def stats(as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Count what is kept, by source and engine."""
    from datetime import UTC, datetime

    from melisma.cli.summary import print_json, print_table

    with _admin() as admin:
        found = admin.stats(datetime.now(UTC))
    if as_json:
        print_json(_facts(found))
        return
    typer.echo(f"{found.name}: {'nothing yet' if not found.exists else f'{found.n_bytes / 1e6:.1f} MB'}")
    rows = [("source", "engine", "kept", "expired", "from", "to")]
    rows += [
        (g.source, g.engine, str(g.n_rows), str(g.n_expired), f"{g.oldest:%Y-%m-%d}", f"{g.newest:%Y-%m-%d}")
        for g in found.groups
    ]
    if found.groups:
        print_table(rows)
    if found.exists:
        typer.echo(f"files known by their sound: {found.n_files}")
    if found.redis:
        typer.echo(f"Redis at {found.redis}: {'no answer' if found.n_held is None else f'{found.n_held} entries'}")


@app.command()
def clear(
    source: Sources = None,
    engine: EngineName = "",
    older_than: OlderThan = "",
    yes: Yes = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Remove what is kept: all of it, or what the options choose.

    What a user corrected by hand stays, unless it is named with --source user_corrected.
    """
    from melisma.core.errors import InputError

    chosen, everything = _chosen(source or [], engine, older_than)
    with _admin() as admin:
        n_rows = admin.count(chosen)
        if n_rows and not yes:
            if not sys.stdin.isatty():
                raise InputError(f"this would remove {n_rows} alignments: say --yes")
            typer.confirm(f"Remove {n_rows} alignments from {admin.name}?", abort=True, err=True)
        _print(admin.clear(chosen, files=everything), as_json=as_json)


@app.command()
def purge(as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Remove what has expired."""
    from datetime import UTC, datetime

    with _admin() as admin:
        _print(admin.purge(datetime.now(UTC)), as_json=as_json)


@app.command()
def migrate(quiet: Quiet = False, verbose: Verbose = False) -> None:
    """Bring the tables of a PostgreSQL cache up to date; a SQLite file sees to that by itself."""
    with _admin() as admin:
        before, now = admin.migrate()
    if not quiet:
        typer.echo(
            f"schema {now}, as it was" if before == now else f"schema {now}, before {before or 'none'}", err=True
        )


def _admin() -> Admin:
    from melisma.core.errors import InputError
    from melisma.store.admin import Admin
    from melisma.store.settings import OFF, from_environment

    settings = from_environment()
    if settings.url.lower() == OFF:
        raise InputError("the cache is switched off: MELISMA_CACHE_URL is off")
    return Admin(settings)


def _chosen(names: list[str], engine: str, older_than: str) -> tuple[Chosen, bool]:
    """Read the options; return what they choose, and whether that is all there is."""
    from datetime import UTC, datetime

    from melisma.core.errors import UnknownName
    from melisma.store.database import Chosen
    from melisma.store.entries import Source

    for name in names:
        if name not in list(Source):
            raise UnknownName("source", name, list(Source))
    before = datetime.now(UTC) - _age(older_than) if older_than else None
    return Chosen(tuple(Source(name) for name in names), engine, before), not (names or engine or older_than)


def _age(given: str) -> timedelta:
    """Read a span of time.

    Examples
    --------
    >>> _age("12h")
    datetime.timedelta(seconds=43200)
    """
    from datetime import timedelta

    from melisma.core.errors import InputError

    found = re.fullmatch(r"([0-9]{1,6})([smhdw])", given.strip().lower())
    if not found:
        raise InputError(f"--older-than is a number and one of {', '.join(_SPANS)}, such as 30d, not {given[:40]!r}")
    return timedelta(**{_SPANS[found[2]]: int(found[1])})


def _print(removed: Removed, *, as_json: bool) -> None:
    from melisma.cli.summary import print_json, print_table

    rows = sorted(removed.rows.items())
    if removed.warning:
        typer.echo(f"warning: {removed.warning}", err=True)
    if as_json:
        gone = [{"source": source, "engine": engine, "removed": n} for (source, engine), n in rows]
        print_json({"removed": gone, "files_forgotten": removed.n_files})
        return
    if rows:
        print_table([("source", "engine", "removed"), *((source, engine, str(n)) for (source, engine), n in rows)])
    files = f", {removed.n_files} files forgotten" if removed.n_files else ""
    typer.echo(f"{removed.n_rows} alignments removed{files}")


def _facts(found: Stats) -> dict[str, Any]:
    from dataclasses import asdict

    groups = [
        asdict(each) | {"oldest": each.oldest.isoformat(), "newest": each.newest.isoformat()} for each in found.groups
    ]
    return asdict(found) | {"groups": groups}
