"""Corridors: the links of one carriageway of one road, in the order in which they are driven."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from twin.ids import LinkId
from twin.network.model import Link, SingleMap


@dataclass(frozen=True, slots=True)
class Corridor:
    """A chain of links. `start_m[i]` is where link i starts, measured along the corridor."""

    road: str
    name: str
    links: tuple[LinkId, ...]
    start_m: tuple[float, ...]
    length_m: float


def corridors(network: SingleMap) -> tuple[Corridor, ...]:
    """Return one corridor for each `Link.road`, longest chain first where a road forks.

    A road whose links do not form one chain (a gap, a fork) is still one corridor: its chains
    stand one after another, the longest first.
    """
    by_road: dict[str, list[Link]] = defaultdict(list)
    for link in network.links:
        if link.road:
            by_road[link.road].append(link)
    return tuple(_corridor(road, by_road[road]) for road in sorted(by_road))


def _corridor(road: str, links: list[Link]) -> Corridor:
    ordered = [link for chain in _chains(links) for link in chain]
    start_m: list[float] = []
    length_m = 0.0
    for link in ordered:
        start_m.append(length_m)
        length_m += link.length_m
    names = [link.name for link in ordered if link.name]
    name = max(dict.fromkeys(names), key=names.count) if names else road
    return Corridor(road, name, tuple(link.id for link in ordered), tuple(start_m), length_m)


def _chains(links: list[Link]) -> list[list[Link]]:
    """Cut the links into chains in driving order, longest first; every link is in one of them."""
    leaving: dict[str, list[Link]] = defaultdict(list)
    entered = {link.to_node for link in links}
    for link in links:
        leaving[link.from_node].append(link)
    heads = [link for link in links if link.from_node not in entered]
    used: set[LinkId] = set()
    chains: list[list[Link]] = []
    for head in [*heads, *links]:  # a ring has no head: any link starts it
        chain: list[Link] = []
        step: Link | None = head if head.id not in used else None
        while step is not None:
            chain.append(step)
            used.add(step.id)
            step = next((link for link in leaving[step.to_node] if link.id not in used), None)
        if chain:
            chains.append(chain)
    chains.sort(key=lambda chain: -sum(link.length_m for link in chain))
    return chains
