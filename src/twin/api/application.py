"""Puts the routes together into one application."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI
from starlette.routing import BaseRoute

from twin import __version__
from twin.api import (
    accounting,
    alerts,
    authorisations,
    clock,
    commands,
    corridors,
    deadletters,
    decisions,
    detectors,
    documents,
    events_in,
    forecast,
    gates,
    health,
    history,
    history_times,
    incidents,
    maps,
    metrics,
    network,
    openapi,
    pages,
    picture,
    problems,
    processes,
    scenarios,
    scores,
    session,
    standing_alerts,
    stream,
    street,
    tiles,
    travel_times,
)
from twin.api.outer import Outer
from twin.api.roles import MATRIX
from twin.api.routes import Endpoint, register
from twin.api.served import Served

ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    *tiles.ENDPOINTS,  # before the layers, which would take tiles.json for one
    *network.ENDPOINTS,
    *maps.ENDPOINTS,
    *picture.ENDPOINTS,
    *detectors.ENDPOINTS,
    *travel_times.ENDPOINTS,
    *forecast.ENDPOINTS,
    *scores.ENDPOINTS,
    *corridors.ENDPOINTS,
    *history.ENDPOINTS,
    *history_times.ENDPOINTS,
    *decisions.ENDPOINTS,
    *commands.ENDPOINTS,
    *incidents.ENDPOINTS,
    *alerts.ENDPOINTS,
    *standing_alerts.ENDPOINTS,
    *gates.ENDPOINTS,
    *events_in.ENDPOINTS,
    *street.ENDPOINTS,
    *authorisations.ENDPOINTS,
    *deadletters.ENDPOINTS,
    *scenarios.ENDPOINTS,
    *accounting.ENDPOINTS,
    *processes.ENDPOINTS,
    *clock.ENDPOINTS,
    *session.ENDPOINTS,
    *stream.ENDPOINTS,
    *documents.ENDPOINTS,
    *health.ENDPOINTS,
    *metrics.ENDPOINTS,
    *pages.ENDPOINTS,  # last: its path takes every address that is left
)

PROBES: Final[tuple[Endpoint, ...]] = (*health.ENDPOINTS, *metrics.ENDPOINTS)
"""What a process answers that serves nobody: a worker, a forecaster."""


def create_api(served: Served) -> FastAPI:
    """Make the application. Raises KeyError when a route and the table of roles do not agree."""
    app = FastAPI(
        title="twin",
        version=__version__,
        openapi_url=None,  # served behind the table of roles like everything else
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.served = served
    problems.install(app)
    if served.role.serves:
        register(app, ENDPOINTS)
        openapi.install(app, ENDPOINTS)
        check_table(app.routes)
    else:
        register(app, PROBES)
    app.add_middleware(Outer)
    return app


def check_table(routes: list[BaseRoute]) -> None:
    """Compare the routes of an application with the table of roles, both ways.

    Raises KeyError naming a route without a row, or a row without a route.
    """
    found = set()
    for route in routes:
        path = getattr(route, "path", str(route))
        methods = getattr(route, "methods", None) or {"WS"}
        found |= {(method, path) for method in methods}
    missing = sorted(found - MATRIX.keys())
    unused = sorted(MATRIX.keys() - found)
    if missing or unused:
        message = f"routes without roles: {missing}; roles without a route: {unused}"
        raise KeyError(message)
