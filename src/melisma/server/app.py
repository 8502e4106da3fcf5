"""The application: every route and every guard, put together once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.metadata import version

from anyio import to_thread
from fastapi import FastAPI

from melisma.server import openapi, problems
from melisma.server.context import Context
from melisma.server.guard import chain
from melisma.server.observe import exporter
from melisma.server.observe.hearing import hearing
from melisma.server.observe.readiness import Readiness
from melisma.server.worker import Worker

# Modules with a `router`; those that stand here are there.
ROUTES: tuple[str, ...] = (
    "songs",
    "library",
    "alignments",
    "jobs",
    "transcriptions",
    "process",
    "catalogue",
    "media",
    "stems",
    "videos",
    "studio",
    "session",
    "health",
    "metrics",
)


def create_app(context: Context) -> FastAPI:
    """Make the application.

    Parameters
    ----------
    context : Context
        Its parts; closed when the application ends.

    Raises
    ------
    InputError
        If strangers could get in under these settings.
    """
    context.settings.check()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with hearing(metrics):
            worker = Worker(context, context.settings.jobs.workers)
            worker.start()
            yield
            await to_thread.run_sync(worker.stop)
        await guard.rates.close()
        context.close()

    app = FastAPI(
        title="Melisma",
        version=version("melisma"),
        summary="Puts words, and the sounds beneath them, on the timeline of a recording.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        generate_unique_id_function=openapi.operation_id,
    )
    app.state.context = context
    app.state.readiness = Readiness(context)
    metrics = exporter.of_service(context)
    guard = chain.install(app, context.settings, metrics)
    problems.install(app)
    for name in ROUTES:
        app.include_router(import_module(f"melisma.server.routes.{name}").router)
    openapi.install(app)
    return app
