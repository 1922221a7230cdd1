"""Runs every kernel of the simulation once, so that nobody waits for a compiler later."""

from __future__ import annotations

import numpy as np

from twin.simulate.assignment import assign
from twin.simulate.choice import RouteChoice
from twin.simulate.ctm import CellTransmission
from twin.simulate.fleet import Demand, Fleet, Profile, fleet_of
from twin.simulate.kernels.paths import Pairs, Streets, load_trips
from twin.simulate.ltm import LinkTransmission
from twin.simulate.node import node_flows
from twin.simulate.roads import Roads, Turns
from twin.simulate.vehicles import VehicleRun


def warm_transmission() -> None:
    """Compile the link transmission model and the node model."""
    one = np.ones(1)
    roads, turns = _one_road()
    run = LinkTransmission(roads, turns, step_s=5.0, density_vpm=np.zeros(1))
    run.share_turns(one, np.array([1.0, 0.0])).demand(one).run(10.0)
    node_flows(one, one, np.ones((1, 1)), one)


def warm_cells() -> None:
    """Compile the cell model."""
    one = np.ones(1)
    roads, turns = _one_road()
    cells = CellTransmission(roads, turns, step_s=5.0, density_vpm=np.zeros(1))
    cells.share_turns(one, np.array([1.0, 0.0])).demand(one).run(10.0)


def _one_road() -> tuple[Roads, Turns]:
    one = np.ones(1)
    rows = np.zeros(1, np.int64)
    roads = Roads(rows, rows + 1, 100.0 * one, 10.0 * one, 0.5 * one, 0.15 * one, 2)
    turns = Turns(
        start=np.array([0, 0, 1], np.int64),
        approach=rows + 1,
        link=rows,
        seconds=np.zeros(1),
        share=one,
        movement=rows - 1,
        origin_node=rows,
    )
    return roads, turns


def warm_paths() -> None:
    """Compile the shortest paths."""
    rows = np.zeros(1, np.int64)
    starts = np.array([0, 1], np.int64)
    ends = np.array([0, 0, 1], np.int64)
    streets = Streets(np.ones(1), np.zeros(1), ends, rows, rows + 1, ends, rows)
    pairs = Pairs(starts, rows + 1, np.ones(1), np.zeros(1))
    load_trips(streets, pairs, np.zeros(1), np.zeros(2))


def warm_vehicles() -> None:
    """Compile vehicles one by one, their choices and the dynamic equilibrium."""
    rows = np.zeros(1, np.int64)
    roads, turns = _one_road()
    demand = Demand(rows, rows + 1, np.ones(1))
    cars = fleet_of(demand, Profile.even(0.0, 1.0), seed=0)

    def make_run(made: Fleet) -> VehicleRun:
        return VehicleRun(roads, turns, made, step_s=5.0, record=True)

    assign(make_run, cars, duration_s=60.0, rounds=1)
    choice = RouteChoice(compliant_share=1.0, update_s=5.0)
    VehicleRun(roads, turns, cars, step_s=5.0, choice=choice).limit(in_vps=np.ones(1)).run(30.0)
