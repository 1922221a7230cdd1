"""`twin history`: closed days out of the database into Parquet, and back."""

from __future__ import annotations

import getpass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from twin.clock import WallClock
from twin.commands.console import ERR, plain_errors, print_json, progress
from twin.commands.history_times import times_command
from twin.commands.on_database import on_database
from twin.errors import Fault, InputError
from twin.settings import Settings
from twin.store import archive
from twin.store import history as days
from twin.store.archive import Imported, Manifest
from twin.store.database import Database
from twin.store.days import DAY_US

Folder = Annotated[Path, typer.Argument(help="Folder of the exported days.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON, for programs.")]
Day = Annotated[str, typer.Option("--day", help="One UTC day, YYYY-MM-DD.")]
First = Annotated[str, typer.Option("--from", help="First UTC day, YYYY-MM-DD.")]
Last = Annotated[str, typer.Option("--to", help="Last UTC day, YYYY-MM-DD.")]

history = typer.Typer(
    no_args_is_help=True,
    help="Closed days of readings, minutes and decisions: to Parquet, and back. Uses TWIN_*.",
)


@history.command("export")
def export_command(
    folder: Folder, day: Day = "", first: First = "", last: Last = "", *, as_json: AsJson = False
) -> None:
    """Write closed days into FOLDER: the chosen ones, or all that are not there yet."""

    async def work(settings: Settings, database: Database) -> list[Manifest]:
        now_us = WallClock().now_us()
        chosen = await _days_to_export(database, folder, _span(day, first, last), now_us=now_us)
        done = []
        with progress() as bar:
            for one in bar.track(chosen, description="days"):
                manifest = await archive.export_day(
                    database,
                    folder,
                    one,
                    now_us=now_us,
                    lateness_s=settings.lateness_reading_s,
                    person=getpass.getuser(),
                )
                done.append(manifest)
        return done

    _show(on_database(work), as_json=as_json, nothing="Nothing to export.")


@history.command("import")
def import_command(
    folder: Folder, day: Day = "", first: First = "", last: Last = "", *, as_json: AsJson = False
) -> None:
    """Bring the days of FOLDER into the database: the chosen ones, or all."""

    async def work(_: Settings, database: Database) -> list[Imported]:
        done = []
        with progress() as bar:
            for one in bar.track(_days_in(folder, _span(day, first, last)), description="days"):
                done.append(
                    await archive.import_day(
                        database,
                        folder,
                        one,
                        now_us=WallClock().now_us(),
                        person=getpass.getuser(),
                    )
                )
        return done

    imported = on_database(work)
    if as_json:
        print_json(imported)
        return
    for one in imported:
        counts = ", ".join(f"{kind} {one.there[kind].rows:,} rows" for kind in one.there)
        typer.echo(f"{one.day}  now in the database: {counts}")


history.command("times")(times_command)


@history.command("list")
def list_command(folder: Folder, *, as_json: AsJson = False) -> None:
    """List the days of FOLDER with their rows and hashes."""
    with plain_errors():
        found = archive.list_days(folder)
    _show(found, as_json=as_json, nothing=f"{folder}: no exported days.")


def _show(manifests: list[Manifest], *, as_json: bool, nothing: str) -> None:
    if as_json:
        print_json(manifests)
        return
    if not manifests:
        ERR.print(nothing, highlight=False)
    for manifest in manifests:
        typer.echo(f"{manifest.day}  written {manifest.written}")
        for kind, digest in manifest.kinds.items():
            typer.echo(f"    {kind:15} {digest.rows:>12,} rows  SHA-256 {digest.sha256}")


async def _days_to_export(
    database: Database, folder: Path, span: tuple[date, date] | None, *, now_us: int
) -> list[date]:
    """Return the days that were asked for; without any, those past, not yet in the folder."""
    if span is None:
        found = await days.days_between(database, 0, now_us // DAY_US * DAY_US)
        there = {manifest.day for manifest in archive.list_days(folder)}
        return [one for one in found if one not in there]
    begin, end = span
    if begin == end:
        return [begin]  # a day without rows may be exported, too: it says so
    return await days.days_between(database, days.first_us(begin), days.first_us(end) + DAY_US)


def _days_in(folder: Path, span: tuple[date, date] | None) -> list[date]:
    if span is not None and span[0] == span[1]:
        return [span[0]]
    found = [manifest.day for manifest in archive.list_days(folder)]
    return [one for one in found if span is None or span[0] <= one <= span[1]]


def _span(day: str, first: str, last: str) -> tuple[date, date] | None:
    """Return the first and the last day that were asked for; None for no choice."""
    if day and (first or last):
        rule = "stands alone, or leave it out and give --from and --to"
        raise InputError(Fault("--day", day, rule))
    if day:
        return _date("--day", day), _date("--day", day)
    if not (first or last):
        return None
    today = datetime.fromtimestamp(WallClock().now_us() / 1e6, UTC).date()
    begin = _date("--from", first) if first else date(1970, 1, 1)
    end = _date("--to", last) if last else today
    if end < begin:
        raise InputError(Fault("--to", last, f"is before --from {first}"))
    return begin, end


def _date(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError(Fault(name, text, "must be a day, YYYY-MM-DD")) from error
