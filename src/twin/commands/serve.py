"""`twin serve`: the service, with the settings of the environment."""

from __future__ import annotations

import asyncio
import os
from datetime import datetime
from typing import Annotated

import typer

from twin.app import Service
from twin.clock import Clock, ScaledClock, WallClock, us_from_datetime
from twin.commands.console import ERR, plain_errors
from twin.commands.logs import start_logging
from twin.commands.warm import warm_kernels
from twin.errors import Fault, InputError
from twin.settings import read_settings
from twin.tracing import start_traces, stop_traces


def serve(
    *,
    practice_clock: Annotated[
        str,
        typer.Option(
            help="START,RATE[,ORIGIN_NS]: run on a clock that showed START (RFC 3339) when the "
            "machine's showed ORIGIN_NS (now if left out), RATE times as fast. For exercises."
        ),
    ] = "",
    role: Annotated[
        str,
        typer.Option(
            help="all, or one part of several processes: api, worker, forecaster. "
            "Stands before TWIN_ROLE."
        ),
    ] = "",
) -> None:
    """Run the service until Ctrl-C, with the TWIN_* settings of the environment.

    `twin settings --explain` lists them. While the broker or the database is away the service
    stays up, says so at /health/ready, and tries again.
    """
    with plain_errors():
        settings = read_settings(os.environ | ({"TWIN_ROLE": role} if role else {}))
        start_logging(settings.log_level)
        start_traces(settings.traces, os.environ)
        clock = _clock(practice_clock)
        note = "" if isinstance(clock, WallClock) else "practice clock"
        service = Service(
            settings, clock=clock, note=note
        )  # what is wrong with the files is said before the long wait
        if service.role.computes:
            warm_kernels()
        try:
            code = asyncio.run(_serve(service))
        finally:
            stop_traces()
    raise typer.Exit(code)


async def _serve(service: Service) -> int:
    async def tell(started: Service) -> None:
        ERR.print(f"twin serves {started.network.name or 'the map'} at {started.url}")

    return await service.run([tell])


def _clock(text: str) -> Clock:
    """Make the clock: the machine's, or one for exercises that several processes can share."""
    if not text:
        return WallClock()
    parts = text.split(",")
    try:
        start_us = us_from_datetime(datetime.fromisoformat(parts[0]))
        origin_ns = int(parts[2]) if len(parts) > 2 else None
        return ScaledClock(start_us, rate=float(parts[1]), origin_ns=origin_ns)
    except (ValueError, IndexError) as error:
        rule = "must be START,RATE[,ORIGIN_NS], START with its offset from UTC"
        raise InputError(Fault("practice-clock", text, rule)) from error
