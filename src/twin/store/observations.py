"""The history of readings: written in bulk, asked by key, by sensor and by time.

In here a reading is named by its sensor's id; `sensor_ids[row]` translates the row of a map.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sqlalchemy import Row, bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.columns import Bools, Floats, Ints, ReadingBatch
from twin.network.model import SingleMap
from twin.perceive.state import Measured
from twin.store.database import Database
from twin.store.records import Observations
from twin.store.tables import observation

_COLUMNS: Final = (
    "sensor",
    "time_us",
    "period_ms",
    "count",
    "speed_mps",
    "occupancy_frac",
    "event_id",
    "late",
    "content",
    "batch",
    "origin",
)
_NAMES: Final = ", ".join(_COLUMNS)
_KNOWN: Final = {
    "sqlite": """
        SELECT k.key AS n, o.content AS content
        FROM json_each(:keys) AS k CROSS JOIN observation AS o
        WHERE o.sensor = json_extract(k.value, '$[0]')
        AND o.time_us = json_extract(k.value, '$[1]')
        AND o.period_ms = json_extract(k.value, '$[2]')""",
    "postgresql": """
        SELECT k.n - 1 AS n, o.content AS content FROM unnest(
            CAST(:sensors AS text[]), CAST(:times AS bigint[]), CAST(:periods AS bigint[])
        ) WITH ORDINALITY AS k (sensor, time_us, period_ms, n)
        JOIN observation AS o USING (sensor, time_us, period_ms)
        WHERE o.time_us BETWEEN :first AND :last""",
}
_IDS: Final = {
    "sqlite": "json_each(:ids) AS s",
    "postgresql": "unnest(CAST(:ids AS text[])) AS s (value)",
}


async def insert_observations(
    connection: AsyncConnection, entries: Observations, *, batch: int
) -> int:
    """Write readings, in the caller's transaction, and return how many were not there before.

    A key that is there already stays as it is.
    """
    rows = _rows(entries, batch=batch)
    if not rows:
        return 0
    if connection.dialect.name == "postgresql":
        return await _copy(connection, rows)
    marks = ", ".join("?" * len(_COLUMNS))
    statement = f"INSERT INTO observation ({_NAMES}) VALUES ({marks}) ON CONFLICT DO NOTHING"
    return (await connection.exec_driver_sql(statement, rows)).rowcount


async def _copy(connection: AsyncConnection, rows: list[tuple[Any, ...]]) -> int:
    """COPY into a table of this connection, and from there what is not known yet."""
    await connection.exec_driver_sql(
        "CREATE TEMPORARY TABLE IF NOT EXISTS observation_in (LIKE observation) "
        "ON COMMIT DELETE ROWS"
    )
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    await driver.copy_records_to_table("observation_in", records=rows, columns=_COLUMNS)
    kept = await connection.exec_driver_sql(
        f"INSERT INTO observation ({_NAMES}) SELECT {_NAMES} FROM observation_in "
        "ON CONFLICT DO NOTHING"
    )
    return kept.rowcount


def _rows(entries: Observations, *, batch: int) -> list[tuple[Any, ...]]:
    readings = entries.readings
    names = entries.sensor_ids
    return list(
        zip(
            [names[row] for row in readings.sensor.tolist()],
            readings.time_us.tolist(),
            readings.period_ms.tolist(),
            _nullable(readings.count),
            _nullable(readings.speed_mps),
            _nullable(readings.occupancy_frac),
            entries.event_ids,
            entries.late.tolist(),
            entries.content.tolist(),
            [batch] * len(readings),
            [None] * len(readings) if entries.origin is None else entries.origin.tolist(),
            strict=True,
        )
    )


def _nullable(column: Floats) -> list[float | None]:
    values = column.astype(object)
    values[np.isnan(column)] = None
    return list(values)


async def known_keys(
    database: Database, sensor_ids: Sequence[str], batch: ReadingBatch
) -> tuple[Bools, Ints]:
    """Say which readings of a batch history has by (sensor, time, period).

    Returns (known (n,) bool, content (n,) int64: the hash stored with it, 0 where unknown). Made
    for batches of up to some 10,000 rows.
    """
    known = np.zeros(len(batch), np.bool_)
    content = np.zeros(len(batch), np.int64)
    if not len(batch):
        return known, content
    sensors = [sensor_ids[row] for row in batch.sensor.tolist()]
    times = batch.time_us.tolist()
    periods = batch.period_ms.tolist()
    values: dict[str, Any]
    if database.dialect == "postgresql":
        values = {"sensors": sensors, "times": times, "periods": periods}
        values |= {"first": min(times), "last": max(times)}
    else:
        values = {"keys": json.dumps(list(zip(sensors, times, periods, strict=True)))}
    async with database.read() as connection:
        found = (await connection.execute(text(_KNOWN[database.dialect]), values)).all()
    if found:
        pairs = np.array([tuple(row) for row in found], np.int64)
        known[pairs[:, 0]] = True
        content[pairs[:, 0]] = pairs[:, 1]
    return known, content


async def newest_by_sensor(database: Database, sensor_ids: Sequence[str]) -> Ints:
    """Return the newest reading's time of each sensor, late ones aside: (sensors,), -1 none."""
    newest = np.full(len(sensor_ids), -1, np.int64)
    rows_of = {sensor: row for row, sensor in enumerate(sensor_ids)}
    statement = f"""
        SELECT s.value AS sensor, (
            SELECT o.time_us FROM observation AS o WHERE o.sensor = s.value AND NOT o.late
            ORDER BY o.time_us DESC LIMIT 1
        ) AS time_us FROM {_IDS[database.dialect]}"""
    async with database.read() as connection:
        found = await connection.execute(text(statement), _ids(database, sensor_ids))
        for row in found:
            if row.time_us is not None:
                newest[rows_of[row.sensor]] = row.time_us
    return newest


async def measured_at(
    database: Database, network: SingleMap, time_us: int, *, within_us: int | None = None
) -> Measured:
    """Return the newest reading of every sensor at a moment, as it was measured.

    Readings older than `within_us` before the moment do not count (None: any age). Where a sensor
    has readings over several periods that end together, the shortest counts.
    """
    first = -(2**62) if within_us is None else time_us - within_us
    statement = f"""
        SELECT o.sensor AS sensor, o.time_us AS time_us, o.period_ms AS period_ms,
            o.count AS count, o.speed_mps AS speed_mps, o.occupancy_frac AS occupancy_frac
        FROM {_IDS[database.dialect]}
        JOIN observation AS o ON o.sensor = s.value AND o.time_us = (
            SELECT max(p.time_us) FROM observation AS p WHERE p.sensor = s.value
            AND p.time_us <= :last AND p.time_us >= :first
        ) ORDER BY o.sensor, o.period_ms DESC"""
    ids = [str(sensor.id) for sensor in network.sensors]
    values = _ids(database, ids) | {"first": first, "last": time_us}
    async with database.read() as connection:
        rows = (await connection.execute(text(statement), values)).all()
    columns = {row.sensor: row for row in rows}
    found = [columns.get(sensor) for sensor in ids]
    return Measured(
        time_us=np.array([-1 if row is None else row.time_us for row in found], np.int64),
        period_ms=np.array([0 if row is None else row.period_ms for row in found], np.int64),
        count=_floats([None if row is None else row._mapping["count"] for row in found]),
        speed_mps=_floats([None if row is None else row.speed_mps for row in found]),
        occupancy_frac=_floats([None if row is None else row.occupancy_frac for row in found]),
    )


async def readings_after_snapshot(
    database: Database, network: SingleMap, batch: int
) -> ReadingBatch:
    """Return the readings, late ones left out, that commits after `batch` brought, in their order.

    Sensors that the map does not have are left out.
    """
    query = (
        select(observation)
        .where(observation.c.batch > bindparam("after"), ~observation.c.late)
        .order_by(observation.c.batch, observation.c.time_us, observation.c.sensor)
    )
    async with database.read() as connection:
        rows = (await connection.execute(query, {"after": batch})).all()
    return _batch(network, rows)


async def applied_between(
    database: Database, network: SingleMap, first_us: int, last_us: int
) -> tuple[ReadingBatch, Ints]:
    """Return the readings with first <= time <= last that were in time, by time and sensor.

    The second is where each stood on the log (`store/origins.py`), -1 where that is not known.
    """
    query = (
        select(observation)
        .where(observation.c.time_us >= first_us, observation.c.time_us <= last_us)
        .where(~observation.c.late)
        .order_by(observation.c.time_us, observation.c.sensor, observation.c.period_ms)
    )
    async with database.read() as connection:
        rows = (await connection.execute(query)).all()
    kept = [row for row in rows if row.sensor in network.sensor_rows]
    stood = [-1 if row.origin is None else row.origin for row in kept]
    return _batch(network, kept), np.array(stood, np.int64)


async def readings_between(
    database: Database, network: SingleMap, first_us: int, last_us: int
) -> ReadingBatch:
    """Return all readings, late ones too, with first_us < time <= last_us, by time and sensor."""
    query = (
        select(observation)
        .where(observation.c.time_us > first_us, observation.c.time_us <= last_us)
        .order_by(observation.c.time_us, observation.c.sensor, observation.c.period_ms)
    )
    async with database.read() as connection:
        rows = (await connection.execute(query)).all()
    return _batch(network, rows)


def _batch(network: SingleMap, rows: Sequence[Row[Any]]) -> ReadingBatch:
    sensor_rows = network.sensor_rows
    kept = [row for row in rows if row.sensor in sensor_rows]
    return ReadingBatch(
        sensor=np.array([sensor_rows[row.sensor] for row in kept], np.int32),
        time_us=np.array([row.time_us for row in kept], np.int64),
        period_ms=np.array([row.period_ms for row in kept], np.int64),
        count=_floats([row._mapping["count"] for row in kept]),
        speed_mps=_floats([row.speed_mps for row in kept]),
        occupancy_frac=_floats([row.occupancy_frac for row in kept]),
    )


def _floats(values: list[float | None]) -> npt.NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _ids(database: Database, sensor_ids: Sequence[str]) -> dict[str, Any]:
    names = list(sensor_ids)
    return {"ids": names if database.dialect == "postgresql" else json.dumps(names)}
