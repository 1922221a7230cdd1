"""One morning of the practice city handed to a live state, minute by minute, as fast as it goes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from city_runs import PERIOD_S, SCENARIO, Minutes, time_us

from twin.clock import datetime_from_us, us_from_datetime
from twin.columns import ReadingBatch
from twin.events import Incident, Reading
from twin.live import Live, LiveBatch
from twin.network.model import SingleMap
from twin.units import SECOND_US, kph_from_mps, mps_from_kph
from twin.world.faults import Distorter, Faults, Timed

ON_THE_WAY_US: Final = 2 * SECOND_US
LATEST_US: Final = 600 * SECOND_US  # what comes later than this the service leaves out
LOOKED_AT_US: Final = 20 * SECOND_US  # after the end of a minute: when the picture is looked at
REPORTED_US: Final = 120 * SECOND_US  # after an incident began: when somebody reports it
DAY_US: Final = 24 * 3600 * SECOND_US


def new_live(network: SingleMap) -> Live:
    """Return a live state of the city that knows nothing."""
    return Live(network, rules=None, automatic=frozenset(), lease_s=15.0, timezone=network.timezone)


def incidents() -> tuple[Incident, ...]:
    """Return what people would report of the kept city."""
    rows = json.loads((SCENARIO / "day" / "incidents.json").read_text(encoding="utf-8"))
    return tuple(msgspec.convert(row, Incident) for row in rows)


@dataclass(frozen=True, slots=True)
class Beat:
    """What had arrived by `now_us`, when a minute was over for a while."""

    now_us: int
    batch: LiveBatch


def beats(
    network: SingleMap,
    minutes: Minutes,
    faults: Faults | None,
    told: Sequence[Incident] = (),
    days_before: int = 0,
) -> Iterator[Beat]:
    """Yield the arrivals of every minute; with faults as devices and lines distort them."""
    arriving = _arrivals(network, minutes, faults)
    rows = {str(sensor.id): row for row, sensor in enumerate(network.sensors)}
    waiting: list[Timed] = []
    seen: set[tuple[str, int]] = set()
    reported = list(told)
    for end_s in minutes.end_s.tolist():
        now_us = time_us(end_s) + LOOKED_AT_US
        waiting += arriving(end_s)
        come = [item for item in waiting if item.arrival_us <= now_us]
        waiting = [item for item in waiting if item.arrival_us > now_us]
        batch = _batch(come, rows, seen, days_before)
        due = [one for one in reported if us_from_datetime(one.time) + REPORTED_US <= now_us]
        reported = [one for one in reported if one not in due]
        at_us = now_us - days_before * DAY_US
        yield Beat(at_us, LiveBatch(now_us=at_us, readings=batch, incidents=tuple(due)))


def _arrivals(
    network: SingleMap, minutes: Minutes, faults: Faults | None
) -> Callable[[float], list[Timed]]:
    """Return what is sent of the minute that ends then."""
    names = [str(sensor.id) for sensor in network.sensors]
    at = {end_s: row for row, end_s in enumerate(minutes.end_s.tolist())}
    start_us = time_us(float(minutes.end_s[0]) - PERIOD_S)
    distorter = Distorter(faults or Faults(), start_us=start_us)

    def sent(end_s: float) -> list[Timed]:
        row, end_us = at[end_s], time_us(end_s)
        items = [
            Timed(
                end_us + ON_THE_WAY_US,
                Reading(
                    id=f"{name}:{end_us}",
                    sensor=name,
                    time=datetime_from_us(end_us),
                    period_s=PERIOD_S,
                    count=float(minutes.count[row, column]),
                    speed_kph=_kph(float(minutes.speed_mps[row, column])),
                    occupancy_pct=100.0 * float(minutes.occupancy_frac[row, column]),
                ),
            )
            for column, name in enumerate(names)
        ]
        return distorter.feed(items)

    return sent


def _kph(speed_mps: float) -> float | None:
    return None if np.isnan(speed_mps) else kph_from_mps(speed_mps)


def _batch(
    come: Sequence[Timed], rows: dict[str, int], seen: set[tuple[str, int]], days_before: int
) -> ReadingBatch:
    """Return the readings as ingest hands them on: no duplicates, nothing far too late."""
    kept: list[tuple[int, int, Reading]] = []
    for item in come:
        event = item.event
        if not isinstance(event, Reading):
            continue
        end_us = us_from_datetime(event.time)
        if item.arrival_us - end_us > LATEST_US or (event.sensor, end_us) in seen:
            continue
        seen.add((event.sensor, end_us))
        kept.append((rows[event.sensor], end_us - days_before * DAY_US, event))
    if not kept:
        return ReadingBatch.empty()
    sensor, end_us, events = zip(*kept, strict=True)
    speed = [np.nan if one.speed_kph is None else mps_from_kph(one.speed_kph) for one in events]
    return ReadingBatch(
        sensor=np.array(sensor, np.int32),
        time_us=np.array(end_us, np.int64),
        period_ms=np.full(len(kept), round(1000 * PERIOD_S), np.int64),
        count=np.array([one.count for one in events], np.float64),
        speed_mps=np.array(speed, np.float64),
        occupancy_frac=np.array([one.occupancy_pct for one in events], np.float64) / 100.0,
    )
