"""The city side: the avenue with its four signalised junctions, the streets, the old town."""

from __future__ import annotations

import itertools
from datetime import datetime
from zoneinfo import ZoneInfo

from maker_common.lines import Spot, along

from maker.draft import ARTERIAL, COLLECTOR, LOCAL, Draft, to_wgs84
from maker.motorway_map import INTERCHANGES, beside, frame
from twin.clock import us_from_datetime
from twin.ids import GateId, LinkId, ZoneId
from twin.network.model import Feature, Gate, Layer, Zone

AVENUE = "Avenida de la Ribera"
JUNCTION_M = {"J1": 450.0, "J2": 950.0, "J3": 1_450.0, "J4": 1_950.0}  # from the motorway
JUNCTION_NAMES = {
    "J1": "Glorieta del Molino Viejo",
    "J2": "Puerta de los Tejedores",
    "J3": "Plaza del Mercado",
    "J4": "Estación de la Ribera",
}
_CROSS_NAMES = {
    "1": "Calle de los Olmos",
    "2": "Calle de los Tejedores",
    "3": "Calle del Mercado",
    "4": "Calle de la Estación",
}
_END_M = 2_500.0
_MADRID = ZoneInfo("Europe/Madrid")
_OLD_NAMES = (
    "Calle Mayor",
    "Calle de la Fragua",
    "Cuesta del Reloj",
    "Calle de las Cigüeñas",
    "Plaza Vieja",
    "Calle del Pozo Dulce",
)


def at(u_m: float, v_m: float) -> Spot:
    """Return the spot `u_m` along the avenue from the motorway and `v_m` to its left (north)."""
    origin = beside(INTERCHANGES[2].at_m, 85.0)
    _, ahead, right = frame(INTERCHANGES[2].at_m)
    return (
        origin[0] + right[0] * u_m + ahead[0] * v_m,
        origin[1] + right[1] * u_m + ahead[1] * v_m,
    )


def _bend(u_m: float) -> float:
    return 28.0 * (u_m / _END_M) * (1.0 - u_m / _END_M) * 4.0


def _avenue(draft: Draft) -> None:
    stops = {"X3E": 0.0, **JUNCTION_M, "AVE": _END_M}
    for name, u in JUNCTION_M.items():
        draft.node(name, at(u, _bend(u)), title=JUNCTION_NAMES[name])
    draft.node("AVE", at(_END_M, 0.0), title="Puente de la Ribera", zone="Ribera Este")
    names, chain = list(stops), ["X3E"]
    for number, (a, b) in enumerate(itertools.pairwise(names), 1):
        middle = (stops[a] + stops[b]) / 2
        chain += [draft.node(f"AV{number}", at(middle, _bend(middle))), b]
    for number, ends in enumerate(itertools.pairwise(chain), 1):
        draft.link(f"AV-E-{number:02d}", ends, ARTERIAL, lanes=2, title=AVENUE, road="RIBERA-E")
    back = chain[::-1]
    for number, ends in enumerate(itertools.pairwise(back), 1):
        draft.link(f"AV-O-{number:02d}", ends, ARTERIAL, lanes=2, title=AVENUE, road="RIBERA-O")


def _streets(draft: Draft) -> None:
    zones = {"1": "Olmos", "4": "Estación"}
    for number, name in _CROSS_NAMES.items():
        u = JUNCTION_M[f"J{number}"]
        north = draft.node(f"N{number}", at(u - 15, 390), zone=zones.get(number, ""))
        south = draft.node(f"S{number}", at(u + 10, -300))
        draft.street(f"C{number}-norte", (north, f"J{number}"), COLLECTOR, title=name)
        draft.street(f"C{number}-sur", (south, f"J{number}"), COLLECTOR, title=name)
    for a, b in (("1", "2"), ("2", "3"), ("3", "4")):
        draft.street(f"NOR{a}", (f"N{a}", f"N{b}"), COLLECTOR, title="Calle del Norte")
        draft.street(f"MUR{a}", (f"S{a}", f"S{b}"), COLLECTOR, title="Paseo de la Muralla")
    rounds = (("R1", 440.0), ("R2", 1_060.0), ("R3", 1_370.0), ("R4", 1_970.0))
    for name, u in rounds:
        zone = {"R1": "Ronda Oeste", "R4": "Ronda Este"}.get(name, "")
        draft.node(name, at(u, -960.0 + 0.02 * u), zone=zone)
    for a, b in itertools.pairwise(("1", "2", "3", "4")):
        draft.street(f"RON{a}", (f"R{a}", f"R{b}"), COLLECTOR, title="Ronda Sur")
    draft.street("OLM", ("R1", "S1"), COLLECTOR, title="Calle de los Olmos")
    draft.street("EST", ("R4", "S4"), COLLECTOR, title="Calle de la Estación")


_OLD_SPOTS = {
    "O11": (1_075.0, -430.0),
    "O12": (1_190.0, -445.0),
    "O13": (1_325.0, -425.0),
    "O21": (1_060.0, -575.0),
    "O22": (1_205.0, -590.0),
    "O23": (1_340.0, -570.0),
    "O31": (1_080.0, -735.0),
    "O32": (1_195.0, -745.0),
    "O33": (1_350.0, -725.0),
}
_OLD_BOTH = (("O11", "O12"), ("O12", "O13"), ("O31", "O32"), ("O32", "O33"), ("O12", "O22"))
_OLD_ONE_WAY = (
    ("O11", "O21"),
    ("O21", "O31"),
    ("O33", "O23"),
    ("O23", "O13"),
    ("O21", "O22"),
    ("O22", "O23"),
    ("O22", "O32"),
)


def _old_town(draft: Draft) -> None:
    for name, (u, v) in _OLD_SPOTS.items():
        title = "Plaza Vieja" if name == "O22" else ""
        draft.node(name, at(u, v), title=title)
    for number, ends in enumerate(_OLD_BOTH, 1):
        title = _OLD_NAMES[number % len(_OLD_NAMES)]
        draft.street(f"OLD{number}", ends, LOCAL, title=title)
    for number, ends in enumerate(_OLD_ONE_WAY, 1):
        draft.link(f"OLDU{number}", ends, LOCAL, title=_OLD_NAMES[(number * 2) % len(_OLD_NAMES)])
    for name, ends in _PORTALS.items():
        draft.link(f"PORTAL-{name}", ends, LOCAL, title=_GATE_NAMES[name])


_PORTALS = {"G1": ("S2", "O11"), "G2": ("O13", "S3"), "G3": ("R2", "O31"), "G4": ("O33", "R3")}
_GATE_NAMES = {
    "G1": "Arco de los Tejedores",
    "G2": "Arco del Mercado",
    "G3": "Puerta de la Ronda",
    "G4": "Puerta del Huerto",
}


def draw_city(draft: Draft) -> None:
    """Draw the avenue, the streets around it and the old town; the motorway must be there."""
    _avenue(draft)
    _streets(draft)
    _old_town(draft)


def gates(draft: Draft) -> tuple[Gate, ...]:
    """Make the gates of the old town: G1, G3 inbound, G2, G4 outbound; G3 has a barrier."""
    made = []
    for name in _PORTALS:
        link, inbound = f"PORTAL-{name}", name in {"G1", "G3"}
        position = 20.0 if inbound else draft.links[link].length_m - 20.0
        spot = along(draft.lines[link], position)
        made.append(
            Gate(
                id=GateId(name),
                link=LinkId(link),
                position_m=round(position, 1),
                point=to_wgs84(spot),
                inbound=inbound,
                zones=(ZoneId("OLD"),),
                name=_GATE_NAMES[name],
                barrier=name == "G3",
            )
        )
    return tuple(made)


def zones(draft: Draft) -> tuple[Zone, ...]:
    """Make the restricted old town, and one zone of trips for each end of the map."""
    inside = tuple(LinkId(name) for name in draft.links if name.startswith(("OLD", "PORTAL-")))
    rim = ((1_030, -400), (1_370, -400), (1_380, -770), (1_040, -780))
    old = Zone(
        id=ZoneId("OLD"),
        kind="access",
        links=inside,
        name="Casco Viejo",
        boundary_wkt=_polygon(rim),
    )
    ends = sorted({node.zone for node in draft.nodes.values() if node.zone})
    return (old, *(Zone(id=ZoneId(name), kind="trips", name=name) for name in ends))


def _polygon(corners: tuple[tuple[float, float], ...]) -> str:
    return f"POLYGON (({_text(tuple(at(u, v) for u, v in (*corners, corners[0])))}))"


def _text(spots: tuple[Spot, ...]) -> str:
    return ", ".join(f"{lon} {lat}" for lon, lat in map(to_wgs84, spots))


def features() -> tuple[Feature, ...]:
    """Make what lies beside the roads: railway, urban rail, plan, land use, one planned work."""

    rail = tuple(beside(s * 400.0, -480.0 + 160.0 * (s / 30.0)) for s in range(31))
    tram = (*(at(u, 60.0 + _bend(u)) for u in range(150, 2_000, 250)), at(2_080.0, 40.0))
    uses = {
        "residencial": ((60, 60), (1_900, 70), (1_900, 520), (60, 480)),
        "casco histórico": ((1_030, -400), (1_370, -400), (1_380, -770), (1_040, -780)),
        "industrial": ((-1_500, -900), (-250, -900), (-250, 700), (-1_500, 700)),
        "parque": ((560, -380), (900, -390), (880, -880), (540, -860)),
    }
    plan = ((-120, 700), (2_700, 700), (2_700, -1_150), (-120, -1_150))
    council = "Ayuntamiento de Villaclara"
    return (
        Feature(
            "FC-1",
            Layer.RAILWAY,
            f"LINESTRING ({_text(rail)})",
            "Línea del Valle",
            "Ferrocarriles del Valle",
        ),
        Feature(
            "T1", Layer.URBAN_RAIL, f"LINESTRING ({_text(tram)})", "Tranvía de la Ribera", council
        ),
        Feature("PGOU-3", Layer.PLANNING_AREA, _polygon(plan), "Ensanche de la Ribera", council),
        *(
            Feature(f"USO-{number}", Layer.LAND_USE, _polygon(rim), use, council)
            for number, (use, rim) in enumerate(uses.items(), 1)
        ),
        Feature(
            "OBRA-12",
            Layer.WORKS,
            f"LINESTRING ({_text((at(1_960, -300), at(1_970, -920)))})",
            "Renovación de la Calle de la Estación",
            council,
            valid_from_us=us_from_datetime(datetime(2026, 6, 22, 7, tzinfo=_MADRID)),
            valid_to_us=us_from_datetime(datetime(2026, 7, 10, 20, tzinfo=_MADRID)),
            links=(LinkId("EST-a"), LinkId("EST-b")),
        ),
    )
