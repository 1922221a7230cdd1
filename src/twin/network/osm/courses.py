"""What a road is in each direction, from the tags of its way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from twin.network.model import LinkClass
from twin.network.osm.lanes import Lanes, lanes_of
from twin.network.osm.roads import Tags, Usual, car_access, directions, is_roundabout, usual_for
from twin.network.osm.speeds import Speed, free_speed
from twin.network.quality import Findings, Severity
from twin.units import mps_from_kph, vps_from_vph


@dataclass(frozen=True, slots=True)
class Course:
    """A road in one direction. Two courses that are equal can be one link."""

    highway: str
    link_class: LinkClass
    lanes: int
    bus_lanes: tuple[int, ...]
    free_speed_mps: float
    capacity_vps: float
    name: str
    ref: str
    authority: str
    access: str
    is_roundabout: bool
    guessed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Courses:
    """Both directions of a way as seen along its nodes; None where it is not driven."""

    forward: Course | None
    backward: Course | None


_TROUBLES: Final = {
    "impossible_lanes": "its lanes cannot be: the usual is taken",
    "impossible_speed": "its speed limit cannot be: the usual is taken",
    "unknown_oneway": "its direction changes with the time or is not known: taken as both",
    "conditional": "what holds only at times (:conditional) is not taken over",
    "bus_lane_place": "which of its lanes is for buses is not said: the rightmost is taken",
}
_NOTES: Final = frozenset({"conditional", "bus_lane_place"})


@dataclass
class Troubles:
    """Collects the ways of each trouble that their tags have."""

    ways: dict[str, list[int]] = field(default_factory=dict)

    def note(self, trouble: str, way: int, *, is_there: bool) -> None:
        """Remember the way when the trouble is there."""
        if is_there:
            self.ways.setdefault(trouble, []).append(way)

    def report(self, findings: Findings) -> None:
        """Say which ways had which trouble."""
        for trouble, ways in self.ways.items():
            severity = Severity.INFO if trouble in _NOTES else Severity.WARNING
            ids = [f"w{way}" for way in ways]
            findings.add(trouble, "way", _TROUBLES[trouble], severity=severity, ids=ids)


def courses_of(way: int, tags: Tags, troubles: Troubles) -> Courses:
    """Return what a way is in the directions in which it is driven."""
    usual, ways = usual_for(tags), directions(tags)
    lanes = lanes_of(tags, ways, usual)
    speeds = {
        word: free_speed(tags, word, usual_kph=usual.speed_kph) for word in ("forward", "backward")
    }
    marks = ("oneway",) if ways.is_guessed else ()
    forward = _course(tags, usual, lanes.forward, speeds["forward"], marks)
    backward = _course(tags, usual, lanes.backward, speeds["backward"], marks)
    used = [
        (lane, speed)
        for lane, speed, is_used in (
            (lanes.forward, speeds["forward"], ways.forward),
            (lanes.backward, speeds["backward"], ways.backward),
        )
        if is_used
    ]
    troubles.note("impossible_lanes", way, is_there=lanes.is_impossible)
    troubles.note("impossible_speed", way, is_there=any(one.is_impossible for _, one in used))
    troubles.note("bus_lane_place", way, is_there=any(one.is_bus_place_guessed for one, _ in used))
    is_odd = ways.is_guessed and ways.backward
    troubles.note("unknown_oneway", way, is_there=is_odd)
    troubles.note("conditional", way, is_there=any(key.endswith(":conditional") for key in tags))
    return Courses(forward if ways.forward else None, backward if ways.backward else None)


def _course(tags: Tags, usual: Usual, lanes: Lanes, speed: Speed, marks: tuple[str, ...]) -> Course:
    guessed = {
        "lanes": lanes.is_guessed,
        "free_speed": speed.is_guessed,
        "link_class": tags["highway"] == "road",
        "capacity": True,
    }
    return Course(
        highway=tags["highway"],
        link_class=usual.link_class,
        lanes=lanes.count,
        bus_lanes=lanes.buses,
        free_speed_mps=mps_from_kph(speed.kph),
        capacity_vps=vps_from_vph(usual.lane_capacity_vph) * lanes.general,
        name=tags.get("name", ""),
        ref=" ".join(tags.get("ref", "").split(";")[0].split()),
        authority=tags.get("operator", ""),
        access=car_access(tags),
        is_roundabout=is_roundabout(tags),
        guessed=(*marks, *(name for name, is_guess in guessed.items() if is_guess)),
    )
