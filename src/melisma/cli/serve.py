"""`melisma serve`: the HTTP service and the Studio."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from melisma.cli.program import Verbose
from melisma.cli.server_extra import needs_server, settings_with

Host = Annotated[str | None, typer.Option(metavar="ADDRESS", help="Address to listen on; 127.0.0.1 if not given.")]
Port = Annotated[
    int | None,
    typer.Option(min=0, max=65535, metavar="PORT", help="Port to listen on, 0 for a free one; 8765 if not given."),
]
Data = Annotated[Path | None, typer.Option(metavar="FOLDER", help="Folder of recordings, results and database.")]
Library = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Folder whose recordings may be named instead of uploaded.")
]
Token = Annotated[
    list[str] | None,
    typer.Option("--token", metavar="NAME:TOKEN", help="Let in who has this token. Others on this machine can see it."),
]
TokenFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Let in who has a token of this file, one NAME:TOKEN a line.")
]
Workers = Annotated[
    int | None,
    typer.Option(min=0, max=64, metavar="N", help="Threads that work; 0 where melisma worker does it; 1 if not given."),
]


def serve(
    host: Host = None,
    port: Port = None,
    data: Data = None,
    library: Library = None,
    token: Token = None,
    token_file: TokenFile = None,
    workers: Workers = None,
    migrate: Annotated[
        bool, typer.Option("--migrate", help="Bring the tables of PostgreSQL up to date first.")
    ] = False,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the Studio in a browser.")] = False,
    verbose: Verbose = False,
) -> None:
    """Start the service and the Studio; ends with Ctrl-C.

    What is not given is read from the environment: docs/operate.md lists the variables.
    """
    needs_server("melisma serve")
    from melisma.server import run

    said = {
        "MELISMA_HOST": host,
        "MELISMA_PORT": port,
        "MELISMA_DATA_DIR": data,
        "MELISMA_LIBRARY_DIR": library,
        "MELISMA_API_TOKENS": ",".join(token) if token else None,
        "MELISMA_API_TOKENS_FILE": token_file,
        "MELISMA_WORKERS": workers,
    }
    settings = settings_with({name: str(value) for name, value in said.items() if value is not None})
    settings.check()
    if migrate:
        from melisma.cli.service import bring_up_to_date

        bring_up_to_date(settings)
    run.serve(settings, lambda address: _tell(address, open_browser))


def _tell(address: str, open_browser: bool) -> None:
    page = f"{address}/studio/"
    typer.echo(f"Melisma is at {page}")
    import sys

    sys.stdout.flush()  # whoever started the service may wait for this line
    if open_browser:
        import threading
        import webbrowser

        # Some browsers stay in the foreground: the service must not wait until one is closed.
        threading.Thread(target=webbrowser.open, args=(page,), daemon=True).start()
