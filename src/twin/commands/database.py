"""`twin database`: the version of its tables, backups, and back from them."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from twin.commands.console import ERR, plain_errors
from twin.settings import read_settings
from twin.store import backup
from twin.store.database import Database

database = typer.Typer(no_args_is_help=True, help="Look after the database.")


@database.command("migrate")
def migrate() -> None:
    """Bring the schema of TWIN_DATABASE to this program's version; take a backup first."""
    with plain_errors():
        asyncio.run(_migrate(read_settings(os.environ).database))


@database.command("backup")
def backup_command(
    file: Annotated[Path, typer.Argument(help="File to write; it must not exist.")],
) -> None:
    """Write all of TWIN_DATABASE into FILE; the service may go on meanwhile."""
    with plain_errors():
        settings = read_settings(os.environ)
        size = asyncio.run(backup.back_up(settings.database, file))
    ERR.print(f"{file}: {size / 2**20:.1f} MiB; keep it apart from TWIN_KEYS", highlight=False)


@database.command("restore")
def restore_command(
    file: Annotated[Path, typer.Argument(help="A file that `backup` wrote.")],
) -> None:
    """Bring FILE into TWIN_DATABASE, which must be empty; the service must not run."""
    with plain_errors():
        settings = read_settings(os.environ)
        asyncio.run(backup.restore(settings.database, file))
    ERR.print(f"{file}: restored; start the service, it goes on from there", highlight=False)


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
