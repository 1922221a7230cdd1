"""What kind of road a facility type means, and what is usual on such a road."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from twin.network.model import LinkClass
from twin.units import mps_from_kph, vps_from_vph


@dataclass(frozen=True, slots=True)
class Usual:
    """Values that stand in for what a source does not give. Capacity is for one lane."""

    lanes: int
    free_speed_kph: float
    lane_capacity_vph: float

    @property
    def free_speed_mps(self) -> float:
        """Free speed in m/s."""
        return mps_from_kph(self.free_speed_kph)

    @property
    def lane_capacity_vps(self) -> float:
        """Capacity of one lane in vehicles per second."""
        return vps_from_vph(self.lane_capacity_vph)


USUAL: Final = {
    LinkClass.MOTORWAY: Usual(2, 100.0, 2000.0),
    LinkClass.RAMP: Usual(1, 60.0, 1600.0),
    LinkClass.ARTERIAL: Usual(2, 50.0, 900.0),
    LinkClass.COLLECTOR: Usual(1, 50.0, 800.0),
    LinkClass.LOCAL: Usual(1, 30.0, 600.0),
    LinkClass.CONNECTOR: Usual(1, 50.0, 1800.0),
    LinkClass.PATH: Usual(1, 15.0, 1000.0),
}

_WORDS: Final = {
    LinkClass.MOTORWAY: "motorway freeway expressway interstate",
    LinkClass.RAMP: "ramp on-ramp off-ramp motorway-link trunk-link freeway-ramp",
    LinkClass.ARTERIAL: "arterial highway trunk primary secondary principal-arterial"
    " minor-arterial major-arterial primary-link secondary-link",
    LinkClass.COLLECTOR: "collector tertiary minor-collector major-collector tertiary-link",
    LinkClass.LOCAL: "local residential service unclassified street living-street local-road",
    LinkClass.CONNECTOR: "connector centroid-connector centroid",
    LinkClass.PATH: "path bikeway sidewalk crosswalk footway cycleway pedestrian bike-path"
    " steps track walkway",
}
_CLASS_OF: Final = {word: kind for kind, words in _WORDS.items() for word in words.split()}


def class_of(facility_type: str) -> LinkClass | None:
    """Return the class that a facility type means; None when it is unknown or empty."""
    return _CLASS_OF.get(re.sub(r"[\s_]+", "-", facility_type.strip().lower()))
