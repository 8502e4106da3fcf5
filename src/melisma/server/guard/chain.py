"""Everything that stands in front of the routes, in the order in which a call passes it."""

from __future__ import annotations

from fastapi import FastAPI

from melisma.server.guard import cross
from melisma.server.guard.addresses import Addresses
from melisma.server.guard.bodies import Bodies
from melisma.server.guard.door import Door, Guard
from melisma.server.guard.headers import SecurityHeaders
from melisma.server.observe.calls import Calls
from melisma.server.observe.metrics import Metrics
from melisma.server.settings import ServiceSettings


def install(app: FastAPI, settings: ServiceSettings, metrics: Metrics) -> Guard:
    """Put the guard in front of an application; return what it knows.

    Raises
    ------
    InputError
        If an address of a proxy, or the URL of Redis, is none.
    """
    guard = Guard(settings)
    # What is added last is passed first.
    app.add_middleware(Bodies, limits=settings.limits)
    app.add_middleware(Door, guard=guard)
    cross.add(app, settings)
    app.add_middleware(Calls, metrics=metrics)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Addresses, proxies=settings.proxies)
    app.state.guard, app.state.metrics = guard, metrics
    return guard
