"""`melisma worker`: a process that does the service's jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from melisma.cli.program import Verbose


def worker(
    threads: Annotated[int, typer.Option(min=1, max=64, help="Jobs that are done at once.")] = 1,
    data: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder of recordings and results; that of melisma serve.")
    ] = None,
    metrics_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port on which Prometheus finds this worker's metrics.")
    ] = None,
    metrics_host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address of that port; it asks nobody for a token.")
    ] = "127.0.0.1",
    verbose: Verbose = False,
) -> None:
    """Do the jobs of a service that shares database, queue and data folder; ends with Ctrl-C.

    What is not given is read from the environment: docs/operate.md lists the variables.
    """
    from melisma.cli.server_extra import needs_server, settings_with

    needs_server("melisma worker")
    from melisma.pipeline.log import json_lines
    from melisma.server.context import Context
    from melisma.server.observe.exporter import of_worker
    from melisma.server.worker import serve

    settings = settings_with({} if data is None else {"MELISMA_DATA_DIR": str(data)})
    where = "Redis" if settings.jobs.redis_url else str(settings.data / "queue.sqlite")
    with json_lines(), of_worker(metrics_port, metrics_host):
        serve(Context(settings), threads, lambda: typer.echo(f"a worker waits for jobs in {where}", err=True))
