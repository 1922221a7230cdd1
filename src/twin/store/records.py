"""What one commit of a worker writes, all of it or nothing (rule 1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from twin.columns import Bools, Ints, PassageFact, ReadingBatch
from twin.events import Authorisation, DecisionEvent
from twin.forecast.scoreboard import ScoreHour
from twin.log.contract import Place


class Tally(NamedTuple):
    """Counts of one source on one topic. received = applied + duplicate + late + rejected.

    `revised` is a part of applied. `reasons` counts the rejected by reason.
    """

    source: str
    topic: str
    received: int = 0
    applied: int = 0
    revised: int = 0
    duplicate: int = 0
    late: int = 0
    rejected: int = 0
    reasons: Mapping[str, int] = {}


class EventKey(NamedTuple):
    """The natural key of an accepted event that is no reading, with what tells a conflict.

    `key` is the event's id; for a passage it stands for (gate, id). `content` is a 64-bit hash.
    """

    topic: str
    key: str
    content: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A refused record, kept whole where a person can read, mend and replay it.

    `payload` is the record as it stood on the log (plates sealed); None where it must not be
    kept (a clear plate on the broker).
    """

    id: str
    place: Place
    offset: int
    arrival_us: int
    source: str
    reason: str
    faults: tuple[tuple[str, str, str], ...]  # (field, value, rule)
    payload: bytes | None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record for the relay to publish after the commit, at least once."""

    place: Place
    value: bytes
    arrival_us: int


@dataclass(frozen=True, slots=True)
class Observations:
    """Readings to be kept: `readings` with the columns that only history needs, all (n,).

    `origin` says where each stood on the log (`store/origins.py`), None where nobody asks.

    `late` rows changed no live state. `revised` rows replace nothing here: the natural key
    (sensor, time, period) is unique, so a revision is a key seen out of order, not seen twice.
    `sensor_ids[row]` is the id of the sensor in that row of the map: history is kept by id.
    """

    readings: ReadingBatch
    sensor_ids: Sequence[str]
    event_ids: Sequence[str]
    late: Bools
    content: Ints  # 64-bit hash of the values: tells a duplicate from a conflict
    origin: Ints | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The live state as bytes, at the positions of the commit that carries it."""

    map_version: str
    time_us: int
    state_hash: str
    body: bytes


class MapChangeState(StrEnum):
    """How far a change of the map has come."""

    ASKED = "asked"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class MapChange:
    """One person's wish that the service goes on with another stored version of the map.

    `id` is that of the act. `before` and `settled_us` are given once it is done or refused;
    `report` (JSON) then says what was carried over and what was dropped, or why not.
    """

    id: str
    version: str
    person: str
    reason: str
    asked_us: int
    state: MapChangeState = MapChangeState.ASKED
    before: str = ""
    settled_us: int | None = None
    report: Mapping[str, Any] = field(default_factory=dict)


class Step(NamedTuple):
    """One step of the worker, in the order of `time_us`; see `store/tables_steps.py`."""

    time_us: int
    kind: str
    now_us: int
    map_version: str
    picture: str = ""
    decided: str = ""
    forecast: str = ""
    taken: str = ""
    dropped: str = ""
    begun: bool = False
    body: bytes = b""


class Opening(NamedTuple):
    """The whole live state after the step of the same time."""

    time_us: int
    map_version: str
    state_hash: str
    body: bytes


class AccessStep(NamedTuple):
    """Which vehicles and rights a step took in (JSON), and a hash of what was decided of them."""

    time_us: int
    decided: str
    body: str


class AccessCount(NamedTuple):
    """Vehicles at one gate in the hour that begins at `time_us`, rounded, never few."""

    time_us: int
    gate: str
    direction: str
    profile: str
    vehicles: int


@dataclass(frozen=True, slots=True)
class MinutePicture:
    """The estimate of one minute over all links, for diagrams and playback.

    Arrays are (links,) float32, NaN where nothing was known.
    """

    time_us: int
    map_version: str
    speed_mps: bytes
    flow_vps: bytes
    density_vpm: bytes
    source: bytes


@dataclass(frozen=True, slots=True)
class Commit:
    """One batch's or one tick's writes. Empty parts are skipped.

    epochs      the worker's epochs; any old one raises FencedError and nothing is written. Every
                place in `positions` stands in it
    positions   next offset a partition; a commit whose positions are already stored changes
                nothing. Empty for a tick: its parts have natural keys, and it carries no tallies
    watermarks  largest accepted event time of the partitions that moved, microseconds UTC
    marks       how far partitions of `reading.applied` were taken: (mark, part)
    observed    False: another process owns the live state and gets these readings through
                `outgoing`. A key that history has already then raises KnownKeyError, because
                another worker may have kept it since it was asked
    """

    epochs: Mapping[Place, int]
    positions: Mapping[Place, int] = field(default_factory=dict)
    watermarks: Mapping[Place, int] = field(default_factory=dict)
    marks: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    observed: bool = True
    event_keys: Sequence[EventKey] = ()
    observations: Observations | None = None
    passages: Sequence[PassageFact] = ()
    authorisations: Sequence[Authorisation] = ()
    decisions: Sequence[DecisionEvent] = ()
    dead_letters: Sequence[DeadLetter] = ()
    tallies: Sequence[Tally] = ()
    outgoing: Sequence[Outgoing] = ()
    snapshot: Snapshot | None = None
    minute: MinutePicture | None = None
    steps: Sequence[Step] = ()
    openings: Sequence[Opening] = ()
    access_steps: Sequence[AccessStep] = ()
    access_counts: Sequence[AccessCount] = ()
    map_changes: Sequence[MapChange] = ()
    scores: Sequence[ScoreHour] = ()
