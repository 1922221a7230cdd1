"""The database of the settings, for the length of one command."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TypeVar

from twin.commands.console import plain_errors
from twin.settings import Settings, read_settings
from twin.store.database import Database

Result = TypeVar("Result")


def on_database(work: Callable[[Settings, Database], Awaitable[Result]]) -> Result:
    """Do `work` with TWIN_DATABASE; what fails ends as one line and exit code 2."""

    async def run() -> Result:
        settings = read_settings(os.environ)
        database = await Database.open(settings.database)
        try:
            await database.prepare()
            return await work(settings, database)
        finally:
            await database.close()

    with plain_errors():
        return asyncio.run(run())
