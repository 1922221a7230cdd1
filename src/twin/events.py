"""The messages that everyone speaks: what happens outside, and what the service says.

Each is JSON at the edge and on the log, decoded by msgspec. Every event has an id of its own and
a time with its offset from UTC; a time without one is refused. These types are also what OpenAPI
and AsyncAPI show, so a field is described here and nowhere else.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

Id = Annotated[str, Meta(min_length=1, max_length=128, description="the sender's own event id")]
Name = Annotated[str, Meta(min_length=1, max_length=128)]
Moment = Annotated[datetime, Meta(tz=True, description="RFC 3339 with Z or an offset")]
Text = Annotated[str, Meta(max_length=2000)]
Latitude = Annotated[float, Meta(ge=-90, le=90, description="WGS84, degrees")]
Longitude = Annotated[float, Meta(ge=-180, le=180, description="WGS84, degrees")]


class Direction(StrEnum):
    """Which way a vehicle passed a gate, seen from the zone."""

    IN = "in"
    OUT = "out"


class Reading(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one detector measured over one period. At least one of the three values is given."""

    id: Id
    sensor: Annotated[str, Meta(min_length=1, max_length=128, description="id in the map")]
    time: Annotated[datetime, Meta(tz=True, description="end of the period, with offset")]
    period_s: Annotated[float, Meta(gt=0, le=86400, description="length of the period, s")]
    count: Annotated[float, Meta(ge=0, description="vehicles in the period")] | None = None
    speed_kph: Annotated[float, Meta(description="arithmetic mean speed, km/h")] | None = None
    occupancy_pct: Annotated[float, Meta(description="share of time occupied, %")] | None = None
    classes: dict[str, Annotated[float, Meta(ge=0)]] | None = None
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    source: Annotated[str, Meta(max_length=64, description="sender; the key's name if empty")] = ""


class ReadingColumns(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Many readings in one record: MessagePack with arrays as little-endian bytes.

    Row k is one reading with the id `ID#k`. `time_us` and `period_ms` hold n values, or one for
    all; the three measured columns hold n values, NaN where not measured, or none at all.
    """

    id: Annotated[str, Meta(min_length=1, max_length=100, description="the sender's own id")]
    sensors: Annotated[tuple[str, ...], Meta(description="ids in the map")]
    sensor: Annotated[bytes, Meta(description="int32 (n,): which of `sensors`")]
    time_us: Annotated[bytes, Meta(description="int64: end of the period, microseconds UTC")]
    period_ms: Annotated[bytes, Meta(description="int64: length of the period, ms")]
    count: Annotated[bytes, Meta(description="float64: vehicles in the period")] = b""
    speed_kph: Annotated[bytes, Meta(description="float64: arithmetic mean speed, km/h")] = b""
    occupancy_pct: Annotated[bytes, Meta(description="float64: share of time occupied, %")] = b""
    source: Annotated[str, Meta(max_length=64, description="sender")] = ""


class Passage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One vehicle read by one gate. On the log, `plate` is an envelope (see `seal`)."""

    id: Id
    gate: Annotated[str, Meta(min_length=1, max_length=128, description="id in the map")]
    time: Annotated[datetime, Meta(tz=True, description="moment of passing, gate's clock")]
    plate: Annotated[str, Meta(max_length=512, description="as read, or sealed; empty = unread")]
    confidence: Annotated[float, Meta(description="of the read, 0 to 1")]
    direction: Direction
    country: Annotated[str, Meta(max_length=3, description="ISO 3166, if read")] | None = None
    track: Annotated[str, Meta(max_length=64, description="one vehicle, one gate")] | None = None
    source: Annotated[str, Meta(max_length=64)] = ""


class IncidentKind(StrEnum):
    """What kind of thing disturbs the traffic."""

    CRASH = "crash"
    BREAKDOWN = "breakdown"
    OBSTACLE = "obstacle"
    WORKS = "works"
    CLOSURE = "closure"
    EVENT = "event"
    WEATHER = "weather"


class RoadWeather(StrEnum):
    """What the weather does to roads."""

    RAIN = "rain"
    SNOW = "snow"
    ICE = "ice"
    VISIBILITY = "visibility"


class Intensity(StrEnum):
    """How much of it."""

    LIGHT = "light"
    MODERATE = "moderate"
    HEAVY = "heavy"


Area = Annotated[
    tuple[float, float, float, float],
    Meta(description="west, south, east and north in WGS84 degrees"),
]


class Incident(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that takes capacity away, from `begins` or `time` until `until` (open if empty).

    It is on a link. Road weather (`weather`) is on a link, in an area, or on the whole map.
    """

    id: Id
    time: Annotated[datetime, Meta(tz=True, description="of this word; since when, too")]
    kind: IncidentKind
    link: Annotated[str, Meta(max_length=128, description="id in the map")] = ""
    begins: Moment | None = None
    until: Moment | None = None
    weather: RoadWeather | None = None
    intensity: Intensity = Intensity.MODERATE
    area: Area | None = None
    position_m: Annotated[float, Meta(ge=0, description="from the start of the link, m")] = 0.0
    lanes_closed: Annotated[int, Meta(ge=0, le=20)] = 0
    capacity_share: Annotated[float, Meta(ge=0, le=1, description="what is left")] = 1.0
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    description: Text = ""
    source: Annotated[str, Meta(max_length=64)] = ""


class ControlMode(StrEnum):
    """Who rules a signal controller at this moment."""

    OWN_PLAN = "own_plan"
    LEASED = "leased"
    FAULT = "fault"


class SignalStatus(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a controller shows: its stage, since when, and who rules it."""

    id: Id
    junction: Name
    time: Moment
    stage: Name
    since: Annotated[datetime, Meta(tz=True, description="the stage's greens began")]
    mode: ControlMode
    changing: Annotated[bool, Meta(description="in intergreen towards `stage`")] = False
    source: Annotated[str, Meta(max_length=64)] = ""


class Acknowledgement(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A device says whether it took a decision."""

    id: Id
    decision: Annotated[str, Meta(min_length=1, max_length=64)]
    device: Name
    time: Moment
    accepted: bool
    reason: Annotated[str, Meta(max_length=200)] = ""
    source: Annotated[str, Meta(max_length=64)] = ""


class Authorisation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A right to enter a zone, for tokens of plates; a later version replaces an earlier one."""

    id: Id
    time: Moment
    authorisation: Name
    profile: Name
    zone: Name
    tokens: tuple[str, ...]
    valid_from: Moment
    valid_to: Moment | None = None
    revoked: bool = False
    by: Annotated[str, Meta(max_length=128)] = ""


class Act(StrEnum):
    """What a person may do to the running city."""

    APPROVE = "approve"
    REJECT = "reject"
    RELEASE = "release"
    CLEAR_INCIDENT = "clear_incident"
    COMMAND = "command"
    ACTIVATE_MAP = "activate_map"


class DecisionKind(StrEnum):
    """What a decision is about."""

    SIGNAL_CONTROL = "signal_control"
    SIGNAL_STAGE = "signal_stage"
    ACCESS = "access"
    RAMP_METER = "ramp_meter"
    SIGN = "sign"
    GATE = "gate"


DEVICE_KINDS = frozenset({DecisionKind.RAMP_METER, DecisionKind.SIGN, DecisionKind.GATE})


class DeviceOrder(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person orders of a ramp meter, a sign or a gate, and for how long."""

    kind: Annotated[DecisionKind, Meta(description="ramp_meter, sign or gate")]
    command: Annotated[dict[Name, Text], Meta(max_length=4, description="as in the decision")]
    for_s: Annotated[float, Meta(gt=0, le=86400, description="how long it shall stand, s")]


class OperatorAct(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A person's act, with the reason given and the version of the thing that the person saw."""

    id: Id
    time: Moment
    person: Name
    act: Act
    target: Annotated[
        str, Meta(min_length=1, max_length=128, description="decision, incident, device or map")
    ]
    seen_version: Annotated[int, Meta(ge=0)]
    reason: Annotated[str, Meta(min_length=10, max_length=2000)]
    order: Annotated[DeviceOrder | None, Meta(description="of an act `command`, only")] = None


class DecisionState(StrEnum):
    """Where a decision is in its life (`control/decision.py` holds the moves)."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    DECIDED = "decided"
    ISSUED = "issued"
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    UNANSWERED = "unanswered"
    RELEASED = "released"


class Fact(Struct, frozen=True, kw_only=True):
    """One number or word behind a decision, with its unit and age."""

    name: str
    value: float | str
    unit: str = ""
    age_s: float | None = None


class DecisionEvent(Struct, frozen=True, kw_only=True):
    """One version of one decision: what, why, from which inputs, until when.

    `target` is a junction, a gate, a ramp meter or a sign. `command` is what the street is asked
    to do, e.g. `{"stage": "2"}`, `{"gate": "open"}`, `{"rate_vph": "600"}` or
    `{"limit_kph": "80"}`. The id is derived from the inputs: the same inputs make the same id.
    """

    id: str
    version: int
    kind: DecisionKind
    state: DecisionState
    target: str
    time: datetime
    reason: str
    facts: tuple[Fact, ...] = ()
    command: dict[str, str] = {}
    expires: datetime | None = None
    lease_until: datetime | None = None
    automatic: bool = False
    by: str = ""
    note: str = ""
    checks: tuple[str, ...] = ()
    map_version: str = ""
    forecast_id: str = ""
    offsets: dict[str, int] = {}
    predecessor: str = ""
    grant: Annotated[str, Meta(description="signal_control decision it stands under")] = ""


class Tick(Struct, frozen=True, kw_only=True):
    """One beat of the control loop, so that a replay follows what really happened."""

    time: datetime
    offsets: dict[str, int]
    forecast: Annotated[str, Meta(description="id of a forecast taken in at this beat")] = ""
    dropped: Annotated[str, Meta(description="id of a forecast that came too late")] = ""
    map_version: str = ""


Event = Reading | Passage | Incident | SignalStatus | Acknowledgement | OperatorAct


class Topic(StrEnum):
    """The streams of the log. What each carries is in its comment, and in AsyncAPI."""

    READING = "reading"  # Reading; partition = region of the sensor
    READING_COLUMNS = "reading.columns"  # ReadingColumns; partition = region of the sensors
    ANPR_READ = "anpr.read"  # Passage, sealed; kept 24 h
    INCIDENT = "incident"  # Incident
    STATUS = "street.status"  # SignalStatus, incoming
    ACKNOWLEDGEMENT = "street.ack"  # Acknowledgement, incoming
    ACT = "act"  # OperatorAct
    AUTHORISATION = "authorisation"  # Authorisation
    DECISION = "decision"  # DecisionEvent, outgoing
    TICK = "tick"  # Tick, outgoing
