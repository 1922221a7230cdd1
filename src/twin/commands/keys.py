"""`twin keys`: the key ring that seals plates, and the API keys of people and programs."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from twin.api.roles import Role
from twin.clock import WallClock, iso_from_us
from twin.commands.console import ERR, OUT, plain_errors, print_json
from twin.commands.on_database import on_database
from twin.errors import Fault, InputError
from twin.keys import KeyRing
from twin.settings import Environment, Settings, read_settings
from twin.store import audit, people
from twin.store.database import Database
from twin.units import SECOND_US

keys = typer.Typer(
    no_args_is_help=True,
    help="Sealing keys (`new`), and API keys and login links (`add`, `list`, `revoke`, `login`).",
)


@keys.command("new")
def new(
    path: Annotated[Path, typer.Argument(help="file to write; it must not exist")],
    environment: Annotated[
        Environment,
        typer.Option(
            envvar="TWIN_ENVIRONMENT", help="the keys are named after it: none is used in another"
        ),
    ] = Environment.TEST,
) -> None:
    """Make the key ring that seals plates (TWIN_KEYS), readable by its owner only."""
    with plain_errors():
        try:
            KeyRing.fresh(environment.value).save(path)
        except FileExistsError as error:
            rule = "exists; keys are never overwritten: without them nothing sealed can be opened"
            raise InputError(Fault("PATH", str(path), rule)) from error
        ERR.print(
            f"{path}: keys of the environment {environment.value}, mode 0600", highlight=False
        )


@keys.command("add")
def add(
    role: Annotated[Role, typer.Option(help="what the key is for")],
    name: Annotated[str, typer.Option(help="whose it is; stands in audit and accounting")],
    days: Annotated[int | None, typer.Option(min=1, help="ends after so many days")] = None,
    json: Annotated[bool, typer.Option("--json", help="print JSON, for programs")] = False,
) -> None:
    """Make an API key in TWIN_DATABASE and print it, once: nobody can read it again."""

    async def make(_: Settings, database: Database) -> str:
        now_us = WallClock().now_us()
        lasts = None if days is None else now_us + _us(timedelta(days=days))
        clear = await people.create_key(
            database, name=name, role=role.value, now_us=now_us, expires_us=lasts
        )
        await _note(database, "key.add", name, role)
        return clear

    clear = on_database(make)
    if json:
        print_json({"key": clear, "name": name, "role": role.value})
    else:
        ERR.print(f"The key of {name} ({role.value}); keep it, it is shown only now:")
        typer.echo(clear)


@keys.command("list")
def list_(
    json: Annotated[bool, typer.Option("--json", help="print JSON, for programs")] = False,
) -> None:
    """List the API keys in TWIN_DATABASE, without their secrets."""

    async def work(_: Settings, database: Database) -> list[people.KeyEntry]:
        return await people.list_keys(database)

    entries = on_database(work)
    now_us = WallClock().now_us()
    rows = [
        {
            "id": entry.id,
            "name": entry.name,
            "role": entry.role,
            "created": iso_from_us(entry.created_us),
            "state": _state(entry, now_us),
        }
        for entry in entries
    ]
    if json:
        print_json(rows)
        return
    table = Table("id", "name", "role", "created", "state")
    for row in rows:
        table.add_row(*row.values())
    OUT.print(
        table if rows else "No API keys. `twin keys add --role viewer --name NAME` makes one."
    )


@keys.command("revoke")
def revoke(key_id: Annotated[str, typer.Argument(help="id of the key, from `list`")]) -> None:
    """End an API key at once."""

    async def end(_: Settings, database: Database) -> bool:
        ended = await people.revoke_key(database, key_id, now_us=WallClock().now_us())
        if ended:
            await _note(database, "key.revoke", key_id, None)
        return ended

    with plain_errors():
        if not on_database(end):
            rule = "is no key that is still good; `twin keys list` shows them"
            raise InputError(Fault("KEY_ID", key_id, rule, "unknown"))
        ERR.print(f"{key_id}: revoked")


@keys.command("login")
def login(
    role: Annotated[Role, typer.Option(help="what the person is here for")],
    name: Annotated[str, typer.Option(help="the person; stands in the audit")],
    minutes: Annotated[int, typer.Option(min=1, max=1440, help="the link lasts so long")] = 15,
) -> None:
    """Make a one-time link that opens the console for a person, and print it."""

    async def make(_: Settings, database: Database) -> str:
        expires_us = WallClock().now_us() + minutes * 60 * SECOND_US
        code = await people.create_login_link(
            database, name=name, role=role.value, expires_us=expires_us
        )
        await _note(database, "login.link", name, role)
        return code

    code = on_database(make)
    settings = read_settings(os.environ)
    ERR.print(f"The link of {name} ({role.value}) works once, for {minutes} minutes:")
    typer.echo(f"http://{settings.host}:{settings.port}/api/v1/login?code={code}")


async def _note(database: Database, act: str, target: str, role: Role | None) -> None:
    await audit.record(
        database,
        time_us=WallClock().now_us(),
        person="command line",
        act=act,
        target=target,
        detail={"role": role.value} if role else {},
    )


def _state(entry: people.KeyEntry, now_us: int) -> str:
    if entry.revoked_us is not None:
        return f"revoked {iso_from_us(entry.revoked_us)}"
    if entry.expires_us is not None and entry.expires_us <= now_us:
        return f"ended {iso_from_us(entry.expires_us)}"
    return "good"


def _us(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1)
