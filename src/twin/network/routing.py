"""Fastest ways over the map, turn by turn: only permitted movements are used."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise

import networkx as nx

from twin.ids import LinkId, NodeId
from twin.network.model import LinkClass, SingleMap


@dataclass(frozen=True, slots=True)
class Route:
    """A way: its links in driving order and how long it takes."""

    links: tuple[LinkId, ...]
    time_s: float


class Router:
    """Shortest paths on the graph whose points are links and whose edges are movements.

    A link costs its free travel time, or `time_s[link id]` where given; a movement costs its
    penalty (a negative one counts as 0). Paths for walking and cycling are not driven.
    """

    def __init__(self, network: SingleMap, *, time_s: Mapping[str, float] | None = None) -> None:
        """Build the graph."""
        given = time_s or {}
        self._network = network
        self._time_s = {
            link.id: given.get(link.id, link.length_m / link.free_speed_mps)
            for link in network.links
            if link.link_class is not LinkClass.PATH
        }
        self._graph: nx.DiGraph[tuple[str, str]] = nx.DiGraph()
        for link in network.links:
            if link.id in self._time_s:
                self._add(("at", link.from_node), ("link", link.id), self._time_s[link.id])
                self._add(("link", link.id), ("end", link.to_node), 0.0)
        for movement in network.movements:
            if movement.from_link in self._time_s and movement.to_link in self._time_s:
                cost_s = self._time_s[movement.to_link] + max(movement.penalty_s, 0.0)
                self._add(("link", movement.from_link), ("link", movement.to_link), cost_s)

    def _add(self, start: tuple[str, str], end: tuple[str, str], cost_s: float) -> None:
        self._graph.add_edge(start, end, time_s=cost_s)

    def between_nodes(self, start: NodeId, end: NodeId) -> Route | None:
        """Return the fastest way from node to node; None when there is none. KeyError: no node."""
        for node in (start, end):
            if node not in self._network.node_rows:
                raise KeyError(node)
        if start == end:
            return Route((), 0.0)
        return self._route(("at", start), ("end", end), first_s=0.0)

    def between_links(self, start: LinkId, end: LinkId) -> Route | None:
        """Return the fastest way from the start of one link to the end of another."""
        for link in (start, end):
            if link not in self._network.link_rows:
                raise KeyError(link)
        return self._route(("link", start), ("link", end), first_s=self._time_s.get(start, 0.0))

    def reached(
        self, start: LinkId, *, within_s: float, wanted: Collection[str]
    ) -> list[tuple[LinkId, ...]]:
        """Return the fastest ways from a link to those of `wanted` within a time, by link."""
        if ("link", start) not in self._graph:
            return []
        found = nx.single_source_dijkstra_path(
            self._graph, ("link", start), cutoff=within_s, weight="time_s"
        )
        return [
            tuple(LinkId(name) for kind, name in found[end] if kind == "link")
            for end in sorted(("link", link) for link in wanted)
            if end in found
        ]

    def _route(
        self, start: tuple[str, str], end: tuple[str, str], *, first_s: float
    ) -> Route | None:
        if start not in self._graph or end not in self._graph:
            return None
        try:
            way = nx.dijkstra_path(self._graph, start, end, weight="time_s")
        except nx.NetworkXNoPath:
            return None
        links = tuple(LinkId(name) for kind, name in way if kind == "link")
        time_s = sum(self._graph.edges[step]["time_s"] for step in pairwise(way))
        return Route(links, time_s + first_s)
