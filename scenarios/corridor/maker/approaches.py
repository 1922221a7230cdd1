"""The queues before the signals: second by second, behind and before each advance detector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maker.demand import MINUTES, Floats, day_shape, restless
from maker.sensors_map import ADVANCE_M
from maker.signals_map import LAYOUTS
from twin.network.model import Junction, LinkClass, SingleMap

_LANE_VPS = 1_750.0 / 3600.0  # saturation flow
_VEHICLE_M = 6.5  # a standing vehicle with its gap
_LOST_S = 6.0  # of a stage: intergreen and start
_FREE_MPS = 47.0 / 3.6
_CREEP_MPS = 11.0 / 3.6
_LOOP_AND_VEHICLE_M = 6.2
_PEAKS_MIN = ((420, 630), (990, 1_230))  # the hours of the peak plan
# Peak wishes in veh/h: avenue towards the city, out of it, side streets.
_AVENUE_IN_VPH = 1_180.0
_AVENUE_OUT_VPH = 1_050.0
_SIDE_VPH = 330.0


@dataclass(frozen=True, slots=True)
class ApproachDay:
    """What the advance detectors of all approaches saw, (1440, approaches)."""

    links: tuple[str, ...]
    count: Floats
    speed_mps: Floats
    occupancy_frac: Floats


def _green(network: SingleMap, links: list[str]) -> np.ndarray:
    """Say for each second of the day and each approach whether its queue may go, (86400, n)."""
    second = np.arange(86_400)
    minute = second // 60
    peak = np.zeros(86_400, dtype=bool)
    for start, end in _PEAKS_MIN:
        peak |= (minute >= start) & (minute < end)
    columns = []
    for link in links:
        junction = _junction_of(network, link)
        stage = _stage_of(junction, link)
        layout = LAYOUTS[junction.id]
        base = _share(second, layout.base_s, layout.offset_s, stage)
        columns.append(np.where(peak, _share(second, layout.peak_s, layout.offset_s, stage), base))
    return np.stack(columns, axis=1)


def _share(second: np.ndarray, lengths: tuple[float, ...], offset_s: float, row: int) -> np.ndarray:
    at = (second - offset_s) % sum(lengths)
    start = sum(lengths[:row])
    return (at >= start + _LOST_S) & (at < start + lengths[row])


def _junction_of(network: SingleMap, link: str) -> Junction:
    node = network.links[network.link_rows[link]].to_node
    return next(junction for junction in network.junctions if junction.node == node)


def _stage_of(junction: Junction, link: str) -> int:
    """Return the row of the first stage in which traffic of the link goes."""
    for row, stage in enumerate(junction.stages):
        for group in junction.groups:
            if group.id in stage.groups and any(m.startswith(f"{link}>") for m in group.movements):
                return row
    message = f"no stage serves {link}"
    raise ValueError(message)


def _wish(link: str) -> Floats:
    morning = day_shape(morning=1.0, midday=0.62, evening=0.72)
    evening = day_shape(morning=0.74, midday=0.62, evening=1.0)
    if link.startswith("AV-E"):
        return _AVENUE_IN_VPH * morning
    if link.startswith("AV-O"):
        return _AVENUE_OUT_VPH * evening
    side = 1.25 if "C1" in link or "C4" in link else 0.8
    return _SIDE_VPH * side * (morning + evening) / 2.0


def queue_up(network: SingleMap, rng: np.random.Generator) -> ApproachDay:
    """Run a day of arrivals and departures at every signal approach."""
    links: list[str] = [
        link.id
        for link in network.links
        if link.to_node in network.junction_rows and link.link_class is not LinkClass.MOTORWAY
    ]
    lanes = np.array([network.links[network.link_rows[link]].lanes for link in links], float)
    green = _green(network, links)
    wish = np.stack([_wish(link) for link in links], axis=1) / 3600.0
    wish *= restless(rng, size=MINUTES, spread=0.08, memory=0.7, columns=len(links))
    arrivals = rng.poisson(np.repeat(wish, 60, axis=0))
    return _run(tuple(links), lanes, green, arrivals)


def _run(
    links: tuple[str, ...], lanes: Floats, green: np.ndarray, arrivals: np.ndarray
) -> ApproachDay:
    room = np.floor(lanes * ADVANCE_M / _VEHICLE_M)  # vehicles between detector and stop line
    before, behind = np.zeros(len(links)), np.zeros(len(links))
    credit, entry = np.zeros(len(links)), np.zeros(len(links))
    count, covered, slow = (np.zeros((MINUTES, len(links))) for _ in range(3))
    for second in range(86_400):
        minute = second // 60
        credit = np.where(green[second], np.minimum(credit + lanes * _LANE_VPS, 2.0 * lanes), 0.0)
        gone = np.minimum(np.floor(credit), before)
        credit -= gone
        before -= gone
        behind += arrivals[second]
        entry = np.minimum(entry + lanes * 1.2 * _LANE_VPS, 2.0 * lanes)
        over = np.minimum(np.minimum(behind, room - before), np.floor(entry))
        entry -= over
        before += over
        behind -= over
        standing = (before >= room - 1) & ~green[second]
        count[minute] += over
        slow[minute] += over * ((behind > 0) | (before > 0.8 * room))
        covered[minute] += standing
    return _seen(links, lanes, count, covered / 60.0, slow)


def _seen(
    links: tuple[str, ...], lanes: Floats, count: Floats, covered: Floats, slow: Floats
) -> ApproachDay:
    share_slow = np.where(count > 0, slow / np.maximum(count, 1.0), 0.0)
    pace = (1.0 - share_slow) / _FREE_MPS + share_slow / _CREEP_MPS
    passing = count / 60.0 / lanes * _LOOP_AND_VEHICLE_M * pace
    return ApproachDay(links, count, 1.0 / pace, np.minimum(covered + passing, 0.98))
