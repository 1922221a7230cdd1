"""Make one immutable, versioned map from its parts, or say everything that is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final, TypeVar

from twin.errors import MapError
from twin.network import settle
from twin.network.model import (
    Extra,
    Feature,
    Gate,
    Junction,
    Lane,
    Link,
    Movement,
    Node,
    Sensor,
    SingleMap,
    Table,
    Zone,
)
from twin.network.problems import problems
from twin.network.version import content_version

_SHOWN: Final = 10  # problems that one message spells out; it counts the rest

Part = TypeVar("Part")


def build_map(
    *,
    name: str,
    timezone: str,
    nodes: Iterable[Node],
    links: Iterable[Link],
    lanes: Iterable[Lane] = (),
    movements: Iterable[Movement] = (),
    junctions: Iterable[Junction] = (),
    sensors: Iterable[Sensor] = (),
    gates: Iterable[Gate] = (),
    zones: Iterable[Zone] = (),
    features: Iterable[Feature] = (),
    tables: Iterable[Table] = (),
    meta: Extra = (),
) -> SingleMap:
    """Return the map with its version; rows keep the given order.

    Numbers are put on the grid of `network/settle.py` first. MapError names every broken reference
    and impossible value (ten of them, and how many more).
    """
    draft = SingleMap(
        name=name,
        version="",
        timezone=timezone,
        nodes=_settled(settle.node, nodes, "node"),
        links=_settled(settle.link, links, "link"),
        lanes=_settled(settle.lane, lanes, "lane"),
        movements=_settled(settle.movement, movements, "movement"),
        junctions=_settled(settle.junction, junctions, "junction"),
        sensors=_settled(settle.sensor, sensors, "sensor"),
        gates=_settled(settle.gate, gates, "gate"),
        zones=_settled(settle.zone, zones, "zone"),
        features=_settled(settle.feature, features, "feature"),
        tables=tuple(sorted((settle.table(table) for table in tables), key=lambda t: t.name)),
        meta=settle.extra(meta),
    )
    _refuse_broken(draft)
    return replace(draft, version=_version(draft))


def _refuse_broken(draft: SingleMap) -> None:
    found = list(problems(draft))
    if found:
        more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        message = f"map {draft.name!r}: " + "; ".join(found[:_SHOWN]) + more
        raise MapError(message)


def _settled(one: Callable[[Part], Part], parts: Iterable[Part], table: str) -> tuple[Part, ...]:
    settled = []
    for part in parts:
        try:
            settled.append(one(part))
        except (TypeError, ValueError, OverflowError) as error:
            message = (
                f"{table} {getattr(part, 'id', '?')!r}: not a number where one stands: {error}"
            )
            raise MapError(message) from error
    return tuple(settled)


def _version(draft: SingleMap) -> str:
    parts: dict[str, Iterable[object]] = {
        "name": (draft.name,),
        "timezone": (draft.timezone,),
        "meta": draft.meta,
        "nodes": draft.nodes,
        "links": draft.links,
        "lanes": draft.lanes,
        "movements": draft.movements,
        "junctions": draft.junctions,
        "sensors": draft.sensors,
        "gates": draft.gates,
        "zones": draft.zones,
        "features": draft.features,
        "tables": draft.tables,
    }
    return content_version(parts)
