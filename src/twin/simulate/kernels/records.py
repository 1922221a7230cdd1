"""The records that the vehicle kernel works on: one row holds all that is asked for together.

Times are seconds since the start, rates are given as gaps (seconds between two vehicles).
An approach is a link (rows 0 .. links-1) or an origin (rows links .. links+origins-1); an
origin is a link without length whose vehicles are all on it from the start.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from twin.simulate.kernels.arrays import Floats, Ints

Records = npt.NDArray[Any]
Rows = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.int8]

UNDECIDED, ARRIVES, HOLDS, GIVES_UP = -1, -2, -3, -4  # what a head does, if not a turn's row
NOT_ENTERED, INSIDE, ARRIVED, REFUSED, TURNED_AWAY = 0, 1, 2, 3, 4  # status of a vehicle
FOLLOWS_PATH, BY_HABIT, LIVE = 0, 1, 2  # how a vehicle chooses its next link

APPROACH = np.dtype(
    [
        ("entered", np.int64),  # vehicles so far
        ("left", np.int64),
        ("room", np.int64),  # places in the rings: vehicles that fit
        ("free_s", np.float64),  # travel time, not below the step
        ("wave_s", np.float64),  # until an exit makes room at the entry
        ("in_gap_s", np.float64),
        ("out_gap_s", np.float64),
        ("in_free_s", np.float64),  # when the next may enter by capacity
        ("out_free_s", np.float64),
        ("next_s", np.float64),  # when the first vehicle is ready to leave, inf without one
        ("room_s", np.float64),  # when the next vehicle finds room, inf while that is unknown
        ("clock_s", np.float64),  # tag of the last vehicle that the entry served
        ("weight_s", np.float64),  # 1 / priority: how far a departure moves an approach's tags
        ("served_s", np.float64),  # sum of weights of departures from a queue
        ("entered_sum_s", np.float64),  # sum of entry times
        ("left_sum_s", np.float64),
        ("spent_s", np.float64),  # travel times of those who left since the last measurement
        ("spent_count", np.int64),
        ("length_m", np.float64),
        ("plain_s", np.float64),  # free travel time before rounding
        ("key", np.int64),  # names the approach in random draws
        ("first", np.int32),  # place of the first vehicle in the rings
        ("free", np.int32),  # place of the next vehicle to come
        ("stop", np.int32),  # place behind the last of the approach
        ("head", np.int32),  # turn of the first vehicle, or UNDECIDED ...
        ("from_node", np.int32),
        ("to_node", np.int32),
        ("turn_start", np.int32),
        ("turn_stop", np.int32),
        ("queued", np.int32),  # 1 while the first vehicle had to wait for the one before it
    ],
    align=True,
)

TURN = np.dtype(
    [
        ("free_at_s", np.float64),  # when the next may turn by capacity
        ("gap_s", np.float64),
        ("tag_s", np.float64),  # with served_s: the right of the approach's queue to this link
        ("penalty_s", np.float64),
        ("link", np.int32),
        ("approach", np.int32),
    ],
    align=True,
)

NODE = np.dtype(
    [("next_s", np.float64), ("in_start", np.int32), ("in_stop", np.int32)],
    align=True,
)

VEHICLE = np.dtype(
    [
        ("key", np.int64),
        ("depart_s", np.float64),
        ("entered_s", np.float64),
        ("ended_s", np.float64),
        ("distance_m", np.float64),
        ("free_s", np.float64),
        ("path_at", np.int64),  # place of the next link in the paths
        ("path_stop", np.int64),
        ("to_node", np.int32),
        ("goal", np.int32),  # row of the destination in the trees
        ("stops", np.int32),
        ("kind", np.int8),
        ("mode", np.int8),
        ("status", np.int8),
    ],
    align=True,
)


class Net(NamedTuple):
    """Everything that moves and what it moves on.

    node_in          (approaches,) int32 approaches by node, in the order that breaks ties
    ring_vehicle     (places,) int32, ring_s float64: of vehicle n at place n modulo room of its
                     approach, from its first one on;
                     its entry time while it is on the link, its exit time afterwards
    path             (n,) int32 links of all given paths
    moved            (1,) int64 moves so far
    """

    approaches: Records
    turns: Records
    nodes: Records
    node_in: Rows
    vehicles: Records
    ring_vehicle: Rows
    ring_s: Floats
    path: Rows
    moved: Ints


class Ways(NamedTuple):
    """What vehicles choose by.

    habit, live   (groups * goals, links) float64 seconds from the start of a link to the goal
    link_s        (links,) float64 travel times behind `live`
    forbidden     (groups, links) bool
    group         (kinds,) int64 group of every kind of vehicle
    setting       (2,) float64 spread_s of the logit (0: the best), seconds of waiting that
                  count as a stop
    seed          (1,) int64
    weight        (most turns of an approach,) float64 scratch
    """

    habit: Floats
    live: Floats
    link_s: Floats
    forbidden: npt.NDArray[np.bool_]
    group: Ints
    setting: Floats
    seed: Ints
    weight: Floats


class Trace(NamedTuple):
    """Rows written when a vehicle enters a link; all empty when nobody asks.

    vehicle, link   (size,) int32; entered_s (size,) float64; filled (1,) int64: how many rows
    """

    vehicle: Rows
    link: Rows
    entered_s: Floats
    filled: Ints
