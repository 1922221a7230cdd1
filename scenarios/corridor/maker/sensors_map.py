"""Where detectors lie: along the motorway, on every ramp, upstream of every stop line."""

from __future__ import annotations

from maker_common.lines import along

from maker.draft import Draft, to_wgs84
from maker.motorway_map import LENGTH_M
from twin.ids import LinkId, SensorId
from twin.network.model import LinkClass, Sensor

PERIOD_S = 60.0
ADVANCE_M = 60.0  # a signal's detector lies so far upstream of the stop line
_NORTH_FROM_M = 5_600.0
_LONG_M = 600.0  # a longer link carries two detectors


def _sensor(draft: Draft, name: str, link: str, position_m: float, region: str) -> Sensor:
    spot = along(draft.lines[link], position_m)
    return Sensor(
        id=SensorId(name),
        link=LinkId(link),
        position_m=round(position_m, 1),
        point=to_wgs84(spot),
        period_s=PERIOD_S,
        lanes=draft.links[link].lanes,
        station=name,
        region=region,
    )


def axis_m(draft: Draft, link: str, position_m: float) -> float:
    """Return how far from the southern end of the axis a spot of a carriageway is, m."""
    start = float(draft.links[link].from_node[2:])
    end = float(draft.links[link].to_node[2:])
    return start + (end - start) * position_m / draft.links[link].length_m


def _motorway(draft: Draft) -> list[Sensor]:
    made = []
    for name, link in draft.links.items():
        if link.link_class is not LinkClass.MOTORWAY:
            continue
        shares = (0.25, 0.75) if link.length_m > _LONG_M else (0.5,)
        for position in (link.length_m * share for share in shares):
            at = axis_m(draft, name, position)
            km = at if link.road == "A1-N" else LENGTH_M - at
            region = "A1 norte" if at > _NORTH_FROM_M else "A1 sur"
            made.append(_sensor(draft, f"{link.road}-{km / 1000:05.2f}", name, position, region))
    return made


def _ramps(draft: Draft) -> list[Sensor]:
    made = []
    for name, link in draft.links.items():
        if link.link_class is LinkClass.RAMP:
            region = "A1 norte" if name[1] in "345" else "A1 sur"
            made.append(_sensor(draft, f"D-{name}", name, link.length_m * 0.5, region))
    return made


def _approaches(draft: Draft) -> list[Sensor]:
    return [
        _sensor(draft, f"L-{link.to_node}-{name}", name, link.length_m - ADVANCE_M, "Villaclara")
        for name, link in draft.links.items()
        if link.to_node in {"J1", "J2", "J3", "J4"}
    ]


def sensors(draft: Draft) -> tuple[Sensor, ...]:
    """Make all detectors, main carriageways first, then ramps, then signal approaches."""
    return (*_motorway(draft), *_ramps(draft), *_approaches(draft))
