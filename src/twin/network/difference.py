"""What two versions of a map have in common: for whom the past of one is the past of the other.

A sensor is the same when it measures the same lanes at the same place of the same road. A junction
is the same when its controller may be asked the same things. What is only named otherwise, or has
another limit or capacity, is the same: that changes what follows from a measurement, not the
measurement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from twin.columns import Rows
from twin.network.devices import DeviceKind, road_devices
from twin.network.model import Junction, SingleMap

_OF_LINK: Final = ("from_node", "to_node", "line", "length_m", "lanes")
_OF_SENSOR: Final = ("link", "position_m", "lanes", "kind")
_OF_JUNCTION: Final = ("node", "groups", "stages", "intergreen_s", "plans")
_OF_MOVEMENT: Final = ("from_link", "to_link", "kind", "from_lanes", "to_lanes", "capacity_vps")
_OF_GATE: Final = ("link", "position_m", "inbound", "barrier")
_OF_SIGN: Final = ("link", "position_m", "lanes", "legal_kph", "road", "before", "after")
GONE: Final = "is not in the new map"


@dataclass(frozen=True, slots=True)
class Dropped:
    """Something whose past does not count on the new map, and why. `kind` is a word of the map."""

    kind: str
    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class MapDifference:
    """What stays of `before` on `after`.

    sensors_before, sensors_after   (n,) rows of the same sensors in both maps, rising in `after`
    junctions, devices              ids of the junctions, and (kind, id) of the devices, that stay
    dropped                         what does not stay, by kind and id
    """

    sensors_before: Rows
    sensors_after: Rows
    junctions: frozenset[str]
    devices: frozenset[tuple[str, str]]
    dropped: tuple[Dropped, ...]

    def reasons(self) -> dict[tuple[str, str], str]:
        """Return why each (kind, id) did not stay."""
        return {(one.kind, one.id): one.reason for one in self.dropped}


def difference(before: SingleMap, after: SingleMap) -> MapDifference:
    """Compare two maps part by part, by id."""
    links = _compared(before.links, after.links, _changes_of(_OF_LINK))
    changed = {name: why for name, why in links.items() if why}
    sensors = _compared(
        before.sensors, after.sensors, _beside_link(_changes_of(_OF_SENSOR), changed)
    )
    junctions = _compared(before.junctions, after.junctions, _of_junctions(before, after, changed))
    devices = _compared_devices(before, after, changed)
    kept = [name for name, why in sensors.items() if not why]
    rows = sorted((after.sensor_rows[name], before.sensor_rows[name]) for name in kept)
    return MapDifference(
        sensors_before=np.array([old for _, old in rows], np.int32),
        sensors_after=np.array([new for new, _ in rows], np.int32),
        junctions=frozenset(name for name, why in junctions.items() if not why),
        devices=frozenset(name for name, why in devices.items() if not why),
        dropped=(
            *_dropped("link", links),
            *_dropped("sensor", sensors),
            *_dropped("junction", junctions),
            *(Dropped(kind, name, why) for (kind, name), why in sorted(devices.items()) if why),
        ),
    )


def _dropped(kind: str, compared: Mapping[str, str]) -> list[Dropped]:
    return [Dropped(kind, name, why) for name, why in sorted(compared.items()) if why]


def _compared(
    before: Iterable[Any], after: Iterable[Any], changes: Callable[[Any, Any], str]
) -> dict[str, str]:
    """Return for each part of `before` why it does not stay, "" where it does."""
    there = {part.id: part for part in after}
    return {part.id: changes(part, there[part.id]) if part.id in there else GONE for part in before}


def _changes_of(fields: tuple[str, ...]) -> Callable[[Any, Any], str]:
    def changes(old: Any, new: Any) -> str:
        names = [name for name in fields if getattr(old, name) != getattr(new, name)]
        return f"other {', '.join(names)}" if names else ""

    return changes


def _beside_link(
    changes: Callable[[Any, Any], str], changed_links: Mapping[str, str]
) -> Callable[[Any, Any], str]:
    def compared(old: Any, new: Any) -> str:
        own = changes(old, new)
        link = changed_links.get(old.link)
        return own or (f"its link {old.link}: {link}" if link else "")

    return compared


def _of_junctions(
    before: SingleMap, after: SingleMap, changed_links: Mapping[str, str]
) -> Callable[[Any, Any], str]:
    own, of_movement = _changes_of(_OF_JUNCTION), _changes_of(_OF_MOVEMENT)

    def compared(old: Junction, new: Junction) -> str:
        if found := own(old, new):
            return found
        for name in sorted({name for group in old.groups for name in group.movements}):
            row = before.movement_rows.get(name)
            if row is None:
                continue
            movement = before.movements[row]
            if name not in after.movement_rows:
                return f"its movement {name} {GONE}"
            other = after.movements[after.movement_rows[name]]
            if found := of_movement(movement, other):
                return f"its movement {name}: {found}"
            for link in (movement.from_link, movement.to_link):
                if found := changed_links.get(link, ""):
                    return f"its link {link}: {found}"
        return ""

    return compared


def _compared_devices(
    before: SingleMap, after: SingleMap, changed_links: Mapping[str, str]
) -> dict[tuple[str, str], str]:
    there = {(str(one.kind), str(one.id)): one for one in road_devices(after)}
    compared = {
        kind: _beside_link(
            _changes_of(_OF_GATE if kind is DeviceKind.GATE else _OF_SIGN), changed_links
        )
        for kind in DeviceKind
    }
    found: dict[tuple[str, str], str] = {}
    for old in road_devices(before):
        key = (str(old.kind), str(old.id))
        new = there.get(key)
        found[key] = GONE if new is None else compared[old.kind](old, new)
    return found
