"""`twin map store|versions|activate`: versions of the map in the database, and the one in use."""

from __future__ import annotations

import asyncio
import getpass
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.table import Table

from twin.api.maps import activation, change_view
from twin.clock import WallClock, iso_from_us
from twin.commands.console import ERR, OUT, plain_errors, print_json
from twin.commands.on_database import on_database
from twin.control.decision import REASON_CHARS
from twin.errors import Fault, InputError
from twin.events import Topic
from twin.log import open_log
from twin.log.contract import Place
from twin.network.gmns import read_gmns
from twin.settings import Settings
from twin.store import audit, map_changes, maps
from twin.store.database import Database
from twin.store.records import MapChange, MapChangeState

Json = Annotated[bool, typer.Option("--json", help="For a program to read.")]
_ASK_AGAIN_S: Final = 0.2
_DIGITS: Final = 12


def store_command(
    folder: Annotated[Path, typer.Argument(help="GMNS folder, as TWIN_MAP would name it.")],
) -> None:
    """Keep a map in the database, so that it can be activated; print its version."""

    async def work(_: Settings, database: Database) -> bool:
        added = await maps.save_map(database, network, now_us=WallClock().now_us())
        if added:
            await _note(database, "map.store", str(network.version), {"name": network.name})
        return added

    with plain_errors():
        network, _ = read_gmns(folder)
    added = on_database(work)
    ERR.print(f"{network.name}: {'stored' if added else 'was stored before'}", highlight=False)
    typer.echo(network.version)


def versions_command(*, as_json: Json = False) -> None:
    """List the stored versions of the map, and the one in use since the last change."""

    async def work(_: Settings, database: Database) -> tuple[list[maps.MapVersion], str | None]:
        return await maps.list_versions(database), await map_changes.active_version(database)

    stored, active = on_database(work)
    rows = [
        {
            "version": one.version,
            "name": one.name,
            "stored": iso_from_us(one.stored_us),
            "links": one.counts.get("links", 0),
            "sensors": one.counts.get("sensors", 0),
            "activated": one.version == active,
        }
        for one in stored
    ]
    if as_json:
        print_json(rows)
        return
    table = Table("version", "name", "stored", "links", "sensors", "activated")
    for row in rows:
        version, *values, activated = row.values()
        shown = str(version)[:_DIGITS]  # enough to be typed, and never cut by a narrow terminal
        table.add_row(shown, *map(str, values), "yes" if activated else "")
    OUT.print(table if rows else "No maps are stored. `twin map store FOLDER` stores one.")


def activate_command(
    version: Annotated[str, typer.Argument(help="A stored one; the first digits are enough.")],
    *,
    reason: Annotated[str, typer.Option(help="Why; stands in the audit and in the change.")],
    wait: Annotated[
        float, typer.Option(min=0.0, help="Wait so long for the running service, in seconds.")
    ] = 30.0,
    as_json: Json = False,
) -> None:
    """Let the running service go over to another stored version of the map.

    Exit code 0 when it did, or when nobody is there to do it yet; 2 when it was refused.
    """

    async def work(settings: Settings, database: Database) -> MapChange:
        return await _activate(settings, database, version, reason.strip(), wait_s=wait)

    change = on_database(work)
    if as_json:
        print_json(msgspec.to_builtins(change_view(change)))
    else:
        _tell(change)
    if change.state is MapChangeState.REFUSED:
        raise typer.Exit(2)


def register(maps_app: typer.Typer) -> None:
    """Put the commands beside `twin map import`."""
    maps_app.command("store")(store_command)
    maps_app.command("versions")(versions_command)
    maps_app.command("activate")(activate_command)


async def _activate(
    settings: Settings, database: Database, version: str, reason: str, *, wait_s: float
) -> MapChange:
    if len(reason) < REASON_CHARS:
        rule = f"a reason of at least {REASON_CHARS} characters is needed"
        raise InputError(Fault("--reason", reason, rule, "reason_too_short"))
    whole = await _whole(database, version)
    clock = WallClock()
    act = activation(whole, person=_person(), reason=reason, now_us=clock.now_us())
    await _note(database, "map.activate", whole, {"reason": reason})
    log = open_log(settings.log, database.path, settings.topic_prefix)
    try:
        await log.start()
        await log.append(
            Place(Topic.ACT.value, 0),
            [msgspec.json.encode(act)],
            arrival_us=clock.now_us(),
            headers={"source": "command line"},
        )
    finally:
        await log.close()
    asked = MapChange(act.id, whole, act.person, reason, clock.now_us())
    end_us = clock.now_us() + round(wait_s * 1e6)
    while True:
        change = await map_changes.find_change(database, act.id) or asked
        if change.state is not MapChangeState.ASKED or clock.now_us() >= end_us:
            return change
        await asyncio.sleep(_ASK_AGAIN_S)


async def _whole(database: Database, version: str) -> str:
    """Return the one stored version that begins with these digits."""
    found = [
        one.version
        for one in await maps.list_versions(database)
        if one.version.startswith(version.lower())
    ]
    if len(found) != 1 or not version:
        rule = "is no stored version" if not found else f"begins {len(found)} stored versions"
        raise InputError(
            Fault("VERSION", version, f"{rule}; `twin map versions` shows them", "unknown")
        )
    return found[0]


def _tell(change: MapChange) -> None:
    if change.state is MapChangeState.ASKED:
        ERR.print(
            "asked; the service has not answered yet: it changes at its next beat, "
            "and `GET /network/changes` tells how it went",
            highlight=False,
        )
    elif change.state is MapChangeState.REFUSED:
        ERR.print(f"refused: {change.report.get('why', '')}", highlight=False, markup=False)
    else:
        carried, dropped = change.report["carried"], change.report["dropped"]
        ERR.print(
            f"{change.version} is in use; carried over: {_listed(carried)}; "
            f"begun anew: {_listed(dropped)}",
            highlight=False,
        )
        for one in change.report["named"]:
            OUT.print(f"  {one['kind']} {one['id']}: {one['why']}", highlight=False, markup=False)


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing"


def _person() -> str:
    return f"{getpass.getuser()} (command line)"


async def _note(database: Database, act: str, target: str, detail: dict[str, Any]) -> None:
    await audit.record(
        database,
        time_us=WallClock().now_us(),
        person=_person(),
        act=act,
        target=target,
        detail=detail,
    )
