"""The arrays that the kernels work on.

An approach is a link (rows 0 .. links-1) or an origin (rows links .. links+origins-1).
Counts are vehicles, rates are vehicles a step, times are steps. Rows are uint32: they take half
the memory of int64, and numba spends no time on negative ones.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Rows = npt.NDArray[np.uint32]

GENERAL, SINGLE, MERGE = 0, 1, 2  # kinds of nodes


class Wires(NamedTuple):
    """Nodes and turns: what does not change in a run.

    A node whose whole flow has a capacity has a gate: a row after the links that all its approaches
    lead to beside their turns. It holds them as a full link would, and nobody is on it.

    Turns stand in the order of nodes, so that a step reads them straight through; a face brings
    shares and capacities into that order.

    priority               (approaches,) weight at a node where not all find room
    node_start, node_in    CSR by node of the approaches that end there
    node_kind              (nodes,) SINGLE, MERGE or GENERAL, see node_kinds
    turn_start             (approaches + 1,) turns of the approach at each place of `node_in`
    turn_link, turn_from   (turns,) the link that a turn leads to, and the approach it comes from
    out_start, out_link    CSR by node of the links that its turns lead to, each once
    """

    priority: Floats
    node_start: Rows
    node_in: Rows
    node_kind: Rows
    turn_start: Rows
    turn_link: Rows
    turn_from: Rows
    out_start: Rows
    out_link: Rows


class Ring(NamedTuple):
    """How far back each link's counts are kept: one ring a link, as long as its travel time.

    Links whose rings have one length stand side by side, so that a step reads and writes whole
    cache lines: `history[place + slot * stride[group]]`.

    steps    (links,) travel time in steps, at least 1
    lag      (links,) how much shorter than a whole number of steps it is
    place    (links,) where slot 0 of the link is in the history
    group    (links,) which length its ring has
    size     (groups,) slots of a ring: the steps of the travel time and now
    stride   (groups,) links in the group: places from one slot to the next
    """

    steps: Floats
    lag: Floats
    place: Rows
    group: Rows
    size: Rows
    stride: Rows


class Links(NamedTuple):
    """What links are: how long a vehicle and a backward wave take, and what fits on each.

    storage   (links,) vehicles on a jammed link
    """

    free: Ring
    wave: Ring
    storage: Floats


class Limits(NamedTuple):
    """What holds for some steps.

    turn_share       (turns,) of an approach's vehicles; with its exit share they sum to 1
    exit_share       (approaches,) of the vehicles that end their trip at the node
    turn_capacity    (turns,) vehicles a step, inf where there is no limit
    out_capacity     (approaches,) vehicles a step that can leave
    in_capacity      (links,) vehicles a step that can enter
    gate_capacity    (gates,) vehicles a step that can pass a node
    drop_share       (links,) of in_capacity while vehicles queue to enter; 1 without a drop
    demand           (origins,) vehicles a step that appear
    """

    turn_share: Floats
    exit_share: Floats
    turn_capacity: Floats
    out_capacity: Floats
    in_capacity: Floats
    gate_capacity: Floats
    drop_share: Floats
    demand: Floats


class Flow(NamedTuple):
    """What changes every step.

    step                  (1,) int64 steps done
    entered               (links + gates,) cumulative count now, at the start of each link
    left                  (approaches,) at the end of each link, and out of each origin
    in_history            `entered` at the last steps but now, by ring; out_history of `left`
    dropped               (links,) 1 while the capacity drop holds, else 0
    appeared              (origins,) vehicles in all
    ended                 (approaches,) vehicles that ended their trip at the approach's node
    vehicle_steps         (links,) sum of the vehicles on the link at the steps before now; the
                          first counts half
    sending, moved        (approaches,) of the last step: what would leave, and what did
    receiving             (links + gates,) scratch
    weight                (links + gates,) what entered in the last step
    """

    step: Ints
    entered: Floats
    left: Floats
    in_history: Floats
    out_history: Floats
    dropped: Floats
    appeared: Floats
    ended: Floats
    vehicle_steps: Floats
    sending: Floats
    moved: Floats
    receiving: Floats
    weight: Floats
