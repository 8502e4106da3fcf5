"""`melisma scale upload|download|status`: a folder and its mirror on the volume of Modal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from melisma.cli.program import AsJson, Quiet, Verbose

if TYPE_CHECKING:
    from melisma.scale.modal.cloud import Store
    from melisma.scale.modal.transfer import Moved, Way

Folder = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="Of this machine, below MELISMA_MODAL_ROOT, or the current folder.")
]
Place = Annotated[
    str | None,
    typer.Option("--at", metavar="PATH", help="On the volume; where it mirrors FOLDER without it."),
]
_EVERY_S = 5.0  # between lines where there is no terminal


def upload(
    folder: Folder,
    at: Place = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Bring a folder to the volume, a hundred files at a time; what is there already is left.

    Broken off, it goes on where it was: lists on the volume say what is there, with hashes.
    """
    from melisma.scale.modal import transfer

    _moved(folder, at, transfer.upload, as_json=as_json, quiet=quiet)


def download(
    folder: Folder,
    at: Place = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Bring a folder from the volume here; what is here already is left. Files are whole, or not there at all."""
    from melisma.scale.modal import transfer

    def fetch(store: Store, target: Path, place: str, *, told: Callable[[Way], None] | None) -> Moved:
        return transfer.download(store, place, target, told=told)

    _moved(folder, at, fetch, as_json=as_json, quiet=quiet)


def status(
    folder: Folder,
    at: Place = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Tell how a folder and its mirror on the volume differ."""
    from melisma.cli.summary import print_json
    from melisma.scale.modal import transfer

    place = _place(folder, at)
    found = transfer.compare(_store(), folder, place)
    lists = {"only_here": found.only_here, "only_there": found.only_there, "different": found.different}
    if as_json:
        counts = {"same": found.same, "bytes_here": found.bytes_here, "bytes_there": found.bytes_there}
        print_json({"folder": str(folder), "on_volume": place, **counts, **{k: list(v) for k, v in lists.items()}})
        return
    typer.echo(f"{folder} and {place or 'the root'} of the volume: {found.same} files are the same")
    for what, names in lists.items():
        if names:
            shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
            typer.echo(f"{len(names)} {what.replace('_', ' ')}: {shown}")
    typer.echo(f"{found.bytes_here / 1e6:.1f} MB here, {found.bytes_there / 1e6:.1f} MB there")


def _store() -> Store:
    from melisma.scale.modal.config import ModalConfig
    from melisma.scale.modal.executor import open_store

    return open_store(ModalConfig.of())


def _place(folder: Path, at: str | None) -> str:
    """Return the path on the volume that mirrors a folder.

    Raises
    ------
    InputError
        If none does, or one is given that leads elsewhere.
    """
    from melisma.core.errors import InputError
    from melisma.scale.modal.config import ModalConfig, absolute
    from melisma.scale.modal.paths import Paths

    config = ModalConfig.of()
    if at is not None:
        # Containers see it below its mount, and so may somebody who says where something is to be.
        below = at.removeprefix(config.mount) if f"{at}/".startswith(f"{config.mount}/") else at
        parts = [part for part in below.split("/") if part]
        if any(part in (".", "..") for part in parts):
            raise InputError(f"--at takes a path on the volume, and not {at!r}")
        return "/".join(parts)
    try:
        place = Paths(str(config.root), config.mount, config.folders).on_volume(absolute(folder))
    except ValueError as error:
        raise InputError(
            f"{folder} does not lie in {config.root}, which the volume mirrors: say --at where it is to be there, "
            "or set MELISMA_MODAL_ROOT"
        ) from error
    return "" if place == "." else place


def _moved(folder: Path, at: str | None, move: Callable[..., Moved], *, as_json: bool, quiet: bool) -> None:
    from melisma.cli.summary import print_json

    place = _place(folder, at)
    made = move(_store(), folder, place, told=None if quiet else _teller())
    for problem in made.problems:
        typer.echo(f"warning: {problem}", err=True)
    if as_json:
        counts = {"files": made.n_files, "bytes": made.n_bytes, "there_already": made.n_there}
        print_json({"folder": str(folder), "on_volume": place, **counts, "problems": made.problems})
    elif not quiet:
        files = "1 file" if made.n_files == 1 else f"{made.n_files} files"
        typer.echo(f"{files}, {made.n_bytes / 1e6:.1f} MB; {made.n_there} were there already", err=True)
    if made.problems:
        raise typer.Exit(1)


def _teller() -> Callable[[Way], None]:
    """Return what tells how far it is: one line that changes on a terminal, a line now and then elsewhere."""
    last = [time.monotonic()]

    def tell(way: Way) -> None:
        if sys.stderr.isatty():
            typer.echo(f"\r{way.line():<70}" + ("\n" if way.n_done == way.n_files else ""), nl=False, err=True)
        elif way.n_done < way.n_files and time.monotonic() - last[0] >= _EVERY_S:
            last[0] = time.monotonic()
            typer.echo(way.line(), err=True)

    return tell
