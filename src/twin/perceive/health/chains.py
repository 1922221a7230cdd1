"""Stretches of one road between two stations on which every entry and every exit is counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from twin.columns import Rows
from twin.network.model import SingleMap
from twin.perceive.kernels.balance import Sections
from twin.perceive.kernels.links import Places


@dataclass(frozen=True, slots=True)
class Section:
    """One closed stretch, by rows of links: the first of each is on the road, the rest ramps."""

    into: tuple[int, ...]
    out: tuple[int, ...]


def closed_sections(network: SingleMap) -> tuple[Section, ...]:
    """Return every stretch from a link with sensors to the next of its road, if it is closed."""
    rows = network.link_rows
    counted = {rows[sensor.link] for sensor in network.sensors}
    entering: dict[str, list[int]] = {}
    leaving: dict[str, list[int]] = {}
    for row, link in enumerate(network.links):
        entering.setdefault(link.to_node, []).append(row)
        leaving.setdefault(link.from_node, []).append(row)
    found = (
        _section(network, start, counted, entering, leaving)
        for start in sorted(counted)
        if network.links[start].road
    )
    return tuple(section for section in found if section is not None)


def _section(
    network: SingleMap,
    start: int,
    counted: set[int],
    entering: dict[str, list[int]],
    leaving: dict[str, list[int]],
) -> Section | None:
    """Follow a road from a station to the next; None where something uncounted joins or leaves."""
    links = network.links
    into, out = [], []
    at = start
    for _ in range(len(links)):
        node = links[at].to_node
        ahead = [row for row in leaving.get(node, []) if links[row].to_node != links[at].from_node]
        onward = [row for row in ahead if links[row].road == links[start].road]
        if len(onward) != 1:
            return None
        joining = [
            row
            for row in entering.get(node, [])
            if row != at and links[row].from_node != links[onward[0]].to_node
        ]
        into += joining
        out += [row for row in ahead if row != onward[0]]
        if not counted.issuperset(joining) or not counted.issuperset(out):
            return None
        at = onward[0]
        if at in counted:
            return Section((start, *into), (at, *out))
    return None


def section_arrays(sections: Sequence[Section], places: Places) -> tuple[Sections, Rows]:
    """Return the sections for the kernels, and for each the one that ends where it begins, or -1.

    The second is (sections,) int32.
    """
    ending = {section.out[0]: row for row, section in enumerate(sections)}
    arrays = Sections(
        in_start=_starts(section.into for section in sections),
        in_link=_flat(section.into for section in sections),
        out_start=_starts(section.out for section in sections),
        out_link=_flat(section.out for section in sections),
        link_start=places.link_start,
        link_sensors=places.link_sensors,
        lanes=places.lanes,
        sensor_lanes=places.sensor_lanes,
    )
    before = np.array([ending.get(section.into[0], -1) for section in sections], np.int32)
    return arrays, before


def _starts(members: Iterable[tuple[int, ...]]) -> Rows:
    return np.cumsum([0, *(len(rows) for rows in members)]).astype(np.int32)


def _flat(members: Iterable[tuple[int, ...]]) -> Rows:
    return np.array([row for rows in members for row in rows], np.int32)
