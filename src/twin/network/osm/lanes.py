"""How many lanes a way has in each direction, and which of them are for buses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from twin.network.osm.roads import Tags, Usual, Ways
from twin.network.problems import MOST_LANES

_COUNT: Final = re.compile(r"(\d{1,4})(?:\.\d+)?")
_BUS_KEYS: Final = ("bus", "psv")


@dataclass(frozen=True, slots=True)
class Lanes:
    """The lanes of one direction. `buses` are the numbers of bus lanes, 1 is the leftmost."""

    count: int
    buses: tuple[int, ...] = ()
    is_guessed: bool = False
    is_bus_place_guessed: bool = False

    @property
    def general(self) -> int:
        """How many lanes cars may use."""
        return self.count - len(self.buses)


@dataclass(frozen=True, slots=True)
class BothLanes:
    """The lanes of both directions; `is_impossible`: the source says what no road has."""

    forward: Lanes
    backward: Lanes
    is_impossible: bool = False


def lanes_of(tags: Tags, ways: Ways, usual: Usual) -> BothLanes:
    """Return the lanes of each direction; a direction that is not driven has a meaningless one."""
    counts = {key: _count(tags[key]) for key in _KEYS if key in tags}
    is_impossible = 0 in counts.values()
    said = {key: count for key, count in counts.items() if count}
    if ways.forward and ways.backward:
        numbers = _two_way(said)
        is_impossible |= bool(numbers) and min(numbers) < 1
        fill = usual.lanes
    else:
        own = "lanes:forward" if ways.forward else "lanes:backward"
        one = said.get("lanes", said.get(own, 0))
        numbers = (one, one) if one else ()
        fill = usual.oneway_lanes
    if not numbers or min(numbers) < 1:
        guess = Lanes(fill, is_guessed=True)
        return BothLanes(guess, guess, is_impossible=is_impossible)
    is_odd = "lanes:forward" not in said and "lanes:backward" not in said
    is_odd &= ways.forward and ways.backward and _shared(said) > 1 and _shared(said) % 2 == 1
    alone = not (ways.forward and ways.backward)
    return BothLanes(
        _with_buses(tags, "forward", numbers[0], alone=alone, is_guessed=is_odd),
        _with_buses(tags, "backward", numbers[1], alone=alone, is_guessed=is_odd),
        is_impossible=is_impossible,
    )


_KEYS: Final = ("lanes", "lanes:forward", "lanes:backward", "lanes:both_ways")


def _count(text: str) -> int:
    """Return the number that stands there (the largest of several), 0 when none can be."""
    found = [_COUNT.fullmatch(word.strip()) for word in text.split(";")]
    counts = [int(one[1]) for one in found if one]
    return max(counts) if counts and 1 <= max(counts) <= MOST_LANES else 0


def _shared(said: dict[str, int]) -> int:
    return said.get("lanes", 0) - said.get("lanes:both_ways", 0)


def _two_way(said: dict[str, int]) -> tuple[int, ...]:
    """Return (forward, backward), empty when nothing says it; less than 1 cannot be."""
    forward, backward = said.get("lanes:forward"), said.get("lanes:backward")
    if forward and backward:
        return forward, backward
    if "lanes" not in said:
        return ()
    total = _shared(said)
    if forward or backward:
        other = total - (forward or backward or 0)
        return (forward, other) if forward else (other, backward or 0)
    half = max(total // 2, min(total, 1))  # one lane for both: each direction has it in turn
    return half, half


def _with_buses(tags: Tags, direction: str, count: int, *, alone: bool, is_guessed: bool) -> Lanes:
    """Add the bus lanes; a road keeps at least one lane for cars, or it has no bus lane at all."""
    marked = _marked(tags, direction, count, alone=alone)
    is_place_guessed = marked is None
    if marked is None:
        number = min(_counted(tags, direction, alone=alone), count)
        marked = tuple(range(count - number + 1, count + 1))
    if len(marked) >= count:
        marked = ()
    return Lanes(
        count,
        marked,
        is_guessed=is_guessed,
        is_bus_place_guessed=is_place_guessed and bool(marked),
    )


def _marked(tags: Tags, direction: str, count: int, *, alone: bool) -> tuple[int, ...] | None:
    """Return the lanes that `bus:lanes` marks, None when no list of the right length does."""
    for kind in _BUS_KEYS:
        for key in (f"{kind}:lanes:{direction}", *([f"{kind}:lanes"] if alone else [])):
            words = tags.get(key, "").split("|")
            if key in tags and len(words) == count:
                return tuple(n for n, word in enumerate(words, start=1) if word == "designated")
    return None


def _counted(tags: Tags, direction: str, *, alone: bool) -> int:
    """Return how many bus lanes are counted without saying which lanes they are."""
    for kind in _BUS_KEYS:
        for key in (f"lanes:{kind}:{direction}", *([f"lanes:{kind}"] if alone else [])):
            if key in tags:
                return _count(tags[key])
    sides = ["busway", "busway:both"] + ["busway:right"] * (direction == "forward" or alone)
    sides += ["busway:left"] * (direction == "backward" or alone)
    return int(any(tags.get(side) == "lane" for side in sides))
