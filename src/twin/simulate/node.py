"""One node on its own: what passes when demand, supply and priorities meet."""

from __future__ import annotations

import numpy as np

from twin.columns import Floats
from twin.errors import SimulationError
from twin.simulate.kernels.arrays import GENERAL, Flow, Limits, Wires
from twin.simulate.kernels.node import none_bound, pass_nodes


def node_flows(sending: Floats, priority: Floats, share: Floats, receiving: Floats) -> Floats:
    """Return the flows (approaches, links after) through one node, in the unit of `sending`.

    sending, priority   (approaches,): what wants to pass, and its weight where room is short
    share               (approaches, links after): rows add up to at most 1, the rest ends here
    receiving           (links after,): room
    Raises SimulationError when shapes do not fit or a value is negative.
    """
    approaches, after = share.shape
    columns = (sending, priority, share, receiving)
    if sending.shape != (approaches,) or priority.shape != sending.shape:
        message = f"{approaches} rows of shares for {sending.size} approaches"
        raise SimulationError(message)
    if receiving.shape != (after,) or any((column < 0).any() for column in columns):
        message = "a node needs one room per link after it, and nothing negative"
        raise SimulationError(message)
    rest = 1.0 - share.sum(axis=1)
    if (rest < -1e-9).any():
        message = f"the shares of approach {int(np.argmin(rest))} add up to more than 1"
        raise SimulationError(message)
    limits = Limits(
        turn_share=np.ascontiguousarray(share, np.float64).ravel(),
        exit_share=rest,
        turn_capacity=np.full(approaches * after, np.inf),
        out_capacity=np.full(approaches, np.inf),
        in_capacity=np.full(after, np.inf),
        gate_capacity=np.zeros(0),
        drop_share=np.ones(after),
        demand=np.zeros(0),
    )
    flow = still_flow(approaches, after)
    flow.sending[:] = sending
    flow.receiving[:] = receiving
    pass_nodes(_wires(priority, after), limits, flow, none_bound(1))
    return flow.moved[:, None] * share


def _wires(priority: Floats, after: int) -> Wires:
    """Return a node whose approaches all lead to all links after it."""
    approaches = len(priority)
    return Wires(
        priority=priority.astype(np.float64),
        node_start=np.array([0, approaches], np.uint32),
        node_in=np.arange(approaches, dtype=np.uint32),
        node_kind=np.full(1, GENERAL, np.uint32),
        turn_start=np.arange(approaches + 1, dtype=np.uint32) * np.uint32(after),
        turn_link=np.tile(np.arange(after, dtype=np.uint32), approaches),
        turn_from=np.repeat(np.arange(approaches, dtype=np.uint32), after),
        out_start=np.array([0, after], np.uint32),
        out_link=np.arange(after, dtype=np.uint32),
    )


def still_flow(approaches: int, links: int) -> Flow:
    """Return the arrays of a network in which nothing has moved."""
    nothing = np.zeros(0)
    return Flow(
        step=np.zeros(1, np.int64),
        entered=np.zeros(links),
        left=np.zeros(approaches),
        in_history=nothing,
        out_history=nothing,
        dropped=nothing,
        appeared=nothing,
        ended=np.zeros(approaches),
        vehicle_steps=np.zeros(links),
        sending=np.zeros(approaches),
        moved=np.zeros(approaches),
        receiving=np.zeros(links),
        weight=np.zeros(links),
    )
