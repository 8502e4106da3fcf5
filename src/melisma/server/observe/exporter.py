"""Where metrics are asked for: the service's own route, or a port of a worker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from prometheus_client import start_http_server
from prometheus_client.exposition import choose_encoder

from melisma.core.errors import InputError
from melisma.server.context import Context
from melisma.server.observe.collectors import Jobs, breakers
from melisma.server.observe.hearing import hearing
from melisma.server.observe.metrics import Metrics


def of_service(context: Context) -> Metrics:
    """Make the metrics of a service: its calls, what it aligns itself, its breakers, and all jobs."""
    metrics = _with_breakers(Metrics())
    metrics.registry.register(Jobs(context))
    return metrics


def spelled(metrics: Metrics, accept: str) -> tuple[bytes, str]:
    """Write metrics as text; return it with its media type."""
    encode, media_type = choose_encoder(accept)
    return encode(metrics.registry), media_type


@contextmanager
def of_worker(port: int | None, host: str = "127.0.0.1") -> Iterator[Metrics]:
    """Count what a worker aligns meanwhile, and serve that on a port of its own.

    Parameters
    ----------
    port : int or None
        None counts and serves nothing.
    host : str
        Address to listen on; nothing here asks for a token.

    Raises
    ------
    InputError
        If the port cannot be had.
    """
    metrics = _with_breakers(Metrics())
    with hearing(metrics), nullcontext() if port is None else _served(metrics, port, host):
        yield metrics


@contextmanager
def _served(metrics: Metrics, port: int, host: str) -> Iterator[None]:
    try:
        server, thread = start_http_server(port, host, metrics.registry)
    except OSError as error:
        raise InputError(f"metrics cannot be served on {host}:{port}: {error.strerror or error}") from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _with_breakers(metrics: Metrics) -> Metrics:
    found = breakers()
    if found is not None:
        metrics.registry.register(found)
    return metrics
