"""Ramp meters, signs and gates as devices of the map: where they stand and what they rule.

A ramp meter is a feature of the layer `ramp_meter`, a sign one of the layer `sign`; both name the
link on which they stand, and their field `position_m` says where on it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from typing import Final

from twin.ids import LinkId
from twin.network.corridors import corridors
from twin.network.model import Feature, Gate, Layer, Link, Point, SingleMap

_KPH: Final = 3.6


class DeviceKind(StrEnum):
    """What kind of device it is."""

    RAMP_METER = "ramp_meter"
    SIGN = "sign"
    GATE = "gate"


_LAYERS: Final = {Layer.RAMP_METER: DeviceKind.RAMP_METER, Layer.SIGN: DeviceKind.SIGN}


@dataclass(frozen=True, slots=True)
class RoadDevice:
    """One device beside a link. `legal_kph` is the speed that the map has for the link.

    `before` and `after` are the next signs up and down the same road, empty without one; `road` is
    empty where the link belongs to none. `inbound` and `barrier` speak of gates.
    """

    id: str
    kind: DeviceKind
    name: str
    link: LinkId
    position_m: float
    point: Point
    lanes: int
    legal_kph: float
    road: str = ""
    before: str = ""
    after: str = ""
    inbound: bool = False
    barrier: bool = False


def road_devices(network: SingleMap) -> tuple[RoadDevice, ...]:
    """Return all devices of a map; a sign or a meter that names no link of it is left out."""
    links = {link.id: link for link in network.links}
    beside = [
        _of_feature(one, links[one.links[0]])
        for one in network.features
        if one.layer in _LAYERS and one.links and one.links[0] in links
    ]
    before, after = _neighbours(network, beside)
    placed = [
        replace(one, before=before.get(one.id, ""), after=after.get(one.id, "")) for one in beside
    ]
    return (*placed, *(_of_gate(gate, links[gate.link]) for gate in network.gates))


def _of_feature(feature: Feature, link: Link) -> RoadDevice:
    stated = dict(feature.extra).get("position_m", "")
    return RoadDevice(
        id=feature.id,
        kind=_LAYERS[feature.layer],
        name=feature.name or feature.id,
        link=link.id,
        position_m=float(stated) if stated else link.length_m / 2,
        point=_point(feature.wkt) or link.line[0],
        lanes=link.lanes,
        legal_kph=legal_kph(link),
        road=link.road,
    )


def _of_gate(gate: Gate, link: Link) -> RoadDevice:
    return RoadDevice(
        id=str(gate.id),
        kind=DeviceKind.GATE,
        name=gate.name or str(gate.id),
        link=link.id,
        position_m=gate.position_m,
        point=gate.point,
        lanes=link.lanes,
        legal_kph=legal_kph(link),
        road=link.road,
        inbound=gate.inbound,
        barrier=gate.barrier,
    )


def legal_kph(link: Link) -> float:
    """Return the link's own speed in km/h, to a tenth: the map's free speed stands for it."""
    return round(link.free_speed_mps * _KPH, 1)


def _point(wkt: str) -> Point | None:
    words = wkt.replace("(", " ").replace(")", " ").split()
    if len(words) != 3 or words[0].upper() != "POINT":
        return None
    return float(words[1]), float(words[2])


def _neighbours(
    network: SingleMap, devices: list[RoadDevice]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the sign before and the sign after each sign along its road."""
    before: dict[str, str] = {}
    after: dict[str, str] = {}
    for signs in _along(network, devices).values():
        for one, following in pairwise(signs):
            before[following], after[one] = one, following
    return before, after


def _along(network: SingleMap, devices: list[RoadDevice]) -> dict[str, list[str]]:
    """Return the signs of each road in driving order."""
    starts = {
        link: start_m
        for road in corridors(network)
        for link, start_m in zip(road.links, road.start_m, strict=True)
    }
    signs = [one for one in devices if one.kind is DeviceKind.SIGN and one.road]
    signs.sort(key=lambda one: (one.road, starts[one.link] + one.position_m, one.id))
    roads: dict[str, list[str]] = {}
    for one in signs:
        roads.setdefault(one.road, []).append(one.id)
    return roads


def governed_links(
    network: SingleMap, sign: RoadDevice, *, reach_m: float = 3000.0
) -> tuple[LinkId, ...]:
    """Return the links on which a sign's limit holds: from behind it to the next sign of its road.

    A sign in the second half of its link rules from the next link on. At most `reach_m`; the link
    of the sign itself when there is nothing behind it.
    """
    road = next((one for one in corridors(network) if one.road == sign.road), None)
    own = (sign.link,)
    if road is None or not sign.road:
        return own
    links = {link.id: link for link in network.links}
    others = {
        one.id: one for one in road_devices(network) if one.kind is DeviceKind.SIGN and sign.after
    }
    following = others.get(sign.after)
    at = road.links.index(sign.link)
    ruled = [sign.link] if sign.position_m < links[sign.link].length_m / 2 else []
    passed_m = 0.0
    for link in road.links[at + 1 :]:
        if following is not None and link == following.link:
            late = following.position_m >= links[link].length_m / 2
            ruled += [link] if late else []
            break
        if passed_m >= reach_m:
            break
        ruled.append(link)
        passed_m += links[link].length_m
    return tuple(ruled) or own
