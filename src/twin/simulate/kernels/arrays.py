"""The arrays that the link transmission kernel works on.

An approach is a link (rows 0 .. links-1) or an origin (rows links .. links+origins-1).
Counts are vehicles, rates are vehicles a step, times are steps.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

GENERAL, SINGLE, MERGE = 0, 1, 2  # kinds of nodes


class Wires(NamedTuple):
    """What does not change in a run.

    free_steps, wave_steps    (links,) travel time of a vehicle and of a backward wave, both >= 1
    free_lag, wave_lag        (links,) how much shorter than a whole number of steps they are
    storage                   (links,) vehicles on a jammed link
    priority                  (approaches,) weight at a node where not all find room
    in_ring, out_ring         (links + 1,) int64 places of each link in the rings
    node_start, node_in       CSR by node of the approaches that end there
    node_kind                 (nodes,) SINGLE, MERGE or GENERAL, see node_kinds
    turn_start, turn_link     CSR by approach of the links that it leads to; turn_from its row
    """

    free_steps: Floats
    wave_steps: Floats
    free_lag: Floats
    wave_lag: Floats
    storage: Floats
    priority: Floats
    in_ring: Ints
    out_ring: Ints
    node_start: Ints
    node_in: Ints
    node_kind: Ints
    turn_start: Ints
    turn_link: Ints
    turn_from: Ints


class Limits(NamedTuple):
    """What holds for some steps.

    turn_share       (turns,) of an approach's vehicles; with its exit share they sum to 1
    exit_share       (approaches,) of the vehicles that end their trip at the node
    turn_capacity    (turns,) vehicles a step, inf where there is no limit
    out_capacity     (approaches,) vehicles a step that can leave
    in_capacity      (links,) vehicles a step that can enter
    drop_share       (links,) of in_capacity while vehicles queue to enter; 1 without a drop
    demand           (origins,) vehicles a step that appear
    """

    turn_share: Floats
    exit_share: Floats
    turn_capacity: Floats
    out_capacity: Floats
    in_capacity: Floats
    drop_share: Floats
    demand: Floats


class Flow(NamedTuple):
    """What changes every step.

    step                  (1,) int64 steps done
    entered, left         (links,) cumulative counts now, at the start and end of each link
    in_history            ring of `entered` of the last steps, by `in_ring`; out_history likewise
    in_head, out_head     (links,) int64 place of now in each ring, from its start
    dropped               (links,) 1 while the capacity drop holds, else 0
    waiting, appeared     (origins,) vehicles in the point queue now, and in all
    ended                 (approaches,) vehicles that ended their trip at the approach's node
    vehicle_steps         (links,) sum over steps of the mean number of vehicles on the link
    sending, moved        (approaches,) scratch: of the last step
    receiving, weight     (links,) scratch
    """

    step: Ints
    entered: Floats
    left: Floats
    in_history: Floats
    out_history: Floats
    in_head: Ints
    out_head: Ints
    dropped: Floats
    waiting: Floats
    appeared: Floats
    ended: Floats
    vehicle_steps: Floats
    sending: Floats
    moved: Floats
    receiving: Floats
    weight: Floats
