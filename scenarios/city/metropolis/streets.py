"""The city: the avenue with fourteen signals, the streets across and beside it, the ways in."""

from __future__ import annotations

import itertools

from metropolis.motorway import at
from metropolis.sheet import ACCESS, ARTERIAL, COLLECTOR, LOCAL, Kind, Sheet

AVENUE = "Avenida de la Concordia"
COLUMNS = 14
FIRST_M = 520.0  # of the first cross street from the motorway
BLOCK_M = 350.0
ROWS = {"A": -1050.0, "B": -700.0, "C": -350.0, "D": 0.0, "E": 350.0, "F": 700.0, "G": 1050.0}
OLD_COLUMNS = (6, 9)  # the old town lies between these columns and rows A and C
_POCKET_M = 95.0
COLUMN_NAMES = (
    "Calle de los Almendros",
    "Calle del Estañador",
    "Calle de la Sal",
    "Calle de las Moreras",
    "Calle del Telar",
    "Calle del Vado",
    "Calle de la Cerca",
    "Calle del Alfar",
    "Calle de la Noria",
    "Calle del Adarve",
    "Calle de los Canteros",
    "Calle del Batán",
    "Calle de la Dehesa",
    "Calle del Mirador",
)
_ROW_NAMES = {
    "A": "Ronda del Sur",
    "B": "Calle del Olivar",
    "C": "Paseo de la Muralla",
    "E": "Calle de la Acequia",
    "F": "Calle del Observatorio",
    "G": "Ronda del Norte",
}
_BARRIOS = {
    (1, "E"): "Almendros",
    (3, "F"): "Moreras",
    (5, "E"): "Vado",
    (8, "F"): "Noria",
    (10, "E"): "Canteros",
    (12, "F"): "Dehesa",
    (2, "B"): "La Sal",
    (4, "C"): "Telar",
    (11, "B"): "Batán",
    (12, "C"): "Olivar",
}


WAYS_OUT = {"A": (2, 4, 6, 12), "G": (2, 4, 6, 8, 10, 12)}  # cross streets that go on outwards
CORNERS = tuple(  # crossings of the ring roads with signals: the ways in, and the ways out
    f"G{column:02d}{row}" for row, columns in WAYS_OUT.items() for column in (1, *columns)
)


def place(column: int, row: str) -> str:
    """Return the node where a cross street meets a row; those of the avenue are J01 to J14."""
    return f"J{column + 1:02d}" if row == "D" else f"G{column + 1:02d}{row}"


def inside_old(column: int, row: str) -> bool:
    """Say whether a crossing would lie inside the old town."""
    return OLD_COLUMNS[0] < column < OLD_COLUMNS[1] and row == "B"


def column_m(column: int) -> float:
    """Return how far a cross street is from the motorway, m."""
    return FIRST_M + BLOCK_M * column


def _nodes(sheet: Sheet) -> None:
    for row, v in ROWS.items():
        for column in range(COLUMNS):
            if not inside_old(column, row):
                name = COLUMN_NAMES[column].removeprefix("Calle de ").removeprefix("Calle del ")
                title = f"Cruce de {name}" if row == "D" else ""
                if place(column, row) in CORNERS:
                    title = f"{_ROW_NAMES[row]} y {name}"
                zone = _BARRIOS.get((column, row), "")
                sheet.node(place(column, row), at(column_m(column), v), title=title, zone=zone)


def _avenue(sheet: Sheet) -> None:
    end = sheet.node("AVE", at(column_m(COLUMNS - 1) + 420.0, 0.0), zone="Puente Este")
    chain = ["X4E", *(place(column, "D") for column in range(COLUMNS)), end]
    for letter, stops in (("E", chain), ("O", chain[::-1])):
        number = 0
        for start, stop in itertools.pairwise(stops):
            number = _block(sheet, letter, number, (start, stop))


def _block(sheet: Sheet, letter: str, number: int, ends: tuple[str, str]) -> int:
    """Draw one block of the avenue; before a junction a third lane opens for the left turn."""
    start, stop = ends
    road = f"CONCORDIA-{letter}"
    points = [start, stop]
    if stop.startswith("J"):
        pocket = sheet.node(f"P{letter}-{stop}", _before(sheet, start, stop, _POCKET_M))
        points = [start, pocket, stop]
    for lane_count, pair in zip((2, 3), itertools.pairwise(points), strict=False):
        number += 1
        name = f"AV-{letter}-{number:02d}"
        sheet.link(name, pair, ARTERIAL, lanes=lane_count, title=AVENUE, road=road)
    return number


def _before(sheet: Sheet, start: str, stop: str, back_m: float) -> tuple[float, float]:
    (x0, y0), (x1, y1) = sheet.spots[start], sheet.spots[stop]
    length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
    part = 1.0 - back_m / length
    return (x0 + (x1 - x0) * part, y0 + (y1 - y0) * part)


def _columns(sheet: Sheet) -> None:
    for column, title in enumerate(COLUMN_NAMES):
        for low, high in itertools.pairwise(ROWS):
            if inside_old(column, low) or inside_old(column, high):
                continue
            if column in OLD_COLUMNS and low in "AB":
                continue  # the ring around the old town is drawn with it
            name = f"C{column + 1:02d}{low}"
            ends = (place(column, low), place(column, high))
            if "D" in (low, high) or any(end in CORNERS for end in ends):
                _side_street(sheet, name, ends, title)
            else:
                sheet.street(name, ends, COLLECTOR, title=title)


def _side_street(sheet: Sheet, name: str, ends: tuple[str, str], title: str) -> None:
    """Draw a street that ends at a signal: two lanes before the stop line, one away from it."""
    signal = ends[0].startswith("J") or ends[0] in CORNERS
    junction, other = ends if signal else ends[::-1]
    pocket = sheet.node(f"P-{name}", _before(sheet, other, junction, 70.0))
    sheet.link(f"{name}-in1", (other, pocket), COLLECTOR, title=title)
    sheet.link(f"{name}-in2", (pocket, junction), COLLECTOR, lanes=2, title=title)
    sheet.link(f"{name}-out", (junction, other), COLLECTOR, title=title)


def _rows(sheet: Sheet) -> None:
    for row, title in _ROW_NAMES.items():
        kind: Kind = ARTERIAL if row in "AG" else LOCAL
        for column in range(COLUMNS - 1):
            if inside_old(column, row) or inside_old(column + 1, row):
                continue
            if OLD_COLUMNS[0] <= column < OLD_COLUMNS[1] and row in "AC":
                continue
            ends = (place(column, row), place(column + 1, row))
            lanes = 2 if row in "AG" else 1
            sheet.street(f"F{row}{column + 1:02d}", ends, kind, lanes=lanes, title=title)


_EAST = {"A": "Polígono Sur", "C": "Huertas", "E": "Campus", "G": "Polígono Norte"}


def _edges(sheet: Sheet) -> None:
    """Draw where the city ends: streets into the land around it, the ways to the motorway."""
    east_m = column_m(COLUMNS - 1) + 320.0
    for row, zone in _EAST.items():
        end = sheet.node(f"EST{row}", at(east_m, ROWS[row]), zone=zone)
        sheet.street(f"FIN{row}", (place(COLUMNS - 1, row), end), LOCAL, title=zone)
    for row, sign, word in (("A", -1.0, "Sur"), ("G", 1.0, "Norte")):
        for column in (number - 1 for number in WAYS_OUT[row]):
            spot = at(column_m(column), ROWS[row] + sign * 300.0)
            zone = f"{COLUMN_NAMES[column].split()[-1]} {word}"
            end = sheet.node(f"FUERA{column + 1:02d}{row}", spot, zone=zone)
            sheet.street(f"SAL{column + 1:02d}{row}", (place(column, row), end), LOCAL, title=zone)
    for number, row, word in ((3, "A", "Sur"), (5, "G", "Norte")):
        _access(sheet, number, place(0, row), f"Acceso {word}")


def _access(sheet: Sheet, number: int, corner: str, title: str) -> None:
    (x0, y0), (x1, y1) = sheet.spots[f"X{number}E"], sheet.spots[corner]
    chain = [f"X{number}E"]
    for part in (0.12, 0.4, 0.7):
        spot = (x0 + (x1 - x0) * part, y0 + (y1 - y0) * part)
        chain.append(sheet.node(f"AC{number}{len(chain)}", spot))
    chain.append(corner)
    for step, ends in enumerate(itertools.pairwise(chain), 1):
        lanes = 1 if step in {2, 3} else 2
        sheet.street(f"ACC{number}{step}", ends, ACCESS, lanes=lanes, title=title)


def draw_streets(sheet: Sheet) -> None:
    """Draw the avenue and all streets but those of the old town; the motorway must be there."""
    _nodes(sheet)
    _avenue(sheet)
    _columns(sheet)
    _rows(sheet)
    _edges(sheet)
