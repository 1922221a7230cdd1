"""The edits that a scenario file may list; `edit` says which one it is."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from twin.network.model import LinkClass
from twin.scenario.words import AtLeast0, Clock, Count, Name, Part, Positive, Share, Speed

Links = Annotated[tuple[Name, ...], Meta(min_length=1, description="Ids of links of the map.")]
Classes = Annotated[tuple[Name, ...], Meta(description="Classes that it is for; all if empty.")]


class Edit(Part, frozen=True, kw_only=True, tag_field="edit"):
    """What every edit has: why, and when it holds (the whole horizon if empty)."""

    note: str = ""
    from_: Clock | None = field(default=None, name="from")
    until: Clock | None = None


class CloseLink(Edit, frozen=True, kw_only=True, tag="close_link"):
    """Nobody of the classes enters the links; who is on them may leave."""

    links: Links
    classes: Classes = ()


class CloseLanes(Edit, frozen=True, kw_only=True, tag="close_lanes"):
    """So many lanes of a link are closed: its capacity falls in proportion."""

    link: Name
    lanes: Count


class CloseTurn(Edit, frozen=True, kw_only=True, tag="close_turn"):
    """Nobody of the classes turns from one link into the other."""

    from_link: Name
    to_link: Name
    classes: Classes = ()


class Capacity(Edit, frozen=True, kw_only=True, tag="capacity"):
    """Links take at most this flow, all lanes together, or this factor of what they took."""

    links: Links
    vph: AtLeast0 | None = None
    factor: AtLeast0 | None = None


class FreeSpeed(Edit, frozen=True, kw_only=True, tag="free_speed"):
    """Links get another free speed."""

    links: Links
    kph: Speed | None = None
    factor: Positive | None = None


class NewLink(Edit, frozen=True, kw_only=True, tag="new_link"):
    """A link between two nodes of the map, with every turn but U-turns at both its ends."""

    id: Name
    from_node: Name
    to_node: Name
    lanes: Count = 1
    free_speed_kph: Speed
    capacity_vph: Annotated[Positive, Meta(description="Of all lanes together.")]
    length_m: Annotated[Positive | None, Meta(description="That of the line if empty.")] = None
    class_: LinkClass = field(default=LinkClass.ARTERIAL, name="class")
    line: Annotated[
        tuple[tuple[float, float], ...],
        Meta(description="(longitude, latitude) between its nodes; straight if empty."),
    ] = ()


class PlanStage(Part, frozen=True, kw_only=True):
    """A stage of a plan, from its start to the start of the next."""

    stage: Name
    seconds: Annotated[float, Meta(ge=1, le=3600)]


class NewPlan(Edit, frozen=True, kw_only=True, tag="signal_plan"):
    """A junction runs another fixed plan."""

    junction: Name
    stages: Annotated[tuple[PlanStage, ...], Meta(min_length=1)]
    offset_s: Annotated[float, Meta(ge=-86400, le=86400)] = 0.0


class RampMeter(Edit, frozen=True, kw_only=True, tag="ramp_meter"):
    """A link is released at most at this flow."""

    link: Name
    vph: AtLeast0


class NewZoneHours(Edit, frozen=True, kw_only=True, tag="zone_hours"):
    """A zone is restricted in these hours, with these shares, instead of what held in the base."""

    zone: Name
    authorised: Annotated[
        dict[str, Share], Meta(description="Share by class; 0 for a class that is not named.")
    ] = field(default_factory=dict)
    open: Annotated[bool, Meta(description="True: not restricted at all.")] = False


class DemandFactor(Edit, frozen=True, kw_only=True, tag="demand_factor"):
    """So many times as many trips, of those that leave in this time."""

    factor: AtLeast0
    origins: Annotated[tuple[Name, ...], Meta(description="All if empty.")] = ()
    destinations: Annotated[tuple[Name, ...], Meta(description="All if empty.")] = ()
    classes: Classes = ()


class DemandTrips(Edit, frozen=True, kw_only=True, tag="demand_trips"):
    """More trips from one zone to another."""

    origin: Name
    destination: Name
    trips: AtLeast0
    class_: Name = field(default="car", name="class")


class DemandShift(Edit, frozen=True, kw_only=True, tag="demand_shift"):
    """A share of those that leave in this time leaves earlier (-) or later (+)."""

    minutes: Annotated[float, Meta(ge=-1440, le=1440)]
    share: Share = 1.0
    origins: Annotated[tuple[Name, ...], Meta(description="All if empty.")] = ()
    destinations: Annotated[tuple[Name, ...], Meta(description="All if empty.")] = ()
    classes: Classes = ()


class Incident(Edit, frozen=True, kw_only=True, tag="incident"):
    """Part of a link's capacity is left at a crash or a breakdown; its entry stays as it is."""

    link: Name
    capacity_share: Annotated[Share, Meta(description="What is left, of all lanes together.")]


class WorkZone(Edit, frozen=True, kw_only=True, tag="work_zone"):
    """Lanes are closed, the others carry less, and a speed limit holds."""

    links: Links
    lanes_closed: Annotated[int, Meta(ge=0)] = 0
    open_lane_factor: Annotated[
        float, Meta(gt=0, le=1, description="Capacity of an open lane beside the works.")
    ] = 1.0
    speed_kph: Speed | None = None


class WeatherChange(Edit, frozen=True, kw_only=True, tag="weather"):
    """Another weather on every road, for the whole horizon. The source must be named."""

    name: Name
    capacity_factor: Annotated[float, Meta(gt=0, le=1.5)]
    speed_factor: Annotated[float, Meta(gt=0, le=1.5)]
    source: Annotated[str, Meta(min_length=8, description="Where the factors come from.")]


class Split(Edit, frozen=True, kw_only=True, tag="split"):
    """A share of the drivers does not take this turn, as if a sign sent them round it."""

    from_link: Name
    to_link: Name
    divert_share: Share
    classes: Classes = ()


AnyEdit = (
    CloseLink
    | CloseLanes
    | CloseTurn
    | Capacity
    | FreeSpeed
    | NewLink
    | NewPlan
    | RampMeter
    | NewZoneHours
    | DemandFactor
    | DemandTrips
    | DemandShift
    | Incident
    | WorkZone
    | WeatherChange
    | Split
)
