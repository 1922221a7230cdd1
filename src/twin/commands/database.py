"""`twin database migrate`: bring the tables to the version that this program needs."""

from __future__ import annotations

import asyncio
import os

import typer

from twin.commands.console import ERR, plain_errors
from twin.settings import read_settings
from twin.store.database import Database

database = typer.Typer(no_args_is_help=True, help="Look after the database.")


@database.command("migrate")
def migrate() -> None:
    """Bring the schema of TWIN_DATABASE to this program's version; take a backup first."""
    with plain_errors():
        asyncio.run(_migrate(read_settings(os.environ).database))


@database.callback()
def _group() -> None:
    """Look after the database."""


async def _migrate(url: str) -> None:
    opened = await Database.open(url)
    try:
        await opened.migrate()
        await opened.check_version()
    finally:
        await opened.close()
    ERR.print(f"{opened.where}: the schema is up to date", highlight=False)
