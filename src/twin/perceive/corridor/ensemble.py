"""The state of a road by an ensemble of cell transmission models, drawn to what detectors say.

Every member is a road with its own demand, its own traffic beyond the end, and its own capacity.
Between reports the kernel of the simulation moves them; a report draws them together near its
detector. Flow, density and speed come from the diagrams of the members: q = k v cell by cell.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from twin.columns import Floats
from twin.perceive.corridor.assimilate import nearness, take_in
from twin.simulate.ctm import CellTransmission
from twin.simulate.diagrams import Diagrams, triangular
from twin.simulate.roads import Roads, Turns

MEMBERS: Final = 50
RADIUS_M: Final = 500.0  # a detector says nothing about cells two radii away
INFLATION: Final = 1.02
CAPACITY_SPREAD: Final = 0.08  # of capacity between members
DENSITY_NOISE: Final = 0.02  # of jam density, by which cells wander in half a minute
EDGE_NOISE: Final = 0.08  # of capacity or jam density: demand, and traffic beyond the end
FILLED_FRAC: Final = 0.7  # of jam density, up to which members differ at the start
LEARNING: Final = 0.1  # of the wanted change of noise that one report brings
CALM, WILD = 0.5, 4.0  # between which noise is learned
NOISE_REACH_M: Final = 150.0
NOISE_S: Final = 30.0
BEYOND_FREE: Final = 0.3  # of the difference, by which a queue beyond the end goes at a report
BEYOND_M: Final = 600.0  # a wave does not cross it between two reports
SPEED_SHARE, SPEED_FLOOR_MPS = 0.07, 0.8  # standard deviation of a measured speed
FLOW_SHARE, FLOW_FLOOR_VPS = 0.07, 0.02
DENSITY_SHARE, DENSITY_FLOOR_VPM = 0.12, 0.003
SLOWEST_MPS: Final = 0.3
RAMP_PRIORITY_VPS: Final = 0.4  # with which a ramp joins a full road


class Chain(NamedTuple):
    """Links of one road in driving order, (links,) each, of all lanes together."""

    length_m: Floats
    free_speed_mps: Floats
    capacity_vps: Floats
    jam_vpm: Floats


class CellState(NamedTuple):
    """The cells of a road at one moment, (cells,) each; flow is density times speed."""

    density_vpm: Floats
    flow_vps: Floats
    speed_mps: Floats
    density_sd_vpm: Floats
    speed_sd_mps: Floats


class CorridorFilter:
    """One road and the ensemble that follows it; the same seed and reports give the same bytes."""

    def __init__(
        self,
        chain: Chain,
        detector_m: Floats,
        *,
        step_s: float,
        cell_m: float = 100.0,
        members: int = MEMBERS,
        seed: int = 0,
    ) -> None:
        """Know nothing yet. `detector_m` (detectors,) from the start of the road.

        Raises SimulationError (UnstableStep) when a link is crossed within a step.
        """
        self._random = np.random.default_rng(seed)
        roads, turns = _chain_roads(chain)
        scale = np.exp(CAPACITY_SPREAD * self._random.standard_normal((1, members)))
        self._diagrams: Diagrams = triangular(
            roads, capacity_vps=np.minimum(roads.capacity_vps[:, None] * scale, _most(roads))
        )
        self._capacity = roads.capacity_vps
        inner = len(roads) - 2
        priority = np.append(roads.capacity_vps, np.full(inner + 1, RAMP_PRIORITY_VPS))
        self._run = CellTransmission(
            roads,
            turns,
            step_s=step_s,
            cell_m=cell_m,
            diagrams=self._diagrams,
            priority_vps=priority,
        )
        self._entering = np.zeros((inner, members))
        self.ramps(np.zeros(inner), np.zeros(inner))
        self._own = int(self._run.cell_start[-2])  # cells of the road; the rest lies beyond
        self._link = self._run.link_of_cell
        self._cell_m = self._run.cell_m[self._link]
        self.middle_m: Floats = (np.cumsum(self._cell_m) - 0.5 * self._cell_m)[: self._own]
        self._jam = roads.jam_vpm[self._link][:, None]
        self._cell_of = np.abs(self.middle_m[:, None] - detector_m[None]).argmin(axis=0)
        self._near = self._localised(detector_m)
        self._unseen = 1.0 - float(nearness(self.middle_m[-1] - detector_m, RADIUS_M).max())
        own = self._link[: self._own]
        self._rise, self._most = self._diagrams.rise_mps[own], self._diagrams.capacity_vps[own]
        self._fall_vps, self._fall_mps = self._diagrams.fall_vps[own], -self._diagrams.fall_mps[own]
        self._alike = _neighbourly(self.middle_m)
        # Anything may be there: who starts empty does not believe the first queue.
        filled = FILLED_FRAC * (self._random.permutation(members) + 0.5) / members
        self._state = self._jam[: self._own] * filled
        self._beyond = roads.jam_vpm[-1] * filled
        self._demand = self._diagrams.flow_vps(0, roads.jam_vpm[0] * filled)
        self._wild = 1.0
        self._predicted: list[Floats] = []

    def ramps(self, exit_share: Floats, entry_vps: Floats) -> None:
        """Set what leaves and joins between the links from now on, (links - 1,) each."""
        links, inner = len(self._capacity), len(exit_share)
        ends = np.zeros(links + 1 + inner)
        ends[:inner] = exit_share
        ends[links - 1] = 1.0
        shares = np.concatenate([1.0 - exit_share, np.ones(2 + inner)])
        self._run.share_turns(shares, ends)
        self._entering = np.repeat(entry_vps[:, None], self._entering.shape[1], axis=1)

    def advance(self, seconds: float) -> None:
        """Move on; the caller calls it in whole steps and reports when an interval is over."""
        saved = self._run.state()
        vehicles = saved["vehicles"]
        vehicles[: self._own] = self._state * self._cell_m[: self._own, None]
        vehicles[self._own :] = self._beyond * self._cell_m[self._own :, None]
        saved["waiting"][:] = 0.0  # who could not enter is somewhere upstream, not at our gate
        self._run.restore(saved).demand(np.concatenate([self._demand[None], self._entering])).run(
            seconds
        )
        self._state = self._run.density_vpm[: self._own]
        self._predicted.append(self._told())

    def report(self, speed_mps: Floats, flow_vps: Floats, period_s: float) -> None:
        """Take in what detectors measured over what was advanced since the last report.

        speed_mps (space mean), flow_vps   (detectors,) NaN where not measured
        """
        predicted = np.mean(self._predicted, axis=0)
        self._predicted = []
        # Members that are free all drive alike: a speed could not tell them that a queue came.
        density = flow_vps / np.maximum(speed_mps, SLOWEST_MPS)
        alone = np.where(np.isfinite(density), np.nan, speed_mps)
        measured = np.concatenate([alone, flow_vps, density])
        deviation = np.concatenate(
            [
                np.hypot(SPEED_SHARE * speed_mps, SPEED_FLOOR_MPS),
                np.hypot(FLOW_SHARE * flow_vps, FLOW_FLOOR_VPS),
                np.hypot(DENSITY_SHARE * density, DENSITY_FLOOR_VPM),
            ]
        )
        self._learn_noise(predicted, measured, deviation)
        whole = np.concatenate([self._state, self._demand[None], self._beyond[None]])
        mean = whole.mean(axis=1, keepdims=True)
        whole = mean + INFLATION * (whole - mean)
        take_in(whole, predicted, measured, deviation**2, self._near)
        self._keep_bounded(whole)
        self._wander(period_s)
        # Where no detector sees the end, traffic is taken to flow on freely beyond it.
        flowing = self._flow_field()[-1] / self._rise[-1]
        self._beyond += BEYOND_FREE * self._unseen * (flowing - self._beyond)
        # A queue at the gate goes on behind it: it asks for all that the road takes.
        queued = self._state[0] > self._diagrams.capacity_vps[0] / self._diagrams.rise_mps[0]
        self._demand = np.where(queued, self._diagrams.capacity_vps[0], self._demand)

    def state(self) -> CellState:
        """Return the mean of the members and how far they differ."""
        density = self._state.mean(axis=1)
        flows, speeds = self._flow_field(), self._speed_field()
        flow = flows.mean(axis=1)
        speed = np.where(density > 0, flow / np.maximum(density, 1e-12), speeds.mean(axis=1))
        return CellState(
            density, density * speed, speed, self._state.std(axis=1), speeds.std(axis=1)
        )

    @property
    def demand_vps(self) -> Floats:
        """Return what every member lets in, (members,)."""
        return self._demand.copy()

    def _keep_bounded(self, whole: Floats) -> None:
        jam = self._jam[: self._own]
        self._state = np.clip(whole[:-2], 0.0, jam)
        self._demand = np.clip(whole[-2], 0.0, self._diagrams.capacity_vps[0])
        self._beyond = np.clip(whole[-1], 0.0, self._jam[-1, 0])

    def _learn_noise(self, predicted: Floats, measured: Floats, deviation: Floats) -> None:
        """Make traffic wander as much as reports surprise: their squared misses are to be 1."""
        known = np.isfinite(measured)
        if not known.any():
            return
        off = predicted.mean(axis=1) - measured
        stated = predicted.var(axis=1, ddof=1) + deviation**2
        miss = float(np.sqrt((off[known] ** 2 / stated[known]).mean()))
        self._wild = float(np.clip(self._wild * max(miss, 1e-3) ** LEARNING, CALM, WILD))

    def _wander(self, period_s: float) -> None:
        """Let everything wander as traffic does between two reports."""
        root = self._wild * float(np.sqrt(period_s / NOISE_S))
        members = self._state.shape[1]
        cells = self._random.standard_normal((self._own, members))
        edges = self._random.standard_normal((2, members))
        # An empty road stays empty: noise is a share of what is there, up to capacity.
        amount = np.minimum(self._state / (0.2 * self._jam[: self._own]), 1.0)
        noise = root * DENSITY_NOISE * self._jam[: self._own] * amount * (self._alike @ cells)
        whole = np.concatenate(
            [
                self._state + noise,
                (self._demand + root * EDGE_NOISE * self._capacity[0] * edges[0])[None],
                (self._beyond + root * EDGE_NOISE * self._jam[-1] * edges[1])[None],
            ]
        )
        self._keep_bounded(whole)

    def _localised(self, detector_m: Floats) -> Floats:
        rows_m = np.concatenate([self.middle_m, [0.0, float(self.middle_m[-1])]])
        told_m = np.tile(detector_m, 3)
        at = np.concatenate([rows_m, told_m])
        return nearness(at[:, None] - told_m[None], RADIUS_M)

    def _flow_field(self) -> Floats:
        """Return the flow of every own cell and member from its triangular diagram."""
        flows = self._rise * self._state
        np.minimum(flows, self._fall_vps - self._fall_mps * self._state, out=flows)
        np.minimum(flows, self._most, out=flows)
        return np.asarray(np.maximum(flows, 0.0), np.float64)

    def _speed_field(self) -> Floats:
        least = np.maximum(self._state, 1e-6)
        moving = np.maximum(self._flow_field() / least, SLOWEST_MPS)
        return np.where(self._state > 1e-6, moving, self._rise)

    def _told(self) -> Floats:
        """Return what detectors would tell: speeds, flows, densities, (3 detectors, members)."""
        rows = self._cell_of
        return np.concatenate(
            [self._speed_field()[rows], self._flow_field()[rows], self._state[rows]]
        )


def _chain_roads(chain: Chain) -> tuple[Roads, Turns]:
    """Return the links, one more beyond the end, and an origin before every link."""
    links = len(chain.length_m) + 1
    rows = np.arange(links, dtype=np.int64)
    roads = Roads(
        from_node=rows,
        to_node=rows + 1,
        length_m=np.append(chain.length_m, BEYOND_M),
        free_speed_mps=np.append(chain.free_speed_mps, chain.free_speed_mps[-1]),
        capacity_vps=np.append(chain.capacity_vps, chain.capacity_vps[-1]),
        jam_vpm=np.append(chain.jam_vpm, chain.jam_vpm[-1]),
        nodes=links + 1,
    )
    # Every link leads to the next, the last one out; every origin leads into its link.
    origins = rows[:-1]
    counts = np.concatenate([np.ones(links - 1), [0], np.ones(links - 1)])
    turns = len(origins) + links - 1
    return roads, Turns(
        start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        approach=np.concatenate([rows[:-1], links + origins]),
        link=np.concatenate([rows[1:], origins]),
        seconds=np.zeros(turns),
        share=np.full(turns, np.nan),
        movement=np.full(turns, -1, np.int64),
        origin_node=origins,
    )


def _neighbourly(middle_m: Floats) -> Floats:
    """Return weights that make independent noise of cells alike nearby, of variance one."""
    apart = middle_m[:, None] - middle_m[None]
    weight = np.exp(-0.5 * (apart / NOISE_REACH_M) ** 2)
    return np.asarray(weight / np.sqrt((weight**2).sum(axis=1, keepdims=True)), np.float64)


def _most(roads: Roads) -> Floats:
    """Return the capacity above which waves would outrun vehicles, (links, 1)."""
    return np.asarray(0.5 * roads.jam_vpm * roads.free_speed_mps)[:, None]
