"""Where loops are cut into the road before signals: at the stop line, and upstream of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from twin.ids import LinkId, SensorId
from twin.network.geometry import point_at
from twin.network.model import Link, Sensor
from twin.network.sumo.net import NetEdge, NetFile, NetLane

PERIOD_S: Final = 5.0
STOP_M: Final = 5.0
ADVANCE_M: Final = 90.0
_CLOSE_M: Final = 40.0  # two loops of one lane stand at least so far apart
_EDGE_M: Final = 1.0


@dataclass(frozen=True, slots=True)
class Loop:
    """One loop of SUMO: `lane` is SUMO's, `position_m` from the lane's start."""

    id: str
    lane: str
    position_m: float


def lane_number(edge: NetEdge, lane: NetLane) -> int:
    """Return the number of a lane as the map counts: the leftmost motor lane is 1."""
    return len(edge.motor_lanes) - edge.motor_lanes.index(lane)


def place_sensors(net: NetFile, tls: Iterable[str], links: Mapping[str, Link]) -> list[Sensor]:
    """Return the loops before all lanes that traffic lights rule, edge by edge."""
    wanted: dict[str, set[int]] = {}
    for tl in tls:
        for one in net.signalled(tl):
            if one.from_edge in links:
                wanted.setdefault(one.from_edge, set()).add(one.from_lane)
    places: dict[tuple[str, str], tuple[str, NetLane, float]] = {}
    for edge_id, indices in wanted.items():
        edge = net.edges[edge_id]
        for lane in (lane for lane in edge.motor_lanes if lane.index in indices):
            at_m = _stop_m(lane)
            places["stop", lane.id] = (edge_id, lane, at_m)
        for upstream, left_m in _advance_edges(net, edge_id, set(wanted)):
            for lane in net.edges[upstream].motor_lanes:
                at_m = max(lane.length_m - left_m, _EDGE_M)
                near = upstream == edge_id and at_m > _stop_m(lane) - _CLOSE_M
                if upstream == edge_id and (near or lane.index not in indices):
                    continue
                places.setdefault(("advance", lane.id), (upstream, lane, at_m))
    return [
        _sensor(f"{kind}:{name}", net.edges[edge], lane, at_m, links[edge])
        for (kind, name), (edge, lane, at_m) in places.items()
        if edge in links
    ]


def _stop_m(lane: NetLane) -> float:
    return max(lane.length_m - STOP_M, lane.length_m / 2)


def _advance_edges(net: NetFile, edge_id: str, signalled: set[str]) -> list[tuple[str, float]]:
    """Return where the upstream loops of an approach go: (edge, metres before that edge's end).

    A short approach takes the edge before it, if that leads nowhere else and has no signal.
    """
    left_m = ADVANCE_M
    while True:
        length_m = max(lane.length_m for lane in net.edges[edge_id].motor_lanes)
        if length_m >= left_m - _CLOSE_M:
            return [(edge_id, left_m)]
        before = _only_before(net, edge_id)
        if before is None or before in signalled:
            return [(edge_id, left_m)]
        edge_id, left_m = before, left_m - length_m


def _only_before(net: NetFile, edge_id: str) -> str | None:
    """Return the edge with most lanes that leads to this one and to no other."""
    before = {one.from_edge for one in net.connections if one.to_edge == edge_id}
    alone = []
    for name in before:
        edge = net.edges[name]
        onward = {one.to_edge for one in net.connections if one.from_edge == name}
        if edge.function == "" and edge.motor_lanes and onward <= {edge_id}:
            alone.append(name)
    return max(sorted(alone), key=lambda name: len(net.edges[name].motor_lanes), default=None)


def _sensor(name: str, edge: NetEdge, lane: NetLane, at_m: float, link: Link) -> Sensor:
    position_m = min(at_m, link.length_m)
    return Sensor(
        id=SensorId(name),
        link=LinkId(edge.id),
        position_m=position_m,
        point=point_at(link.line, position_m, length_m=link.length_m),
        period_s=PERIOD_S,
        lanes=1,
        station=edge.id,
        extra=(
            ("lane", str(lane_number(edge, lane))),
            ("sumo_lane", lane.id),
            ("sumo_position_m", f"{at_m:.2f}"),
        ),
    )


def loops_of(sensors: Iterable[Sensor]) -> tuple[Loop, ...]:
    """Return the loops to build into SUMO for the sensors of a map that came from its net."""
    loops = []
    for sensor in sensors:
        more = dict(sensor.extra)
        if "sumo_lane" in more:
            loops.append(Loop(sensor.id, more["sumo_lane"], float(more["sumo_position_m"])))
    return tuple(loops)
