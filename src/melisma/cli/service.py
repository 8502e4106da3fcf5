"""`melisma service`: what the owner of a service does with it besides running it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from melisma.cli.program import AsJson, Quiet, Verbose, group

if TYPE_CHECKING:
    from melisma.server.settings import ServiceSettings

app = group("Look after the service: its tables, tokens, backups and files.")
token = group("Tokens, which let people and programs in.")
app.add_typer(token, name="token")

_TOKEN_BYTES = 32


@app.command()
def migrate(quiet: Quiet = False, verbose: Verbose = False) -> None:
    """Bring the tables up to date: the service's, and those of a cache in the same PostgreSQL."""
    from melisma.server.settings import from_environment

    told = bring_up_to_date(from_environment())
    for line in () if quiet else told:
        typer.echo(line, err=True)


@token.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose it is; logs and versions name it.")],
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Make a token: printed once, on standard output; the line for the file of tokens goes to standard error."""
    import secrets

    from melisma.server import settings

    settings.check_owner(name)
    made = secrets.token_urlsafe(_TOKEN_BYTES)
    typer.echo(made)
    if not quiet:
        line = f"{name}:{settings.HASHED}{settings.hash_token(made)}"
        typer.echo(f"for the file of --token-file or MELISMA_API_TOKENS_FILE: {line}", err=True)


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="New folder for the copy.")],
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Copy databases and files while the service runs. A copy of SQLite is a data folder by itself."""
    from dataclasses import asdict

    from melisma.cli.summary import print_json
    from melisma.server.settings import from_environment
    from melisma.store.service.backup import Source, back_up

    settings = from_environment()
    made = back_up(Source(settings.database, _cache_beside(settings), settings.data), folder.expanduser().absolute())
    for name in made.missing:
        typer.echo(f"warning: {name} is in the database and not among the files", err=True)
    if as_json:
        print_json(asdict(made))
    elif not quiet:
        held = " and ".join(made.databases) or "no database yet"
        typer.echo(f"{held}, {made.n_files} files, {made.n_bytes / 1e6:.1f} MB", err=True)


@app.command()
def sweep(as_json: AsJson = False, quiet: Quiet = False, verbose: Verbose = False) -> None:
    """Remove files that nothing refers to, uploads that never ended, and jobs that are long over."""
    from dataclasses import asdict

    from melisma.cli.summary import print_json
    from melisma.server.settings import from_environment
    from melisma.store.service.database import ServiceDatabase
    from melisma.store.service.upkeep import sweep as swept

    settings = from_environment()
    database = ServiceDatabase(settings.database)
    try:
        found = swept(database, settings.data, settings.jobs.keep_days)
    finally:
        database.close()
    if as_json:
        print_json(asdict(found))
    elif not quiet:
        typer.echo(
            f"removed: {found.n_files} files, {found.n_uploads} uploads, {found.n_derived} derived files "
            f"({found.n_bytes / 1e6:.1f} MB), {found.n_jobs} jobs, {found.n_receipts} receipts",
            err=True,
        )


def bring_up_to_date(settings: ServiceSettings) -> list[str]:
    """Migrate the service's tables, and the cache's where it lives in a server of its own or beside them.

    Returns
    -------
    list of str
        What was done, a line for each.
    """
    from melisma.server.context import cache_of
    from melisma.store.admin import Admin
    from melisma.store.service.database import ServiceDatabase
    from melisma.store.settings import OFF

    database = ServiceDatabase(settings.database)
    try:
        told = [_step(database.name, *database.migrate())]
    finally:
        database.close()
    cache = cache_of(settings)
    if cache.url.lower() != OFF:
        with Admin(cache) as admin:
            told.append(_step(f"cache {admin.name}", *admin.migrate()))
    return told


def _step(name: str, before: str | None, now: str) -> str:
    was = "as it was" if before == now else f"before {before or 'none'}"
    return f"{name}: schema {now}, {was}"


def _cache_beside(settings: ServiceSettings) -> str:
    """Return the URL of the cache where it has to be copied by itself: corrections are kept there too."""
    from melisma.server.context import cache_of
    from melisma.store.settings import OFF

    url = cache_of(settings).url
    return "" if url.lower() == OFF or url == settings.database else url


@app.command()
def check(as_json: AsJson = False, quiet: Quiet = False, verbose: Verbose = False) -> None:
    """Say whether database, files, queue and engines can be used here; exit code 1 where one cannot."""
    from dataclasses import asdict

    from melisma.cli.server_extra import needs_server
    from melisma.cli.summary import print_json, print_table

    needs_server("melisma service check")
    from melisma.server.context import Context
    from melisma.server.observe.readiness import Readiness
    from melisma.server.settings import from_environment

    context = Context(from_environment())
    try:
        with _reasons() as reasons:
            found = Readiness(context).checks()
    finally:
        context.close()
    if as_json:
        print_json({"ready": all(each.ok for each in found), "checks": [asdict(each) for each in found]})
    elif not quiet:
        print_table([(each.name, "ok" if each.ok else reasons.get(each.name, each.detail)) for each in found])
    if not all(each.ok for each in found):
        raise typer.Exit(1)


@contextmanager
def _reasons() -> Iterator[dict[str, str]]:
    """Collect why a part is not ready: strangers are not told, the owner is."""
    import logging

    found: dict[str, str] = {}

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found[str(record.__dict__.get("part"))] = " ".join(str(record.__dict__.get("reason")).split())

    logger, collector = logging.getLogger("melisma.ready"), Collector()
    logger.addHandler(collector)
    try:
        yield found
    finally:
        logger.removeHandler(collector)
