"""What the answers look like: operator's units, names of fields that show them.

msgspec types and not pydantic ones: they encode a city in milliseconds and the same types write
the OpenAPI document. Times are RFC 3339 in UTC; null means "not known" and never zero.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from twin.api.classes import SpeedClass
from twin.api.problems import Broken
from twin.events import ControlMode, DecisionEvent, Incident

Moment = Annotated[datetime, Meta(tz=True)]
Kph = Annotated[float, Meta(description="km/h")]
Vph = Annotated[float, Meta(description="vehicles per hour")]
Vpkm = Annotated[float, Meta(description="vehicles per kilometre")]
Seconds = Annotated[float, Meta(description="s")]
Count = Annotated[int, Meta(ge=0)]


class LayerView(Struct, frozen=True, kw_only=True):
    """Where one layer of the map is fetched, and how many features it has."""

    href: str
    count: Count


class NetworkView(Struct, frozen=True, kw_only=True):
    """The map that the service runs on. Its layers never change under one version."""

    version: Annotated[str, Meta(pattern="^[0-9a-f]{32}$", description="hash of the content")]
    name: str
    timezone: str
    bounds: Annotated[tuple[float, float, float, float], Meta(description="west south east north")]
    counts: dict[str, Count]
    quality: Annotated[dict[str, Count], Meta(description="findings of the import by severity")]
    layers: dict[str, LayerView]
    corridors: Annotated[list[str], Meta(description="roads with a corridor diagram")]


class LinkView(Struct, frozen=True, kw_only=True, rename={"speed_class": "class"}):
    """What is believed of one link now. `source` and `freshness` say how far to trust it."""

    row: Annotated[int, Meta(ge=0, description="position in the live stream's frames")]
    id: str
    speed_kph: Kph | None
    speed_sd_kph: Kph | None
    flow_vph: Vph | None
    flow_sd_vph: Vph | None
    density_vpkm: Vpkm | None
    density_sd_vpkm: Vpkm | None
    ratio: Annotated[float, Meta(description="speed over free speed")] | None
    speed_class: SpeedClass
    source: str
    freshness: str
    age_s: Seconds | None
    closed: bool
    made_from: Annotated[
        list[str],
        Meta(
            description="everything in the value: speeds, counts, occupancy (own detectors), "
            "neighbours, usual_day, cells, signal_plan, weather"
        ),
    ]
    detectors: Annotated[Count, Meta(description="own detectors in the value")]


class SignalView(Struct, frozen=True, kw_only=True):
    """What one signal controller shows."""

    junction: str
    stage: str
    since: Moment
    mode: ControlMode
    changing: bool
    age_s: Seconds


class PictureView(Struct, frozen=True, kw_only=True):
    """The live state of the map at one moment."""

    time: Moment
    age_s: Seconds
    sequence: Count
    map_version: str
    forecast_id: str
    newest_age_s: Annotated[
        Seconds | None, Meta(description="age of the newest reading behind any link; null if none")
    ]
    provisional: Annotated[
        bool,
        Meta(description="the service is behind: the newest readings are shown before their turn"),
    ] = False
    newest_freshness: Annotated[str, Meta(description="freshness of the freshest link")]
    classes: Annotated[dict[str, Count], Meta(description="links by speed class")]
    links: list[LinkView]
    signals: list[SignalView]
    incidents: list[Incident]


class SensorView(Struct, frozen=True, kw_only=True):
    """The newest reading of one sensor, exactly as measured; null where it measures no such."""

    id: str
    time: Moment | None
    age_s: Seconds | None
    period_s: Seconds | None
    count: Annotated[float, Meta(description="vehicles in the period")] | None
    flow_vph: Vph | None
    speed_kph: Kph | None
    occupancy_pct: Annotated[float, Meta(description="%")] | None


class MeasuredView(Struct, frozen=True, kw_only=True):
    """What the sensors measured, at or before `time`. Nothing here is estimated."""

    time: Moment
    sensors: list[SensorView]


Steps = list[float | None]


class LinkForecastView(Struct, frozen=True, kw_only=True):
    """The next hour of one link, one value a step; lo and hi bound the interval."""

    row: Count
    id: str
    method: str
    speed_kph: Steps
    speed_lo_kph: Steps
    speed_hi_kph: Steps
    flow_vph: Steps
    density_vpkm: Steps
    blend: Annotated[
        dict[str, float] | None,
        Meta(
            description="with method `blend`: what each method weighs, as a mean over the hour; "
            "last_value, usual (the usual day), damped (today's deviation fades to it), linear, "
            "trees (fitted models), physics (traffic model)"
        ),
    ]
    trusted: Annotated[
        bool, Meta(description="false: lately a trivial forecast was better, see the scores")
    ]


class ForecastView(Struct, frozen=True, kw_only=True):
    """The newest forecast: step k is the mean over (k, k + 1] x step_s after `made`."""

    id: str
    made: Moment
    age_s: Seconds
    step_s: Seconds
    interval: Annotated[float, Meta(description="share of outcomes between lo and hi")]
    links: list[LinkForecastView]


class CorridorLinkView(Struct, frozen=True, kw_only=True):
    """A link with its place along the corridor."""

    id: str
    row: Count
    start_m: float
    end_m: float
    name: str
    free_speed_kph: Kph


class CorridorNodeView(Struct, frozen=True, kw_only=True):
    """A node with its place along the corridor."""

    id: str
    name: str
    at_m: float


class CorridorView(Struct, frozen=True, kw_only=True):
    """The links of one carriageway, in driving order."""

    road: str
    name: str
    length_m: float
    links: list[CorridorLinkView]
    nodes: list[CorridorNodeView]


class CellView(Struct, frozen=True, kw_only=True):
    """One column of the time-space diagram: a link."""

    link: str
    row: Count
    start_m: float
    end_m: float
    free_speed_kph: Kph


class TimespaceForecastView(Struct, frozen=True, kw_only=True):
    """The part of the diagram right of now."""

    id: str
    start: Moment
    step_s: Seconds
    speed_kph: Annotated[list[Steps], Meta(description="a row per step, a value per cell")]


class TimespaceView(Struct, frozen=True, kw_only=True):
    """Speed over distance and time along one corridor."""

    road: str
    start: Moment
    end: Moment
    step_s: Seconds
    cells: list[CellView]
    speed_kph: Annotated[list[Steps], Meta(description="a row per minute, a value per cell")]
    source: Annotated[
        list[list[int]],
        Meta(description="as speed_kph: 0 none, 1 measured, 2 neighbours, 3 profile"),
    ]
    forecast: TimespaceForecastView | None


class DecisionView(DecisionEvent, frozen=True, kw_only=True):
    """A decision with what a person needs to act on it; the facts' ages are as of the answer."""

    text: Annotated[str, Meta(description="the decision in one sentence")]
    valid_for_s: Seconds | None
    can_approve: bool
    why_not: Annotated[str, Meta(description="why it cannot be approved now; empty if it can")]
    can_release: Annotated[bool, Meta(description="a grant in force that may be taken back")]


class DecisionsView(Struct, frozen=True, kw_only=True):
    """Decisions, newest first."""

    decisions: list[DecisionView]


class DecisionHistoryView(Struct, frozen=True, kw_only=True):
    """A decision with all its versions, oldest first; in `history` ages are as of version 1."""

    decision: DecisionView
    history: list[DecisionEvent]


class ActBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person's answer to a decision."""

    reason: Annotated[
        str,
        Meta(min_length=10, max_length=2000, description="why, in words; kept with the decision"),
    ]
    seen_version: Annotated[
        float,  # JSON's 1.0 is a whole number too
        Meta(ge=0, le=2**31 - 1, multiple_of=1, description="the version that the person saw"),
    ]


class ClearBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person's word that an incident is over."""

    reason: Annotated[
        str, Meta(min_length=10, max_length=2000, description="why, in words; kept with the act")
    ]


class GateView(Struct, frozen=True, kw_only=True):
    """One control point with its counts of the local day."""

    id: str
    name: str
    link: str
    inbound: bool
    barrier: bool
    zones: list[str]
    last_event: Moment | None
    last_event_age_s: Seconds | None
    entries: Count
    exits: Count
    authorised_pct: Annotated[float, Meta(description="admitted of decided entries, %")] | None


class GateEventView(Struct, frozen=True, kw_only=True):
    """One decision about one passage. The vehicle is a word of the day, never a plate."""

    id: str
    time: Moment
    gate: str
    direction: str
    state: str
    reason: str
    text: str
    profile: str
    confidence: float | None
    vehicle: str


class ZoneView(Struct, frozen=True, kw_only=True):
    """A set of links with a purpose."""

    id: str
    name: str
    kind: str
    links: list[str]
    gates: list[str]


class ItemFaults(Struct, frozen=True, kw_only=True):
    """Why one item of a request will be refused."""

    index: Annotated[int, Meta(ge=0, description="position in the request")]
    id: Annotated[str, Meta(description="the item's event id, empty if it has none to read")]
    errors: list[Broken]


class TakenView(Struct, frozen=True, kw_only=True):
    """The answer to sent events: all are on the log, those in `items` will be refused."""

    received: Count
    accepted: Annotated[int, Meta(ge=0, description="without a fault that can be seen now")]
    rejected: Count
    items: list[ItemFaults]


class CommandsView(Struct, frozen=True, kw_only=True):
    """Issued decisions for devices; ask again with `after`."""

    after: Annotated[int, Meta(description="sequence to ask after next time")]
    commands: list[DecisionEvent]


class ClockView(Struct, frozen=True, kw_only=True):
    """The time of the service, and whether it is the street's."""

    now: Moment
    timezone: str
    rate: Annotated[float, Meta(description="service seconds per second; 0: it stands")]
    mode: str
    note: str


class MeView(Struct, frozen=True, kw_only=True):
    """Who is asking."""

    name: str
    role: str


class LiveView(Struct, frozen=True, kw_only=True):
    """The process answers."""

    status: str


class ReadyView(Struct, frozen=True, kw_only=True):
    """Whether the service does its work; if not, why."""

    ready: bool
    reasons: list[str]
    waiting: Annotated[Count, Meta(description="records on the log not yet taken")] = 0
    behind_s: Annotated[
        Seconds, Meta(description="age of the newest record taken, where records wait")
    ] = 0.0
