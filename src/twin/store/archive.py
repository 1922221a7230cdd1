"""Closed days in a folder, to be kept elsewhere, and back into a database.

FOLDER/observation/day=2026-06-16/rows.parquet, the same for `minute_picture` and `decision`,
FOLDER/links/MAP_VERSION.json (the ids behind the columns of minutes) and FOLDER/manifests/
2026-06-16.json: rows and hash of every kind. The manifest is written last; a day without one is
not exported.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import func, select, update

from twin.clock import iso_from_us
from twin.errors import Fault, InputError, MapError
from twin.store import audit, exports, history, maps
from twin.store.database import Database
from twin.store.days import DAY_US
from twin.store.history import SHAPES, Digest, Digester, Kind
from twin.store.inserts import insert_history
from twin.store.parquet import DayWriter, read_rows
from twin.store.tables import decision

IMPORTED: Final = "history.import"
_ON_MAPS: Final = frozenset({Kind.MINUTE, Kind.SCORE, Kind.STEP, Kind.OPENING})
_FORMAT: Final = 1


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an exported day holds. `access` are counts of access decisions, small ones untold."""

    day: date
    kinds: dict[Kind, Digest]
    access: list[dict[str, str | int | None]]
    written: str
    format: int = _FORMAT


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: rows in the files, and rows of that day in the database afterwards."""

    day: date
    read: Mapping[Kind, int]
    there: Mapping[Kind, Digest]


async def export_day(
    database: Database, folder: Path, day: date, *, now_us: int, lateness_s: float, person: str
) -> Manifest:
    """Write a closed day, note it in the audit, and return its manifest.

    A day that was exported before is written anew. Raises InputError for a day still open.
    """
    await history.refuse_open(database, day, now_us=now_us, lateness_s=lateness_s)
    kinds = {kind: await _write(database, folder, kind, day) for kind in Kind}
    start_us = history.first_us(day)
    async with database.read() as connection:
        access = await history.access_counts(connection, start_us, start_us + DAY_US)
        access = access or await history.access_told(connection, day)
    manifest = Manifest(day, kinds, access, iso_from_us(now_us))
    _put(_manifest_path(folder, day), manifest)
    await exports.note(database, day, kinds, now_us=now_us, person=person)
    return manifest


async def import_day(
    database: Database, folder: Path, day: date, *, now_us: int, person: str
) -> Imported:
    """Bring an exported day into a database; rows that are there stay as they are.

    Raises InputError when a file is missing or its rows are not those of the manifest; of that
    kind nothing has been written then.
    """
    manifest = read_manifest(folder, day)
    for kind, told in manifest.kinds.items():
        _check(rows_path(folder, kind, day), kind, told)
    for kind in manifest.kinds:
        for rows in read_rows(rows_path(folder, kind, day), kind):
            async with database.write() as connection:
                await insert_history(connection, kind, rows, known_days=database.known_days)
    await _mark_newest(database, day)
    for path in sorted((folder / "maps").glob("*.map")):
        await maps.save_map(database, maps.unpacked(path.read_bytes()), now_us=now_us)
    there = {kind: await history.digest_day(database, kind, day) for kind in manifest.kinds}
    await audit.record(
        database, time_us=now_us, person=person, act=IMPORTED, target=day.isoformat()
    )
    return Imported(day, {kind: told.rows for kind, told in manifest.kinds.items()}, there)


def list_days(folder: Path) -> list[Manifest]:
    """Return the manifests of a folder, oldest day first; an empty list if there is none."""
    return [_read(path) for path in sorted((folder / "manifests").glob("*.json"))]


def read_manifest(folder: Path, day: date) -> Manifest:
    """Return the manifest of a day. Raises InputError when the day is not there."""
    path = _manifest_path(folder, day)
    if not path.exists():
        rule = "is not in this folder; `twin history list FOLDER` shows what is"
        raise InputError(Fault("day", day.isoformat(), rule, "unknown"))
    return _read(path)


async def _write(database: Database, folder: Path, kind: Kind, day: date) -> Digest:
    digester = Digester()
    path = rows_path(folder, kind, day)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    versions: set[str] = set()
    with DayWriter(partial, kind) as writer:
        async for rows in history.stream_day(database, kind, day):
            writer.take(rows)
            digester.take(rows)
            if kind in _ON_MAPS:
                column = SHAPES[kind].columns.index("map_version")
                versions |= {row[column] for row in rows}
    _settle(partial, path)
    for version in sorted(versions):
        await _write_map(database, folder, version)
    return digester.digest()


async def _write_map(database: Database, folder: Path, version: str) -> None:
    """Name the links behind the columns, and keep the map; one that is not stored is left out."""
    path = folder / "links" / f"{version}.json"
    if path.exists() and map_path(folder, version).exists():
        return
    try:
        network = await maps.load_map(database, version)
    except MapError:
        return
    _put(path, [str(link.id) for link in network.links])
    _put_bytes(map_path(folder, version), maps.packed(network))


def map_path(folder: Path, version: str) -> Path:
    """Return the file that holds a map in a folder of days."""
    return folder / "maps" / f"{version}.map"


def rows_path(folder: Path, kind: Kind, day: date) -> Path:
    """Return the file that holds the rows of a kind and day."""
    return folder / kind / f"day={day.isoformat()}" / "rows.parquet"


async def _mark_newest(database: Database, day: date) -> None:
    """Let `newest` stand at one version of each decision that the day has."""
    start_us = history.first_us(day)
    within = (decision.c.time_us >= start_us, decision.c.time_us < start_us + DAY_US)
    touched = select(decision.c.id).where(*within)
    other = decision.alias()
    top = select(func.max(other.c.version)).where(other.c.id == decision.c.id).scalar_subquery()
    async with database.write() as connection:
        await connection.execute(
            update(decision)
            .where(decision.c.id.in_(touched), decision.c.newest != (decision.c.version == top))
            .values(newest=(decision.c.version == top))
        )


def _check(path: Path, kind: Kind, told: Digest) -> None:
    digester = Digester()
    try:
        for rows in read_rows(path, kind):
            digester.take(rows)
    except (OSError, ValueError) as error:  # pyarrow's errors are ValueErrors
        rule = f"cannot be read as {kind} ({type(error).__name__})"
        raise InputError(Fault("file", str(path), rule)) from error
    found = digester.digest()
    if found != told:
        rule = f"holds {found.rows} rows, SHA-256 {found.sha256}; the manifest says {told.rows}, "
        raise InputError(Fault("file", str(path), rule + told.sha256, "conflict"))


def _manifest_path(folder: Path, day: date) -> Path:
    return folder / "manifests" / f"{day.isoformat()}.json"


def _settle(partial: Path, path: Path) -> None:
    """Let a whole file take its name once it is on the disk."""
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)


def _put(path: Path, document: Any) -> None:
    """Write JSON in one step, on the disk when this returns."""
    _put_bytes(path, msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")


def _put_bytes(path: Path, body: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_bytes(body)
    _settle(partial, path)


def _read(path: Path) -> Manifest:
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except msgspec.MsgspecError as error:
        raise InputError(Fault("file", str(path), f"is no manifest of twin: {error}")) from error
    if manifest.format != _FORMAT:
        rule = f"has format {manifest.format}; this program reads {_FORMAT}"
        raise InputError(Fault("file", str(path), rule))
    return manifest
