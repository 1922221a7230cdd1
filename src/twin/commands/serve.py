"""`twin serve`: the service, with the settings of the environment."""

from __future__ import annotations

import asyncio
import os

import typer

from twin.app import Service
from twin.commands.console import ERR, plain_errors
from twin.commands.logs import start_logging
from twin.commands.warm import warm_kernels
from twin.settings import read_settings


def serve() -> None:
    """Run the service until Ctrl-C, with the TWIN_* settings of the environment.

    `twin settings --explain` lists them. While the broker or the database is away the service
    stays up, says so at /health/ready, and tries again.
    """
    with plain_errors():
        settings = read_settings(os.environ)
        start_logging(settings.log_level)
        service = Service(settings)  # what is wrong with the files is said before the long wait
        warm_kernels()
        code = asyncio.run(_serve(service))
    raise typer.Exit(code)


async def _serve(service: Service) -> int:
    async def tell(started: Service) -> None:
        ERR.print(f"twin serves {started.network.name or 'the map'} at {started.url}")

    return await service.run([tell])
