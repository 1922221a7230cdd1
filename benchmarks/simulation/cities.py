"""Cities to measure on: a grid with arterials, gaps, one-way streets, joints and signals.

Everything is drawn from one seed. Blocks are 180 to 400 m long, so that nothing is rounded at a
step of 10 s. Every fifth street is an arterial of two lanes; one street in eight is missing, one in
seven is one-way, and where a block is long enough its street has a joint in the middle. Junctions
of an arterial, and every third of the others, have a signal of two stages of 30 s.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from twin.simulate.ltm import LinkTransmission
from twin.simulate.roads import Roads, Turns

STEP_S = 10.0
CYCLE_STEPS, GREEN_STEPS = 6, 3
ARTERIAL_EVERY, JOINT_M = 5, 360.0
EXIT_SHARE = 0.06
FLOW_VPH = 700.0  # mean by link that the demand asks for: more than half of the signals pass
LINKS_A_NODE = 3.84  # of the grid, measured
ORIGIN_SHARE = 0.25
LOCAL = (50 / 3.6, 1800 / 3600, 0.15)
ARTERIAL = (60 / 3.6, 3600 / 3600, 0.30)


class City(NamedTuple):
    """A network and what it carries.

    turn_share, exit_share, demand_vps   as `LinkTransmission` takes them
    red   (CYCLE_STEPS, links) who may not leave, by the step of the cycle
    """

    roads: Roads
    turns: Turns
    turn_share: np.ndarray
    exit_share: np.ndarray
    demand_vps: np.ndarray
    red: np.ndarray

    def start(self) -> LinkTransmission:
        """Return an empty run."""
        run = LinkTransmission(self.roads, self.turns, step_s=STEP_S)
        return run.share_turns(self.turn_share, self.exit_share).demand(self.demand_vps)

    def advance(self, run: LinkTransmission, steps: int) -> None:
        """Advance with the signals of every step."""
        first = round(run.time_s / STEP_S)
        links = len(self.roads)
        out_vps = np.full(len(self.exit_share), np.inf)
        for step in range(first, first + steps):
            out_vps[:links] = np.inf
            out_vps[:links][self.red[step % CYCLE_STEPS]] = 0.0
            run.limit(out_vps=out_vps).run(STEP_S)


def grid_city(links: int, *, seed: int = 1, flow_vph: float = FLOW_VPH) -> City:
    """Return a city of about so many links; flow_vph is the mean flow that the demand asks for."""
    rng = np.random.default_rng(seed)
    side = int(np.ceil((links / LINKS_A_NODE) ** 0.5))
    streets = _streets(rng, side)
    roads, across = _roads(streets, side)
    origins = np.flatnonzero(rng.random(side * side) < ORIGIN_SHARE)
    origins = origins[np.isin(origins, roads.from_node)]
    turns, weight = _turns(rng, roads, across, origins)
    size = len(roads) + len(origins)
    total = np.bincount(turns.approach, weight, minlength=size)
    ending = np.where(np.arange(size) < len(roads), EXIT_SHARE, 0.0)
    ending[total == 0] = 1.0
    share = weight / np.maximum(total, 1e-12)[turns.approach] * (1 - ending)[turns.approach]
    demand = rng.dirichlet(np.full(len(origins), 4.0)) * flow_vph / 3600 * EXIT_SHARE * len(roads)
    return City(roads, turns, share, ending, demand, _stages(rng, roads, across, side))


def _streets(rng: np.random.Generator, side: int) -> np.ndarray:
    """Return (streets, 5): ends, length, arterial, kind (0 two ways, 1 forward, 2 backward)."""
    row, column = np.divmod(np.arange(side * side), side)
    node = row * side + column
    level = np.stack([node, node + 1, row], axis=1)[column < side - 1]
    upright = np.stack([node, node + side, column], axis=1)[row < side - 1]
    ends = np.concatenate([level, upright])
    arterial = ends[:, 2] % ARTERIAL_EVERY == 0
    kept = arterial | (rng.random(len(ends)) > 0.15)
    length_m = rng.uniform(180, 400, len(ends))
    kind = np.where(arterial | (rng.random(len(ends)) > 0.18), 0, rng.integers(1, 3, len(ends)))
    table: np.ndarray = np.column_stack([ends[:, :2], length_m, arterial, kind])[kept]
    return table


def _roads(streets: np.ndarray, side: int) -> tuple[Roads, np.ndarray]:
    """Return the links, sorted by the node they leave, and which of them run north or south."""
    first, last = streets[:, 0].astype(np.int64), streets[:, 1].astype(np.int64)
    length_m, arterial, kind = streets[:, 2], streets[:, 3] > 0, streets[:, 4]
    parts = []
    joint = np.full(len(streets), -1)
    long = length_m > JOINT_M
    joint[long] = side * side + np.arange(int(long.sum()))
    for way, start, end in ((1, first, last), (2, last, first)):
        runs = (kind == 0) | (kind == way)
        upright = np.abs(last - first) > 1
        whole, cut = runs & ~long, runs & long
        for chosen, a, b, share in (
            (whole, start, end, 1.0), (cut, start, joint, 0.5), (cut, joint, end, 0.5),
        ):  # fmt: skip
            columns = (a, b, length_m * share, arterial, upright)
            parts.append(np.stack([column[chosen] for column in columns], axis=1))
    table = np.concatenate(parts)
    table = table[np.lexsort((table[:, 1], table[:, 0]))]
    wide = table[:, 3] > 0
    speed, capacity, jam = (np.where(wide, a, b) for a, b in zip(ARTERIAL, LOCAL, strict=True))
    roads = Roads(
        from_node=table[:, 0].astype(np.int64),
        to_node=table[:, 1].astype(np.int64),
        length_m=table[:, 2].copy(),
        free_speed_mps=speed,
        capacity_vps=capacity,
        jam_vpm=jam,
        nodes=side * side + int(long.sum()),
    )
    return roads, table[:, 4] > 0


def _turns(
    rng: np.random.Generator, roads: Roads, across: np.ndarray, origins: np.ndarray
) -> tuple[Turns, np.ndarray]:
    """Return all turns but U-turns, and a weight each: straight on is wanted most."""
    start = np.concatenate([[0], np.cumsum(np.bincount(roads.from_node, minlength=roads.nodes))])
    ends = np.concatenate([roads.to_node, origins])
    ways = np.diff(start)[ends]
    approach = np.repeat(np.arange(len(ends)), ways)
    onward = (
        start[ends][approach] + np.arange(len(approach)) - np.repeat(np.cumsum(ways) - ways, ways)
    )
    is_link = approach < len(roads)
    inner = approach % len(roads)
    back = is_link & (roads.to_node[onward] == roads.from_node[inner])
    approach, onward, inner, is_link = (part[~back] for part in (approach, onward, inner, is_link))
    straight = is_link & (across[inner] == across[onward])
    lanes = roads.capacity_vps[onward]
    weight = rng.uniform(0.7, 1.3, len(approach)) * np.where(straight, 2.5, 0.8) * lanes
    counts = np.bincount(approach, minlength=len(ends))
    turns = Turns(
        start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        approach=approach.astype(np.int64),
        link=onward.astype(np.int64),
        seconds=np.zeros(len(approach)),
        share=np.broadcast_to(np.nan, len(approach)),
        movement=np.broadcast_to(-1, len(approach)),
        origin_node=origins.astype(np.int64),
    )
    return turns, weight


def _stages(rng: np.random.Generator, roads: Roads, across: np.ndarray, side: int) -> np.ndarray:
    """Return which links see red in each step of the cycle."""
    ways = np.bincount(roads.to_node, minlength=roads.nodes)
    row, column = np.divmod(np.arange(roads.nodes), side)
    main = (row % ARTERIAL_EVERY == 0) | (column % ARTERIAL_EVERY == 0)
    signal = (ways >= 3) & (np.arange(roads.nodes) < side * side)
    signal &= main | (rng.random(roads.nodes) < 1 / 3)
    offset = rng.integers(0, CYCLE_STEPS, roads.nodes)
    red = np.zeros((CYCLE_STEPS, len(roads)), np.bool_)
    for step in range(CYCLE_STEPS):
        first = (step + offset) % CYCLE_STEPS < GREEN_STEPS
        red[step] = signal[roads.to_node] & (first[roads.to_node] == across)
    return red
