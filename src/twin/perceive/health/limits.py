"""From when on a detector is not believed: by its role on the road, or as its row of the map says.

The limits by role are those that traffic management centres use for loops. A further column of
`twin_sensor` may set the role (`detector_role`) or a limit of one detector (`health_...`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import numpy as np

from twin.columns import Floats
from twin.errors import MapError
from twin.ids import NodeId
from twin.network.model import Link, LinkClass, Sensor, SingleMap
from twin.perceive.kernels.health import (
    L_CHATTER,
    L_CHATTER_CLEAN_S,
    L_IMBALANCE,
    L_IMPOSSIBLE,
    L_LOCKED_S,
    L_NO_CHANGE_S,
    L_NO_HITS_S,
    L_SPIKES,
    LIMITS,
)
from twin.units import HOUR_S


class DetectorRole(StrEnum):
    """What a detector is there for."""

    MAINLINE = "mainline"
    EXIT = "exit"
    QUEUE = "queue"
    MERGE = "merge"
    AUXILIARY = "auxiliary"


NO_HITS_S: Final = {
    DetectorRole.MAINLINE: 4 * HOUR_S,
    DetectorRole.EXIT: 8 * HOUR_S,
    DetectorRole.QUEUE: 12 * HOUR_S,
    DetectorRole.MERGE: 12 * HOUR_S,
    DetectorRole.AUXILIARY: 24 * HOUR_S,
}
LOCKED_S: Final = 120.0
LOCKED_RAMP_S: Final = 1800.0
_RAMP: Final = frozenset({DetectorRole.EXIT, DetectorRole.QUEUE, DetectorRole.MERGE})
CHATTER_VEHICLES: Final = 38.0
CHATTER_CLEAN_S: Final = 24 * HOUR_S
NO_CHANGE_S: Final = 24 * HOUR_S
SPIKES: Final = 3.0
IMPOSSIBLE_READINGS: Final = 3.0
IMBALANCE_SHARE: Final = 0.25
ROLE_FIELD: Final = "detector_role"
FIELDS: Final = {
    "health_no_hits_s": L_NO_HITS_S,
    "health_chatter_vehicles": L_CHATTER,
    "health_chatter_clean_s": L_CHATTER_CLEAN_S,
    "health_locked_on_s": L_LOCKED_S,
    "health_no_change_s": L_NO_CHANGE_S,
    "health_spikes": L_SPIKES,
    "health_impossible_readings": L_IMPOSSIBLE,
    "health_imbalance_share": L_IMBALANCE,
}
_OFF: Final = "off"


def detector_roles(network: SingleMap) -> tuple[DetectorRole, ...]:
    """Return what every sensor is there for: as its row says, else by the class of its link.

    A motorway is mainline; a ramp that leaves one is an exit, any other a merge; detectors of
    streets are auxiliary: a side street may be empty all night. Raises MapError for another word.
    """
    ends = {link.to_node for link in network.links if link.link_class is LinkClass.MOTORWAY}
    return tuple(
        _said_role(sensor) or _role_of(network.links[network.link_rows[sensor.link]], ends)
        for sensor in network.sensors
    )


def _said_role(sensor: Sensor) -> DetectorRole | None:
    said = dict(sensor.extra).get(ROLE_FIELD, "")
    try:
        return DetectorRole(said) if said else None
    except ValueError as error:
        message = f"sensor {sensor.id}: {ROLE_FIELD} {said!r} is none of {list(DetectorRole)}"
        raise MapError(message) from error


def _role_of(link: Link, motorway_ends: set[NodeId]) -> DetectorRole:
    if link.link_class is LinkClass.MOTORWAY:
        return DetectorRole.MAINLINE
    if link.link_class is not LinkClass.RAMP:
        return DetectorRole.AUXILIARY
    return DetectorRole.EXIT if link.from_node in motorway_ends else DetectorRole.MERGE


def detector_limits(network: SingleMap) -> Floats:
    """Return the limits of every sensor, (sensors, LIMITS); NaN where a check is off.

    Raises MapError naming the sensor, the field and the value that is no limit.
    """
    found = np.full((len(network.sensors), LIMITS), np.nan)
    roles = detector_roles(network)
    for row, (sensor, role) in enumerate(zip(network.sensors, roles, strict=True)):
        found[row, L_NO_HITS_S] = NO_HITS_S[role]
        found[row, L_LOCKED_S] = LOCKED_RAMP_S if role in _RAMP else LOCKED_S
        found[row, L_CHATTER] = CHATTER_VEHICLES
        found[row, L_CHATTER_CLEAN_S] = CHATTER_CLEAN_S
        found[row, L_NO_CHANGE_S] = NO_CHANGE_S
        found[row, L_SPIKES] = SPIKES
        found[row, L_IMPOSSIBLE] = IMPOSSIBLE_READINGS
        found[row, L_IMBALANCE] = IMBALANCE_SHARE
        for field, value in sensor.extra:
            if field in FIELDS and value:
                found[row, FIELDS[field]] = _limit(sensor, field, value)
    return found


def _limit(sensor: Sensor, field: str, value: str) -> float:
    if value == _OFF:
        return float("nan")
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not (0.0 < number < float("inf")):
        message = f"sensor {sensor.id}: {field} {value!r} is neither a number above 0 nor 'off'"
        raise MapError(message)
    return number
