"""A recording in memory, and how it turns into items: (arrival in microseconds, JSON bytes).

Event ids are made from the recording's name, the device and the time, so that the same recording
always sends the same events; only a sealed plate differs from one sending to the next.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

import numpy as np
import numpy.typing as npt

from twin.clock import iso_from_us
from twin.errors import Fault, InputError
from twin.keys import Key
from twin.network.model import SingleMap
from twin.seal import Plate, seal
from twin.units import SECOND_US

Item = tuple[int, bytes]
Floats = npt.NDArray[np.float64]

_LEAST_DELAY_US: Final = 500_000
_MOST_DELAY_US: Final = 5_500_000
_GATE_DELAY_US: Final = 400_000
_GATE_SPREAD_MS: Final = 800
_INCIDENT_DELAY_US: Final = 90 * SECOND_US  # somebody has to see it and call


@dataclass(frozen=True, slots=True)
class ReadingTable:
    """What detectors measured: one row a period, one column a sensor, NaN where nothing was.

    end_us         (periods,) int64    end of each period, rising, microseconds UTC
    count, speed_kph, occupancy_pct    (periods, sensors) float64, or None where never measured
    """

    sensors: tuple[str, ...]
    end_us: npt.NDArray[np.int64]
    period_s: float
    count: Floats | None
    speed_kph: Floats | None
    occupancy_pct: Floats | None

    def present(self) -> npt.NDArray[np.bool_]:
        """Return (periods, sensors): whether anything at all was measured."""
        there = np.zeros((len(self.end_us), len(self.sensors)), dtype=np.bool_)
        for values in (self.count, self.speed_kph, self.occupancy_pct):
            if values is not None:
                there |= ~np.isnan(values)
        return there


@dataclass(frozen=True, slots=True, repr=False)
class PassageRow:
    """One read of one gate; `plate` is empty text where nothing could be read."""

    time_us: int
    gate: str
    direction: str
    plate: Plate
    confidence: float
    track: str


@dataclass(frozen=True, slots=True, repr=False)
class AuthorisationRow:
    """One authorisation with all its plates; times as they stand in the file."""

    authorisation: str
    profile: str
    zone: str
    plates: tuple[Plate, ...]
    valid_from: str
    valid_to: str


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """One incident as the file has it."""

    time_us: int
    link: str
    body: bytes


@dataclass(frozen=True)
class Recording:
    """What a city sent between `start_us` and `end_us`, ready to be sent again."""

    name: str
    timezone: str
    start_us: int
    end_us: int
    demo_start_us: int
    demo_rate: float
    description: str
    table: ReadingTable
    passage_rows: tuple[PassageRow, ...] = field(default=(), repr=False)
    authorisation_rows: tuple[AuthorisationRow, ...] = field(default=(), repr=False)
    incident_rows: tuple[IncidentRow, ...] = ()

    def readings(self, from_us: int, to_us: int) -> Iterator[Item]:
        """Yield the readings that arrive in [from_us, to_us), in the order of arrival."""
        table = self.table
        delays = [_delay_us(sensor, table.period_s) for sensor in table.sensors]
        order = sorted(range(len(delays)), key=lambda column: (delays[column], column))
        heads = [f'{{"id":{json.dumps(f"{self.name}:{sensor}:")[:-1]}' for sensor in table.sensors]
        tails = [f'","sensor":{json.dumps(sensor)},"time":"' for sensor in table.sensors]
        first = int(np.searchsorted(table.end_us, from_us - _MOST_DELAY_US))
        last = int(np.searchsorted(table.end_us, to_us))
        for row in range(first, last):
            end_us = int(table.end_us[row])
            texts = _texts(table, row)
            stamp = f"{end_us // SECOND_US}"
            middle = f'{iso_from_us(end_us)}","period_s":{table.period_s:g}'
            for column in order:
                arrival_us = end_us + delays[column]
                text = texts[column]
                if text and from_us <= arrival_us < to_us:
                    body = f"{heads[column]}{stamp}{tails[column]}{middle}{text}}}"
                    yield arrival_us, body.encode()

    def passages(self, from_us: int, to_us: int, *, key: Key | None = None) -> Iterator[Item]:
        """Yield the passages that arrive in [from_us, to_us); with a key, plates are sealed."""
        arrivals = [
            (row.time_us + _GATE_DELAY_US + (number * 7919 % _GATE_SPREAD_MS) * 1000, number)
            for number, row in enumerate(self.passage_rows)
        ]
        for arrival_us, number in sorted(arrivals):
            if from_us <= arrival_us < to_us:
                yield arrival_us, self._passage(number, key)

    def _passage(self, number: int, key: Key | None) -> bytes:
        row = self.passage_rows[number]
        event = f"{self.name}:passage:{number + 1:05d}"
        plate = row.plate.text
        body: dict[str, object] = {
            "id": event,
            "gate": row.gate,
            "time": iso_from_us(row.time_us),
            "plate": seal(plate, key=key, context=event) if key and plate else plate,
            "confidence": row.confidence,
            "direction": row.direction,
            "track": row.track,
        }
        if row.plate.country:
            body["country"] = row.plate.country
        return json.dumps(body).encode()

    def incidents(self, from_us: int, to_us: int) -> Iterator[Item]:
        """Yield the incidents that arrive in [from_us, to_us), 90 s after they began."""
        for row in sorted(self.incident_rows, key=lambda row: row.time_us):
            arrival_us = row.time_us + _INCIDENT_DELAY_US
            if from_us <= arrival_us < to_us:
                yield arrival_us, row.body

    def authorisations(self) -> list[bytes]:
        """Return all authorisations as items of `POST /authorisations`, plates in clear."""
        return [
            json.dumps(
                {
                    "authorisation": row.authorisation,
                    "profile": row.profile,
                    "zone": row.zone,
                    "plates": [{"country": p.country, "plate": p.text} for p in row.plates],
                    "valid_from": row.valid_from,
                    "valid_to": row.valid_to or None,
                }
            ).encode()
            for row in self.authorisation_rows
        ]

    def check(self, network: SingleMap) -> None:
        """Make sure that the map knows every device and link; InputError names the first ones."""
        gates = (row.gate for row in self.passage_rows)
        links = (row.link for row in self.incident_rows)
        unknown = [
            *_missing("sensor", self.table.sensors, network.sensor_rows),
            *_missing("passages.csv: gate", gates, network.gate_rows),
            *_missing("incidents.json: link", links, network.link_rows),
        ]
        if unknown:
            raise InputError(*unknown[:10])


def _missing(field_name: str, ids: object, rows: dict[str, int]) -> list[Fault]:
    absent = dict.fromkeys(one for one in ids if one not in rows)  # type: ignore[attr-defined]
    return [Fault(field_name, one, "the map does not know it", "unknown") for one in absent]


def _delay_us(sensor: str, period_s: float) -> int:
    """Return how long a reading takes to arrive: always the same for the same sensor."""
    draw = int.from_bytes(blake2b(sensor.encode(), digest_size=4).digest(), "big") / 2**32
    most_us = min(_MOST_DELAY_US, round(period_s * SECOND_US / 2))
    least_us = min(_LEAST_DELAY_US, most_us)
    return least_us + int(draw * (most_us - least_us))


def _texts(table: ReadingTable, row: int) -> list[str]:
    """Return the JSON of the values of each sensor in one period, empty where there is none."""
    texts = [""] * len(table.sensors)
    columns = (
        ("count", table.count),
        ("speed_kph", table.speed_kph),
        ("occupancy_pct", table.occupancy_pct),
    )
    for name, values in columns:
        if values is None:
            continue
        for column, value in enumerate(values[row].tolist()):
            if value == value:  # NaN alone differs from itself
                shown = int(value) if value.is_integer() else value
                texts[column] += f',"{name}":{shown}'
    return texts
