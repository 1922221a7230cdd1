"""Makes the file of events for a city: readings in two forms, passages, incidents, statuses.

Everything follows from the seed and the end of the feed. Nothing here knows the program under
test: the city's names come from the tables of its map.
"""

from __future__ import annotations

import csv
import json
import math
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from fault_file import HTTP, LOG, Delivery, write_file
from fault_readings import (
    Feed,
    Rows,
    Spoilt,
    as_columns,
    as_json,
    cuts,
    make_rows,
    moment,
)

SHARE_JSON: Final = 0.55
PASSAGES, INCIDENTS, STATUSES = 0.01, 0.002, 0.008
_MORE: Final = 1.012
"""Readings sent for each that was measured, at the least: repeated ones, and ones with other
values. With it a file has no fewer events than were ordered."""
_LANE_BURSTS: Final = 2
_SLOW_S, _QUICK_S, _MANY_STEPS = 30, 10, 400
"""Period of a detector: a short file still covers more than the allowed lateness, a long one less
than the day for which passages are kept."""


@dataclass(frozen=True)
class City:
    """Names from the tables of a map; sensors by region, in the order of partitions."""

    sensors: tuple[tuple[str, ...], ...]
    gates: tuple[str, ...]
    links: tuple[str, ...]
    stages: tuple[tuple[str, str], ...]

    @classmethod
    def read(cls, folder: Path) -> City:
        """Read the tables of a GMNS folder."""
        by_region: dict[str, list[str]] = {}
        for row in _table(folder / "twin_sensor.csv"):
            by_region.setdefault(row["region"], []).append(row["sensor_id"])
        return cls(
            sensors=tuple(tuple(by_region[name]) for name in sorted(by_region)),
            gates=tuple(row["gate_id"] for row in _table(folder / "twin_gate.csv")),
            links=tuple(row["link_id"] for row in _table(folder / "link.csv")),
            stages=tuple(
                (row["junction_id"], row["stage_id"]) for row in _table(folder / "twin_stage.csv")
            ),
        )


@dataclass(frozen=True)
class Order:
    """What to make: events in all, seed, newest event time, and whether HTTP alone can be used.

    only_http   for JSON and the other topics; columns always go to the log itself
    """

    events: int
    seed: int
    end_us: int
    only_http: bool


def make_file(path: Path, city: City, order: Order) -> Counter[str]:
    """Write the file; return how many bursts of each kind are in it."""
    maker = _Maker(city, order)
    lanes = [*maker.readings(), maker.passages(), maker.incidents(), maker.statuses()]
    write_file(path, _numbered(lanes))
    return maker.bursts


def _numbered(lanes: Sequence[Sequence[Delivery]]) -> Iterator[Delivery]:
    """Mix the lanes evenly, each in its order, and number what comes out."""
    spread = [
        ((place + 0.5) / len(lane), number, delivery)
        for number, lane in enumerate(lanes)
        for place, delivery in enumerate(lane)
    ]
    spread.sort(key=lambda one: one[:2])
    for number, (_, _, one) in enumerate(spread):
        yield Delivery(number, one.lane, one.topic, one.partition, one.way, one.values, one.events)


class _Maker:
    def __init__(self, city: City, order: Order) -> None:
        self._city = city
        self._order = order
        self._mean = max(24, min(1000, order.events // 400))
        readings = order.events * (1 - PASSAGES - INCIDENTS - STATUSES) / _MORE
        self._steps = max(40, math.ceil(readings / sum(map(len, city.sensors))))
        self._period_s = _SLOW_S if self._steps < _MANY_STEPS else _QUICK_S
        self.bursts: Counter[str] = Counter()

    def _rng(self, name: str) -> random.Random:
        return random.Random(f"{self._order.seed} {name}")

    def readings(self) -> Iterator[list[Delivery]]:
        """Two lanes a region: some of its sensors send JSON, the others columns."""
        for partition, names in enumerate(self._city.sensors):
            own = self._rng(f"sensors {partition}")
            plain = sorted(own.sample(names, max(1, round(len(names) * SHARE_JSON))))
            packed = [name for name in names if name not in plain]
            yield self._plain(partition, plain)
            if packed:
                yield self._packed(partition, packed)

    def _rows(self, sensors: int, partition: int, lane: str) -> Rows:
        feed = Feed(
            sensors, self._steps, self._period_s, self._order.end_us, _LANE_BURSTS, partition == 0
        )
        rows = make_rows(feed, np.random.default_rng(self._rng(lane).getrandbits(64)))
        self.bursts += rows.bursts
        return rows

    def _plain(self, partition: int, names: Sequence[str]) -> list[Delivery]:
        lane = f"json{partition}"
        rng = self._rng(lane + " cuts")
        values = as_json(self._rows(len(names), partition, lane), names, lane)
        return [
            self._delivery(lane, "reading", partition, tuple(values[part]), rng)
            for part in cuts(len(values), self._mean, rng)
        ]

    def _packed(self, partition: int, names: Sequence[str]) -> list[Delivery]:
        lane = f"columns{partition}"
        rng = self._rng(lane + " cuts")
        rows = self._rows(len(names), partition, lane)
        broken = np.flatnonzero(rows.spoilt == Spoilt.BROKEN)
        rows.spoilt[broken] = Spoilt.UNKNOWN
        made = []
        for number, part in enumerate(cuts(len(rows), self._mean, rng)):
            values = [as_columns(rows, names, f"{lane}-{number}", part)]
            events = part.stop - part.start
            if rng.random() < 0.02:  # a record that nobody can read: one refused item
                values.insert(0, b"\x93\x01" + bytes([number % 256]))
                events += 1
            made.append(Delivery(0, lane, "reading.columns", partition, LOG, tuple(values), events))
        return made

    def _delivery(
        self, lane: str, topic: str, partition: int, values: tuple[bytes, ...], rng: random.Random
    ) -> Delivery:
        way = HTTP if self._order.only_http or rng.random() < 0.5 else LOG
        return Delivery(0, lane, topic, partition, way, values, len(values))

    def _times(self, share: float) -> Iterator[int]:
        count = max(4, round(self._order.events * share))
        span_us = self._order.end_us - self._first_us()
        return (self._order.end_us - span_us + span_us * k // count for k in range(1, count + 1))

    def _others(
        self, lane: str, topic: str, events: list[dict[str, Any]], spoil: dict[str, Any]
    ) -> list[Delivery]:
        """Repeat, contradict and spoil some, hold some back, and cut into deliveries."""
        rng = self._rng(lane)
        keyed = [(float(k), event) for k, event in enumerate(events)]
        for k, event in enumerate(events):
            if rng.random() < 0.05:
                keyed.append((k + rng.uniform(0.5, 30), event))
            if rng.random() < 0.02:
                keyed.append((k + rng.uniform(0.5, 30), event | {"time": moment(self._first_us())}))
            if rng.random() < 0.02:
                keyed.append((k + 0.5, event | spoil | {"id": f"{event['id']}-bad"}))
        keyed = [(k + (60 if rng.random() < 0.03 else 0), event) for k, event in keyed]
        keyed.sort(key=lambda one: one[0])
        values = [json.dumps(event, separators=(",", ":")).encode() for _, event in keyed]
        return [
            self._delivery(lane, topic, 0, tuple(values[part]), rng)
            for part in cuts(len(values), max(4, self._mean // 20), rng)
        ]

    def _first_us(self) -> int:
        return self._order.end_us - self._steps * self._period_s * 1_000_000

    def passages(self) -> list[Delivery]:
        """Vehicles at gates, their plates in clear: whoever writes to the log must seal them."""
        rng = self._rng("passages")
        events = [
            {
                "id": f"p-{k}",
                "gate": rng.choice(self._city.gates),
                "time": moment(time_us),
                "plate": f"{rng.randrange(3000):04d}BCD",
                "confidence": rng.choice((0.99, 0.95, 0.7)),
                "direction": rng.choice(("in", "out")),
                "country": "ES",
            }
            for k, time_us in enumerate(self._times(PASSAGES))
        ]
        return self._others("passages", "anpr.read", events, {"confidence": 1.7})

    def incidents(self) -> list[Delivery]:
        """Crashes that last some minutes."""
        rng = self._rng("incidents")
        events = [
            {
                "id": f"i-{k}",
                "link": rng.choice(self._city.links),
                "time": moment(time_us),
                "until": moment(time_us + rng.randint(5, 40) * 60_000_000),
                "kind": rng.choice(("crash", "breakdown", "obstacle")),
                "lanes_closed": rng.choice((0, 1)),
            }
            for k, time_us in enumerate(self._times(INCIDENTS))
        ]
        return self._others("incidents", "incident", events, {"link": "nowhere"})

    def statuses(self) -> list[Delivery]:
        """What signal controllers show."""
        rng = self._rng("statuses")
        events = []
        for k, time_us in enumerate(self._times(STATUSES)):
            junction, stage = rng.choice(self._city.stages)
            since_us = time_us - rng.randint(1, 30) * 1_000_000
            said = {"stage": stage, "since": moment(since_us), "mode": "own_plan"}
            events.append({"id": f"s-{k}", "junction": junction, "time": moment(time_us), **said})
        return self._others("statuses", "street.status", events, {"stage": "none"})


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
