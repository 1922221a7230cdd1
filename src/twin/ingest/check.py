"""Range checks beyond types: what a well-formed event may still not say.

A check is pure: it looks at the event, at the map, and at the moment of arrival that the log
recorded, never at a clock, so that a replay gives the same verdicts. The bounds are the
physically possible, not the usual: a strange value is for `perceive` to doubt, an impossible one
is refused here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final

import numpy as np

from twin.clock import iso_from_us, us_from_datetime, us_from_seconds
from twin.columns import Bools, Floats, Ints
from twin.errors import Fault
from twin.events import Authorisation, Incident, IncidentKind, Passage, Reading, SignalStatus, Topic
from twin.ingest.decode import HIDDEN, PRIVATE, DecodedReadings, Faults
from twin.ingest.texts import rows_with_control, text_faults
from twin.network.model import SingleMap
from twin.units import SECOND_US, kph_from_mps, pct_from_frac

SPEED_MAX_KPH: Final = 250.0
OCCUPANCY_MAX_PCT: Final = 100.0
LANE_MAX_VPS: Final = 2.0
"""Most vehicles per second and lane: one every half second, twice what a full lane carries."""
FUTURE_S: Final = 30.0
STATUS_AHEAD_S: Final = 2.0
"""The newest status of a junction counts: one from the future would shut out the true ones."""
EARLIEST_US: Final = 946_684_800 * SECOND_US  # 2000-01-01T00:00:00Z
LATEST_US: Final = 7_258_118_400 * SECOND_US  # 2200-01-01T00:00:00Z
_COUNTRY: Final = re.compile(r"[A-Z]{1,3}")
_TOKEN: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Checker:
    """The checks of one map version. An event more than `future_s` after its arrival is refused."""

    network: SingleMap
    future_s: float = FUTURE_S

    @cached_property
    def sensor_lanes(self) -> Floats:
        """Lanes that each sensor covers, (sensors + 1,); the last stands for an unknown one."""
        lanes = [float(max(1, sensor.lanes)) for sensor in self.network.sensors]
        return np.array([*lanes, np.inf], np.float64)

    def readings(self, decoded: DecodedReadings, arrival_us: Ints) -> Faults:
        """Return the faults of every bad row, those of decoding included.

        arrival_us (n,) int64 is when the log took each record.
        """
        faults = {row: list(found) for row, found in decoded.faults.items()}
        good = decoded.good()
        for broken, describe in self._reading_rules(decoded, arrival_us):
            for row in np.flatnonzero(broken & good).tolist():
                faults.setdefault(row, []).append(describe(decoded.events[row]))
        for row in rows_with_control(decoded.events[: decoded.spoken]):
            if good[row]:
                faults.setdefault(row, []).extend(text_faults(decoded.events[row]))
        return faults

    def event(self, topic: Topic, event: Any, arrival_us: int) -> list[Fault]:
        """Return the faults of one decoded event of any topic but `reading`."""
        ahead_s = min(self.future_s, STATUS_AHEAD_S) if topic is Topic.STATUS else self.future_s
        faults = [
            *_time_faults(event.time, arrival_us, ahead_s),
            *text_faults(event, shown=HIDDEN if topic in PRIVATE else None),
        ]
        rules: dict[Topic, Callable[[Any], Iterator[Fault]]] = {
            Topic.ANPR_READ: self._passage,
            Topic.INCIDENT: self._incident,
            Topic.STATUS: self._status,
            Topic.AUTHORISATION: self._authorisation,
        }
        if topic in rules:
            faults.extend(rules[topic](event))
        return faults

    def _reading_rules(
        self, decoded: DecodedReadings, arrival_us: Ints
    ) -> Iterator[tuple[Bools, Callable[[Reading], Fault]]]:
        batch = decoded.batch
        ahead_us = us_from_seconds(self.future_s)
        yield batch.time_us > arrival_us + ahead_us, self._future
        yield batch.time_us < EARLIEST_US, _before_2000
        yield batch.sensor < 0, _unknown_sensor
        yield batch.period_ms < 1, _period
        nothing = np.isnan(batch.count) & np.isnan(batch.speed_mps) & np.isnan(batch.occupancy_frac)
        yield nothing, _nothing_measured
        most = self.sensor_lanes[batch.sensor] * (1.0 + LANE_MAX_VPS * batch.period_ms / 1000.0)
        yield _outside(batch.count, most), self._count
        yield _outside(kph_from_mps(batch.speed_mps), SPEED_MAX_KPH + 1e-9), _speed
        yield _outside(pct_from_frac(batch.occupancy_frac), OCCUPANCY_MAX_PCT + 1e-9), _occupancy

    def _future(self, event: Reading) -> Fault:
        return _future(event.time, self.future_s)

    def _count(self, event: Reading) -> Fault:
        lanes = self.sensor_lanes[self.network.sensor_rows.get(event.sensor, -1)]
        most = lanes * (1.0 + LANE_MAX_VPS * event.period_s)
        return Fault(
            "count",
            str(event.count),
            f"must be 0 to {most:g}: {LANE_MAX_VPS:g} vehicles a second on {lanes:g} lane(s)",
        )

    def _passage(self, event: Passage) -> Iterator[Fault]:
        if event.gate not in self.network.gate_rows:
            yield Fault("gate", HIDDEN, "is no gate of the map", "unknown_gate")
        if not 0.0 <= event.confidence <= 1.0:
            yield Fault("confidence", str(event.confidence), "must be 0 to 1")
        if event.country is not None and not _COUNTRY.fullmatch(event.country):
            yield Fault("country", HIDDEN, "must be a country code of 1 to 3 capital letters")

    def _incident(self, event: Incident) -> Iterator[Fault]:
        row = self.network.link_rows.get(event.link)
        if row is None and event.weather is not None and not event.link:
            pass
        elif row is None:
            yield Fault("link", _brief(event.link), "is no link of the map", "unknown_link")
        elif event.position_m > self.network.links[row].length_m + 1.0:
            rule = f"must be within the link, {self.network.links[row].length_m:.0f} m long"
            yield Fault("position_m", str(event.position_m), rule)
        yield from weather_faults(event)
        yield from moment_faults("begins", event.begins)
        yield from moment_faults("until", event.until)
        if event.until is not None and event.until < (event.begins or event.time):
            yield Fault("until", _moment(event.until), "must not be before `time` and `begins`")

    def _status(self, event: SignalStatus) -> Iterator[Fault]:
        row = self.network.junction_rows.get(event.junction)
        if row is None:
            rule = "is no signalised junction of the map"
            yield Fault("junction", _brief(event.junction), rule, "unknown_junction")
        elif event.stage not in {stage.id for stage in self.network.junctions[row].stages}:
            rule = f"is no stage of junction {event.junction}"
            yield Fault("stage", _brief(event.stage), rule, "unknown_stage")
        yield from moment_faults("since", event.since)
        if event.since > event.time:
            yield Fault("since", _moment(event.since), "must not be after `time`")

    def _authorisation(self, event: Authorisation) -> Iterator[Fault]:
        if event.zone not in {zone.id for zone in self.network.zones}:
            yield Fault("zone", HIDDEN, "is no zone of the map", "unknown_zone")
        yield from moment_faults("valid_from", event.valid_from)
        yield from moment_faults("valid_to", event.valid_to)
        if event.valid_to is not None and event.valid_to <= event.valid_from:
            yield Fault("valid_to", _moment(event.valid_to), "must be after `valid_from`")
        if not all(_TOKEN.fullmatch(token) for token in event.tokens):
            yield Fault("tokens", HIDDEN, "must be tokens of 32 hex digits, not plates")


def weather_faults(event: Incident) -> Iterator[Fault]:
    """Refuse weather that is no kind `weather`, an area beside a link, and an area of nothing."""
    if event.weather is not None and event.kind is not IncidentKind.WEATHER:
        yield Fault("weather", event.weather, "goes with the kind weather only")
    if event.area is None:
        return
    if event.weather is None or event.link:
        yield Fault("area", str(event.area), "goes with `weather` and without `link` only")
    west, south, east, north = event.area
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        yield Fault("area", str(event.area), "must be west, south, east, north in degrees")


def moment_faults(name: str, moment: datetime | None) -> Iterator[Fault]:
    """Refuse a moment outside the years 2000 to 2199; None was not given and passes."""
    if moment is not None and not EARLIEST_US <= us_from_datetime(moment) < LATEST_US:
        yield Fault(name, _moment(moment), "must be in the years 2000 to 2199")


def _outside(values: Floats, most: Floats | float) -> Bools:
    """Find values below 0, above `most` or infinite; NaN means not measured and passes."""
    with np.errstate(invalid="ignore"):
        broken: Bools = (values < 0.0) | (values > most) | np.isinf(values)
    return broken


def _time_faults(time: datetime, arrival_us: int, ahead_s: float) -> Iterator[Fault]:
    time_us = us_from_datetime(time)
    if time_us > arrival_us + us_from_seconds(ahead_s):
        yield _future(time, ahead_s)
    if time_us < EARLIEST_US:
        yield _too_old(time)


def _future(time: datetime, future_s: float) -> Fault:
    rule = f"must not be more than {future_s:g} s after its arrival"
    return Fault("time", _moment(time), rule, "future")


def _before_2000(event: Reading) -> Fault:
    return _too_old(event.time)


def _too_old(time: datetime) -> Fault:
    return Fault("time", _moment(time), "must not be before the year 2000")


def _unknown_sensor(event: Reading) -> Fault:
    return Fault("sensor", _brief(event.sensor), "is no sensor of the map", "unknown_sensor")


def _period(event: Reading) -> Fault:
    return Fault("period_s", str(event.period_s), "must be at least 0.001 s")


def _nothing_measured(_: Reading) -> Fault:
    rule = "at least one of count, speed_kph, occupancy_pct must be given"
    return Fault("count", "(missing)", rule)


def _speed(event: Reading) -> Fault:
    return Fault("speed_kph", str(event.speed_kph), f"must be 0 to {SPEED_MAX_KPH:g} km/h")


def _occupancy(event: Reading) -> Fault:
    return Fault("occupancy_pct", str(event.occupancy_pct), f"must be 0 to {OCCUPANCY_MAX_PCT:g} %")


def _moment(moment: datetime) -> str:
    """Write a moment in UTC; as it was sent where the calendar ends before UTC does."""
    try:
        return iso_from_us(us_from_datetime(moment))
    except OverflowError:
        return moment.isoformat()


def _brief(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"
