"""What makes a map impossible: broken references and values that no road can have.

Each rule yields one line of text per broken item; an empty iterator means that the map is sound.
Doubtful but possible things are no problems: they are findings (`network/quality.py`).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Container, Iterator, Sequence
from dataclasses import fields
from itertools import chain
from typing import Any, Final
from zoneinfo import ZoneInfo

import shapely

from twin.network.model import Junction, Link, Movement, Point, SignalPlan, SingleMap

MOST_LANES: Final = 12
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_SLACK_M: Final = 1e-3  # a position may stand this far beyond the end of its link
_SLACK_SHARE: Final = 1e-6
_SLACK_S: Final = 1e-3


def problems(network: SingleMap) -> Iterator[str]:
    """Yield everything that is wrong with a map, table by table."""
    return chain(
        _timezone(network),
        _identities(network),
        _nodes(network),
        _links(network),
        _lanes(network),
        _movements(network),
        _shares(network),
        _junctions(network),
        _points_on_links(network),
        _zones(network),
        _features(network),
        _tables(network),
    )


def _timezone(network: SingleMap) -> Iterator[str]:
    try:
        ZoneInfo(network.timezone)
    except (KeyError, ValueError, OSError):
        yield f"timezone {network.timezone!r} is not known"


def _identities(network: SingleMap) -> Iterator[str]:
    tables: dict[str, Sequence[Any]] = {
        "node": network.nodes,
        "link": network.links,
        "lane": network.lanes,
        "movement": network.movements,
        "junction": network.junctions,
        "sensor": network.sensors,
        "gate": network.gates,
        "zone": network.zones,
        "feature": network.features,
    }
    for table, parts in tables.items():
        yield from _ids(table, [part.id for part in parts])
        yield from _texts(table, parts)


def _ids(table: str, ids: Sequence[str]) -> Iterator[str]:
    for identity, times in Counter(ids).items():
        if times > 1:
            yield f"{table} {identity!r} stands {times} times"
        if not identity or identity != identity.strip() or not identity.isprintable():
            yield f"{table} id {identity!r} must be printable text without blanks at its ends"


def _texts(table: str, parts: Sequence[Any]) -> Iterator[str]:
    """Find control characters, which no text file of a map can carry."""
    names = [field.name for field in fields(parts[0])] if parts else []
    for part in parts:
        for name in names:
            text = getattr(part, name)
            if isinstance(text, str) and _CONTROL.search(text):
                yield f"{table} {part.id!r}: {name} holds a control character"


def _unknown(who: str, field: str, ids: Collection[str], known: Container[str]) -> Iterator[str]:
    for identity in ids:
        if identity not in known:
            yield f"{who}: {field} {identity!r} does not exist"


def _not_on_earth(point: Point) -> bool:
    return not (-180.0 <= point[0] <= 180.0 and -90.0 <= point[1] <= 90.0)


def _above_zero(value: float) -> bool:
    return math.isfinite(value) and value > 0.0


def _nodes(network: SingleMap) -> Iterator[str]:
    zones = {zone.id for zone in network.zones}
    for node in network.nodes:
        if node.zone and node.zone not in zones:
            yield f"node {node.id!r}: zone {node.zone!r} does not exist"
        if _not_on_earth(node.point):
            yield f"node {node.id!r}: point {node.point} is not a longitude and latitude"


def _links(network: SingleMap) -> Iterator[str]:
    for link in network.links:
        who = f"link {link.id!r}"
        yield from _unknown(who, "node", (link.from_node, link.to_node), network.node_rows)
        yield from _impossible_link(who, link)


def _impossible_link(who: str, link: Link) -> Iterator[str]:
    if len(link.line) < 2:
        yield f"{who}: a line needs two points"
    if any(_not_on_earth(point) for point in link.line):
        yield f"{who}: its line leaves the longitudes and latitudes"
    for field in ("length_m", "free_speed_mps", "capacity_vps"):
        if not _above_zero(getattr(link, field)):
            yield f"{who}: {field} = {getattr(link, field)} must be above 0"
    if not 1 <= link.lanes <= MOST_LANES:
        yield f"{who}: lanes = {link.lanes} must be 1 to {MOST_LANES}"
    yield from _validity(who, link.valid_from_us, link.valid_to_us)


def _validity(who: str, from_us: int | None, to_us: int | None) -> Iterator[str]:
    if from_us is not None and to_us is not None and from_us >= to_us:
        yield f"{who}: valid_from must be before valid_to"


def _lanes(network: SingleMap) -> Iterator[str]:
    for lane in network.lanes:
        who = f"lane {lane.id!r}"
        yield from _unknown(who, "link", (lane.link,), network.link_rows)
        if lane.width_m is not None and not (math.isfinite(lane.width_m) and lane.width_m >= 0.0):
            yield f"{who}: width_m = {lane.width_m} must be 0 or more"
        if lane.span is not None and not 0.0 <= lane.span[0] < lane.span[1] < math.inf:
            yield f"{who}: span {lane.span} must run forward from 0 m or more"


def _movements(network: SingleMap) -> Iterator[str]:
    for movement in network.movements:
        who = f"movement {movement.id!r}"
        yield from _unknown(who, "node", (movement.node,), network.node_rows)
        links = (movement.from_link, movement.to_link)
        missing = list(_unknown(who, "link", links, network.link_rows))
        yield from missing
        if not missing:
            yield from _off_its_node(who, movement, network)
        yield from _impossible_movement(who, movement)


def _off_its_node(who: str, movement: Movement, network: SingleMap) -> Iterator[str]:
    before = network.links[network.link_rows[movement.from_link]]
    after = network.links[network.link_rows[movement.to_link]]
    if before.to_node != movement.node:
        yield f"{who}: link {before.id!r} does not end at node {movement.node!r}"
    if after.from_node != movement.node:
        yield f"{who}: link {after.id!r} does not start at node {movement.node!r}"


def _impossible_movement(who: str, movement: Movement) -> Iterator[str]:
    if movement.share is not None and not 0.0 <= movement.share <= 1.0:
        yield f"{who}: share = {movement.share} must be 0 to 1"
    if movement.capacity_vps is not None and not 0.0 <= movement.capacity_vps < math.inf:
        yield f"{who}: capacity_vps = {movement.capacity_vps} must be 0 or more"
    if not math.isfinite(movement.penalty_s):
        yield f"{who}: penalty_s = {movement.penalty_s} must be a number"


def _shares(network: SingleMap) -> Iterator[str]:
    total: Counter[str] = Counter()
    for movement in network.movements:
        if movement.share is not None:
            total[movement.from_link] += movement.share  # type: ignore[assignment]
    for link, share in total.items():
        if share > 1.0 + _SLACK_SHARE:
            yield f"link {link!r}: the shares of its movements sum to {share:.6g}, more than 1"


def _junctions(network: SingleMap) -> Iterator[str]:
    for junction in network.junctions:
        who = f"junction {junction.id!r}"
        yield from _unknown(who, "node", (junction.node,), network.node_rows)
        yield from _signal_groups(who, junction, network)
        groups = {group.id for group in junction.groups}
        stages = {stage.id for stage in junction.stages}
        yield from _ids(f"{who}: stage", [stage.id for stage in junction.stages])
        yield from _ids(f"{who}: plan", [plan.id for plan in junction.plans])
        for stage in junction.stages:
            yield from _unknown(f"{who}: stage {stage.id!r}", "group", stage.groups, groups)
        for end, start, gap_s in junction.intergreen_s:
            yield from _unknown(f"{who}: intergreen", "group", (end, start), groups)
            if not 0.0 <= gap_s < math.inf:
                yield f"{who}: intergreen {end!r} to {start!r} = {gap_s} s must be 0 or more"
        for plan in junction.plans:
            yield from _plan(f"{who}: plan {plan.id!r}", plan, stages)


def _signal_groups(who: str, junction: Junction, network: SingleMap) -> Iterator[str]:
    yield from _ids(f"{who}: group", [group.id for group in junction.groups])
    named = (move for group in junction.groups for move in group.movements)
    rows = network.movement_rows
    nodes = {network.movements[rows[move]].node for move in named if move in rows}
    if nodes and junction.node not in nodes:  # one controller may rule several nodes
        yield f"{who}: all its movements are at another node than {junction.node!r}"
    for group in junction.groups:
        mine = f"{who}: group {group.id!r}"
        yield from _unknown(mine, "movement", group.movements, network.movement_rows)
        for field in ("min_green_s", "yellow_s", "max_red_s"):
            if not 0.0 <= getattr(group, field) < math.inf:
                yield f"{mine}: {field} = {getattr(group, field)} must be 0 or more"


def _plan(who: str, plan: SignalPlan, stages: Container[str]) -> Iterator[str]:
    yield from _unknown(who, "stage", [stage for stage, _ in plan.steps], stages)
    if not _above_zero(plan.cycle_s):
        yield f"{who}: cycle_s = {plan.cycle_s} must be above 0"
    if any(not _above_zero(duration_s) for _, duration_s in plan.steps):
        yield f"{who}: every step must last longer than 0 s"
    total_s = sum(duration_s for _, duration_s in plan.steps)
    if not abs(total_s - plan.cycle_s) <= _SLACK_S:
        yield f"{who}: its steps sum to {total_s:g} s, its cycle is {plan.cycle_s:g} s"
    if not math.isfinite(plan.offset_s):
        yield f"{who}: offset_s = {plan.offset_s} must be a number"


def _points_on_links(network: SingleMap) -> Iterator[str]:
    zones = {zone.id for zone in network.zones}
    for sensor in network.sensors:
        who = f"sensor {sensor.id!r}"
        yield from _place(who, sensor.link, sensor.position_m, sensor.point, network)
        if not _above_zero(sensor.period_s):
            yield f"{who}: period_s = {sensor.period_s} must be above 0"
    for gate in network.gates:
        who = f"gate {gate.id!r}"
        yield from _place(who, gate.link, gate.position_m, gate.point, network)
        yield from _unknown(who, "zone", gate.zones, zones)


def _place(
    who: str, link: str, position_m: float, point: Point, network: SingleMap
) -> Iterator[str]:
    row = network.link_rows.get(link)
    if row is None:
        yield f"{who}: link {link!r} does not exist"
    elif not 0.0 <= position_m <= network.links[row].length_m + _SLACK_M:
        length_m = network.links[row].length_m
        yield f"{who}: position_m = {position_m:g} is not on its link of {length_m:g} m"
    if _not_on_earth(point):
        yield f"{who}: point {point} is not a longitude and latitude"


def _zones(network: SingleMap) -> Iterator[str]:
    for zone in network.zones:
        yield from _unknown(f"zone {zone.id!r}", "link", zone.links, network.link_rows)
        if zone.boundary_wkt:
            yield from _shape(f"zone {zone.id!r}", zone.boundary_wkt)


def _features(network: SingleMap) -> Iterator[str]:
    for feature in network.features:
        who = f"feature {feature.id!r}"
        yield from _unknown(who, "link", feature.links, network.link_rows)
        yield from _shape(who, feature.wkt)
        yield from _validity(who, feature.valid_from_us, feature.valid_to_us)


def _shape(who: str, wkt: str) -> Iterator[str]:
    try:
        shapely.from_wkt(wkt)
    except shapely.errors.GEOSException as error:
        yield f"{who}: its shape is no WKT: {error}"


def _tables(network: SingleMap) -> Iterator[str]:
    yield from _ids("table", [table.name for table in network.tables])
    for table in network.tables:
        if any(len(row) != len(table.columns) for row in table.rows):
            yield f"table {table.name!r}: a row has not as many cells as there are columns"
