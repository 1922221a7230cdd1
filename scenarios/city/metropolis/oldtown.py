"""The old town: a ring around it, fifteen portals with an entry and an exit each, narrow lanes."""

from __future__ import annotations

import itertools

from maker_common.lines import along

from metropolis.motorway import at
from metropolis.sheet import COLLECTOR, LANE, Sheet, to_wgs84
from metropolis.streets import BLOCK_M, OLD_COLUMNS, ROWS, column_m, place
from twin.ids import GateId, LinkId, ZoneId
from twin.network.model import Gate, Zone

OLD, MARKET = ZoneId("OLD"), ZoneId("MARKET")
_STEP_M = BLOCK_M / 2
_WIDE, _HIGH = 6, 4  # steps of the ring
_CAMERA_M = 25.0
_NAMES = (
    "Arco de la Moneda",
    "Puerta del Rastro",
    "Postigo del Agua",
    "Puerta de los Arrieros",
    "Arco del Concejo",
    "Puerta de la Lonja",
    "Portillo del Cardo",
    "Puerta del Alcázar",
    "Arco de los Plateros",
    "Puerta de Santa Olalla",
    "Postigo de la Reja",
    "Puerta del Pan",
    "Arco del Tinte",
    "Puerta de la Vega",
    "Portillo del Horno",
)
_LANES = ("Calle Real", "Calle del Cobre", "Cuesta de la Villa", "Calle de los Cuchilleros")
_BARRIERS = frozenset({"Puerta del Alcázar", "Portillo del Horno"})


def ring_place(i: int, j: int) -> str:
    """Return the node of the ring, or inside it, `i` steps east and `j` steps north of a corner."""
    corners = {
        (0, 0): place(OLD_COLUMNS[0], "A"),
        (0, 2): place(OLD_COLUMNS[0], "B"),
        (0, 4): place(OLD_COLUMNS[0], "C"),
        (6, 0): place(OLD_COLUMNS[1], "A"),
        (6, 2): place(OLD_COLUMNS[1], "B"),
        (6, 4): place(OLD_COLUMNS[1], "C"),
    }
    for step, column in ((2, OLD_COLUMNS[0] + 1), (4, OLD_COLUMNS[0] + 2)):
        corners[step, 0] = place(column, "A")
        corners[step, 4] = place(column, "C")
    return corners.get((i, j), f"O{i}{j}")


def _spot(i: int, j: int) -> tuple[float, float]:
    inner = 0 < i < _WIDE and 0 < j < _HIGH
    shift = 18.0 * ((i * 7 + j * 3) % 3 - 1) if inner else 0.0  # no lane of it is straight
    u = column_m(OLD_COLUMNS[0]) + i * _STEP_M + shift
    return at(u, ROWS["A"] + j * _STEP_M - shift / 2)


def _ring(sheet: Sheet) -> None:
    corners = [(0, 0), (_WIDE, 0), (_WIDE, _HIGH), (0, _HIGH), (0, 0)]
    rim: list[tuple[int, int]] = []
    for (i0, j0), (i1, j1) in itertools.pairwise(corners):
        steps = abs(i1 - i0) + abs(j1 - j0)
        rim += [(i0 + (i1 - i0) * k // steps, j0 + (j1 - j0) * k // steps) for k in range(steps)]
    for i, j in rim:
        name = ring_place(i, j)
        if name not in sheet.nodes:
            sheet.node(name, _spot(i, j))
    for number, (one, other) in enumerate(itertools.pairwise([*rim, rim[0]]), 1):
        ends = (ring_place(*one), ring_place(*other))
        sheet.street(f"RONDA{number:02d}", ends, COLLECTOR, title="Ronda de la Muralla")


def _lanes(sheet: Sheet) -> None:
    for j in range(1, _HIGH):
        for i in range(1, _WIDE):
            sheet.node(
                ring_place(i, j), _spot(i, j), title="Plaza Mayor" if (i, j) == (3, 2) else ""
            )
    number = 0
    for j in range(1, _HIGH):
        for i in range(1, _WIDE - 1):
            number += 1
            _lane(sheet, number, ((i, j), (i + 1, j)), both=j == 2)
    for i in range(1, _WIDE):
        for j in range(1, _HIGH - 1):
            number += 1
            _lane(sheet, number, ((i, j), (i, j + 1)), both=i % 2 == 1)


def _lane(
    sheet: Sheet, number: int, steps: tuple[tuple[int, int], tuple[int, int]], *, both: bool
) -> None:
    ends = (ring_place(*steps[0]), ring_place(*steps[1]))
    title = _LANES[number % len(_LANES)]
    if both:
        sheet.street(f"OLD{number:02d}", ends, LANE, title=title)
    else:
        sheet.link(f"OLD{number:02d}", ends if number % 2 else ends[::-1], LANE, title=title)


def portals() -> tuple[tuple[str, str], ...]:
    """Return (node of the ring, node inside) of every portal, clockwise from the north-west."""
    north = [((i, _HIGH), (i, _HIGH - 1)) for i in range(1, _WIDE)]
    east = [((_WIDE, j), (_WIDE - 1, j)) for j in range(_HIGH - 1, 0, -1)]
    south = [((i, 0), (i, 1)) for i in range(_WIDE - 1, 0, -1)]
    west = [((0, j), (1, j)) for j in (1, 2)]  # in the third lane only people walk
    return tuple(
        (ring_place(*out), ring_place(*inner)) for out, inner in (*north, *east, *south, *west)
    )


def draw_old_town(sheet: Sheet) -> None:
    """Draw the ring, the lanes inside, and the portals; the streets must be there."""
    _ring(sheet)
    _lanes(sheet)
    for number, (out, inner) in enumerate(portals(), 1):
        title = _NAMES[number - 1]
        sheet.link(f"PORTAL{number:02d}-in", (out, inner), LANE, title=title)
        sheet.link(f"PORTAL{number:02d}-out", (inner, out), LANE, title=title)


def _is_north(number: int) -> bool:
    return number <= _WIDE - 1


# The second zone reaches from the northern half of the old town over the block before it.
_MARKET_STREETS = ("C08C-in1", "C08C-out", "C09C-in1", "C09C-out")  # out of the quarter, into it


def gates(sheet: Sheet) -> tuple[Gate, ...]:
    """Make the 30 gates of the old town, and four that guard the market quarter alone."""
    made = []
    for number, name in enumerate(_NAMES, 1):
        zones = (OLD, MARKET) if _is_north(number) else (OLD,)
        for inbound in (True, False):
            link = f"PORTAL{number:02d}-{'in' if inbound else 'out'}"
            gate = f"G{number:02d}{'E' if inbound else 'S'}"
            barrier = inbound and name in _BARRIERS
            made.append(_gate(sheet, gate, link, (inbound, barrier), zones, name))
    for number, link in enumerate(_MARKET_STREETS, 1):
        inbound = link.endswith("out")  # away from the avenue is into the quarter
        name = f"{sheet.links[link].name}, mercado"
        made.append(_gate(sheet, f"M{number}", link, (inbound, False), (MARKET,), name))
    return tuple(made)


def _gate(
    sheet: Sheet,
    name: str,
    link: str,
    ways: tuple[bool, bool],
    zones: tuple[ZoneId, ...],
    title: str,
) -> Gate:
    inbound, barrier = ways
    length_m = sheet.links[link].length_m
    position_m = round(_CAMERA_M if inbound else length_m - _CAMERA_M, 1)
    return Gate(
        id=GateId(name),
        link=LinkId(link),
        position_m=position_m,
        point=to_wgs84(along(sheet.lines[link], position_m)),
        inbound=inbound,
        zones=zones,
        name=title,
        barrier=barrier,
    )


def zones(sheet: Sheet) -> tuple[Zone, ...]:
    """Make the old town, the market quarter that overlaps it, and one zone for each trip end."""
    inside = [name for name in sheet.links if name.startswith(("OLD", "PORTAL"))]
    north = {ring_place(i, _HIGH - 1) for i in range(1, _WIDE)}
    market = [
        name for name in inside if {sheet.links[name].from_node, sheet.links[name].to_node} & north
    ]
    market += [f"C{column:02d}C-{part}" for column in (8, 9) for part in ("in1", "in2", "out")]
    ends = sorted({node.zone for node in sheet.nodes.values() if node.zone})
    return (
        Zone(OLD, "access", tuple(map(LinkId, inside)), "Casco Antiguo", _rim(0.0, 4.0)),
        Zone(MARKET, "access", tuple(map(LinkId, market)), "Barrio del Mercado", _rim(2.5, 6.0)),
        *(Zone(id=ZoneId(name), kind="trips", name=name) for name in ends),
    )


def _rim(low: float, high: float) -> str:
    """Write the boundary between two heights, in steps of the ring, 10 m inside the ring."""
    u0, u1 = column_m(OLD_COLUMNS[0]) + 10.0, column_m(OLD_COLUMNS[1]) - 10.0
    v0, v1 = ROWS["A"] + low * _STEP_M + 10.0, ROWS["A"] + high * _STEP_M - 10.0
    corners = ((u0, v0), (u1, v0), (u1, v1), (u0, v1), (u0, v0))
    return "POLYGON ((" + ", ".join(_words(corner) for corner in corners) + "))"


def _words(corner: tuple[float, float]) -> str:
    lon, lat = to_wgs84(at(*corner))
    return f"{lon} {lat}"
