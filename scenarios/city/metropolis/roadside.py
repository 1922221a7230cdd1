"""What stands beside the roads: detectors, stops, signs, ramp meters, rails, plans, one work."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from maker_common.lines import along

from metropolis.motorway import LENGTH_M, at, beside
from metropolis.sheet import COUNCIL, STATE, Sheet, to_wgs84
from metropolis.streets import COLUMNS, column_m
from twin.clock import us_from_datetime
from twin.ids import LinkId, SensorId
from twin.network.model import Feature, Layer, LinkClass, Sensor, Table

PERIOD_S = 60.0
ADVANCE_M = 60.0  # a signal's detector lies so far upstream of the stop line
_STATION_M = 330.0  # a shorter link of the motorway has no station
_MADRID = ZoneInfo("Europe/Madrid")


def _sensor(sheet: Sheet, name: str, link: str, position_m: float, region: str) -> Sensor:
    return Sensor(
        id=SensorId(name),
        link=LinkId(link),
        position_m=round(position_m, 1),
        point=to_wgs84(along(sheet.lines[link], position_m)),
        period_s=PERIOD_S,
        lanes=sheet.links[link].lanes,
        station=name,
        region=region,
    )


def _stations(sheet: Sheet) -> list[Sensor]:
    made = []
    for name, link in sheet.links.items():
        if link.link_class is not LinkClass.MOTORWAY or link.length_m < _STATION_M:
            continue
        start, end = (float(node[2:]) for node in (link.from_node, link.to_node))
        middle = (start + end) / 2
        km = (middle if link.road == "A10-N" else LENGTH_M - middle) / 1000.0
        region = "A10 norte" if middle > LENGTH_M / 2 else "A10 sur"
        made.append(_sensor(sheet, f"{link.road}-{km:05.2f}", name, link.length_m / 2, region))
    return made


def _ramps(sheet: Sheet) -> list[Sensor]:
    return [
        _sensor(
            sheet,
            f"D-{name}",
            name,
            link.length_m / 2,
            "A10 norte" if name[1] in "4567" else "A10 sur",
        )
        for name, link in sheet.links.items()
        if link.link_class is LinkClass.RAMP and name.endswith(("off-1", "on-2"))
    ]


def _approaches(sheet: Sheet, signals: frozenset[str]) -> list[Sensor]:
    return [
        _sensor(
            sheet,
            f"L-{link.to_node}-{name}",
            name,
            max(link.length_m - ADVANCE_M, 5.0),
            "Centro" if link.to_node[0] in "JG" else "Accesos",
        )
        for name, link in sheet.links.items()
        if link.to_node in signals
    ]


def sensors(sheet: Sheet, signals: frozenset[str]) -> tuple[Sensor, ...]:
    """Make all detectors: stations of the motorway, ramps, approaches of signals."""
    return (*_stations(sheet), *_ramps(sheet), *_approaches(sheet, signals))


STOP_LINKS = (
    *(f"AV-{letter}-{number:02d}" for letter in "EO" for number in range(3, 28, 4)),
    *(f"C06{row}-{way}" for row in "BE" for way in "ab"),
    *(f"C06{row}-{way}" for row in "AF" for way in ("in1", "out")),
    "RONDA03-a",
    "RONDA08-a",
    "RONDA13-a",
    "RONDA18-a",
    "OLD07-a",
)


def stops(sheet: Sheet) -> Table:
    """Make the bus stops as the table `location` of GMNS; `lr` is where a bus stands, m."""
    rows = []
    for link in STOP_LINKS:
        place_m = round(sheet.links[link].length_m * 0.6, 1)
        lon, lat = to_wgs84(along(sheet.lines[link], place_m))
        row = (f"BUS-{link}", link, sheet.links[link].from_node, f"{place_m:g}")
        rows.append((*row, repr(lon), repr(lat), "bus_stop"))
    columns = ("loc_id", "link_id", "ref_node_id", "lr", "x_coord", "y_coord", "loc_type")
    return Table("location", columns, tuple(rows))


def _text(spots: tuple[tuple[float, float], ...]) -> str:
    return ", ".join(f"{lon} {lat}" for lon, lat in map(to_wgs84, spots))


def _line(*spots: tuple[float, float]) -> str:
    return f"LINESTRING ({_text(spots)})"


def _area(*corners: tuple[float, float]) -> str:
    return f"POLYGON (({_text(tuple(at(u, v) for u, v in (*corners, corners[0])))}))"


def _signs(sheet: Sheet) -> list[Feature]:
    """Make the variable message signs: over the motorway before exits, and on the way into town."""
    made = []
    into = {link.to_node: link for link in sheet.links.values() if link.road.startswith("A10")}
    for name, ramp in sheet.links.items():
        if name.endswith("off-1"):
            slowing = into[ramp.from_node]
            before = into[slowing.from_node]
            at_m = max(before.length_m - 150.0, 40.0)
            made.append(_sign(sheet, f"PMV-{name[3]}{name[1]}", before.id, round(at_m, 1), STATE))
    made.append(_sign(sheet, "PMV-C1", "AV-E-01", 60.0, COUNCIL))
    made.append(_sign(sheet, "PMV-C2", "ACC32-a", 80.0, COUNCIL))
    made.append(_sign(sheet, "PMV-C3", "ACC52-a", 80.0, COUNCIL))
    return made


def _sign(sheet: Sheet, name: str, link: str, at_m: float, authority: str) -> Feature:
    lon, lat = to_wgs84(along(sheet.lines[link], at_m))
    return Feature(
        id=name,
        layer=Layer.SIGN,
        wkt=f"POINT ({lon} {lat})",
        name=f"Panel {name.removeprefix('PMV-')}",
        authority=authority,
        links=(LinkId(link),),
        extra=(("position_m", f"{at_m:g}"), ("rows", "3")),
    )


METERED = ("R1-N", "R2-N", "R3-N", "R4-N", "R5-N", "R6-S", "R5-S", "R4-S")
"""On-ramps with a meter: all before the viaduct northbound, three before the city southbound."""
LINE_M = 8.0  # the stop line of a meter lies so far before the end of its link


def _meters(sheet: Sheet) -> list[Feature]:
    """Make the ramp meters: at the end of the ramp's first link, where a queue has room."""
    made = []
    for ramp in METERED:
        link = sheet.links[f"{ramp}-on-1"]
        at_m = round(link.length_m - LINE_M, 1)
        lon, lat = to_wgs84(along(sheet.lines[str(link.id)], at_m))
        made.append(
            Feature(
                id=f"RM-{ramp[3]}{ramp[1]}",
                layer=Layer.RAMP_METER,
                wkt=f"POINT ({lon} {lat})",
                name=f"{link.name}, sentido {'norte' if ramp[3] == 'N' else 'sur'}",
                authority=STATE,
                links=(link.id,),
                extra=(("position_m", f"{at_m:g}"),),
            )
        )
    return made


def _rails() -> list[Feature]:
    end_m = column_m(COLUMNS - 1)
    main = tuple(beside(s * 500.0, -900.0 + 60.0 * (s % 7)) for s in range(41))
    branch = (at(-900.0, 560.0), at(300.0, 1_250.0), at(2_400.0, 1_420.0), at(end_m, 1_380.0))
    metro = tuple(at(200.0 + 480.0 * k, 40.0 + 30.0 * (k % 2)) for k in range(11))
    tram = (at(column_m(4), -1_500.0), at(column_m(4) + 15.0, 0.0), at(column_m(4), 1_500.0))
    return [
        Feature("FC-A", Layer.RAILWAY, _line(*main), "Línea de la Meseta", "Red de Ferrocarriles"),
        Feature("FC-B", Layer.RAILWAY, _line(*branch), "Ramal de Molinos", "Red de Ferrocarriles"),
        Feature("METRO-1", Layer.URBAN_RAIL, _line(*metro), "Metro 1 Concordia", COUNCIL),
        Feature("TRAM-2", Layer.URBAN_RAIL, _line(*tram), "Tranvía 2 del Telar", COUNCIL),
    ]


_USES = {
    "residencial norte": ((420, 60), (5_000, 60), (5_000, 1_000), (420, 1_000)),
    "residencial sur": ((420, -60), (2_580, -60), (2_580, -1_000), (420, -1_000)),
    "casco antiguo": ((2_640, -370), (3_650, -370), (3_650, -1_030), (2_640, -1_030)),
    "terciario": ((3_700, -60), (5_000, -60), (5_000, -1_000), (3_700, -1_000)),
    "industrial": ((-2_400, -3_200), (-300, -3_200), (-300, -1_700), (-2_400, -1_700)),
    "parque": ((900, 1_120), (2_200, 1_120), (2_200, 1_650), (900, 1_650)),
}


def features(sheet: Sheet) -> tuple[Feature, ...]:
    """Make what lies beside the roads."""
    works = tuple(LinkId(name) for name in ("C12E-a", "C12E-b"))
    ends = (at(column_m(11), 350.0), at(column_m(11), 700.0))
    plan = ((-200, 1_100), (5_500, 1_100), (5_500, 2_600), (-200, 2_600))
    return (
        *_rails(),
        Feature("PGOU-7", Layer.PLANNING_AREA, _area(*plan), "Ensanche Norte", COUNCIL),
        *(
            Feature(f"USO-{number}", Layer.LAND_USE, _area(*rim), use, COUNCIL)
            for number, (use, rim) in enumerate(_USES.items(), 1)
        ),
        Feature(
            "OBRA-31",
            Layer.WORKS,
            _line(*ends),
            "Renovación de la Calle del Batán",
            COUNCIL,
            valid_from_us=us_from_datetime(datetime(2026, 9, 28, 7, tzinfo=_MADRID)),
            valid_to_us=us_from_datetime(datetime(2026, 10, 16, 20, tzinfo=_MADRID)),
            links=works,
        ),
        *_signs(sheet),
        *_meters(sheet),
    )
