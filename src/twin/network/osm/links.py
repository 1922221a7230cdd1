"""Links from chains: one a direction that is driven."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from twin.ids import LaneId, LinkId
from twin.network.geometry import line_length_m
from twin.network.model import Lane, Line, Link
from twin.network.osm.chains import Chain
from twin.network.osm.courses import Course
from twin.network.osm.extract import Extract
from twin.network.osm.nodes import node_id
from twin.network.osm.roads import Tags
from twin.network.quality import Findings, Severity

_SHORTEST_M: Final = 1.0  # stands in for the length of a link whose nodes are all at one place
_LEVEL: Final = frozenset({"level_crossing", "tram_level_crossing"})


@dataclass(frozen=True, slots=True)
class Drawn:
    """A link, with what its chain knows beside it. `ways` are in driving order."""

    link: Link
    course: Course
    ways: tuple[int, ...]
    twin: LinkId | None  # the same road the other way round


def draw_links(extract: Extract, chains: Iterable[Chain], findings: Findings) -> list[Drawn]:
    """Return the links of all chains, forward before backward."""
    drawn = [link for chain in chains for link in _of_chain(extract, chain)]
    findings.add(
        "no_extent",
        "link",
        f"all its nodes are at one place: {_SHORTEST_M:g} m is taken",
        severity=Severity.WARNING,
        ids=[one.link.id for one in drawn if len(set(one.link.line)) < 2],
    )
    return drawn


def _of_chain(extract: Extract, chain: Chain) -> Iterator[Drawn]:
    line = extract.line(chain.rows)
    line = line if len(line) > 1 else line * 2
    length_m = max(line_length_m(line), _SHORTEST_M)
    name = f"w{chain.way}-{chain.part}"
    ids = {"f": chain.forward, "b": chain.backward}
    beside = _beside(extract, chain)
    for letter, course in ids.items():
        if course is None:
            continue
        is_forward = letter == "f"
        other = "b" if is_forward else "f"
        yield Drawn(
            link=_link(
                extract,
                chain.rows if is_forward else chain.rows[::-1],
                line if is_forward else line[::-1],
                course,
                name=name + letter,
                length_m=length_m,
                beside=beside,
            ),
            course=course,
            ways=chain.ways if is_forward else chain.ways[::-1],
            twin=None if ids[other] is None else LinkId(name + other),
        )


def _link(
    extract: Extract,
    rows: tuple[int, ...],
    line: Line,
    course: Course,
    *,
    name: str,
    length_m: float,
    beside: dict[str, str],
) -> Link:
    return Link(
        id=LinkId(name),
        from_node=node_id(extract, rows[0]),
        to_node=node_id(extract, rows[-1]),
        line=line,
        length_m=length_m,
        lanes=course.lanes,
        free_speed_mps=course.free_speed_mps,
        capacity_vps=course.capacity_vps,
        link_class=course.link_class,
        name=course.name or course.ref,
        authority=course.authority,
        guessed=course.guessed,
        extra=(("highway", course.highway), ("access", course.access), *beside.items()),
    )


def _beside(extract: Extract, chain: Chain) -> dict[str, str]:
    """Return the fields that both directions have: other ways in it, crossings on the way."""
    inner = [extract.node_tags[row] for row in chain.rows[1:-1] if row in extract.node_tags]
    counts = {
        "crossings": sum(tags.get("highway") == "crossing" for tags in inner),
        "level_crossings": sum(_is_level(tags) for tags in inner),
    }
    ways = sorted(set(chain.ways))
    return {
        "osm_ways": ";".join(map(str, ways)) if len(ways) > 1 else "",
        **{name: str(count) if count else "" for name, count in counts.items()},
    }


def _is_level(tags: Tags) -> bool:
    return tags.get("railway") in _LEVEL


def bus_lanes(drawn: Iterable[Drawn]) -> list[Lane]:
    """Return the lanes of the links that have bus lanes; other links need no list of lanes."""
    return [
        Lane(
            id=LaneId(f"{one.link.id}:{number}"),
            link=one.link.id,
            number=number,
            allowed_uses="bus" if number in one.course.bus_lanes else "",
        )
        for one in drawn
        if one.course.bus_lanes
        for number in range(1, one.course.lanes + 1)
    ]
