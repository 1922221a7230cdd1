"""The signals of a map as programs of SUMO: link indices, states of stages, phases of a plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from twin.network.model import Junction, Movement, SignalPlan, SingleMap, TurnKind
from twin.network.sumo.write_ways import Way
from twin.network.sumo.write_xml import Element, params

_YIELDING: Final = frozenset({TurnKind.LEFT, TurnKind.UTURN})


@dataclass(frozen=True, slots=True)
class SignalLink:
    """One connection under a signal: its place in the state, and which group shows it."""

    index: int
    way: Way
    group: str


@dataclass(frozen=True, slots=True)
class Phase:
    """A state of a junction that stays for `duration_s`; `stage` is empty while it changes."""

    duration_s: float
    state: str
    stage: str = ""


class SignalHead:
    """One junction as SUMO runs it. The id of its traffic light is that of the junction.

    A turn to the left or back that is green together with what comes straight on or turns right
    out of another link yields (`g`), and so does a turn to the right into a link that something
    enters straight on; all else that is green goes first (`G`). Groups of
    pedestrians have no link: people on foot are not in the net, their greens only take time.
    """

    def __init__(
        self, network: SingleMap, junction: Junction, ways: Mapping[Any, tuple[Way, ...]]
    ) -> None:
        """Number the links of the junction, group by group in the order of the map."""
        self.junction = junction
        self._movements: dict[str, Movement] = {
            name: network.movements[network.movement_rows[name]]
            for group in junction.groups
            for name in group.movements
        }
        pairs = [
            (way, str(group.id))
            for group in junction.groups
            for name in group.movements
            for way in ways[name]
        ]
        self.links = tuple(SignalLink(at, way, group) for at, (way, group) in enumerate(pairs))
        self._stages = {stage.id: frozenset(stage.groups) for stage in junction.stages}
        self._yellow_s = {group.id: group.yellow_s for group in junction.groups}
        self._between_s = {(a, b): gap_s for a, b, gap_s in junction.intergreen_s}

    def state(self, greens: frozenset[Any], yellows: frozenset[Any] = frozenset()) -> str:
        """Write the state in which some groups are green and some yellow, the others red."""
        moving = greens | yellows
        going = {link.way.movement for link in self.links if link.group in moving}
        return "".join(self._letter(link, greens, yellows, going) for link in self.links)

    def _letter(
        self, link: SignalLink, greens: frozenset[Any], yellows: frozenset[Any], going: set[Any]
    ) -> str:
        if link.group in greens:
            return "g" if self._yields(self._movements[link.way.movement], going) else "G"
        return "y" if link.group in yellows else "r"

    def _yields(self, movement: Movement, going: set[Any]) -> bool:
        others = [
            other
            for other in (self._movements[name] for name in going)
            if other.from_link != movement.from_link and other.kind not in _YIELDING
        ]
        if movement.kind is TurnKind.RIGHT:
            return any(
                other.to_link == movement.to_link and other.kind is not TurnKind.RIGHT
                for other in others
            )
        return movement.kind in _YIELDING and bool(others)

    def stage_states(self) -> dict[str, str]:
        """Return the state of each stage while it is green."""
        return {stage: self.state(groups) for stage, groups in self._stages.items()}

    def phases(self, plan: SignalPlan) -> tuple[Phase, ...]:
        """Return the phases of a plan: yellow and all-red as the intergreens want, then green.

        As in the plan, a step lasts from the moment in which the change to its stage begins. All
        groups that start do so together, when the longest intergreen is over.
        """
        phases: list[Phase] = []
        for at, (name, length_s) in enumerate(plan.steps):
            before, here = self._stages[plan.steps[at - 1][0]], self._stages[name]
            changing = list(self._changing(before, here))
            phases += changing
            left_s = length_s - sum(phase.duration_s for phase in changing)
            phases.append(Phase(left_s, self.state(here), name))
        return tuple(phases)

    def _changing(self, before: frozenset[Any], here: frozenset[Any]) -> Iterator[Phase]:
        ending, staying, starting = before - here, before & here, here - before
        clearing_s = max(
            (self._between_s.get((a, b), self._yellow_s[a]) for a in ending for b in starting),
            default=0.0,
        )
        moments = sorted({0.0, clearing_s, *(self._yellow_s[a] for a in ending)})
        for start_s, end_s in pairwise(moments):
            yellows = frozenset(a for a in ending if self._yellow_s[a] > start_s)
            greens = staying | starting if start_s >= clearing_s else staying
            yield Phase(end_s - start_s, self.state(greens, yellows))


def program(head: SignalHead, plan: SignalPlan) -> Element:
    """Write one plan as a program."""
    phases = tuple(Element("phase", _phase(phase)) for phase in head.phases(plan))
    attributes: dict[str, str | float] = {
        "id": head.junction.id,
        "type": "static",
        "programID": plan.id,
        "offset": plan.offset_s,
    }
    return Element("tlLogic", attributes, phases)


def _phase(phase: Phase) -> dict[str, str | float]:
    attributes: dict[str, str | float] = {"duration": phase.duration_s, "state": phase.state}
    return attributes | ({"name": phase.stage} if phase.stage else {})


def controlled(head: SignalHead) -> Iterator[Element]:
    """Write which link index each connection of a junction has, and which movement it serves."""
    for link in head.links:
        way = link.way
        yield Element(
            "connection",
            {
                "from": way.from_link,
                "to": way.to_link,
                "fromLane": way.from_lane,
                "toLane": way.to_lane,
                "tl": head.junction.id,
                "linkIndex": link.index,
            },
        )


def table(heads: Sequence[SignalHead]) -> list[dict[str, Any]]:
    """Return what a driver of the signals needs: links by index, groups, states of the stages."""
    return [
        {
            "junction": head.junction.id,
            "links": [
                {
                    "index": link.index,
                    "movement": link.way.movement,
                    "group": link.group,
                    "from_link": link.way.from_link,
                    "from_lane": link.way.from_lane,
                    "to_link": link.way.to_link,
                    "to_lane": link.way.to_lane,
                }
                for link in head.links
            ],
            "groups": [
                {
                    "group": group.id,
                    "pedestrian": group.pedestrian,
                    "links": [link.index for link in head.links if link.group == group.id],
                }
                for group in head.junction.groups
            ],
            "stages": head.stage_states(),
        }
        for head in heads
    ]


def movement_params(way: Way) -> tuple[Element, ...]:
    """Say on a connection which movement it belongs to."""
    return params(movement=way.movement)
