"""One side of a scenario, resolved: a map, what limits it when, and who wants to travel.

A study is a value. An edit is a list of swaps, each with what stood there and what stands there
now; swapped back in reverse order they give exactly the study from before.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any, Final, Self

from twin.errors import SimulationError
from twin.network.build import build_map
from twin.network.model import SignalPlan, SingleMap
from twin.scenario.demand import Change, Stream


class Place(StrEnum):
    """What of a link a limit holds back."""

    ENTRY = "entry"
    EXIT = "exit"


@dataclass(frozen=True, slots=True)
class Limit:
    """A link passes at most so much in [from_s, until_s): `vps`, and `share` of its capacity."""

    link: str
    place: Place
    from_s: float = 0.0
    until_s: float = math.inf
    share: float = 1.0
    vps: float = math.inf


@dataclass(frozen=True, slots=True)
class SpeedRule:
    """A link has another free speed in [from_s, until_s); of several the last counts."""

    link: str
    mps: float
    from_s: float
    until_s: float


@dataclass(frozen=True, slots=True)
class Ban:
    """Some drivers may not enter `links`, or turn from `turn[0]` into `turn[1]`.

    share   (class, share of its drivers that it is for); a class that is not named: `others`
    key     whom it strikes: with the same key a larger share strikes the same drivers and more
    """

    links: tuple[str, ...] = ()
    turn: tuple[str, str] | None = None
    share: tuple[tuple[str, float], ...] = ()
    others: float = 1.0
    key: str = ""
    from_s: float = 0.0
    until_s: float = math.inf


@dataclass(frozen=True, slots=True)
class ZoneRule:
    """A zone of the map in which only a share of each class may drive in [from_s, until_s)."""

    zone: str
    from_s: float
    until_s: float
    authorised: tuple[tuple[str, float], ...] = ()
    open: bool = False


@dataclass(frozen=True, slots=True)
class PlanRun:
    """A junction runs a fixed plan in [from_s, until_s) instead of the first of the map."""

    junction: str
    plan: SignalPlan
    from_s: float = 0.0
    until_s: float = math.inf


@dataclass(frozen=True, slots=True)
class Study:
    """What an engine runs. Seconds count from the start of the scenario."""

    network: SingleMap
    streams: tuple[Stream, ...] = ()
    changes: tuple[Change, ...] = ()
    limits: tuple[Limit, ...] = ()
    speeds: tuple[SpeedRule, ...] = ()
    bans: tuple[Ban, ...] = ()
    zones: tuple[ZoneRule, ...] = ()
    plans: tuple[PlanRun, ...] = ()


@dataclass(frozen=True, slots=True)
class Swap:
    """Row `row` of a part: `old` gives way to `new`. None: no such row, at the end of the part."""

    part: str
    row: int
    old: object | None
    new: object | None

    def undone(self) -> Self:
        """Return the swap back."""
        return replace(self, old=self.new, new=self.old)


MAP_PARTS: Final = ("links", "movements", "junctions")
_PARTS: Final = {field.name for field in fields(Study)} - {"network"}


def swapped(study: Study, swaps: Iterable[Swap]) -> Study:
    """Return the study after swaps, in their order.

    Raises SimulationError when something else stands there than a swap says, MapError when the
    changed map is none.
    """
    rows: dict[str, list[Any]] = {}
    for swap in swaps:
        if swap.part not in rows:
            rows[swap.part] = list(part_of(study, swap.part))
        _swap(rows[swap.part], swap)
    own = {part: tuple(values) for part, values in rows.items() if part in _PARTS}
    of_map = {part: tuple(values) for part, values in rows.items() if part in MAP_PARTS}
    network = _map_with(study.network, of_map) if of_map else study.network
    return replace(study, network=network, **own)


def undo(study: Study, swaps: Iterable[Swap]) -> Study:
    """Return the study as it was before these swaps."""
    return swapped(study, [swap.undone() for swap in reversed(list(swaps))])


def part_of(study: Study, part: str) -> tuple[Any, ...]:
    """Return a part of a study or of its map by its name."""
    found: tuple[Any, ...] = getattr(study.network if part in MAP_PARTS else study, part)
    return found


def appended(study: Study, part: str, *values: object) -> list[Swap]:
    """Return the swaps that put values at the end of a part."""
    first = len(part_of(study, part))
    return [Swap(part, first + number, None, value) for number, value in enumerate(values)]


def _swap(rows: list[Any], swap: Swap) -> None:
    there = rows[swap.row] if swap.row < len(rows) else None
    if there != swap.old or (swap.new is None and swap.row != len(rows) - 1):
        message = f"{swap.part} row {swap.row} is not what the edit found there"
        raise SimulationError(message)
    if swap.new is None:
        rows.pop()
    elif swap.old is None:
        rows.append(swap.new)
    else:
        rows[swap.row] = swap.new


def _map_with(network: SingleMap, parts: dict[str, tuple[Any, ...]]) -> SingleMap:
    """Return the map with other parts, checked, under a version of its own."""
    names = [field.name for field in fields(SingleMap) if field.name != "version"]
    return build_map(**{name: getattr(network, name) for name in names} | parts)
