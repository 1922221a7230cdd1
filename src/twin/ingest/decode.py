"""JSON records into events and columns, a whole batch at a time.

A record that cannot be decoded costs only itself: its row gets faults and a placeholder. Records
are decoded one by one, never joined: two broken halves must not make one good reading.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final, Generic, TypeVar

import msgspec
import numpy as np

from twin.columns import Bools, Floats, Ints, ReadingBatch
from twin.errors import Fault
from twin.events import (
    Acknowledgement,
    Authorisation,
    Incident,
    OperatorAct,
    Passage,
    Reading,
    SignalStatus,
    Topic,
)
from twin.units import SECOND_US, frac_from_pct, mps_from_kph

EventT = TypeVar("EventT", bound=msgspec.Struct)
Faults = dict[int, list[Fault]]

TYPES: Final[Mapping[Topic, type[msgspec.Struct]]] = {
    Topic.READING: Reading,
    Topic.ANPR_READ: Passage,
    Topic.INCIDENT: Incident,
    Topic.STATUS: SignalStatus,
    Topic.ACKNOWLEDGEMENT: Acknowledgement,
    Topic.ACT: OperatorAct,
    Topic.AUTHORISATION: Authorisation,
}
HIDDEN: Final = "(not shown)"
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises; RecursionError for JSON nested deeper than Python's stack."""
PRIVATE: Final = frozenset({Topic.ANPR_READ, Topic.AUTHORISATION})
_SHOWN_CHARACTERS: Final = 80
_DECODERS: Final = {topic: msgspec.json.Decoder(kind) for topic, kind in TYPES.items()}
_PATH: Final = re.compile(r"^(?P<rule>.*?)(?: - at `(?P<path>\$[^`]*)`)?$", re.DOTALL)
_FIELD: Final = re.compile(r"(?:missing required|unknown) field `(?P<name>[^`]*)`")
PLACEHOLDER: Final = Reading(
    id="-", sensor="", time=datetime(1970, 1, 1, tzinfo=UTC), period_s=1.0, count=0.0
)
_ENCODER: Final = msgspec.json.Encoder(order="sorted")


@dataclass(frozen=True, slots=True)
class Decoded(Generic[EventT]):
    """Events of one topic in the order of the records; None where `faults` says why."""

    events: list[EventT | None]
    faults: Faults = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DecodedReadings:
    """Readings as columns; rows that stand in `faults` hold a placeholder.

    batch      (n,) rows; `sensor` is -1 where the map does not know the id
    events     n decoded readings, for their ids, sources and the values quoted in faults
    content    (n,) int64 hash of what was measured: equal for an identical re-send
    spoken     how many rows, from the first on, have texts of their own that are unchecked
    """

    batch: ReadingBatch
    events: Sequence[Reading]
    content: Ints
    faults: Faults
    spoken: int = 0

    def good(self) -> Bools:
        """Return (n,) True where a row has no fault."""
        mask = np.ones(len(self.events), np.bool_)
        mask[list(self.faults)] = False
        return mask


def decode(topic: Topic, values: Sequence[bytes]) -> Decoded[Any]:
    """Decode the records of one topic into its event type."""
    decoder = _DECODERS[topic]
    try:
        return Decoded(list(map(decoder.decode, values)))
    except UNREADABLE:
        return _one_by_one(topic, values)


def decode_readings(values: Sequence[bytes], sensor_rows: Mapping[str, int]) -> DecodedReadings:
    """Decode records of the topic `reading` into columns."""
    decoded = decode(Topic.READING, values)
    events = [event if event is not None else PLACEHOLDER for event in decoded.events]
    count = _floats([event.count for event in events])
    speed_kph = _floats([event.speed_kph for event in events])
    occupancy_pct = _floats([event.occupancy_pct for event in events])
    period_s = _floats([event.period_s for event in events])
    batch = ReadingBatch(
        sensor=np.array([sensor_rows.get(event.sensor, -1) for event in events], np.int32),
        time_us=_times_us(events),
        period_ms=np.rint(period_s * 1000.0).astype(np.int64),
        count=count,
        speed_mps=mps_from_kph(speed_kph),
        occupancy_frac=frac_from_pct(occupancy_pct),
    )
    content = content_hash(count, speed_kph, occupancy_pct)
    for row, event in enumerate(events):
        if event.classes is not None:
            content[row] ^= np.int64(hash_bytes(_ENCODER.encode(event.classes)))
    return DecodedReadings(batch, events, content, decoded.faults, spoken=len(events))


def content_hash(count: Floats, speed_kph: Floats, occupancy_pct: Floats) -> Ints:
    """Hash what was measured, row by row, (n,) int64; the same on every machine.

    Not for secrets: it tells an identical re-send from a conflicting one.
    """
    mixed = np.full(len(count), 0x9E3779B97F4A7C15, np.uint64)
    for values in (count, speed_kph, occupancy_pct):
        # + 0.0 makes -0.0 and 0.0 one value; every NaN becomes the same NaN
        canonical = np.where(np.isnan(values), np.nan, values + 0.0)
        mixed = _mix(mixed ^ canonical.view(np.uint64))
    return mixed.view(np.int64)


def hash_bytes(content: bytes) -> int:
    """Hash bytes to a signed 64-bit number, the same on every machine."""
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "big", signed=True)


def faults_of(topic: Topic, value: bytes, error: Exception) -> list[Fault]:
    """Say what is wrong with a record that `decode` refused, without quoting private values."""
    fields = _fields(value)
    if fields is None or not isinstance(error, msgspec.ValidationError):
        shown = HIDDEN if topic in PRIVATE else _brief(value.decode("utf-8", "replace"))
        deep = isinstance(error, RecursionError)
        rule = "is nested too deeply" if deep else "must be one JSON object in UTF-8"
        return [Fault("$", shown, rule, "undecodable")]
    match = _PATH.match(str(error))
    rule, path = (match["rule"], match["path"] or "$") if match else (str(error), "$")
    named = _FIELD.search(rule)
    name = path.removeprefix("$").lstrip(".") or (named["name"] if named else "$")
    if topic in PRIVATE:
        return [_private_fault(topic, name, rule)]
    raw = fields.get(name.partition("[")[0].partition(".")[0])
    return [Fault(name, "(missing)" if raw is None else _shown(raw), rule)]


def _one_by_one(topic: Topic, values: Sequence[bytes]) -> Decoded[Any]:
    decoder = _DECODERS[topic]
    events: list[Any] = []
    faults: Faults = {}
    for row, value in enumerate(values):
        try:
            events.append(decoder.decode(value))
        except UNREADABLE as error:
            events.append(None)
            faults[row] = faults_of(topic, value, error)
    return Decoded(events, faults)


def _private_fault(topic: Topic, name: str, rule: str) -> Fault:
    """Quote known words only: a mistake may put a plate anywhere, even in a field's name."""
    if name not in TYPES[topic].__struct_fields__:
        return Fault("$", HIDDEN, "holds a field that is not known here")
    safe = rule.startswith(("Expected", "Object missing"))
    return Fault(name, HIDDEN, rule if safe else "is not one of the values allowed here")


def _fields(value: bytes) -> dict[str, msgspec.Raw] | None:
    """Cut a JSON object into its fields; None where the record is no whole JSON object."""
    try:
        return msgspec.json.decode(value, type=dict[str, msgspec.Raw])
    except UNREADABLE:
        return None


def _shown(raw: msgspec.Raw) -> str:
    """Write a JSON value as a person would: text without its quotes."""
    try:
        return _brief(msgspec.json.decode(raw, type=str))
    except UNREADABLE:
        return _brief(bytes(raw).decode("utf-8", "replace"))


def _brief(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


def _floats(values: list[float | None]) -> Floats:
    return np.array(values, np.float64)  # None becomes NaN


def _times_us(events: Sequence[Reading]) -> Ints:
    seconds = np.array([event.time.timestamp() for event in events], np.float64)
    # exact for 1970 +- 140 years: the float's last place is then below half a microsecond
    return np.rint(seconds * SECOND_US).astype(np.int64)


def _mix(value: np.ndarray[Any, np.dtype[np.uint64]]) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """Spread every input bit over all output bits (the finaliser of splitmix64)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
