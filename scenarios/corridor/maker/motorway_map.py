"""The motorway A1: two carriageways of 12 km, five interchanges, their ramps and cross roads."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

from maker_common.lines import Spot

from maker.draft import COLLECTOR, MOTORWAY, RAMP, Draft, Kind

LENGTH_M = 12_000.0
_GRAIN_M = 25.0
_CARRIAGEWAY_M = 12.0  # from the axis to the middle of a carriageway
_TERMINAL_M = 85.0  # from the axis to where ramps meet the cross road
_REACH_M = 350.0  # from the cross road to the nose of a ramp
_LINK_M = 520.0  # wished length of a link


@dataclass(frozen=True, slots=True)
class Interchange:
    """One grade-separated interchange: number, distance from the southern end, its name."""

    number: int
    at_m: float
    name: str


INTERCHANGES = (
    Interchange(1, 1_700.0, "Los Álamos"),
    Interchange(2, 4_100.0, "El Molino"),
    Interchange(3, 6_500.0, "La Vega"),
    Interchange(4, 8_700.0, "San Telmo"),
    Interchange(5, 10_700.0, "Las Eras"),
)
VIADUCT_M = (9_050.0, 10_350.0)  # narrow lanes after the strong on-ramp of San Telmo, northbound
VIADUCT_LANE_VPH = 1_900.0
TWO_LANES_FROM_M = 11_050.0  # the third lane ends at Las Eras


def _axis() -> tuple[Spot, ...]:
    x, y = 0.0, 0.0
    spots = [(x, y)]
    for step in range(int(LENGTH_M / _GRAIN_M)):
        s = (step + 0.5) * _GRAIN_M
        turn = math.radians(16) + 0.30 * math.sin(2 * math.pi * s / 7_600.0)
        x += _GRAIN_M * math.sin(turn)
        y += _GRAIN_M * math.cos(turn)
        spots.append((x, y))
    return tuple(spots)


AXIS = _axis()


def frame(s_m: float) -> tuple[Spot, Spot, Spot]:
    """Return (spot, unit vector ahead, unit vector to the right) of the axis at `s_m`."""
    row = min(int(s_m / _GRAIN_M), len(AXIS) - 2)
    (x0, y0), (x1, y1) = AXIS[row], AXIS[row + 1]
    part = s_m / _GRAIN_M - row
    ahead = ((x1 - x0) / _GRAIN_M, (y1 - y0) / _GRAIN_M)
    return (x0 + (x1 - x0) * part, y0 + (y1 - y0) * part), ahead, (ahead[1], -ahead[0])


def beside(s_m: float, right_m: float) -> Spot:
    """Return the spot `right_m` metres to the right of the axis at `s_m`, looking north."""
    spot, _, right = frame(s_m)
    return (spot[0] + right[0] * right_m, spot[1] + right[1] * right_m)


def breaks() -> tuple[float, ...]:
    """Return where links of the main carriageways meet, m from the southern end."""
    fixed = {0.0, LENGTH_M}
    for place in INTERCHANGES:
        fixed |= {place.at_m - _REACH_M, place.at_m + _REACH_M}
    ordered = sorted(fixed)
    marks = [0.0]
    for start, end in itertools.pairwise(ordered):
        parts = max(1, round((end - start) / _LINK_M))
        marks += [start + (end - start) * part / parts for part in range(1, parts + 1)]
    return tuple(round(mark, 1) for mark in marks)


def lanes_at(middle_m: float) -> int:
    """Return the lanes of either carriageway around `middle_m`."""
    return 2 if middle_m > TWO_LANES_FROM_M else 3


def _lane_vph(middle_m: float, *, north: bool) -> float:
    narrow = north and VIADUCT_M[0] <= middle_m <= VIADUCT_M[1]
    return VIADUCT_LANE_VPH if narrow else MOTORWAY.lane_vph


def _carriageway(draft: Draft, *, north: bool) -> None:
    letter = "N" if north else "S"
    side = _CARRIAGEWAY_M if north else -_CARRIAGEWAY_M
    marks = breaks()
    ahead = 1.0 if north else -1.0
    exits = {round(place.at_m - ahead * _REACH_M): place.name for place in INTERCHANGES}
    for mark in marks:
        zone = {0.0: "SUR", LENGTH_M: "NORTE"}.get(mark, "")
        title = exits.get(round(mark), "")
        draft.node(_node(letter, mark), beside(mark, side), title=title, zone=zone)
    order = marks if north else marks[::-1]
    for number, (start, end) in enumerate(itertools.pairwise(order), 1):
        middle = (start + end) / 2
        steps = round(abs(end - start) / (2 * _GRAIN_M))
        via = tuple(beside(start + (end - start) * step / steps, side) for step in range(1, steps))
        draft.link(
            f"A1-{letter}-{number:02d}",
            (_node(letter, start), _node(letter, end)),
            replace(MOTORWAY, lane_vph=_lane_vph(middle, north=north)),
            lanes=lanes_at(middle),
            title="Autovía A1, sentido " + ("norte" if north else "sur"),
            road=f"A1-{letter}",
            via=via,
        )


def _node(letter: str, mark_m: float) -> str:
    return f"M{letter}{round(mark_m):05d}"


def _ramp(draft: Draft, place: Interchange, *, north: bool, leaving: bool) -> None:
    letter = "N" if north else "S"
    side = 1.0 if north else -1.0
    ahead = side * (-1.0 if leaving else 1.0)  # where the nose is, seen along the axis
    nose = place.at_m + ahead * _REACH_M
    terminal = f"X{place.number}{'E' if north else 'W'}"
    via = (
        beside(place.at_m + ahead * 230.0, side * 30.0),
        beside(place.at_m + ahead * 90.0, side * 62.0),
    )
    ends = (_node(letter, nose), terminal) if leaving else (terminal, _node(letter, nose))
    strong = not leaving and ((place.number, north) in {(4, True), (3, False)})
    draft.link(
        f"R{place.number}-{letter}-{'off' if leaving else 'on'}",
        ends,
        RAMP,
        lanes=2 if strong else 1,
        title=f"{'Salida' if leaving else 'Entrada'} {place.name}",
        via=via if leaving else via[::-1],
    )


def _interchange(draft: Draft, place: Interchange) -> None:
    east = draft.node(f"X{place.number}E", beside(place.at_m, _TERMINAL_M), title=place.name)
    west = draft.node(f"X{place.number}W", beside(place.at_m, -_TERMINAL_M), title=place.name)
    kind: Kind = COLLECTOR
    lanes = 2 if place.number in {3, 4} else 1
    draft.street(f"X{place.number}-puente", (west, east), kind, lanes=lanes, title=place.name)
    far = draft.node(f"X{place.number}O", beside(place.at_m, -620.0), zone=f"{place.name} Oeste")
    draft.street(f"X{place.number}-oeste", (far, west), kind, title=f"Camino de {place.name}")
    if place.number != 3:  # at La Vega the avenue begins here
        near = draft.node(f"X{place.number}F", beside(place.at_m, 620.0), zone=f"{place.name} Este")
        draft.street(f"X{place.number}-este", (east, near), kind, title=f"Camino de {place.name}")
    for north in (True, False):
        for leaving in (True, False):
            _ramp(draft, place, north=north, leaving=leaving)


def draw_motorway(draft: Draft) -> None:
    """Draw both carriageways, the ramps and the cross roads."""
    _carriageway(draft, north=True)
    _carriageway(draft, north=False)
    for place in INTERCHANGES:
        _interchange(draft, place)
