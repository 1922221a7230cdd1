"""The links of a case as roads: units, and the third number of a diagram from the other two."""

from __future__ import annotations

from typing import NoReturn

import numpy as np

from twin.errors import Fault, InputError
from twin.simulate.case.form import Link
from twin.simulate.roads import Roads
from twin.units import mps_from_kph, vps_from_vph


def refuse(field: str, value: object, rule: str) -> NoReturn:
    """Refuse a case for one field. Raises InputError."""
    raise InputError(Fault(field, str(value), rule))


def case_roads(links: list[Link], nodes: dict[str, int]) -> Roads:
    """Return the links as columns in SI. Raises InputError naming a diagram without meaning."""
    diagrams = np.array([_diagram(link, row) for row, link in enumerate(links)], np.float64)
    return Roads(
        from_node=np.array([nodes[link.from_node] for link in links], np.int64),
        to_node=np.array([nodes[link.to_node] for link in links], np.int64),
        length_m=np.array([link.length_m for link in links], np.float64),
        free_speed_mps=np.ascontiguousarray(diagrams[:, 0]),
        capacity_vps=np.ascontiguousarray(diagrams[:, 1]),
        jam_vpm=np.ascontiguousarray(diagrams[:, 2]),
        nodes=len(nodes),
    )


def _diagram(link: Link, row: int) -> tuple[float, float, float]:
    """Return free speed (m/s), capacity (veh/s) and jam density (veh/m) of a link."""
    here = f"links[{row}]"
    if link.diagram is not None:
        return _tabulated(link, f"{here}.diagram")
    free = link.free_speed_kph
    if free is None:
        refuse(f"{here}.free_speed_kph", "", "needed unless `diagram` is given")
    wave, jam, capacity = link.wave_speed_kph, link.jam_vpkm, link.capacity_vph
    if sum(part is not None for part in (wave, jam, capacity)) != 2:
        refuse(here, link.id, "give two of wave_speed_kph, jam_vpkm and capacity_vph")
    if capacity is None and wave is not None and jam is not None:
        capacity = jam / (1.0 / free + 1.0 / wave)
    if jam is None and wave is not None and capacity is not None:
        jam = capacity / free + capacity / wave
    assert capacity is not None
    assert jam is not None
    if jam * free <= capacity * (1.0 + 1e-12):
        refuse(f"{here}.jam_vpkm", jam, "must be above the density at capacity")
    if link.density_vpkm > jam * (1.0 + 1e-12):
        refuse(f"{here}.density_vpkm", link.density_vpkm, f"at most the jam density {jam:g}")
    return mps_from_kph(free), vps_from_vph(capacity), jam / 1000.0


def _tabulated(link: Link, here: str) -> tuple[float, float, float]:
    """Return what a tabulated diagram has in place of the triangular numbers."""
    points = np.array(link.diagram, np.float64).reshape(-1, 2)
    if len(points) < 3 or points[0].any() or points[-1, 1] != 0:
        refuse(here, link.id, "needs three points or more, from (0, 0) to (jam, 0)")
    if any(part is not None for part in (link.wave_speed_kph, link.jam_vpkm, link.capacity_vph)):
        refuse(here, link.id, "stands in place of wave speed, jam density and capacity")
    steps = np.diff(points, axis=0)
    if (steps[:, 0] <= 0).any():
        refuse(here, link.id, "densities must rise")
    slopes = steps[:, 1] / steps[:, 0]
    if (np.diff(slopes) > 1e-9).any() or slopes[0] <= 0:
        refuse(here, link.id, "must be concave")
    return (
        mps_from_kph(float(slopes[0])),
        vps_from_vph(float(points[:, 1].max())),
        float(points[-1, 0]) / 1000.0,
    )
