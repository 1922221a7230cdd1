"""Level of service of motorways, streets and junctions, A to F.

Source: Transportation Research Board, Highway Capacity Manual, 6th edition (2016): exhibit 12-15
(basic freeway segments, density in passenger cars per mile and lane), exhibit 18-1 (urban street
segments, travel speed as a share of the free-flow speed), exhibit 19-8 (signalised
junctions, control delay in s per vehicle), exhibit 20-2 (two-way stop control). Heavy vehicles
count as 2.0 passenger cars (level terrain, exhibit 12-25).

That the manual also says F where demand exceeds capacity is not applied: a queue shows itself as
density and delay.

Not covered: merge, diverge and weaving segments (their links are judged as basic segments), ramps,
two-lane roads, roundabouts and all-way stop as kinds of their own,
people on foot, by bicycle or by bus.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.columns import Bools, Floats, Ints
from twin.network.model import LinkClass
from twin.scenario.outcome import Frame, SeedRun
from twin.scenario.results.intervals import LinkIntervals
from twin.units import MILE_M

EDITION = "Highway Capacity Manual, 6th edition (TRB, 2016)"
LETTERS = "ABCDEF"
FREEWAY_PCPMPL = (11.0, 18.0, 26.0, 35.0, 45.0)
STREET_SLOWER = (0.20, 0.33, 0.50, 0.60, 0.70)  # of the free speed lost: 80, 67, 50, 40, 30 % left
SIGNAL_S = (10.0, 20.0, 35.0, 55.0, 80.0)
STOP_S = (10.0, 15.0, 25.0, 35.0, 50.0)
PERIOD_S = 900.0  # the manual judges a quarter of an hour
HEAVY_CARS = 2.0
HEAVY_CLASSES = frozenset({"truck", "bus", "coach", "hgv"})
UNJUDGED = -1
STREETS = frozenset({LinkClass.ARTERIAL, LinkClass.COLLECTOR, LinkClass.LOCAL})
_FEWEST = 1.0  # vehicles in a period, below which nothing is judged


@dataclass(frozen=True, slots=True)
class LinkService:
    """Level by quarter of an hour and link, (I, L) int8: 0 = A ... 5 = F, -1 not judged."""

    level: Ints
    density_pcpmpl: Floats


@dataclass(frozen=True, slots=True)
class JunctionService:
    """Levels of junctions, (I, J): delay of all that arrive with signals, else the worst approach.

    nodes (J,) ids; signalled (J,)
    """

    nodes: tuple[str, ...]
    signalled: Bools
    delay_s: Floats
    level: Ints


def level_of(values: Floats, limits: tuple[float, ...]) -> Ints:
    """Return 0 (A) to 5 (F) of each value, -1 for NaN; a value at a limit has the better level."""
    levels = np.searchsorted(np.asarray(limits), values, side="left").astype(np.int64)
    return np.where(np.isnan(values), UNJUDGED, levels)


def heavy_share(frame: Frame, run: SeedRun) -> float:
    """Return the share of heavy vehicles in the distance driven."""
    heavy = np.array([name in HEAVY_CLASSES for name in frame.classes], np.bool_)
    total = float(run.trips.distance_m.sum())
    return float(run.trips.distance_m[heavy[run.trips.vclass]].sum()) / total if total > 0 else 0.0


def link_service(frame: Frame, quarters: LinkIntervals, *, heavy: float) -> LinkService:
    """Judge motorways by density, streets by speed; ramps, connectors and paths are -1.

    heavy   share of heavy vehicles
    A motorway without traffic has level A; a street without traffic has no speed, and no level.
    The speed of a street is over its whole length, standing at its end included.
    """
    cars = 1.0 + heavy * (HEAVY_CARS - 1.0)
    lanes = np.maximum(frame.links.lanes, 1)
    density = quarters.density_vpm.astype(np.float64) * cars * MILE_M / lanes
    freeway = np.array([kind == LinkClass.MOTORWAY for kind in frame.links.kind], np.bool_)
    street = np.array([kind in STREETS for kind in frame.links.kind], np.bool_)
    slower = 1.0 - quarters.speed_mps.astype(np.float64) / frame.links.free_speed_mps
    judged = np.where(street, level_of(np.round(slower, 6), STREET_SLOWER), UNJUDGED)
    return LinkService(
        level=np.where(freeway, level_of(density, FREEWAY_PCPMPL), judged),
        density_pcpmpl=np.where(freeway, density, np.nan),
    )


def junction_nodes(frame: Frame) -> tuple[str, ...]:
    """Return the nodes that are judged: with signals, or where two roads that are no motorway meet.

    Two ways in and two ways out are needed: a bend or the end of a street is no junction.
    """
    links = frame.links
    judged = [kind not in {LinkClass.MOTORWAY, LinkClass.PATH} for kind in links.kind]
    into: dict[str, set[str]] = {}
    out_of: dict[str, set[str]] = {}
    for row, ok in enumerate(judged):
        if ok:
            into.setdefault(links.to_node[row], set()).add(links.from_node[row])
            out_of.setdefault(links.from_node[row], set()).add(links.to_node[row])
    closed = {links.to_node[row] for row in range(len(links)) if not judged[row]}
    signalled = {links.to_node[row] for row in np.flatnonzero(links.signalled).tolist()}
    meeting = {
        node
        for node, before in into.items()
        if node not in closed and len(before | out_of.get(node, set())) > 2
    }
    return tuple(sorted(meeting | signalled))


def junction_service(frame: Frame, quarters: LinkIntervals) -> JunctionService:
    """Judge junctions by the delay on the links that lead to them.

    That delay is all that is lost on an approach, a queue that spilled back from farther on
    included; the manual's control delay is the junction's own.
    """
    nodes = junction_nodes(frame)
    row_of = {node: row for row, node in enumerate(nodes)}
    size = (len(quarters), len(nodes))
    lost, left, worst = np.zeros(size), np.zeros(size), np.full(size, np.nan)
    signalled = np.zeros(len(nodes), np.bool_)
    span_s = (quarters.until_s - quarters.from_s)[:, None]
    count = quarters.flow_vps.astype(np.float64) * span_s
    lost_s = quarters.lost_s.astype(np.float64)
    for link, node in enumerate(frame.links.to_node):
        row = row_of.get(node)
        if row is None:
            continue
        signalled[row] |= bool(frame.links.signalled[link])
        lost[:, row] += lost_s[:, link]
        left[:, row] += count[:, link]
        mine = _per_vehicle(lost_s[:, link], count[:, link])
        worst[:, row] = np.fmax(worst[:, row], mine)
    delay = np.where(signalled, _per_vehicle(lost, left), worst)
    level = np.where(signalled, level_of(delay, SIGNAL_S), level_of(delay, STOP_S))
    return JunctionService(nodes, signalled, delay, level)


def _per_vehicle(lost_s: Floats, vehicles: Floats) -> Floats:
    """Return the delay of a vehicle; NaN where fewer than one came."""
    return np.where(vehicles >= _FEWEST, lost_s / np.maximum(vehicles, _FEWEST), np.nan)


def letter(level: int) -> str:
    """Return the letter of a level, a dash where nothing was judged."""
    return LETTERS[level] if level >= 0 else "–"
