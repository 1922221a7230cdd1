"""The readings of one lane: an orderly feed, and then everything that feeds do.

Columns from start to end: a feed is made in order, rows are held back, shuffled, repeated and
spoiled, and the order of sending is the order of a key. Nothing here knows the program under test.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

FUTURE_US: Final = 5_680_281_600 * 1_000_000
"""2150: ahead of its arrival for whoever runs this, and still a year that the service knows."""

Ints = npt.NDArray[np.int64]


class Spoilt(IntEnum):
    """What is wrong with a row."""

    GOOD = 0
    NEGATIVE = 1
    TOO_FAST = 2
    FUTURE = 3
    NOTHING = 4
    UNKNOWN = 5  # the last two name no known sensor: on HTTP they land on partition 0
    BROKEN = 6


@dataclass
class Rows:
    """Readings in the order of sending; `key` gives that order while they are made."""

    sensor: Ints
    time_us: Ints
    count: Ints
    speed: npt.NDArray[np.float64]
    occupancy: npt.NDArray[np.float64]
    spoilt: Ints
    key: npt.NDArray[np.float64]
    period_s: int
    bursts: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.sensor)

    def add(self, rows: Ints, shift: npt.NDArray[np.float64], **changed: Any) -> None:
        """Append copies of rows, sent `shift` later, with columns changed."""
        for name in ("sensor", "time_us", "count", "speed", "occupancy", "spoilt"):
            column = getattr(self, name)
            copies = changed.get(name, column[rows])
            setattr(self, name, np.concatenate([column, np.broadcast_to(copies, rows.shape)]))
        self.key = np.concatenate([self.key, self.key[rows] + shift])

    def sort(self) -> None:
        """Put the rows into the order of sending."""
        order = np.argsort(self.key, kind="stable")
        for name in ("sensor", "time_us", "count", "speed", "occupancy", "spoilt", "key"):
            setattr(self, name, getattr(self, name)[order])


@dataclass(frozen=True)
class Feed:
    """How a lane is to be made. `bursts` of each kind; `first` says it may hold unknown sensors."""

    sensors: int
    steps: int
    period_s: int
    end_us: int
    bursts: int
    first: bool


def make_rows(feed: Feed, generator: np.random.Generator) -> Rows:
    """Make a lane: steps x sensors readings and what is added to them."""
    n = feed.sensors * feed.steps
    step, sensor = np.divmod(np.arange(n), feed.sensors)
    rows = Rows(
        sensor=sensor,
        time_us=feed.end_us - (feed.steps - 1 - step) * feed.period_s * 1_000_000,
        count=generator.integers(0, 9, n),
        speed=np.where(generator.random(n) < 0.02, np.nan, generator.integers(50, 1200, n) / 10),
        occupancy=generator.integers(0, 900, n) / 10,
        spoilt=np.zeros(n, np.int64),
        key=np.arange(n, dtype=np.float64),
        period_s=feed.period_s,
    )
    _hold_back(rows, feed, generator)
    _shuffle(rows, feed, generator)
    _repeat(rows, feed, generator)
    _spoil(rows, feed, generator)
    rows.sort()
    return rows


def _window(feed: Feed, generator: np.random.Generator, seconds: float) -> tuple[int, int]:
    """Choose a stretch of the feed: (first row, rows in it)."""
    n = feed.sensors * feed.steps
    long = max(2, min(int(feed.sensors * seconds / feed.period_s), n // 4))
    return int(generator.integers(0, n - long)), long


def _hold_back(rows: Rows, feed: Feed, generator: np.random.Generator) -> None:
    """Some sensors' readings come five minutes late; some beyond what is allowed."""
    for kind, least_s, most_s in (("late_5min", 300, 300), ("beyond_lateness", 1500, 3600)):
        for _ in range(feed.bursts):
            start, long = _window(feed, generator, 120)
            held = start + np.flatnonzero(generator.random(long) < 0.3)
            late_s = generator.uniform(least_s, most_s)
            rows.key[held] += feed.sensors * late_s / feed.period_s
            rows.bursts[kind] += 1


def _shuffle(rows: Rows, feed: Feed, generator: np.random.Generator) -> None:
    """A stretch of up to four minutes comes in any order: within the lateness of ten."""
    for _ in range(feed.bursts):
        start, long = _window(feed, generator, 240)
        where = slice(start, start + long)
        rows.key[where] = generator.permutation(rows.key[where])
        rows.bursts["shuffle"] += 1


def _repeat(rows: Rows, feed: Feed, generator: np.random.Generator) -> None:
    """Stretches are delivered twice, single rows again, and some again with other values."""
    n = len(rows)
    for _ in range(feed.bursts):
        start, long = _window(feed, generator, 60)
        again = np.arange(start, start + long)
        rows.add(again, np.full(long, float(long)))
        rows.bursts["duplicate"] += 1
    single = generator.integers(0, n, n // 100)
    rows.add(single, generator.uniform(1, 200 * feed.sensors, len(single)))
    other = generator.integers(0, n, n // 500 + 1)
    shift = generator.uniform(1, 200 * feed.sensors, len(other))
    rows.add(other, shift, count=rows.count[other] + 1)


def _spoil(rows: Rows, feed: Feed, generator: np.random.Generator) -> None:
    kinds = [kind for kind in Spoilt if 0 < kind <= (Spoilt.BROKEN if feed.first else 4)]
    for kind in kinds:
        where = generator.integers(0, len(rows), len(rows) // 1500 + 1)
        changed: dict[str, Any] = {"spoilt": int(kind)}
        if kind is Spoilt.FUTURE:
            changed["time_us"] = FUTURE_US + generator.integers(0, 10**6, len(where)) * 10**6
        rows.add(where, np.full(len(where), 0.5), **changed)


def cuts(n: int, mean: int, rng: random.Random) -> Iterator[slice]:
    """Cut n rows into deliveries of about `mean`."""
    start = 0
    while start < n:
        end = min(n, start + rng.randint(max(1, mean // 4), mean * 7 // 4))
        yield slice(start, end)
        start = end


def moment(time_us: int) -> str:
    """Write a time as senders do."""
    return datetime.fromtimestamp(time_us / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def as_json(rows: Rows, names: Sequence[str], lane: str) -> list[bytes]:
    """Write every row as one JSON record."""
    moments = {time_us: moment(time_us) for time_us in np.unique(rows.time_us).tolist()}
    columns = (rows.sensor, rows.time_us, rows.count, rows.speed, rows.occupancy, rows.spoilt)
    written = []
    for number, (sensor, time_us, count, speed, occupancy, spoilt) in enumerate(
        zip(*(column.tolist() for column in columns), strict=True)
    ):
        said = f'"count":{count},"occupancy_pct":{occupancy}'
        if speed == speed:
            said += f',"speed_kph":{speed}'
        said = _SAID.get(spoilt, said)
        name = "nobody" if spoilt == Spoilt.UNKNOWN else names[sensor]
        text = (
            f'{{"id":"{lane}-{number}","sensor":"{name}","time":"{moments[time_us]}",'
            f'"period_s":{rows.period_s}{"," if said else ""}{said}}}'
        )
        written.append(text[: -9 if spoilt == Spoilt.BROKEN else None].encode())
    return written


_SAID: Final[dict[int, str]] = {
    Spoilt.NEGATIVE: '"count":-3',
    Spoilt.TOO_FAST: '"speed_kph":400',
    Spoilt.NOTHING: "",
}


def as_columns(rows: Rows, names: Sequence[str], name: str, part: slice) -> bytes:
    """Write a part of the rows as one record of arrays."""
    spoilt = rows.spoilt[part]
    count = np.where(spoilt == Spoilt.NEGATIVE, -3.0, rows.count[part].astype(np.float64))
    speed = np.where(spoilt == Spoilt.TOO_FAST, 400.0, rows.speed[part])
    nothing = spoilt == Spoilt.NOTHING
    sensor = np.where(spoilt == Spoilt.UNKNOWN, len(names), rows.sensor[part])

    def measured(column: Any) -> bytes:
        return np.where(nothing, np.nan, column).astype("<f8").tobytes()

    document = {
        "id": name,
        "sensors": [*names, "nobody"],
        "sensor": sensor.astype("<i4").tobytes(),
        "time_us": rows.time_us[part].astype("<i8").tobytes(),
        "period_ms": np.array([rows.period_s * 1000], "<i8").tobytes(),
        "count": measured(count),
        "speed_kph": measured(speed),
        "occupancy_pct": measured(rows.occupancy[part]),
    }
    return msgspec.msgpack.encode(document)
