"""The numbers of a whole run: one value a seed, base and edited side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.columns import Floats
from twin.scenario.outcome import Frame, SeedRun, Spells
from twin.scenario.results.intervals import LinkIntervals
from twin.scenario.results.reliability import arrived, reliability_of, time_index
from twin.units import HOUR_S, KM_M


@dataclass(frozen=True, slots=True)
class Kind:
    """What a measure is: its key, its words and unit, and which way is better (+1, -1, 0)."""

    key: str
    words: str
    unit: str
    better: int


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure over paired seeds, (S,) each; NaN where a seed has no such value."""

    kind: Kind
    base: Floats
    edited: Floats


KINDS = (
    Kind("trips", "Trips that want to depart", "trips", 0),
    Kind("arrived", "Trips that arrive before the end", "trips", 1),
    Kind("unfinished", "Trips not finished at the end", "trips", -1),
    Kind("denied", "Trips without any permitted way", "trips", -1),
    Kind("distance", "Distance driven", "veh-km", 0),
    Kind("time", "Time spent, waiting to enter included", "veh-h", -1),
    Kind("delay", "Delay of all trips", "veh-h", -1),
    Kind("mean_speed", "Mean speed on the road", "km/h", 1),
    Kind("mean_time", "Mean travel time of arrived trips", "min", -1),
    Kind("mean_delay", "Mean delay of a trip", "s", -1),
    Kind("stops", "Stops of a trip", "per trip", -1),
    Kind("planning_time_index", "Planning time index (95th percentile over free)", "ratio", -1),
    Kind("buffer_index", "Buffer index ((95th percentile − mean) / mean)", "ratio", -1),
    Kind("waiting", "Most vehicles waiting at their origins", "veh", -1),
    Kind("spillback", "Time that links stand full", "link-h", -1),
    Kind("full_links", "Links that stand full at some time", "links", -1),
    Kind("gridlock", "Time that full links let nobody out", "link-h", -1),
)


def run_values(frame: Frame, run: SeedRun, intervals: LinkIntervals) -> dict[str, float]:
    """Return all measures of one run by key."""
    trips = run.trips
    there = ~trips.denied
    done = arrived(trips)
    end_s = float(frame.times_s[-1])
    time_s = np.where(done, trips.arrived_s, end_s) - trips.depart_s
    index = reliability_of(time_index(trips))
    on_road_s = float(run.vehicle_s.sum(dtype=np.float64))
    waiting_s = float((run.waiting[:-1] * np.diff(frame.times_s)).sum())
    driven_m = float(intervals.distance_m.sum(dtype=np.float64))
    return {
        "trips": float(len(trips)),
        "arrived": float(done.sum()),
        "unfinished": float((there & ~done).sum()),
        "denied": float(trips.denied.sum()),
        "distance": driven_m / KM_M,
        "time": (on_road_s + waiting_s) / HOUR_S,
        "delay": float(trips.delay_s[there].sum()) / HOUR_S,
        "mean_speed": _ratio(driven_m / KM_M, on_road_s / HOUR_S),
        "mean_time": _mean(time_s[done]) / 60.0,
        "mean_delay": _mean(trips.delay_s[there]),
        "stops": _mean(trips.stops[there].astype(np.float64)),
        "planning_time_index": index.planning_time_index,
        "buffer_index": index.buffer_index,
        "waiting": float(run.waiting.max()),
        "spillback": spell_s(run.full, len(frame.links)).sum() / HOUR_S,
        "full_links": float(len(np.unique(run.full.link))),
        "gridlock": spell_s(run.gridlock, len(frame.links)).sum() / HOUR_S,
    }


def spell_s(spells: Spells, links: int) -> Floats:
    """Return how long each link was in the state, (L,) s."""
    lasted = spells.until_s - spells.from_s
    return np.asarray(np.bincount(spells.link, weights=lasted, minlength=links), np.float64)


def first_s(spells: Spells, links: int) -> Floats:
    """Return when each link first came into the state, (L,) s; NaN: never."""
    first = np.full(links, np.inf)
    np.minimum.at(first, spells.link, spells.from_s)
    return np.where(np.isfinite(first), first, np.nan)


def paired(
    kinds: tuple[Kind, ...], base: list[dict[str, float]], edited: list[dict[str, float]]
) -> tuple[Measure, ...]:
    """Put the values of all seeds side by side."""
    return tuple(
        Measure(
            kind,
            np.array([values[kind.key] for values in base]),
            np.array([values[kind.key] for values in edited]),
        )
        for kind in kinds
    )


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _ratio(above: float, below: float) -> float:
    return above / below if below > 0 else float("nan")
