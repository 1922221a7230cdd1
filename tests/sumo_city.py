"""The practice city as SUMO drives it, and a service on its map, for integration tests."""

from __future__ import annotations

from pathlib import Path

from real_parts import require
from scenario_city import generator
from twin.commands.demo_city import missing_sumo
from twin.keys import KeyRing
from twin.settings import Settings
from twin.world.sumo.scene import Scene


def make_city(place: Path) -> Path:
    """Make the city's map and SUMO files in `place` and return it; skip where SUMO is missing."""
    require(missing_sumo() or None)
    make = generator()
    make.make_sumo(place, make.SEED)
    return place


def city_settings(folder: Path, scene: Scene, place: Path, *, automatic: str) -> Settings:
    """Return settings of an embedded service on the made city, with fresh keys in `place`."""
    assert scene.city is not None
    KeyRing.fresh("test").save(place / "keys.json")
    return Settings(
        map=folder / "network",
        access_rules=scene.city.rules,
        keys=place / "keys.json",
        database=f"sqlite:///{place / 'twin.db'}",
        port=0,
        timezone=scene.network.timezone,
        automatic_junctions=automatic,
    )
