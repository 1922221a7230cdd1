"""All results as tables: columns with their units in their names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from twin.columns import Floats, Ints
from twin.scenario.compare import Differences, differences
from twin.scenario.results.service import LETTERS, UNJUDGED
from twin.scenario.results.whole import LINK_KINDS, Results, Side
from twin.scenario.results.winners import BINS_MIN
from twin.units import HOUR_S, KM_M

Column = Sequence[object] | np.ndarray
Columns = dict[str, Column]
_UNIT_NAMES: Final = {"veh": "veh", "km/h": "kph", "veh-h": "veh_h", "min": "min"}


@dataclass(frozen=True, slots=True)
class ResultTable:
    """One table: its file name without ending, and its columns, all equally long."""

    name: str
    columns: Columns


def tables_of(results: Results) -> Iterator[ResultTable]:
    """Yield all tables one by one, the large ones last."""
    for name, make in _MAKERS.items():
        yield ResultTable(name, make(results))


def clock_of(results: Results, seconds: Floats) -> list[str]:
    """Write moments of the run as local clock times, HH:MM:SS."""
    return [_clock(results.frame.start_s + float(second)) for second in seconds]


def _clocks(results: Results, seconds: Floats) -> np.ndarray:
    return np.array(clock_of(results, seconds), np.str_)


def _clock(of_day_s: float) -> str:
    whole = round(of_day_s)
    return f"{whole // 3600 % 24:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _measures(results: Results) -> Columns:
    """measures: a row a measure."""
    found = measure_differences(results)
    return {
        "measure": [one.kind.key for one in results.measures],
        "description": [one.kind.words for one in results.measures],
        "unit": [one.kind.unit for one in results.measures],
        "base": found.base,
        "edited": found.edited,
        "difference": found.difference,
        "low": found.low,
        "high": found.high,
        "day_to_day": found.day_to_day,
        "within_noise": found.within_noise,
        "verdict": [found.verdict(row).value for row in range(len(results.measures))],
    }


def measure_differences(results: Results) -> Differences:
    """Return the differences of all measures, in their order."""
    return differences(
        np.stack([one.base for one in results.measures], axis=1),
        np.stack([one.edited for one in results.measures], axis=1),
    )


def _seeds(results: Results) -> Columns:
    """measures_by_seed: a row a seed and measure."""
    columns: dict[str, list[object]] = {"seed": [], "measure": [], "base": [], "edited": []}
    for one in results.measures:
        for row, seed in enumerate(results.seeds):
            for name, value in zip(
                columns, (seed, one.kind.key, one.base[row], one.edited[row]), strict=True
            ):
                columns[name].append(value)
    return dict(columns)


def _links(results: Results) -> Columns:
    """links: a row a link, over the whole run."""
    links = results.frame.links
    columns: Columns = {
        "link_id": links.ids,
        "name": links.names,
        "class": [str(kind) for kind in links.kind],
        "road": links.road,
        "from_node_id": links.from_node,
        "to_node_id": links.to_node,
        "length_m": links.length_m,
        "lanes": links.lanes,
        "in_base": links.in_base,
        "in_edited": links.in_edited,
    }
    for kind in LINK_KINDS:
        base, edited = results.by_link[kind.key]
        found = differences(base, edited)
        name = f"{kind.key}_{_UNIT_NAMES[kind.unit]}"
        columns |= {
            f"base_{name}": seed_mean(base),
            f"edited_{name}": seed_mean(edited),
            f"difference_{name}": found.difference,
            f"low_{name}": found.low,
            f"high_{name}": found.high,
            f"within_noise_{kind.key}": found.within_noise,
        }
    for side, part in _sides(results):
        columns[f"{side}_full_first_s"] = part.full_first_s
        columns[f"{side}_worst_level"] = letters(part.links.level.max(axis=0))
        for pollutant, grams in part.grams.items():
            columns[f"{side}_{pollutant}_g"] = grams
    return columns


def seed_mean(values: Floats) -> Floats:
    """Return the mean over the seeds that have a value, (n,) of (S, n); NaN where none has."""
    there = np.isfinite(values)
    count = there.sum(axis=0)
    total = np.where(there, values, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def letters(levels: Ints) -> list[str]:
    """Return the letters of levels; empty where nothing was judged."""
    return ["" if level == UNJUDGED else LETTERS[level] for level in levels.tolist()]


def _sides(results: Results) -> tuple[tuple[str, Side], tuple[str, Side]]:
    return ("base", results.base), ("edited", results.edited)


def _junctions(results: Results) -> Columns:
    """junctions: a row a junction and quarter of an hour."""
    base, edited = results.base.junctions, results.edited.junctions
    size = base.delay_s.shape
    from_s = np.repeat(results.base.quarters.from_s, size[1])
    return {
        "node_id": list(base.nodes) * size[0],
        "signals": np.tile(base.signalled, size[0]),
        "from": clock_of(results, from_s),
        "base_delay_s": base.delay_s.ravel(),
        "edited_delay_s": edited.delay_s.ravel(),
        "base_level": letters(base.level.ravel()),
        "edited_level": letters(edited.level.ravel()),
    }


def _winners(results: Results) -> Columns:
    """winners: trips by change of travel time, all seeds together."""
    edges = list(pairwise(BINS_MIN))
    return {
        "from_min": [low for low, _ in edges],
        "until_min": [high for _, high in edges],
        "trips": results.winners.bins,
    }


def _diagrams(results: Results) -> Columns:
    """network_diagram: a row a side, part of the network and interval."""
    columns: dict[str, list[object]] = {
        name: [] for name in ("side", "part", "from", "accumulation_veh", "production_vehkm_per_h")
    }
    for side, part in _sides(results):
        for diagram in part.diagrams:
            columns["side"] += [side] * len(part.intervals)
            columns["part"] += [diagram.part] * len(part.intervals)
            columns["from"] += clock_of(results, part.intervals.from_s)
            columns["accumulation_veh"] += diagram.accumulation_veh.tolist()
            columns["production_vehkm_per_h"] += diagram.production_vkmph.tolist()
    return dict(columns)


def _space_time(results: Results) -> Columns:
    """space_time: a row a side, corridor, link and interval."""
    parts: list[dict[str, np.ndarray]] = []
    ids = np.array(results.frame.links.ids)
    for side, part in _sides(results):
        clock = _clocks(results, part.intervals.from_s)
        for corridor in results.corridors:
            shape = (len(part.intervals), len(corridor.rows))
            per_time = (np.full(shape[0], side), np.full(shape[0], corridor.road), clock)
            per_link = (ids[corridor.rows], corridor.start_m, corridor.end_m)
            fields = (part.intervals.speed_mps * 3.6, part.intervals.density_vpm * KM_M)
            values = (
                *(np.repeat(one, shape[1]) for one in per_time),
                *(np.tile(one, shape[0]) for one in per_link),
                *(one[:, corridor.rows].ravel() for one in fields),
            )
            parts.append(dict(zip(_SPACE_TIME, values, strict=True)))
    return {name: _joined([part[name] for part in parts]) for name in _SPACE_TIME}


_SPACE_TIME: Final = (
    *("side", "corridor", "from", "link_id", "start_m", "end_m"),
    *("speed_kph", "density_vpkm"),
)


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.empty(0)


def _skims(results: Results) -> Columns:
    """skims: a row a side, pair of zones and departure slot."""
    zones = np.array(results.frame.zones)
    parts: dict[str, list[np.ndarray]] = {}
    for side, part in _sides(results):
        skims = part.skims
        with np.errstate(invalid="ignore"):
            buffer = (skims.high_s - skims.mean_s) / skims.mean_s
        columns = {
            "side": np.full(len(skims), side),
            "origin": zones[skims.origin],
            "destination": zones[skims.destination],
            "depart_from": _clocks(results, skims.slot.astype(np.float64) * skims.slot_s),
            "trips": skims.trips,
            "arrived": skims.arrived,
            "mean_time_s": skims.mean_s,
            "time_95_s": skims.high_s,
            "buffer_index": buffer,
            "distance_m": skims.distance_m,
        }
        for name, column in columns.items():
            parts.setdefault(name, []).append(column)
    return {name: _joined(some) for name, some in parts.items()}


def _link_times(results: Results) -> Columns:
    """link_times: a row a side, interval and link; means over all seeds."""
    ids = np.array(results.frame.links.ids)
    parts: dict[str, list[np.ndarray]] = {}
    for side, part in _sides(results):
        intervals = part.intervals
        size = len(intervals)
        columns = {
            "side": np.full(size * len(ids), side),
            "from": np.repeat(clock_of(results, intervals.from_s), len(ids)),
            "until": np.repeat(clock_of(results, intervals.until_s), len(ids)),
            "link_id": np.tile(ids, size),
            "flow_vph": intervals.flow_vps.ravel() * HOUR_S,
            "speed_kph": intervals.speed_mps.ravel() * 3.6,
            "density_vpkm": intervals.density_vpm.ravel() * KM_M,
            "queue_veh": intervals.queue_veh.ravel(),
            "delay_veh_h": intervals.lost_s.ravel() / HOUR_S,
            "entered_veh": part.entered[1:].ravel(),
            "left_veh": part.left[1:].ravel(),
        }
        for name, column in columns.items():
            parts.setdefault(name, []).append(column)
    return {name: _joined(some) for name, some in parts.items()}


def _trips(results: Results) -> Columns:
    """trips: a row a seed and trip that either side has; times in s since the start."""
    parts: dict[str, list[np.ndarray]] = {}
    zones, classes = np.array(results.frame.zones), np.array(results.frame.classes)
    for seed, (base, edited, changes) in zip(results.seeds, results.trips, strict=True):
        first, second = base.trips, edited.trips
        vehicle = np.union1d(first.vehicle, second.vehicle)
        rows = [np.searchsorted(vehicle, one.vehicle) for one in (first, second)]
        columns: dict[str, np.ndarray] = {"seed": np.full(len(vehicle), seed), "vehicle": vehicle}
        for name in ("class", "origin", "destination"):
            columns[name] = np.empty(len(vehicle), object)
        columns["depart_s"] = np.full(len(vehicle), np.nan)
        for trips, there in zip((first, second), rows, strict=True):
            columns["class"][there] = classes[trips.vclass]
            columns["origin"][there] = zones[trips.origin]
            columns["destination"][there] = zones[trips.destination]
            columns["depart_s"][there] = trips.depart_s
        for side, trips, there in zip(("base", "edited"), (first, second), rows, strict=True):
            for name in ("arrived_s", "distance_m", "delay_s", "stops"):
                values = np.full(len(vehicle), np.nan)
                values[there] = getattr(trips, name)
                columns[f"{side}_{name}"] = values
            denied = np.zeros(len(vehicle), np.bool_)
            denied[there] = trips.denied
            columns[f"{side}_denied"] = denied
        change = np.full(len(vehicle), np.nan)
        change[np.searchsorted(vehicle, first.vehicle[changes.base_row])] = changes.change_s
        columns["change_s"] = change
        for name, column in columns.items():
            parts.setdefault(name, []).append(column)
    return {name: _joined(some) for name, some in parts.items()}


_MAKERS: Final[dict[str, Callable[[Results], Columns]]] = {
    "measures": _measures,
    "measures_by_seed": _seeds,
    "links": _links,
    "junctions": _junctions,
    "winners": _winners,
    "network_diagram": _diagrams,
    "space_time": _space_time,
    "skims": _skims,
    "link_times": _link_times,
    "trips": _trips,
}
