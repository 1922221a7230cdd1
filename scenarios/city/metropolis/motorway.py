"""The motorway A10: 20 km, seven interchanges with lanes to slow down and to join, a viaduct."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

from maker_common.lines import Spot

from metropolis.sheet import ACCESS, COLLECTOR, MOTORWAY, RAMP, Kind, Sheet
from twin.network.model import Link

LENGTH_M = 20_000.0
_GRAIN_M = 25.0
_CARRIAGEWAY_M = 13.0  # from the axis to the middle of a carriageway
_TERMINAL_M = 95.0  # from the axis to where ramps meet the cross road
NOSE_M = 400.0  # from the cross road to the nose of a ramp
_SLOWING_M = 260.0
_JOINING_M = 340.0
_POCKET_M = 220.0  # two lanes so far before the end of a ramp
_LINK_M = 660.0  # wished length of a link
LANES = 3
VIADUCT_M = (13_750.0, 14_850.0)  # two lanes northbound: where the morning jams
VIADUCT_LANE_VPH = 1_770.0  # what SUMO's drivers pass there out of a queue, over an hour


@dataclass(frozen=True, slots=True)
class Interchange:
    """One interchange: number, metres from the southern end, its name, whether it has signals."""

    number: int
    at_m: float
    name: str
    signals: bool = False


INTERCHANGES = (
    Interchange(1, 1_500.0, "Los Tomillares"),
    Interchange(2, 4_500.0, "El Encinar"),
    Interchange(3, 7_500.0, "Puerta del Sur", signals=True),
    Interchange(4, 10_000.0, "La Concordia", signals=True),
    Interchange(5, 12_500.0, "Molinos", signals=True),
    Interchange(6, 15_700.0, "Vega Alta"),
    Interchange(7, 18_400.0, "Las Atalayas"),
)
CITY = INTERCHANGES[3]


def _axis() -> tuple[Spot, ...]:
    x, y = 0.0, 0.0
    spots = [(x, y)]
    for step in range(int(LENGTH_M / _GRAIN_M)):
        s = (step + 0.5) * _GRAIN_M
        bend = 0.34 * math.sin(2 * math.pi * (s - CITY.at_m) / 15_000.0)
        x += _GRAIN_M * math.sin(bend)
        y += _GRAIN_M * math.cos(bend)
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


def at(u_m: float, v_m: float) -> Spot:
    """Return the spot `u_m` along the avenue from the motorway and `v_m` to its left (north)."""
    origin = beside(CITY.at_m, _TERMINAL_M)
    _, ahead, right = frame(CITY.at_m)
    return (
        origin[0] + right[0] * u_m + ahead[0] * v_m,
        origin[1] + right[1] * u_m + ahead[1] * v_m,
    )


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of a carriageway, metres from the southern end in the order of driving."""

    start_m: float
    end_m: float
    lanes: int
    extra: bool  # the rightmost lane serves a ramp alone


def sections(*, north: bool) -> tuple[Section, ...]:
    """Cut a carriageway at noses, at the ends of joining lanes, at the viaduct, and evenly."""
    ahead = 1.0 if north else -1.0
    extra: list[tuple[float, float]] = []
    for place in INTERCHANGES:
        off, on = place.at_m - ahead * NOSE_M, place.at_m + ahead * NOSE_M
        extra += [(off - ahead * _SLOWING_M, off), (on, on + ahead * _JOINING_M)]
    fixed = {0.0, LENGTH_M} | {mark for pair in extra for mark in pair}
    if north:
        fixed |= set(VIADUCT_M)
    ordered = sorted(fixed)
    marks = [0.0]
    for start, end in itertools.pairwise(ordered):
        parts = max(1, round((end - start) / _LINK_M))
        marks += [start + (end - start) * part / parts for part in range(1, parts + 1)]
    order = marks if north else marks[::-1]
    served = [sorted(pair) for pair in extra]
    made = []
    for start, end in itertools.pairwise(order):
        middle = (start + end) / 2
        added = any(low < middle < high for low, high in served)
        narrow = north and VIADUCT_M[0] < middle < VIADUCT_M[1]
        made.append(Section(start, end, LANES - narrow + added, added))
    return tuple(made)


def _node(letter: str, mark_m: float) -> str:
    return f"M{letter}{round(mark_m):05d}"


def link_name(letter: str, number: int) -> str:
    """Return the id of the nth link of a carriageway (`N` or `S`)."""
    return f"A10-{letter}-{number:02d}"


def _titles(*, north: bool) -> dict[float, str]:
    """Return what stands on the signs along a carriageway, by metre: exits and the viaduct."""
    ahead = 1.0 if north else -1.0
    titles = {place.at_m - ahead * NOSE_M: place.name for place in INTERCHANGES}
    return titles | ({VIADUCT_M[0]: "Viaducto"} if north else {})


def _carriageway(sheet: Sheet, *, north: bool) -> None:
    letter, side = ("N", _CARRIAGEWAY_M) if north else ("S", -_CARRIAGEWAY_M)
    cut, titles = sections(north=north), _titles(north=north)
    for mark in (cut[0].start_m, *(section.end_m for section in cut)):
        zone = {0.0: "A10 Sur", LENGTH_M: "A10 Norte"}.get(mark, "")
        title = titles.get(mark, "")
        sheet.node(_node(letter, mark), beside(mark, side), title=title, zone=zone)
    for number, section in enumerate(cut, 1):
        start, end = section.start_m, section.end_m
        steps = max(round(abs(end - start) / (2 * _GRAIN_M)), 1)
        on_viaduct = north and VIADUCT_M[0] <= (start + end) / 2 <= VIADUCT_M[1]
        sheet.link(
            link_name(letter, number),
            (_node(letter, start), _node(letter, end)),
            replace(MOTORWAY, lane_vph=VIADUCT_LANE_VPH) if on_viaduct else MOTORWAY,
            lanes=section.lanes,
            title="Autovía A10, sentido " + ("norte" if north else "sur"),
            road=f"A10-{letter}",
            via=tuple(beside(start + (end - start) * k / steps, side) for k in range(1, steps)),
        )
    for number, (one, other) in enumerate(itertools.pairwise(cut), 1):
        pair = (link_name(letter, number), link_name(letter, number + 1))
        sheet.spans[pair] = _onward(one, other)


def _onward(one: Section, other: Section) -> tuple[tuple[int, int], tuple[int, int]]:
    """Say which lanes go on: a lane that serves a ramp begins and ends at the right."""
    if other.extra:  # it opens (before an exit), or the ramp comes in by itself (after an entry)
        opens = not _joins(other)
        return (1, one.lanes), (1, other.lanes if opens else other.lanes - 1)
    if one.extra:
        return (1, one.lanes - 1), (1, other.lanes)
    if one.lanes > other.lanes:  # the left lane ends
        return (one.lanes - other.lanes + 1, one.lanes), (1, other.lanes)
    return (1, one.lanes), (1, other.lanes)


def _joins(section: Section) -> bool:
    ahead = 1.0 if section.end_m > section.start_m else -1.0
    return any(abs(place.at_m + ahead * NOSE_M - section.start_m) < 1.0 for place in INTERCHANGES)


def _ramp(sheet: Sheet, place: Interchange, *, north: bool, leaving: bool) -> None:
    letter, side = ("N", 1.0) if north else ("S", -1.0)
    ahead = side * (-1.0 if leaving else 1.0)  # where the nose is, seen along the axis
    nose = _node(letter, place.at_m + ahead * NOSE_M)
    terminal = f"X{place.number}{'E' if north else 'W'}"
    name = f"R{place.number}-{letter}-{'off' if leaving else 'on'}"
    title = f"{'Salida' if leaving else 'Entrada'} {place.name}"
    nose_on = ((340.0, 33.0), (270.0, 45.0))  # a sharp angle would leave a wide nose
    outer = tuple(beside(place.at_m + ahead * s, side * right) for s, right in nose_on)
    middle = sheet.node(f"{name}-m", beside(place.at_m + ahead * _POCKET_M, side * 54.0))
    if leaving:
        sheet.link(f"{name}-1", (nose, middle), RAMP, title=title, via=outer)
        sheet.link(f"{name}-2", (middle, terminal), RAMP, lanes=2, title=title)
    else:
        sheet.link(f"{name}-1", (terminal, middle), RAMP, title=title)
        sheet.link(f"{name}-2", (middle, nose), RAMP, title=title, via=outer[::-1])
    _join(sheet, f"{name}-{1 if leaving else 2}", nose, leaving=leaving)


def _join(sheet: Sheet, ramp: str, nose: str, *, leaving: bool) -> None:
    """Lead the rightmost lane of the carriageway to the ramp, or the ramp into it."""
    before = next(one for one in sheet.links.values() if one.to_node == nose and one.road)
    after = next(one for one in sheet.links.values() if one.from_node == nose and one.road)
    if leaving:
        sheet.spans[before.id, ramp] = ((before.lanes, before.lanes), (1, 1))
        sheet.spans[before.id, after.id] = ((1, before.lanes - 1), (1, after.lanes))
    else:
        sheet.spans[ramp, after.id] = ((1, 1), (after.lanes, after.lanes))


def _interchange(sheet: Sheet, place: Interchange) -> None:
    name = f"X{place.number}"
    east = sheet.node(f"{name}E", beside(place.at_m, _TERMINAL_M), title=f"{place.name} este")
    west = sheet.node(f"{name}W", beside(place.at_m, -_TERMINAL_M), title=f"{place.name} oeste")
    kind: Kind = ACCESS if place.signals else COLLECTOR
    wide = 3 if place.signals else 2
    sheet.street(f"{name}-puente", (west, east), kind, lanes=wide, title=f"Puente de {place.name}")
    mouth = sheet.node(f"{name}P", beside(place.at_m, -_TERMINAL_M - 240.0))
    far = sheet.node(f"{name}O", beside(place.at_m, -760.0), zone=f"{place.name} Oeste")
    sheet.street(f"{name}-oeste", (mouth, west), kind, lanes=2, title=f"Camino de {place.name}")
    sheet.street(f"{name}-campo", (far, mouth), kind, title=f"Camino de {place.name}")
    if not place.signals:  # the others lead into the city
        near = sheet.node(f"{name}F", beside(place.at_m, 760.0), zone=f"{place.name} Este")
        sheet.street(f"{name}-este", (east, near), kind, title=f"Camino de {place.name}")
    for north in (True, False):
        for leaving in (True, False):
            _ramp(sheet, place, north=north, leaving=leaving)


def lead_over_bridges(sheet: Sheet) -> None:
    """Say which lanes lead over the bridges with signals; the ways into the city must be there.

    The left lane of a bridge is for those who turn left onto the motorway. Many come off the
    motorway for the city: they have two lanes to turn from. The right lane before a bridge is for
    those who turn right onto the motorway, who have more green than the others.
    """
    for place in INTERCHANGES:
        if place.signals:
            name = f"X{place.number}"
            over = {False: f"{name}-puente-a", True: f"{name}-puente-b"}
            city = next(one for one in sheet.links.values() if _leads_on(one, f"{name}E"))
            back = next(one for one in sheet.links.values() if _leads_back(one, f"{name}E"))
            sheet.spans[f"R{place.number}-S-off-2", over[False]] = ((1, 2), (2, 3))
            sheet.spans[f"R{place.number}-N-off-2", city.id] = ((1, 2), (1, 2))
            sheet.spans[over[False], city.id] = ((2, 3), (1, 2))
            sheet.spans[f"{name}-oeste-a", over[False]] = ((1, 1), (1, 2))
            sheet.spans[back.id, over[True]] = ((1, 1), (1, 2))
            sheet.spans[over[True], f"{name}-oeste-b"] = ((2, 3), (1, 2))


def _leads_on(link: Link, node: str) -> bool:
    return link.from_node == node and link.id.startswith(("AV-", "ACC"))


def _leads_back(link: Link, node: str) -> bool:
    return link.to_node == node and link.id.startswith(("AV-", "ACC"))


def draw_motorway(sheet: Sheet) -> None:
    """Draw both carriageways, the ramps and the cross roads."""
    _carriageway(sheet, north=True)
    _carriageway(sheet, north=False)
    for place in INTERCHANGES:
        _interchange(sheet, place)
