"""Which ways are roads for cars, in which direction, and what is usual on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from twin.network.model import LinkClass

Tags = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Usual:
    """What a road of one kind usually has; lanes are of one direction, capacity of one lane.

    `oneway_lanes` is usual where the other direction has its own way.
    """

    link_class: LinkClass
    lanes: int
    oneway_lanes: int
    speed_kph: float
    lane_capacity_vph: float


USUAL: Final[dict[str, Usual]] = {
    "motorway": Usual(LinkClass.MOTORWAY, 2, 2, 120.0, 2000.0),
    "motorway_link": Usual(LinkClass.RAMP, 1, 1, 60.0, 1600.0),
    "trunk": Usual(LinkClass.ARTERIAL, 1, 2, 80.0, 1500.0),
    "trunk_link": Usual(LinkClass.RAMP, 1, 1, 50.0, 1400.0),
    "primary": Usual(LinkClass.ARTERIAL, 1, 2, 50.0, 900.0),
    "primary_link": Usual(LinkClass.ARTERIAL, 1, 1, 40.0, 900.0),
    "secondary": Usual(LinkClass.ARTERIAL, 1, 2, 50.0, 900.0),
    "secondary_link": Usual(LinkClass.ARTERIAL, 1, 1, 40.0, 900.0),
    "tertiary": Usual(LinkClass.COLLECTOR, 1, 1, 50.0, 800.0),
    "tertiary_link": Usual(LinkClass.COLLECTOR, 1, 1, 40.0, 800.0),
    "unclassified": Usual(LinkClass.COLLECTOR, 1, 1, 50.0, 700.0),
    "residential": Usual(LinkClass.LOCAL, 1, 1, 30.0, 600.0),
    "living_street": Usual(LinkClass.LOCAL, 1, 1, 20.0, 400.0),
    "service": Usual(LinkClass.LOCAL, 1, 1, 20.0, 400.0),
    "road": Usual(LinkClass.LOCAL, 1, 1, 40.0, 600.0),
}
_FAST: Final = Usual(LinkClass.MOTORWAY, 2, 2, 100.0, 2000.0)  # a trunk road for motors alone

CLASSES: Final = tuple(kind for kind in USUAL if not kind.endswith("_link"))

RESTRICTED: Final = frozenset(
    ["no", "private", "agricultural", "forestry", "agricultural;forestry", "emergency", "military"]
)
_FOR_BUSES: Final = frozenset({"busway", "bus_guideway"})
_MINOR: Final = frozenset({"parking_aisle", "driveway", "drive-through", "emergency_access"})
_CAR_KEYS: Final = ("motorcar", "motor_vehicle", "vehicle", "access")
_ONEWAY_KEYS: Final = ("oneway:motorcar", "oneway:motor_vehicle", "oneway:vehicle", "oneway")
_ROUND: Final = frozenset({"roundabout", "circular"})
_YES: Final = frozenset({"yes", "true", "1"})
_AGAINST: Final = frozenset({"-1", "reverse"})


class LeftOut(StrEnum):
    """Why a way that could be a road is not one of the map; the value is the finding's code."""

    AREA = "area"
    BUS_ONLY = "bus_only"
    CLOSED = "closed_to_cars"
    MINOR = "minor_service"
    FERRY = "ferry"


LEFT_OUT_TEXT: Final = {
    LeftOut.AREA: "a square to drive on (area=yes), not a line: left out",
    LeftOut.BUS_ONLY: "only for buses: left out",
    LeftOut.CLOSED: "not open to cars (access, vehicle, motor_vehicle or motorcar): left out",
    LeftOut.MINOR: "a driveway or an aisle between parked cars: left out",
    LeftOut.FERRY: "a ferry: the map has no word for it, what it joins may fall apart",
}


def usual_for(tags: Tags) -> Usual:
    """Return what is usual on a road with these tags."""
    if tags["highway"] == "trunk" and tags.get("motorroad") == "yes":
        return _FAST
    return USUAL[tags["highway"]]


def car_access(tags: Tags) -> str:
    """Return the access value that counts for cars: the most special one; empty when none."""
    return next((tags[key] for key in _CAR_KEYS if key in tags), "")


def left_out(tags: Tags) -> LeftOut | None:
    """Return why a road or ferry is not taken over, None when it is."""
    if tags.get("route") == "ferry" and "highway" not in tags:
        return LeftOut.FERRY
    if tags["highway"] in _FOR_BUSES:
        return LeftOut.BUS_ONLY
    if tags.get("area") == "yes":
        return LeftOut.AREA
    if car_access(tags) in RESTRICTED:
        buses = tags.get("bus", tags.get("psv", "no"))
        return LeftOut.BUS_ONLY if buses in {"yes", "designated"} else LeftOut.CLOSED
    if tags.get("service") in _MINOR and tags["highway"] == "service":
        return LeftOut.MINOR
    return None


def is_road(highway: str | None, tags: Tags) -> bool:
    """Say whether a way is, or could be, something to drive a car or a bus on."""
    return highway in USUAL or highway in _FOR_BUSES or tags.get("route") == "ferry"


def is_roundabout(tags: Tags) -> bool:
    """Say whether a way is a part of a ring that is driven in one direction."""
    return tags.get("junction") in _ROUND


@dataclass(frozen=True, slots=True)
class Ways:
    """The directions in which a way is driven, as seen along its nodes."""

    forward: bool
    backward: bool
    is_guessed: bool = False


def directions(tags: Tags) -> Ways:
    """Return in which directions cars drive on a way.

    Without a word about it a motorway and a ring run forward; so do ramps, which is a guess.
    """
    said = next((tags[key] for key in _ONEWAY_KEYS if key in tags), "")
    if said in _YES:
        return Ways(forward=True, backward=False)
    if said in _AGAINST:
        return Ways(forward=False, backward=True)
    if said in {"no", "false", "0"}:
        return Ways(forward=True, backward=True)
    if said:  # alternating, reversible, or nothing that we know
        return Ways(forward=True, backward=True, is_guessed=True)
    if is_roundabout(tags) or tags["highway"] == "motorway":
        return Ways(forward=True, backward=False)
    is_ramp = tags["highway"] == "motorway_link"
    return Ways(forward=True, backward=not is_ramp, is_guessed=is_ramp)
