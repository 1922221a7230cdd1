"""Networks of any shape: nobody is lost, nothing below zero or above what fits, at every step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulate_roads import roads, turns
from twin.columns import Floats
from twin.simulate.ctm import CellTransmission
from twin.simulate.ltm import LinkTransmission
from twin.simulate.roads import Roads, Turns

FEW = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
STEPS = 60


@dataclass(frozen=True)
class Net:
    """A network of a few links, empty, partly filled or jammed, with closures and demand."""

    roads: Roads
    turns: Turns
    share: Floats
    ended: Floats
    density_vpm: Floats
    demand_vps: Floats
    in_vps: Floats
    out_vps: Floats
    turn_vps: Floats
    drop: Floats

    def links(self, step_s: float) -> LinkTransmission:
        """Return a run of the link model."""
        run = LinkTransmission(
            self.roads, self.turns, step_s=step_s, density_vpm=self.density_vpm,
            drop_share=self.drop,
        )  # fmt: skip
        run.share_turns(self.share, self.ended).demand(self.demand_vps)
        return run.limit(in_vps=self.in_vps, out_vps=self.out_vps, turn_vps=self.turn_vps)

    def cells(self) -> CellTransmission:
        """Return a run of the cell model."""
        run = CellTransmission(
            self.roads, self.turns, step_s=4.0, cell_m=120.0, density_vpm=self.density_vpm,
            drop_share=self.drop,
        )  # fmt: skip
        run.share_turns(self.share, self.ended).demand(self.demand_vps)
        return run.limit(in_vps=self.in_vps, out_vps=self.out_vps, turn_vps=self.turn_vps)


@st.composite
def nets(draw: st.DrawFn) -> Net:
    """Draw a network; closed links (R = 0), empty ones, no demand and no exits come up often."""
    nodes = draw(st.integers(2, 5))
    count = draw(st.integers(1, 10))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    ends = rng.integers(0, nodes, (count, 2))
    road = roads(
        *[
            (a, b, rng.uniform(0.12, 1.0), 60, rng.uniform(600, 3600), rng.uniform(150, 400))
            for a, b in ends
        ],
        nodes=nodes,
    )
    pairs = [
        (i, j) for i in range(count) for j in range(count) if road.to_node[i] == road.from_node[j]
    ]
    pairs += [(count, j) for j in range(count) if road.from_node[j] == 0]
    table = turns(count, [0], *pairs)
    nobody_ends = draw(st.booleans())
    weight: Floats = rng.uniform(0, 1, len(pairs)) * (rng.random(len(pairs)) > 0.2)
    wanted = np.bincount(table.approach, weights=weight, minlength=count + 1)
    total = wanted * (1.0 if nobody_ends else 1.2)
    share = np.where(total[table.approach] > 0, weight / np.maximum(total, 1e-9)[table.approach], 0)
    ended = np.maximum(1 - np.bincount(table.approach, weights=share, minlength=count + 1), 0)
    filled = draw(st.sampled_from([0.0, 0.3, 1.0]))
    is_open = rng.random(2 * count + 1) > 0.15
    closed = np.where(is_open, draw(st.sampled_from([1e6, 0.2])), 0.0)
    return Net(
        road, table, share, ended,
        density_vpm=road.jam_vpm * filled * rng.uniform(0.5, 1.0, count) ** (1 - filled),
        demand_vps=np.array([draw(st.sampled_from([0.0, 0.2, 3.0]))]),
        in_vps=closed[:count], out_vps=closed[count:],
        turn_vps=np.where(rng.random(len(pairs)) < 0.2, 0.1, np.inf),
        drop=np.where(rng.random(count) < 0.3, 0.9, 1.0),
    )  # fmt: skip


@FEW
@given(net=nets(), step_s=st.sampled_from([1.0, 5.0, 17.0]))
def test_the_link_model_keeps_everyone_within_bounds_at_every_step(net: Net, step_s: float) -> None:
    run = net.links(step_s)
    start = float(run.vehicles.sum())
    ahead = run.entered.sum()
    for _ in range(STEPS):
        entered, left = run.entered, run.left
        run.run(step_s)
        totals = run.totals()
        there = totals.waiting + totals.inside + totals.arrived
        assert abs(there - start - totals.appeared) <= 1e-9 * (start + totals.appeared)
        scale = max(float(run.entered.sum()), ahead, 1.0)
        assert np.abs(run.entered - run.left - run.vehicles).max() <= 1e-9 * scale
        assert (run.vehicles >= -1e-9 * scale).all()
        assert (run.vehicles <= run.storage * (1 + 1e-9)).all()
        assert (run.entered - entered >= 0).all()
        assert (run.left - left >= 0).all()
        most = np.minimum(net.in_vps, net.roads.capacity_vps) * step_s
        assert (run.entered - entered <= most * (1 + 1e-9) + 1e-9).all()


@FEW
@given(net=nets(), saved_at=st.integers(0, STEPS))
def test_a_run_saved_at_any_step_goes_on_to_the_bit(net: Net, saved_at: int) -> None:
    run = net.links(5.0)
    run.run(5.0 * saved_at)
    state = run.state()
    run.run(5.0 * (STEPS - saved_at))
    other = LinkTransmission(net.roads, net.turns, step_s=5.0).restore(state)
    other.run(5.0 * (STEPS - saved_at))
    assert all((other.state()[name] == column).all() for name, column in run.state().items())


@FEW
@given(net=nets())
def test_the_cell_model_keeps_everyone_within_bounds_at_every_step(net: Net) -> None:
    run = net.cells()
    start = float(run.vehicles.sum())
    jam = net.roads.jam_vpm[run.link_of_cell]
    for _ in range(STEPS):
        run.run(4.0)
        there = float(run.waiting.sum() + run.vehicles.sum() + run.ended.sum())
        appeared = float(run.appeared.sum())
        assert abs(there - start - appeared) <= 1e-9 * (start + appeared)
        gone = np.abs(run.entered - run.left - run.vehicles).max()
        assert gone <= 1e-9 * max(start + appeared, 1.0)
        assert (run.density_vpm[:, 0] >= -1e-12).all()
        assert (run.density_vpm[:, 0] <= jam * (1 + 1e-9)).all()


@FEW
@given(net=nets(), seed=st.integers(0, 1000))
def test_another_numbering_of_links_changes_nothing(net: Net, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(net.roads))
    other = renumbered(net, order)
    for run, same in (
        (net.links(5.0), other.links(5.0)),
        (net.cells(), other.cells()),
    ):
        run.run(240.0 if isinstance(run, CellTransmission) else 300.0)
        same.run(run.time_s)
        assert np.abs(same.left - run.left[order]).max() < 1e-9
        assert np.abs(same.vehicles - run.vehicles[order]).max() < 1e-9


def renumbered(net: Net, order: np.ndarray) -> Net:
    """Return the network with its links in another order."""
    place, links = np.argsort(order), len(order)
    columns = {name: getattr(net.roads, name)[order] for name in Roads.__slots__ if name != "nodes"}
    whole = np.append(order, links)
    approach = np.where(
        net.turns.approach < links, place[net.turns.approach % links], net.turns.approach
    )
    rows = np.argsort(approach, kind="stable")
    pairs = zip(approach[rows].tolist(), place[net.turns.link[rows]].tolist(), strict=True)
    return Net(
        Roads(**columns, nodes=net.roads.nodes),
        turns(links, [0], *pairs),
        net.share[rows], net.ended[whole], net.density_vpm[order], net.demand_vps,
        net.in_vps[order], net.out_vps[whole], net.turn_vps[rows], net.drop[order],
    )  # fmt: skip
