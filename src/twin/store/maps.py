"""Map versions: kept whole, to be loaded again, and as rows, to be asked by place."""

from __future__ import annotations

import dataclasses
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import shapely
from sqlalchemy import ColumnElement, Table, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.errors import MapError
from twin.network.model import Gate, Sensor, SingleMap
from twin.store.database import Database
from twin.store.geometry import SRID
from twin.store.statements import insert
from twin.store.tables import map_link, map_node, map_point, map_version

_COUNTED = (
    "nodes",
    "links",
    "lanes",
    "movements",
    "junctions",
    "sensors",
    "gates",
    "zones",
    "features",
)
_ROWS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class MapVersion:
    """A stored version with what it holds."""

    version: str
    name: str
    timezone: str
    stored_us: int
    counts: Mapping[str, int]


async def save_map(database: Database, network: SingleMap, *, now_us: int) -> bool:
    """Keep a map version; False if it was kept before. All of it or nothing."""
    row = {
        "version": network.version,
        "name": network.name,
        "timezone": network.timezone,
        "stored_us": now_us,
        "counts": json.dumps({name: len(getattr(network, name)) for name in _COUNTED}),
        "body": packed(network),
    }
    async with database.write() as connection:
        added = await connection.execute(
            insert(connection, map_version).values(row).on_conflict_do_nothing()
        )
        if added.rowcount != 1:
            return False
        await _add(connection, map_node, _node_rows(network))
        await _add(connection, map_link, _link_rows(network))
        await _add(connection, map_point, _point_rows(network.version, "sensor", network.sensors))
        await _add(connection, map_point, _point_rows(network.version, "gate", network.gates))
    return True


async def list_versions(database: Database) -> list[MapVersion]:
    """Return the stored versions, oldest first."""
    columns = [column for column in map_version.c if column.name != "body"]
    query = select(*columns).order_by(map_version.c.stored_us, map_version.c.version)
    async with database.read() as connection:
        return [
            MapVersion(row.version, row.name, row.timezone, row.stored_us, json.loads(row.counts))
            for row in await connection.execute(query)
        ]


async def load_map(database: Database, version: str) -> SingleMap:
    """Return a stored map. Raises MapError when there is no such version."""
    query = select(map_version.c.body).where(map_version.c.version == version)
    async with database.read() as connection:
        body = (await connection.execute(query)).scalar_one_or_none()
    if body is None:
        raise MapError(f"the database has no map version {version}")
    return unpacked(body)


def packed(network: SingleMap) -> bytes:
    """Return a map as bytes; `unpacked` gives it back."""
    # `replace` leaves the cached lookups of the given object behind
    return zlib.compress(msgspec.msgpack.encode(dataclasses.replace(network)), 6)


def unpacked(body: bytes) -> SingleMap:
    """Return the map of `packed` bytes. Raises MapError for bytes that are none."""
    try:
        return msgspec.msgpack.decode(zlib.decompress(body), type=SingleMap)
    except (zlib.error, msgspec.MsgspecError) as error:
        message = f"is no stored map: {error}"
        raise MapError(message) from error


async def links_within(
    database: Database, version: str, bounds: tuple[float, float, float, float]
) -> list[str]:
    """Return the ids of links that touch a box (west, south, east, north), degrees, by id."""
    query = select(map_link.c.id, map_link.c.geom).where(map_link.c.version == version)
    if database.dialect == "postgresql":
        query = query.where(_touches(bounds))
    box = shapely.box(*bounds)
    async with database.read() as connection:
        rows = (await connection.execute(query)).all()
    return sorted(row.id for row in rows if row.geom.intersects(box))


def _touches(bounds: tuple[float, float, float, float]) -> ColumnElement[bool]:
    return map_link.c.geom.op("&&")(func.ST_MakeEnvelope(*bounds, SRID))


async def _add(connection: AsyncConnection, table: Table, rows: list[dict[str, Any]]) -> None:
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        await connection.execute(table.insert(), rows[first : first + _ROWS_AT_ONCE])


def _node_rows(network: SingleMap) -> list[dict[str, Any]]:
    return [
        {
            "version": network.version,
            "id": node.id,
            "name": node.name,
            "geom": shapely.Point(node.point),
        }
        for node in network.nodes
    ]


def _link_rows(network: SingleMap) -> list[dict[str, Any]]:
    return [
        {
            "version": network.version,
            "id": link.id,
            "from_node": link.from_node,
            "to_node": link.to_node,
            "name": link.name,
            "road": link.road,
            "link_class": link.link_class.value,
            "authority": link.authority,
            "lanes": link.lanes,
            "length_m": link.length_m,
            "free_speed_mps": link.free_speed_mps,
            "capacity_vps": link.capacity_vps,
            "valid_from_us": link.valid_from_us,
            "valid_to_us": link.valid_to_us,
            "geom": shapely.LineString(link.line),
        }
        for link in network.links
    ]


def _point_rows(
    version: str, kind: str, points: Sequence[Sensor] | Sequence[Gate]
) -> list[dict[str, Any]]:
    return [
        {
            "version": version,
            "kind": kind,
            "id": point.id,
            "link": point.link,
            "position_m": point.position_m,
            "geom": shapely.Point(point.point),
        }
        for point in points
    ]
