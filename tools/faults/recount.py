"""Counts the file of events again, from its bytes, and compares the database with it.

    python recount.py EVENTS MAP DATABASE

EVENTS is a file of events, MAP the folder of its map, DATABASE a PostgreSQL URL or an SQLite file.
It knows the published rules (docs/explanation/accounting.md, docs/reference/events.md) and shares
no line with the service: `tests/integration/test_faults_short.py` checks what it imports.
"""

from __future__ import annotations

import asyncio
import csv
import sqlite3
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec
import numpy as np
from fault_file import LOG, read_file

LATENESS_US: Final = {"reading": 600_000_000, "reading.columns": 600_000_000}
PASSAGE_LATENESS_US: Final = 120_000_000
WINDOW_US: Final = 300_000_000
FIRST_US: Final = 946_684_800_000_000
NOW_US: Final = 4_102_444_800_000_000
"""2100: beyond all good events and before all that are ahead of their arrival."""
VERDICTS: Final = ("received", "applied", "duplicate", "late", "rejected")
STREET: Final = "street"
BROKER: Final = "kafka"

Window = tuple[str, int, bool]


class Recount:
    """Gives every record its verdict, in the order in which they are handed in."""

    def __init__(self, folder: Path) -> None:
        """Know the sensors, gates, links and stages of a map."""
        sensors = _table(folder / "twin_sensor.csv")
        self._lanes = {row["sensor_id"]: max(1, int(row["lanes"] or 1)) for row in sensors}
        self._gates = {row["gate_id"] for row in _table(folder / "twin_gate.csv")}
        self._links = {row["link_id"] for row in _table(folder / "link.csv")}
        stages = _table(folder / "twin_stage.csv")
        self._stages = {(row["junction_id"], row["stage_id"]) for row in stages}
        self._furthest: dict[tuple[str, int], int] = {}
        self._contents: dict[Any, Any] = {}
        self.tallies: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self.readings: dict[tuple[str, int, int], tuple[Any, Any, Any, bool]] = {}
        self.events: dict[str, dict[Any, bool]] = defaultdict(dict)

    def take(self, topic: str, partition: int, source: str, values: Iterable[bytes]) -> None:
        """Judge records of one partition."""
        tally = self.tallies[source, topic]
        for value in values:
            for verdict in self._verdicts(topic, partition, value):
                tally["received"] += 1
                tally[verdict] += 1

    def _verdicts(self, topic: str, partition: int, value: bytes) -> Iterator[str]:
        if topic == "reading":
            yield self._reading(topic, partition, _plain_reading(value))
        elif topic == "reading.columns":
            for row in _rows_of(value):
                yield self._reading(topic, partition, row)
        else:
            yield self._event(topic, value)

    def _reading(self, topic: str, partition: int, row: Any) -> str:
        if row is None:
            return "rejected"
        sensor, time_us, period_ms, *content = row
        if sensor not in self._lanes or not FIRST_US <= time_us <= NOW_US:
            return "rejected"
        if not _possible(content, self._lanes[sensor] * (1 + 2 * period_ms / 1000)):
            return "rejected"
        key = (sensor, time_us, period_ms)
        if key in self.readings:
            return "duplicate" if self.readings[key][:3] == tuple(content) else "rejected"
        place = (topic, partition)
        late = time_us < self._furthest.get(place, 0) - LATENESS_US[topic]
        self._furthest[place] = max(self._furthest.get(place, 0), time_us)
        self.readings[key] = (content[0], content[1], content[2], late)
        return "late" if late else "applied"

    def _event(self, topic: str, value: bytes) -> str:
        try:
            event = msgspec.json.decode(value)
        except msgspec.DecodeError:
            return "rejected"
        if not self._good(topic, event):
            return "rejected"
        key = (event["gate"], event["id"]) if topic == "anpr.read" else event["id"]
        if (topic, key) in self._contents:
            return "duplicate" if self._contents[topic, key] == event else "rejected"
        self._contents[topic, key] = event
        late = False
        if topic == "anpr.read":
            time_us, place = _time_us(event["time"]), (topic, 0)
            late = time_us < self._furthest.get(place, 0) - PASSAGE_LATENESS_US
            self._furthest[place] = max(self._furthest.get(place, 0), time_us)
        self.events[topic][key] = late
        return "late" if late else "applied"

    def _good(self, topic: str, event: dict[str, Any]) -> bool:
        if not FIRST_US <= _time_us(event["time"]) <= NOW_US:
            return False
        if topic == "anpr.read":
            return event["gate"] in self._gates and 0 <= event["confidence"] <= 1
        if topic == "incident":
            return event["link"] in self._links and event["until"] >= event["time"]
        return (event["junction"], event["stage"]) in self._stages and (
            event["since"] <= event["time"]
        )

    def windows(self) -> dict[Window, tuple[float, ...]]:
        """Return (readings, sums of count, speed m/s, occupancy share) by sensor and window."""
        sums: dict[Window, list[float]] = defaultdict(lambda: [0, 0.0, 0.0, 0.0])
        for (sensor, time_us, _), (count, speed, occupancy, late) in self.readings.items():
            window = sums[sensor, time_us // WINDOW_US, late]
            window[0] += 1
            window[1] += count or 0
            window[2] += (speed or 0) / 3.6
            window[3] += (occupancy or 0) / 100
        return {window: tuple(values) for window, values in sums.items()}


def recount_file(events: Path, folder: Path) -> Recount:
    """Judge a whole file of events."""
    found = Recount(folder)
    for delivery in read_file(events):
        source = BROKER if delivery.way == LOG else STREET
        found.take(delivery.topic, delivery.partition, source, delivery.values)
    return found


def differences(found: Recount, database: str) -> list[str]:
    """Say where the windows and events in the database are not those of the recount."""
    expected = found.windows()
    stored = {
        (sensor, int(window), bool(late)): tuple(float(value or 0) for value in values)
        for sensor, window, late, *values in query(database, _WINDOWS)
    }
    wrong = [
        f"window {window}: {expected.get(window)} in the file, {stored.get(window)} stored"
        for window in sorted(set(expected) | set(stored))
        if not _close(expected.get(window), stored.get(window))
    ]
    wrong += _keys("passage", set(found.events["anpr.read"]), query(database, _PASSAGES))
    for topic in ("incident", "street.status"):
        statement = f"SELECT key FROM event_key WHERE topic = '{topic}'"
        wrong += _keys(topic, {(key,) for key in found.events[topic]}, query(database, statement))
    return wrong


def query(database: str, statement: str) -> list[tuple[Any, ...]]:
    """Ask the database."""
    if database.startswith("postgresql://"):
        return asyncio.run(_ask_server(database, statement))
    connection = sqlite3.connect(database)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


async def _ask_server(url: str, statement: str) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(statement)]
    finally:
        await connection.close()


_WINDOWS: Final = (
    f"SELECT sensor, time_us / {WINDOW_US}, late, count(*), sum(count), sum(speed_mps), "
    "sum(occupancy_frac) FROM observation GROUP BY 1, 2, 3"
)
_PASSAGES: Final = "SELECT gate, id FROM passage"


def _keys(name: str, expected: set[Any], stored: Sequence[tuple[Any, ...]]) -> list[str]:
    there = set(stored)
    wrong = [f"{name} {key} is missing" for key in sorted(expected - there)[:5]]
    wrong += [f"{name} {key} was never sent" for key in sorted(there - expected)[:5]]
    return wrong + ([f"a {name} stands there twice"] if len(stored) != len(there) else [])


def _close(one: tuple[float, ...] | None, other: tuple[float, ...] | None) -> bool:
    if one is None or other is None:
        return False
    same = one[:2] == other[:2]  # whole numbers; the rest are sums of roundings
    return same and all(
        abs(a - b) <= 1e-9 * max(1, abs(a)) for a, b in zip(one, other, strict=True)
    )


def _possible(content: Sequence[Any], most: float) -> bool:
    limits = zip(content, (most, 250, 100), strict=True)
    return any(value is not None for value in content) and all(
        value is None or 0 <= value <= limit for value, limit in limits
    )


def _plain_reading(value: bytes) -> Any:
    try:
        event = msgspec.json.decode(value)
    except msgspec.DecodeError:
        return None
    return (
        event["sensor"],
        _time_us(event["time"]),
        round(event["period_s"] * 1000),
        event.get("count"),
        event.get("speed_kph"),
        event.get("occupancy_pct"),
    )


def _rows_of(value: bytes) -> Iterator[Any]:
    """Unpack a record of arrays; one that cannot be read is one refused item."""
    try:
        record = msgspec.msgpack.decode(value)
        names = [record["sensors"][row] for row in np.frombuffer(record["sensor"], "<i4")]
    except (msgspec.DecodeError, TypeError, KeyError):
        yield None
        return
    times = np.frombuffer(record["time_us"], "<i8").tolist()
    period_ms = int(np.frombuffer(record["period_ms"], "<i8")[0])
    columns = [
        [None if value != value else value for value in np.frombuffer(record[name], "<f8").tolist()]
        for name in ("count", "speed_kph", "occupancy_pct")
    ]
    for name, time_us, *content in zip(names, times, *columns, strict=True):
        yield (name, time_us, period_ms, *content)


_SEEN: dict[str, int] = {}


def _time_us(text: str) -> int:
    """Read a moment in whole seconds; the same text is read once."""
    if text not in _SEEN:
        _SEEN[text] = int(datetime.fromisoformat(text).timestamp()) * 1_000_000
    return _SEEN[text]


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def main(events: str, folder: str, database: str) -> int:
    """Print what differs; 0 where nothing does."""
    found = recount_file(Path(events), Path(folder))
    wrong = differences(found, database)
    for (source, topic), tally in sorted(found.tallies.items()):
        print(source, topic, {name: tally[name] for name in VERDICTS})
    print("\n".join(wrong[:20]) or "the database holds what the file says")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
