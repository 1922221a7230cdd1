"""What known weather leaves of free speed and capacity, link by link.

Capacity in rain, snow and poor sight: Highway Capacity Manual 2010, Exhibit 10-15 (averages of the
classes of intensity, given again in FHWA-HOP-13-042, appendix A). Free speed in rain and snow lies
within what the FHWA's road weather programme reports (2 to 13 % less in light rain, 6 to 17 % in
heavy rain, 5 to 40 % in snow). Of ice the manual says nothing: those numbers are ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np

from twin.columns import Bools, Floats
from twin.events import Area, Incident, Intensity, RoadWeather
from twin.network.model import SingleMap

SHARES: Final[Mapping[tuple[RoadWeather, Intensity], tuple[float, float]]] = MappingProxyType(
    {
        (RoadWeather.RAIN, Intensity.LIGHT): (0.98, 0.98),
        (RoadWeather.RAIN, Intensity.MODERATE): (0.94, 0.93),
        (RoadWeather.RAIN, Intensity.HEAVY): (0.93, 0.86),
        (RoadWeather.SNOW, Intensity.LIGHT): (0.89, 0.96),
        (RoadWeather.SNOW, Intensity.MODERATE): (0.86, 0.89),
        (RoadWeather.SNOW, Intensity.HEAVY): (0.78, 0.78),
        (RoadWeather.ICE, Intensity.LIGHT): (0.92, 0.92),
        (RoadWeather.ICE, Intensity.MODERATE): (0.82, 0.85),
        (RoadWeather.ICE, Intensity.HEAVY): (0.70, 0.75),
        (RoadWeather.VISIBILITY, Intensity.LIGHT): (0.95, 0.90),
        (RoadWeather.VISIBILITY, Intensity.MODERATE): (0.93, 0.88),
        (RoadWeather.VISIBILITY, Intensity.HEAVY): (0.90, 0.88),
    }
)
"""(free speed, capacity) that are left, as shares."""


class WeatherShares(NamedTuple):
    """What is left of free speed and of capacity, (links,) each, 1 = all."""

    speed: Floats
    capacity: Floats


class WeatherMap:
    """Where the links of one map lie, for weather that covers an area."""

    def __init__(self, network: SingleMap) -> None:
        """Read the middle of every link."""
        points = [link.line[len(link.line) // 2] for link in network.links]
        self._points: Floats = np.array(points, np.float64).reshape(-1, 2)
        self._rows = network.link_rows

    def shares(self, active: Iterable[Incident]) -> WeatherShares:
        """Return what the weather among these leaves; of several the worst counts."""
        speed, capacity = (np.ones(len(self._points)) for _ in range(2))
        for one in active:
            if one.weather is not None:
                there = self._covered(one)
                of_speed, of_capacity = SHARES[one.weather, one.intensity]
                speed[there] = np.minimum(speed[there], of_speed)
                capacity[there] = np.minimum(capacity[there], of_capacity)
        return WeatherShares(speed, capacity)

    def _covered(self, one: Incident) -> Bools:
        if one.link:
            there = np.zeros(len(self._points), np.bool_)
            there[self._rows[one.link]] = True
            return there
        if one.area is None:
            return np.ones(len(self._points), np.bool_)
        return _inside(self._points, one.area)


def _inside(points: Floats, area: Area) -> Bools:
    west, south, east, north = area
    lon, lat = points[:, 0], points[:, 1]
    return np.asarray((lon >= west) & (lon <= east) & (lat >= south) & (lat <= north), np.bool_)
