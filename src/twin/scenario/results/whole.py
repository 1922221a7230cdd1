"""All results of a scenario, made in one pass over its paired seeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from twin.columns import Floats
from twin.scenario.outcome import Frame, Pair, SeedRun, Singles
from twin.scenario.results.emissions import Factors, class_mix, link_grams, read_factors
from twin.scenario.results.intervals import (
    LinkIntervals,
    free_s_of,
    intervals_of,
    merged,
    moments_of,
)
from twin.scenario.results.measures import (
    KINDS,
    Kind,
    Measure,
    first_s,
    paired,
    run_values,
    spell_s,
)
from twin.scenario.results.network_diagram import NetworkDiagram, network_diagrams
from twin.scenario.results.service import (
    PERIOD_S,
    JunctionService,
    LinkService,
    heavy_share,
    junction_service,
    link_service,
)
from twin.scenario.results.skims import Skims, SkimTable
from twin.scenario.results.space_time import Corridor, corridors_of
from twin.scenario.results.winners import Changes, Winners, changes_of, winners_of
from twin.units import HOUR_S

INTERVAL_S = 300.0
# Of each link over the whole run, one value a seed.
LINK_KINDS = (
    Kind("vehicles", "Vehicles that left the link", "veh", 0),
    Kind("speed", "Mean speed", "km/h", 1),
    Kind("delay", "Delay", "veh-h", -1),
    Kind("queue", "Longest queue", "veh", -1),
    Kind("full", "Time that the link stands full", "min", -1),
)


@dataclass(frozen=True, slots=True)
class Side:
    """Base or edited, means over all seeds.

    intervals         flow, speed, density, queue, delay by interval and link
    moments_s (I + 1,), entered, left (I + 1, L)   cumulative curves
    waiting (T,)      vehicles that wait at their origins
    full_first_s (L,) when a link first stood full, earliest of all seeds; NaN: never
    grams             pollutant: (L,) of the whole run
    links, junctions  level of service by quarter of an hour
    """

    intervals: LinkIntervals
    moments_s: Floats
    entered: Singles
    left: Singles
    waiting: Floats
    full_first_s: Floats
    grams: dict[str, Floats]
    links: LinkService
    junctions: JunctionService
    quarters: LinkIntervals
    diagrams: tuple[NetworkDiagram, ...]
    skims: Skims


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that tables, exports and the report show.

    measures   of the whole network, emissions among them
    by_link    key of `LINK_KINDS`: (base, edited), each (S, L)
    trips      by seed: the two trip tables' changes, in the order of `seeds`
    """

    frame: Frame
    seeds: tuple[int, ...]
    measures: tuple[Measure, ...]
    by_link: dict[str, tuple[Floats, Floats]]
    base: Side
    edited: Side
    trips: tuple[tuple[SeedRun, SeedRun, Changes], ...]
    winners: Winners
    corridors: tuple[Corridor, ...]
    factors: Factors


@dataclass(slots=True)
class _Gathered:
    """What is kept of one side while its seeds go by."""

    values: list[dict[str, float]] = field(default_factory=list)
    links: list[Floats] = field(default_factory=list)
    intervals: list[LinkIntervals] = field(default_factory=list)
    quarters: list[LinkIntervals] = field(default_factory=list)
    grams: list[dict[str, Floats]] = field(default_factory=list)
    curves: list[tuple[Singles, Singles]] = field(default_factory=list)
    waiting: list[Floats] = field(default_factory=list)
    full_first_s: list[Floats] = field(default_factory=list)
    heavy: list[float] = field(default_factory=list)


def results_of(
    pair: Pair,
    *,
    factors: Factors | None = None,
    interval_s: float = INTERVAL_S,
    on_seed: Callable[[int], None] | None = None,
) -> Results:
    """Make all results of base and edited.

    factors      average-speed emission factors; the example that comes with the program when None
    interval_s   length of an interval of the time series and of the departure slots of skims
    on_seed      is told how many seeds are done
    """
    used = read_factors() if factors is None else factors
    frame, gathered = pair.frame, (_Gathered(), _Gathered())
    skims = (SkimTable(interval_s), SkimTable(interval_s))
    trips: list[tuple[SeedRun, SeedRun, Changes]] = []
    for number, runs in enumerate(pair.each(), 1):
        for run, kept, table in zip(runs, gathered, skims, strict=True):
            _gather(frame, run, kept, used, interval_s)
            table.add(frame, run)
        base, edited = runs
        trips.append((_bare(base), _bare(edited), changes_of(base.trips, edited.trips)))
        if on_seed is not None:
            on_seed(number)
    moments_s = frame.times_s[moments_of(frame.times_s, interval_s)]
    sides = [
        _side(frame, kept, moments_s, table.whole(frame))
        for kept, table in zip(gathered, skims, strict=True)
    ]
    kinds = (*KINDS, *_pollutant_kinds(used))
    return Results(
        frame=frame,
        seeds=pair.seeds,
        measures=paired(kinds, gathered[0].values, gathered[1].values),
        by_link=_by_link(gathered[0].links, gathered[1].links),
        base=sides[0],
        edited=sides[1],
        trips=tuple(trips),
        winners=winners_of([(b.trips, e.trips, c) for b, e, c in trips], frame.classes),
        corridors=corridors_of(frame.links),
        factors=used,
    )


def _bare(run: SeedRun) -> SeedRun:
    """Return the run without its curves: only trips and spells are kept of all seeds."""
    nothing = np.empty((0, 0), np.float32)
    return SeedRun(
        run.seed,
        nothing,
        nothing,
        nothing,
        nothing,
        run.waiting,
        run.trips,
        run.full,
        run.gridlock,
        run.step,
    )


def _pollutant_kinds(factors: Factors) -> tuple[Kind, ...]:
    mark = f" ({factors.mark})" if factors.mark else ""
    return tuple(
        Kind(f"emission_{name}", f"Emission of {name}{mark}", "kg", -1)
        for name in factors.pollutants
    )


def _gather(
    frame: Frame, run: SeedRun, kept: _Gathered, factors: Factors, interval_s: float
) -> None:
    intervals = intervals_of(frame, run, interval_s)
    grams = link_grams(frame, factors, intervals, class_mix(frame, run))
    values = run_values(frame, run, intervals)
    values |= {f"emission_{name}": float(part.sum()) / 1e3 for name, part in grams.items()}
    rows = moments_of(frame.times_s, interval_s)
    kept.values.append(values)
    kept.links.append(_link_values(frame, run, intervals))
    kept.intervals.append(intervals)
    kept.quarters.append(intervals_of(frame, run, max(PERIOD_S, interval_s)))
    kept.grams.append(grams)
    kept.curves.append((run.entered[rows], run.left[rows]))
    kept.waiting.append(run.waiting)
    kept.full_first_s.append(first_s(run.full, len(frame.links)))
    kept.heavy.append(heavy_share(frame, run))


def _link_values(frame: Frame, run: SeedRun, intervals: LinkIntervals) -> Floats:
    """Return the values of `LINK_KINDS` of one run, (kinds, L)."""
    present_s = run.vehicle_s.sum(axis=0, dtype=np.float64)
    through = 0.5 * (run.entered[-1].astype(np.float64) + run.left[-1])
    with np.errstate(divide="ignore", invalid="ignore"):
        speed = np.where(present_s > 0, through * frame.links.length_m / present_s, np.nan)
    lost = np.maximum(present_s - through * free_s_of(frame, run), 0.0)
    return np.stack(
        [
            run.left[-1].astype(np.float64),
            np.minimum(speed, frame.links.top_speed_mps) * 3.6,
            lost / HOUR_S,
            intervals.queue_veh.max(axis=0).astype(np.float64),
            spell_s(run.full, len(frame.links)) / 60.0,
        ]
    )


def _by_link(base: list[Floats], edited: list[Floats]) -> dict[str, tuple[Floats, Floats]]:
    first, second = np.stack(base, axis=1), np.stack(edited, axis=1)
    return {kind.key: (first[row], second[row]) for row, kind in enumerate(LINK_KINDS)}


def _side(frame: Frame, kept: _Gathered, moments_s: Floats, skims: Skims) -> Side:
    intervals, quarters = merged(kept.intervals), merged(kept.quarters)
    first = np.stack(kept.full_first_s)
    earliest = np.where(np.isnan(first), np.inf, first).min(axis=0)
    return Side(
        intervals=intervals,
        moments_s=moments_s,
        entered=np.asarray(np.mean([one for one, _ in kept.curves], axis=0), np.float32),
        left=np.asarray(np.mean([one for _, one in kept.curves], axis=0), np.float32),
        waiting=np.mean(kept.waiting, axis=0),
        full_first_s=np.where(np.isfinite(earliest), earliest, np.nan),
        grams={
            name: np.mean([grams[name] for grams in kept.grams], axis=0) for name in kept.grams[0]
        },
        links=link_service(frame, quarters, heavy=float(np.mean(kept.heavy))),
        junctions=junction_service(frame, quarters),
        quarters=quarters,
        diagrams=network_diagrams(frame.links, intervals),
        skims=skims,
    )
