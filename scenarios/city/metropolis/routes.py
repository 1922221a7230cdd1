"""Quickest ways from link to link over the movements of the map."""

from __future__ import annotations

import heapq
import itertools

import numpy as np

from twin.network.model import LinkClass, SingleMap, TurnKind

_TURN_S = {
    TurnKind.LEFT: 12.0,
    TurnKind.RIGHT: 4.0,
    TurnKind.THRU: 1.0,
    TurnKind.DIVERGE: 2.0,
    TurnKind.MERGE: 4.0,
    TurnKind.UTURN: 60.0,
}
_SIGNAL_S = 9.0
_SIGNAL_TURN_S = 22.0
_SPREAD = 0.16  # how differently drivers judge the time of a link
_SLOWER = {LinkClass.LOCAL: 1.5, LinkClass.COLLECTOR: 1.3}  # crossings that are not in the map


class Router:
    """Finds ways on one drawn judgement of the times of all links."""

    def __init__(
        self, network: SingleMap, rng: np.random.Generator | None, barred: frozenset[str]
    ) -> None:
        """Judge the links; `barred` ones are never entered. Without `rng` times are as they are."""
        spread = np.ones(len(network.links))
        if rng is not None:
            spread = np.exp(rng.normal(0.0, _SPREAD, len(network.links)))
        self._time_s = {
            str(link.id): link.length_m
            / link.free_speed_mps
            * _SLOWER.get(link.link_class, 1.0)
            * float(spread[row])
            for row, link in enumerate(network.links)
        }
        signals = {junction.node for junction in network.junctions}
        self._ways: dict[str, list[tuple[str, float]]] = {link.id: [] for link in network.links}
        for move in network.movements:
            if move.to_link not in barred:
                waits_s = _TURN_S[move.kind]
                if move.node in signals:
                    turns = move.kind in {TurnKind.LEFT, TurnKind.RIGHT}
                    waits_s += _SIGNAL_TURN_S if turns else _SIGNAL_S
                self._ways[move.from_link].append((str(move.to_link), waits_s))
        self._trees: dict[str, dict[str, str]] = {}

    def route(self, start: str, end: str) -> tuple[str, ...]:
        """Return the links from `start` to `end`, both included; empty when there is no way."""
        if start == end:
            return (start,)
        came = self._trees.setdefault(start, {}) or self._tree(start)
        if end not in came:
            return ()
        way = [end]
        while way[-1] != start:
            way.append(came[way[-1]])
        return tuple(way[::-1])

    def drive_s(self, links: tuple[str, ...]) -> float:
        """Return the judged seconds of driving these links one after the other."""
        turns = sum(
            next(waits_s for to_link, waits_s in self._ways[came] if to_link == way)
            for came, way in itertools.pairwise(links)
        )
        return turns + sum(self._time_s[link] for link in links)

    def _tree(self, start: str) -> dict[str, str]:
        came, done = self._trees[start], set()
        best_s = {start: 0.0}
        queue = [(0.0, start)]
        while queue:
            at_s, link = heapq.heappop(queue)
            if link in done:
                continue
            done.add(link)
            for after, turn_s in self._ways[link]:
                then_s = at_s + turn_s + self._time_s[after]
                if after != start and then_s < best_s.get(after, np.inf):
                    best_s[after] = then_s
                    came[after] = link
                    heapq.heappush(queue, (then_s, after))
        return came
