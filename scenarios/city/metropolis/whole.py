"""The whole map of the practice city, drawn and checked."""

from __future__ import annotations

from metropolis.motorway import draw_motorway, lead_over_bridges
from metropolis.oldtown import draw_old_town, gates, zones
from metropolis.roadside import features, sensors, stops
from metropolis.sheet import Sheet
from metropolis.signals import junctions
from metropolis.streets import draw_streets
from twin.network.build import build_map
from twin.network.model import SingleMap

NAME = "Valdoria: practice city"
TIMEZONE = "Europe/Madrid"


def draw() -> Sheet:
    """Draw all nodes and links."""
    sheet = Sheet()
    draw_motorway(sheet)
    draw_streets(sheet)
    draw_old_town(sheet)
    lead_over_bridges(sheet)
    return sheet


def whole_map(sheet: Sheet) -> SingleMap:
    """Make the checked, versioned map of a drawing."""
    movements = sheet.movements()
    signals = junctions(sheet, movements)
    return build_map(
        name=NAME,
        timezone=TIMEZONE,
        nodes=sheet.nodes.values(),
        links=sheet.links.values(),
        lanes=sheet.lanes(),
        movements=movements,
        junctions=signals,
        sensors=sensors(sheet, frozenset(signal.node for signal in signals)),
        gates=gates(sheet),
        zones=zones(sheet),
        features=features(sheet),
        tables=(stops(sheet),),
    )
