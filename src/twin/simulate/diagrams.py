"""Concave fundamental diagrams as their tangents, one column a member."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from twin.columns import Floats, Ints
from twin.errors import SimulationError
from twin.simulate.roads import Roads


@dataclass(frozen=True, slots=True)
class Diagrams:
    """The diagrams of links: flow = the least of capacity and of base + speed * density.

    rise_start, fall_start   (links + 1,) CSR of rising and falling tangents by link
    rise_vps, rise_mps, fall_vps, fall_mps   (tangents, members); capacity_vps (links, members)
    """

    rise_start: Ints
    rise_vps: Floats
    rise_mps: Floats
    fall_start: Ints
    fall_vps: Floats
    fall_mps: Floats
    capacity_vps: Floats

    @property
    def members(self) -> int:
        """Return the size of the ensemble."""
        return int(self.capacity_vps.shape[1])

    def fastest_mps(self, link: int) -> float:
        """Return the fastest wave of a link in any member."""
        rises = self.rise_mps[self.rise_start[link] : self.rise_start[link + 1]]
        falls = self.fall_mps[self.fall_start[link] : self.fall_start[link + 1]]
        return float(max(np.abs(rises).max(), np.abs(falls).max()))

    def flow_vps(self, link: int, density_vpm: Floats) -> Floats:
        """Return the flow at densities (..., members)."""
        flow: Floats = np.broadcast_to(self.capacity_vps[link], density_vpm.shape).copy()
        for line in range(self.rise_start[link], self.rise_start[link + 1]):
            np.minimum(flow, self.rise_vps[line] + self.rise_mps[line] * density_vpm, out=flow)
        for line in range(self.fall_start[link], self.fall_start[link + 1]):
            np.minimum(flow, self.fall_vps[line] + self.fall_mps[line] * density_vpm, out=flow)
        return np.asarray(np.maximum(flow, 0.0), np.float64)

    def critical_vpm(self, link: int) -> float:
        """Return the least density at which the first member's link flows at capacity."""
        rises = slice(self.rise_start[link], self.rise_start[link + 1])
        at_capacity = self.capacity_vps[link, 0] - self.rise_vps[rises, 0]
        return float((at_capacity / self.rise_mps[rises, 0]).max())


def triangular(
    roads: Roads,
    *,
    free_speed_mps: Floats | None = None,
    capacity_vps: Floats | None = None,
    jam_vpm: Floats | None = None,
) -> Diagrams:
    """Return triangular diagrams; (links, members) in place of a column of `roads` vary it.

    Raises SimulationError naming a link whose jam density is not above that at capacity.
    """
    given = (
        roads.free_speed_mps[:, None] if free_speed_mps is None else free_speed_mps,
        roads.capacity_vps[:, None] if capacity_vps is None else capacity_vps,
        roads.jam_vpm[:, None] if jam_vpm is None else jam_vpm,
    )
    free, capacity, jam = (np.array(part, np.float64) for part in np.broadcast_arrays(*given))
    at_capacity = capacity / free
    wrong = np.flatnonzero(~(jam > at_capacity).all(axis=1))
    if len(wrong):
        message = f"link {wrong[0]} has a jam density below its density at capacity"
        raise SimulationError(message)
    wave = capacity / (jam - at_capacity)
    starts = np.arange(len(roads) + 1, dtype=np.int64)
    return Diagrams(
        rise_start=starts,
        rise_vps=np.zeros_like(free),
        rise_mps=free,
        fall_start=starts,
        fall_vps=wave * jam,
        fall_mps=-wave,
        capacity_vps=capacity,
    )


def tabulated(roads: Roads, tables: Mapping[int, Floats]) -> Diagrams:
    """Return diagrams of one member; `tables` gives points (veh/m, veh/s) of links by row.

    The others are triangular. Raises SimulationError for points that are not concave from 0 to 0.
    """
    usual = triangular(roads)
    rises: list[list[tuple[float, float]]] = []
    falls: list[list[tuple[float, float]]] = []
    capacity = usual.capacity_vps.copy()
    for link in range(len(roads)):
        if link not in tables:
            rises.append([(0.0, float(usual.rise_mps[link, 0]))])
            falls.append([(float(usual.fall_vps[link, 0]), float(usual.fall_mps[link, 0]))])
            continue
        points = tables[link]
        speeds = _slopes(points, link)
        lines = [
            (float(point[1] - speed * point[0]), float(speed))
            for point, speed in zip(points, speeds, strict=False)
        ]
        rises.append([line for line in lines if line[1] > 0])
        falls.append([line for line in lines if line[1] < 0])
        capacity[link] = points[:, 1].max()
    return Diagrams(*_columns(rises), *_columns(falls), capacity)


def _slopes(points: Floats, link: int) -> Floats:
    """Return the slopes between points of a diagram. Raises SimulationError."""
    steps = np.diff(points, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes: Floats = steps[:, 1] / steps[:, 0]
    ends = len(points) >= 3 and not points[0].any() and points[-1, 1] == 0
    if not (ends and (steps[:, 0] > 0).all() and (np.diff(slopes) <= 1e-9 * slopes[0]).all()):
        message = f"the diagram of link {link} is not concave from (0, 0) to (jam, 0)"
        raise SimulationError(message)
    return slopes


def _columns(lines: list[list[tuple[float, float]]]) -> tuple[Ints, Floats, Floats]:
    """Return CSR starts, bases and speeds, one member."""
    starts = np.cumsum([0, *(len(row) for row in lines)]).astype(np.int64)
    flat = np.array([line for row in lines for line in row], np.float64).reshape(-1, 2)
    return starts, flat[:, :1].copy(), flat[:, 1:].copy()
