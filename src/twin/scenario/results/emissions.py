"""Emissions from average-speed factors that the user brings: a table, not a model of engines.

The factor of a class is that of the band in which the mean speed of a link in an interval lies.
Which classes drive on a link is not in the results: every link has the mix of the whole run, by
distance. The table that comes with the program has round numbers of the right order and no source:
it is an example and no number made with it may be reported.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from twin.columns import Floats
from twin.errors import Fault, InputError
from twin.scenario.outcome import Frame, SeedRun
from twin.scenario.results.intervals import LinkIntervals
from twin.units import KM_M

EXAMPLE_MARK: Final = "example, not for reporting"
SHIPPED: Final = Path(__file__).with_name("emission_factors.csv")
_COLUMNS: Final = ("pollutant", "class", "from_kph", "to_kph", "g_per_km", "source", "year", "page")
_ANY: Final = "*"


@dataclass(frozen=True, slots=True)
class Band:
    """The factor of one range of mean speed, [from, to)."""

    from_kph: float
    to_kph: float
    g_per_km: float


@dataclass(frozen=True, slots=True)
class Factors:
    """Bands by pollutant and class, gapless from 0 km/h; class `*` stands for all others.

    mark   what must stand beside every number made with the table; empty when sources are given
    """

    bands: dict[tuple[str, str], tuple[Band, ...]]
    sources: tuple[str, ...]
    mark: str

    @property
    def pollutants(self) -> tuple[str, ...]:
        """Return the pollutants in the order of the table."""
        return tuple(dict.fromkeys(pollutant for pollutant, _ in self.bands))

    def g_per_km(self, pollutant: str, vclass: str, speed_kph: Floats) -> Floats:
        """Return the factor at each speed; 0 where the speed is NaN."""
        bands = self.bands.get((pollutant, vclass)) or self.bands[pollutant, _ANY]
        ends = np.array([band.to_kph for band in bands[:-1]])
        factors = np.array([band.g_per_km for band in bands])
        found = factors[np.searchsorted(ends, speed_kph, side="right")]
        return np.where(np.isnan(speed_kph), 0.0, found)


def read_factors(path: Path = SHIPPED) -> Factors:
    """Read a table of factors (CSV).

    Columns: pollutant, class, from_kph, to_kph (empty: no end), g_per_km, source, year, page.
    Raises InputError naming the line: a missing column, a negative number, bands that leave a gap,
    a pollutant without bands for class `*`.
    """
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise InputError(Fault("columns", ", ".join(missing), f"missing in {path.name}"))
        rows = list(reader)
    bands: dict[tuple[str, str], list[Band]] = {}
    for number, row in enumerate(rows, 2):
        bands.setdefault((row["pollutant"], row["class"]), []).append(_band(row, number))
    for key, some in bands.items():
        _check_gapless(key, some)
    for pollutant in {pollutant for pollutant, _ in bands}:
        if (pollutant, _ANY) not in bands:
            raise InputError(Fault("class", pollutant, "has no rows for the class *"))
    named = all(row["source"] and row["year"] and row["page"] for row in rows) and bool(rows)
    sources = {f"{row['source']}, {row['year']}, p. {row['page']}" for row in rows if named}
    return Factors(
        bands={key: tuple(some) for key, some in bands.items()},
        sources=tuple(sorted(sources)),
        mark="" if named else EXAMPLE_MARK,
    )


def _band(row: dict[str, str], line: int) -> Band:
    try:
        values = (float(row["from_kph"]), float(row["to_kph"] or "inf"), float(row["g_per_km"]))
    except ValueError as error:
        raise InputError(Fault(f"line {line}", str(row), "holds no number")) from error
    if not (0.0 <= values[0] < values[1] and 0.0 <= values[2] < float("inf")):
        raise InputError(Fault(f"line {line}", str(row), "0 <= from_kph < to_kph, g_per_km >= 0"))
    return Band(*values)


def _check_gapless(key: tuple[str, str], bands: Sequence[Band]) -> None:
    ends = [0.0, *(band.to_kph for band in bands)]
    starts = [*(band.from_kph for band in bands), float("inf")]
    if ends != starts:
        raise InputError(Fault("from_kph", " ".join(key), "bands must run on from 0 without end"))


def class_mix(frame: Frame, run: SeedRun) -> Floats:
    """Return the share of each class in the distance driven, (classes,); 0 when nobody drove."""
    driven = np.bincount(
        run.trips.vclass, weights=run.trips.distance_m, minlength=len(frame.classes)
    )
    return np.asarray(driven / max(float(driven.sum()), 1e-9), np.float64)


def link_grams(
    frame: Frame, factors: Factors, intervals: LinkIntervals, mix: Floats
) -> dict[str, Floats]:
    """Return grams by pollutant and link over the whole run, (L,) each."""
    speed_kph = intervals.speed_mps.astype(np.float64) * 3.6
    km = intervals.distance_m.astype(np.float64) / KM_M
    grams = {}
    for pollutant in factors.pollutants:
        factor = np.zeros(speed_kph.shape)
        for row, vclass in enumerate(frame.classes):
            if mix[row] > 0:
                factor += mix[row] * factors.g_per_km(pollutant, vclass, speed_kph)
        grams[pollutant] = (factor * km).sum(axis=0)
    return grams
