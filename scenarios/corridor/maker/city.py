"""The whole map of the scenario, drawn and checked."""

from __future__ import annotations

from maker.city_map import draw_city, features, gates, zones
from maker.draft import Draft
from maker.motorway_map import draw_motorway
from maker.sensors_map import sensors
from maker.signals_map import junctions
from twin.network.build import build_map
from twin.network.model import SingleMap

NAME = "Villaclara: A1 corridor"
TIMEZONE = "Europe/Madrid"


def draw() -> Draft:
    """Draw all nodes and links."""
    draft = Draft()
    draw_motorway(draft)
    draw_city(draft)
    return draft


def whole_map(draft: Draft) -> SingleMap:
    """Make the checked, versioned map of a drawing."""
    movements = draft.movements()
    return build_map(
        name=NAME,
        timezone=TIMEZONE,
        nodes=draft.nodes.values(),
        links=draft.links.values(),
        lanes=draft.lanes(),
        movements=movements,
        junctions=junctions(movements),
        sensors=sensors(draft),
        gates=gates(draft),
        zones=zones(draft),
        features=features(),
    )
