"""What a scenario file holds, in a planner's units: clock times, km/h, veh/h, metres.

The JSON Schema of the documentation is made from these types.
"""

from __future__ import annotations

import enum
from typing import Annotated, Any

import msgspec
from msgspec import Meta, field

from twin.scenario.edits.form import AnyEdit
from twin.scenario.words import AtLeast0, Clock, Name, Part, Positive, Share

FORMAT = 1

Profile = Annotated[
    tuple[AtLeast0, ...],
    Meta(description="Weights of equal parts of `from`-`until`; even if empty."),
]


class BaseMap(Part, frozen=True, kw_only=True):
    """The map that everything stands on."""

    folder: Annotated[
        str,
        Meta(description="GMNS folder, beside the file. Left out in a job: the service's map."),
    ] = ""
    version: Annotated[
        str,
        Meta(
            pattern="^([0-9a-f]{8,32})?$",
            description="Version of the map, or its first digits (8 at least). The run is refused "
            "on any other; the report says when none was given.",
        ),
    ] = ""


class Table(Part, frozen=True, kw_only=True):
    """Trips from a file.

    Either a row a pair (orig_taz, dest_taz, total or o_zone_id, d_zone_id, volume), spread over
    `from`-`until`; or a row a pair, class and slot (origin, destination, class,
    depart_s, vehicles), each spread over its slot.
    """

    file: Annotated[Name, Meta(description="CSV file, beside the scenario file.")]
    class_: Annotated[Name, Meta(description="Class of a file without that column.")] = field(
        default="car", name="class"
    )
    from_: Annotated[Clock | None, Meta(description="The start of the scenario if empty.")] = field(
        default=None, name="from"
    )
    until: Annotated[Clock | None, Meta(description="An hour after `from` if empty.")] = None
    profile: Profile = ()
    slot_s: Annotated[Positive, Meta(description="Length of a slot of a file with depart_s.")] = (
        300.0
    )
    factor: AtLeast0 = 1.0


class Flow(Part, frozen=True, kw_only=True):
    """Trips from one zone to another, written into the file."""

    origin: Name
    destination: Name
    trips: AtLeast0
    from_: Clock = field(name="from")
    until: Clock
    class_: Name = field(default="car", name="class")
    profile: Profile = ()


class Crowd(Part, frozen=True, kw_only=True):
    """People who come to an event, or leave it."""

    trips: AtLeast0
    from_: Clock = field(name="from")
    until: Clock
    zones: Annotated[
        dict[str, AtLeast0],
        Meta(min_length=1, description="Where they come from or go to, with weights."),
    ]
    profile: Profile = ()


class Gathering(Part, frozen=True, kw_only=True):
    """An event at a place, with its arrivals and its departures."""

    name: Name
    zone: Name
    class_: Name = field(default="car", name="class")
    arrivals: Crowd | None = None
    departures: Crowd | None = None


class Demand(Part, frozen=True, kw_only=True):
    """Who travels. Numbers are means: each seed draws its own day from them."""

    tables: tuple[Table, ...] = ()
    trips: tuple[Flow, ...] = ()
    events: tuple[Gathering, ...] = ()
    factor: AtLeast0 = 1.0


class VehicleClass(Part, frozen=True, kw_only=True):
    """A kind of vehicle. Links whose `allowed_uses` leave it out are closed to it."""

    name: Name
    uses: Annotated[
        tuple[str, ...],
        Meta(description="Words of the map's allowed_uses that stand for it; its name if empty."),
    ] = ()


class Weather(Part, frozen=True, kw_only=True):
    """What the weather does to every road, all the time. The source must be named."""

    name: Name
    capacity_factor: Annotated[float, Meta(gt=0, le=1.5)]
    speed_factor: Annotated[float, Meta(gt=0, le=1.5)]
    source: Annotated[str, Meta(min_length=8, description="Where the factors come from.")]


class RouteKind(enum.Enum):
    """How vehicles find their way."""

    FIXED = "fixed"
    INSTANTANEOUS = "instantaneous"


class Routes(Part, frozen=True, kw_only=True):
    """Route choice: the quickest paths at free speed, or the times of the moment for some."""

    kind: Annotated[
        RouteKind,
        Meta(
            description="fixed: the quickest path at free speed, with closures known; "
            "instantaneous: a share chooses anew on the travel times of the moment."
        ),
    ] = RouteKind.INSTANTANEOUS
    compliant_share: Annotated[
        Share, Meta(description="Who follows the travel times of the moment, under way too.")
    ] = 0.3
    interval_s: Annotated[
        float, Meta(ge=1, le=86400, description="New travel times and paths so often.")
    ] = 300.0
    spread_s: Annotated[
        AtLeast0, Meta(description="Spread of the logit choice; 0: always the quickest.")
    ] = 0.0


class ZoneHours(Part, frozen=True, kw_only=True):
    """When a zone of the map is restricted, and which share of each class may enter."""

    zone: Name
    from_: Clock | None = field(default=None, name="from")
    until: Clock | None = None
    authorised: Annotated[
        dict[str, Share], Meta(description="Share by class; 0 for a class that is not named.")
    ] = field(default_factory=dict)


class Engine(Part, frozen=True, kw_only=True):
    """How it is computed."""

    step_s: Annotated[float, Meta(ge=0.1, le=300, description="Wanted time step.")] = 10.0
    report_s: Annotated[float, Meta(ge=1, le=3600, description="Between two reports.")] = 60.0


class Scenario(Part, frozen=True, kw_only=True):
    """A what-if: a base, and edits that make another of it."""

    format: Annotated[int, Meta(ge=FORMAT, le=FORMAT, description="Version of this format.")]
    name: Name
    description: str = ""
    learn: Annotated[str, Meta(description="What there is to learn from it.")] = ""
    map: BaseMap
    date: Annotated[str, Meta(pattern=r"^(\d{4}-\d{2}-\d{2})?$")] = ""
    starts: Clock
    ends: Clock
    seeds: Annotated[
        tuple[Annotated[int, Meta(ge=0, le=2**32 - 1)], ...], Meta(min_length=1, max_length=1000)
    ] = (1, 2, 3, 4, 5)
    demand: Demand
    classes: tuple[VehicleClass, ...] = ()
    weather: Weather | None = None
    routes: Routes = Routes()
    zones: Annotated[
        tuple[ZoneHours, ...], Meta(description="Restricted zones, as they are in the base.")
    ] = ()
    engine: Engine = Engine()
    calibration: Annotated[
        tuple[AnyEdit, ...],
        Meta(description="What the map gets wrong, put right in base and edited alike."),
    ] = ()
    edits: tuple[AnyEdit, ...] = ()


def scenario_schema() -> dict[str, Any]:
    """Return the JSON Schema of a scenario file."""
    schema = msgspec.json.schema(Scenario)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A scenario of twin",
        **schema,
    }
