"""Where vehicles turn, join and leave, from what is counted before and after the nodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.columns import Bools, Floats
from twin.forecast.network import ForecastNetwork
from twin.simulate.roads import summed

ROUNDS = 40


@dataclass(frozen=True, slots=True)
class Routing:
    """Shares of every approach's vehicles, and what joins every link.

    turn_share (turns,) and exit_share (approaches,) add up to 1 by approach; joining_vps (links,)
    """

    turn_share: Floats
    exit_share: Floats
    joining_vps: Floats


def route(network: ForecastNetwork, flow_vps: Floats, congested: Bools) -> Routing:
    """Fit the usual shares to the flows before and after every node.

    flow_vps    (links,) NaN where not known: such links take what the others leave
    congested   (links,) where a difference of counts may be a queue that grows

    Where traffic is free on all sides of a node, a lasting difference of counts is traffic that
    joins or leaves between them. Where it is not, the difference is left to the physics.
    Into a link whose flow nobody knows vehicles leave: it could neither hold them nor let them go.
    """
    turns, links = network.turns, len(network.roads)
    approaches = len(turns.start) - 1
    inner = turns.approach < links
    share = _fit(network, flow_vps)
    coming = np.concatenate([np.nan_to_num(flow_vps, nan=0.0), np.zeros(links)])
    brought = summed(turns.link, coming[turns.approach] * share * inner, links)
    missing = np.nan_to_num(np.maximum(flow_vps - brought, 0.0), nan=0.0)
    blocked = _touches(network, congested)
    unknown_before = np.zeros(links, np.bool_)
    unknown = np.isnan(flow_vps)[np.minimum(turns.approach, links - 1)] & inner
    unknown_before[turns.link[unknown]] = True
    joins = network.source | unknown_before | ~blocked[network.roads.from_node]
    kept = np.where(flow_vps < brought, flow_vps / np.maximum(brought, 1e-12), 1.0)
    kept = np.where(blocked[network.roads.from_node], 1.0, kept)
    kept = np.where(np.isnan(flow_vps), 0.0, kept)
    turn_share = np.where(inner, share * kept[turns.link], 1.0)
    rest = 1.0 - summed(turns.approach, turn_share, approaches)
    return Routing(
        turn_share=turn_share,
        exit_share=np.maximum(rest, 0.0),
        joining_vps=np.where(joins, missing, 0.0),
    )


def _touches(network: ForecastNetwork, congested: Bools) -> Bools:
    """Say which nodes a congested link begins or ends at, (nodes,)."""
    touched = np.zeros(network.roads.nodes, np.bool_)
    touched[network.roads.from_node[congested]] = True
    touched[network.roads.to_node[congested]] = True
    return touched


def _fit(network: ForecastNetwork, flow_vps: Floats) -> Floats:
    """Scale the usual turn flows until they agree with the counts, (turns,) as shares."""
    turns, links = network.turns, len(network.roads)
    approaches = len(turns.start) - 1
    coming = np.concatenate([flow_vps, np.full(links, np.nan)])
    known_in, known_out = coming > 0, flow_vps > 0
    flow = network.usual_share * np.where(known_in, coming, 0.0)[turns.approach]
    for _ in range(ROUNDS):
        out = summed(turns.link, flow, links)
        flow = flow * _scale(flow_vps, out, known_out)[turns.link]
        into = summed(turns.approach, flow, approaches)
        flow = flow * _scale(coming, into, known_in)[turns.approach]
    into = summed(turns.approach, flow, approaches)[turns.approach]
    return np.where(into > 1e-9, flow / np.maximum(into, 1e-9), network.usual_share)


def _scale(wanted: Floats, have: Floats, known: Bools) -> Floats:
    """Return the factors that bring `have` to `wanted` where it is known, else 1."""
    usable = known & (have > 1e-12)
    return np.where(usable, np.where(known, wanted, 0.0) / np.maximum(have, 1e-12), 1.0)
