"""What stands at the road as one detector: the loops of its lanes, read together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from twin.clock import datetime_from_us
from twin.events import Reading
from twin.units import SECOND_US, kph_from_mps


@dataclass(frozen=True, slots=True)
class LoopCount:
    """What one loop measured over its last whole period; speed None when nobody passed."""

    loop: str
    count: int
    speed_mps: float | None
    occupancy_pct: float


@dataclass(frozen=True, slots=True)
class Meter:
    """One sensor of the map and the loops, one a lane, that it is made of."""

    sensor: str
    period_s: float
    loops: tuple[str, ...]

    def reading(self, scene: str, counts: Mapping[str, LoopCount], end_us: int) -> Reading:
        """Put the lanes together: counts add up, speeds weigh by count, occupancy is the mean."""
        lanes = [counts[loop] for loop in self.loops]
        measured = merged(lanes)
        return Reading(
            id=f"{scene}:{self.sensor}:{end_us // SECOND_US}",
            sensor=self.sensor,
            time=datetime_from_us(end_us),
            period_s=self.period_s,
            count=float(measured.count),
            speed_kph=(
                None if measured.speed_mps is None else round(kph_from_mps(measured.speed_mps), 2)
            ),
            occupancy_pct=round(measured.occupancy_pct, 2),
        )


def merged(lanes: Sequence[LoopCount]) -> LoopCount:
    """Return what the lanes measured as one."""
    count = sum(lane.count for lane in lanes)
    driven_mps = sum(lane.count * lane.speed_mps for lane in lanes if lane.speed_mps is not None)
    heard = sum(lane.count for lane in lanes if lane.speed_mps is not None)
    return LoopCount(
        loop=lanes[0].loop,
        count=count,
        speed_mps=driven_mps / heard if heard else None,
        occupancy_pct=sum(lane.occupancy_pct for lane in lanes) / len(lanes),
    )


def due(meters: Iterable[Meter], passed_s: int) -> list[Meter]:
    """Return the sensors whose period ends when so many seconds of the run have passed."""
    return [meter for meter in meters if passed_s % int(meter.period_s) == 0]
