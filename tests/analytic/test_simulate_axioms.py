"""The laws of the node model on 100,000 random nodes at once, and its codes by kind."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from simulate_roads import random_network
from twin.columns import Floats, Ints
from twin.simulate.kernels.arrays import GENERAL, MERGE, SINGLE, Limits, Wires
from twin.simulate.kernels.node import none_bound, pass_nodes
from twin.simulate.ltm import LinkTransmission
from twin.simulate.node import still_flow
from twin.simulate.roads import Roads, Turns, node_kinds, summed

NODES = 100_000


class Nodes(NamedTuple):
    """Many nodes apart from each other."""

    wires: Wires
    limits: Limits
    sending: Floats
    receiving: Floats


def random_nodes() -> Nodes:
    """Make nodes of 1 to 4 approaches and links, all shapes alike often; some shares are 0."""
    rng = np.random.default_rng(7)
    each = NODES // 16
    node_of, turn_approach, turn_link, share = [], [], [], []
    approaches = links = nodes = 0
    for ways_in in range(1, 5):
        for ways_out in range(1, 5):
            shares = rng.dirichlet(np.ones(ways_out + 1), (each, ways_in))[:, :, :ways_out]
            if ways_out == 1:
                shares[: each // 2] = 1.0  # nobody ends the trip
            shares[rng.random(shares.shape) < 0.15] = 0.0
            node_of.append(np.repeat(np.arange(each) + nodes, ways_in))
            first = np.arange(each * ways_in) + approaches
            turn_approach.append(np.repeat(first, ways_out))
            own = np.arange(each)[:, None] * ways_out + np.arange(ways_out) + links
            turn_link.append(np.repeat(own[:, None, :], ways_in, axis=1).ravel())
            share.append(shares.ravel())
            approaches, links, nodes = approaches + each * ways_in, links + own.size, nodes + each
    return _nodes(
        rng, np.concatenate(node_of), np.concatenate(turn_approach), np.concatenate(turn_link),
        np.concatenate(share),
    )  # fmt: skip


def _nodes(
    rng: np.random.Generator, node_of: Ints, approach: Ints, link: Ints, share: Floats
) -> Nodes:
    approaches, links = len(node_of), int(link.max()) + 1
    starts = np.concatenate([[0], np.cumsum(np.bincount(node_of))])
    turn_start = np.concatenate([[0], np.cumsum(np.bincount(approach))])
    nothing = np.zeros(0)
    pairs = np.unique(node_of[approach] * links + link)
    wires = Wires(
        priority=rng.uniform(500, 2000, approaches), node_start=starts.astype(np.uint32),
        node_in=np.arange(approaches, dtype=np.uint32), node_kind=np.zeros(0, np.uint32),
        turn_start=turn_start.astype(np.uint32), turn_link=link.astype(np.uint32),
        turn_from=approach.astype(np.uint32), out_link=(pairs % links).astype(np.uint32),
        out_start=np.searchsorted(pairs // links, np.arange(NODES + 1)).astype(np.uint32),
    )  # fmt: skip
    wires = wires._replace(node_kind=node_kinds(wires))
    limits = Limits(
        turn_share=share, exit_share=np.zeros(approaches), turn_capacity=nothing,
        out_capacity=nothing, in_capacity=nothing, drop_share=nothing, demand=nothing,
        gate_capacity=nothing,
    )  # fmt: skip
    sending = rng.uniform(0, 2000, approaches) * (rng.random(approaches) > 0.1)
    receiving = rng.uniform(0, 2000, links) * (rng.random(links) > 0.05)
    return Nodes(wires, limits, sending, receiving)


def moved_by(nodes: Nodes, sending: Floats, receiving: Floats) -> Floats:
    """Return what leaves every approach."""
    flow = still_flow(len(sending), len(receiving))
    flow.sending[:], flow.receiving[:] = sending, receiving
    pass_nodes(nodes.wires, nodes.limits, flow, none_bound(NODES))
    return flow.moved


@pytest.fixture(scope="module")
def nodes() -> Nodes:
    return random_nodes()


@pytest.fixture(scope="module")
def moved(nodes: Nodes) -> Floats:
    return moved_by(nodes, nodes.sending, nodes.receiving)


def entering(nodes: Nodes, moved: Floats) -> Floats:
    turned = moved[nodes.wires.turn_from] * nodes.limits.turn_share
    return summed(nodes.wires.turn_link.astype(np.int64), turned, len(nodes.receiving))


def test_all_kinds_of_nodes_are_there(nodes: Nodes) -> None:
    kinds = np.bincount(nodes.wires.node_kind, minlength=3)
    assert len(nodes.wires.node_kind) == NODES
    assert kinds[GENERAL] > 50_000
    assert kinds[SINGLE] == NODES // 4
    assert kinds[MERGE] > 15_000


def test_no_flow_is_negative_or_above_demand_or_supply(nodes: Nodes, moved: Floats) -> None:
    assert (moved >= 0).all()
    assert (moved <= nodes.sending * (1 + 1e-12)).all()
    assert (entering(nodes, moved) <= nodes.receiving + 1e-9).all()


def test_an_approach_is_held_only_by_a_full_link_that_it_wants(nodes: Nodes, moved: Floats) -> None:
    full = entering(nodes, moved) >= nodes.receiving - 1e-7
    meets = (full[nodes.wires.turn_link] & (nodes.limits.turn_share > 0)).astype(float)
    held = moved < nodes.sending - 1e-7
    assert held.sum() > 50_000
    meeting = np.bincount(nodes.wires.turn_from, meets, minlength=len(moved))
    assert (meeting[held] > 0).all()


def test_a_held_approach_gets_nothing_by_asking_for_more(nodes: Nodes, moved: Floats) -> None:
    held = moved < nodes.sending - 1e-7
    asking = np.where(held, nodes.sending * 1.7 + 10, nodes.sending)
    assert moved_by(nodes, asking, nodes.receiving) == pytest.approx(moved, abs=1e-7)


def test_more_room_on_links_that_are_not_full_changes_nothing(nodes: Nodes, moved: Floats) -> None:
    full = entering(nodes, moved) >= nodes.receiving - 1e-7
    room = np.where(full, nodes.receiving, nodes.receiving * 2 + 10)
    assert moved_by(nodes, nodes.sending, room) == pytest.approx(moved, abs=1e-7)


def test_the_codes_by_kind_change_no_flow(nodes: Nodes, moved: Floats) -> None:
    general = nodes.wires._replace(node_kind=np.full(NODES, GENERAL, np.uint32))
    plain = moved_by(nodes._replace(wires=general), nodes.sending, nodes.receiving)
    assert np.abs(plain - moved).max() <= 1e-12 * 2000


def renumbered(
    roads: Roads, turns: Turns, share: Floats, order: Ints
) -> tuple[Roads, Turns, Floats]:
    """Give every link another row."""
    place = np.argsort(order)
    columns = {name: getattr(roads, name)[order] for name in Roads.__slots__ if name != "nodes"}
    links = len(roads)
    approach = np.where(turns.approach < links, place[turns.approach % links], turns.approach)
    rows = np.argsort(approach, kind="stable")
    counts = np.bincount(approach, minlength=len(turns.start) - 1)
    other = Turns(
        start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        approach=approach[rows],
        link=place[turns.link[rows]],
        seconds=turns.seconds,
        share=turns.share,
        movement=turns.movement,
        origin_node=turns.origin_node,
    )
    return Roads(**columns, nodes=roads.nodes), other, share[rows]


def test_another_numbering_of_links_changes_nothing() -> None:
    roads, turns, share, ended, density = random_network()
    run = LinkTransmission(roads, turns, step_s=5.0, density_vpm=density)
    run.share_turns(share, ended).demand(np.array([1.5])).run(1800)
    order = np.random.default_rng(5).permutation(len(roads))
    other_roads, other_turns, other_share = renumbered(roads, turns, share, order)
    other = LinkTransmission(other_roads, other_turns, step_s=5.0, density_vpm=density[order])
    other.share_turns(other_share, np.append(ended[:-1][order], ended[-1]))
    other.demand(np.array([1.5])).run(1800)
    assert np.abs(other.vehicles - run.vehicles[order]).max() < 1e-9
    assert np.abs(other.left - run.left[order]).max() < 1e-9


@pytest.mark.parametrize("steps", [1, 7, 100])
def test_a_state_goes_on_to_the_bit(steps: int) -> None:
    roads, turns, share, ended, density = random_network()
    run = LinkTransmission(roads, turns, step_s=5.0, density_vpm=density)
    run.share_turns(share, ended).demand(np.array([1.5])).run(5.0 * steps)
    state = run.state()
    run.run(900)
    other = LinkTransmission(roads, turns, step_s=5.0).restore(state).run(900)
    assert (other.left == run.left).all()
    assert (other.entered == run.entered).all()
    assert (other.vehicle_s == run.vehicle_s).all()
    assert other.time_s == run.time_s
