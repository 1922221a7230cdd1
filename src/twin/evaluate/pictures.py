"""How far the live picture is from the truth: density and travel time, link by link.

A picture is held against the minute in which it was shown, so that the age of its data counts
against it. Nothing here knows how an estimate is made; what is read was kept by `twin world`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from twin.errors import Fault, InputError
from twin.network.corridors import corridors
from twin.network.gmns import read_gmns
from twin.network.model import SingleMap
from twin.units import KM_M
from twin.world.pictures import SOURCES, Pictures, load_pictures
from twin.world.truth import LinkMinutes, load_link_minutes

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

SLOWEST_MPS: Final = 1.0  # a travel time is not divided out of a slower speed, on either side
WITHIN_SD: Final = 1.645  # 90 % of a normal distribution
LONG_ROAD_M: Final = 3000.0
MEANS_MIN: Final = 5
_MINUTE_S: Final = 60.0
_ALL: Final = "all"


@dataclass(frozen=True)
class Errors:
    """The errors of one quantity over some links and minutes; estimate less truth.

    mean is of the truth; coverage is the share of the stated 90 % intervals that hold the truth,
    NaN where no uncertainty is stated
    """

    quantity: str
    road_class: str
    source: str
    count: int
    mean: float
    mae: float
    rmse: float
    bias: float
    coverage: float


@dataclass(frozen=True)
class RoadTimes:
    """Travel time along one road at each picture, seconds: (pictures,) truth and estimate."""

    road: str
    length_m: float
    links: tuple[int, ...]
    start_m: tuple[float, ...]
    truth_s: Floats
    estimate_s: Floats


@dataclass(frozen=True)
class Comparison:
    """Truth and estimate side by side, (pictures, links); `minute_s` is in SUMO's seconds."""

    network: SingleMap
    minute_s: Floats
    pictures: Pictures
    truth_density_vpm: Floats
    truth_speed_mps: Floats

    @cached_property
    def classes(self) -> npt.NDArray[np.str_]:
        """The class of each link, (links,)."""
        return np.array([str(link.link_class) for link in self.network.links])

    @cached_property
    def truth_pace(self) -> Floats:
        """Travel time in s/km, NaN where nobody drove."""
        return _pace(self.truth_speed_mps)

    @cached_property
    def pace(self) -> Floats:
        """The estimate of the same, NaN where no speed is known."""
        return _pace(self.pictures.speed_mps)

    def roads(self) -> list[RoadTimes]:
        """Return the travel times along every road of 3 km and more."""
        row_of = self.network.link_rows
        free = np.array([link.free_speed_mps for link in self.network.links])
        length = np.array([link.length_m for link in self.network.links])
        found = []
        for road in corridors(self.network):
            if road.length_m >= LONG_ROAD_M:
                rows = [row_of[link] for link in road.links]
                times = (
                    _road_s(speed[:, rows], free[rows], length[rows])
                    for speed in (self.truth_speed_mps, self.pictures.speed_mps)
                )
                found.append(RoadTimes(road.road, road.length_m, tuple(rows), road.start_m, *times))
        return sorted(found, key=lambda one: -one.length_m)


def open_run(folder: Path) -> Comparison:
    """Read what `twin world --out FOLDER` kept. Raises InputError when a part is missing."""
    truth = load_link_minutes(folder / "truth.npz")
    pictures = load_pictures(folder / "pictures.npz")
    network, _ = read_gmns(folder / "network")
    return compare(network, truth, pictures)


def compare(network: SingleMap, truth: LinkMinutes, pictures: Pictures) -> Comparison:
    """Put every picture beside its minute; pictures of other minutes are left out.

    `pictures.time_us` counts from SUMO's zero. Raises InputError when nothing is left, or the
    links are not the map's.
    """
    links = tuple(str(link.id) for link in network.links)
    if truth.links != links or pictures.links != links:
        raise InputError(Fault("links", network.version, "truth and pictures are of another map"))
    second = pictures.time_us / 1e6
    at = np.searchsorted(truth.start_s, second, side="right") - 1
    good = at >= 0
    good[good] = second[good] < truth.start_s[at[good]] + _MINUTE_S
    if not good.any():
        raise InputError(
            Fault("pictures", str(len(second)), "no picture lies in a minute of truth")
        )
    at = at[good]
    return Comparison(
        network=network,
        minute_s=truth.start_s[at],
        pictures=pictures.rows(good),
        truth_density_vpm=truth.density_vpm[at],
        truth_speed_mps=truth.speed_mps[at],
    )


def errors(comparison: Comparison) -> list[Errors]:
    """Return density and travel time errors by class of road, and by where estimates come from.

    Density in veh/km, travel time in s/km; `density, 5 min` is of means over five pictures.
    """
    shown = comparison.pictures
    density, truth = shown.density_vpm * KM_M, comparison.truth_density_vpm * KM_M
    inside = _inside(density, truth, shown.density_sd_vpm * KM_M)
    in_speed = _inside(shown.speed_mps, comparison.truth_speed_mps, shown.speed_sd_mps)
    nothing = np.full_like(_blocks(density), np.nan)
    quantities = (
        ("density (veh/km)", truth, density, inside, shown.source),
        (
            "density, 5 min (veh/km)",
            _blocks(truth),
            _blocks(density),
            nothing,
            shown.source[MEANS_MIN - 1 :: MEANS_MIN],
        ),
        ("travel time (s/km)", comparison.truth_pace, comparison.pace, in_speed, shown.source),
    )
    return [
        one
        for name, true, estimate, covered, source in quantities
        for one in _by_class(name, comparison.classes, true, estimate, covered, source)
    ]


def known_shares(comparison: Comparison) -> dict[str, float]:
    """Return the share of links and minutes with an estimate, and with each source."""
    shown = comparison.pictures
    shares = {"density": float(np.isfinite(shown.density_vpm).mean())}
    shares["speed"] = float(np.isfinite(shown.speed_mps).mean())
    shares |= {name: float((shown.source == at).mean()) for at, name in enumerate(SOURCES)}
    return shares


def save_errors(comparison: Comparison, found: Sequence[Errors], path: Path) -> None:
    """Write all figures as JSON."""
    roads = [
        {
            "road": road.road,
            "length_m": road.length_m,
            "mae_s": float(np.abs(road.estimate_s - road.truth_s).mean()),
            "bias_s": float((road.estimate_s - road.truth_s).mean()),
            "mean_s": float(road.truth_s.mean()),
        }
        for road in comparison.roads()
    ]
    document = {
        "pictures": len(comparison.minute_s),
        "known": known_shares(comparison),
        "errors": [asdict(one) for one in found],
        "roads": roads,
    }
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _by_class(
    name: str,
    classes: npt.NDArray[np.str_],
    truth: Floats,
    estimate: Floats,
    inside: Floats,
    source: npt.NDArray[np.uint8],
) -> Iterator[Errors]:
    both = np.isfinite(truth) & np.isfinite(estimate)
    order = [_ALL, *dict.fromkeys(sorted(classes.tolist()))]
    for road_class in order:
        of_class = both & ((classes == road_class) | (road_class == _ALL))
        for at, word in enumerate((_ALL, *SOURCES[1:])):
            chosen = of_class if at == 0 else of_class & (source == at)
            if chosen.any():
                yield _errors(
                    (name, road_class, word), truth[chosen], estimate[chosen], inside[chosen]
                )


def _errors(of: tuple[str, str, str], truth: Floats, estimate: Floats, inside: Floats) -> Errors:
    off = estimate - truth
    stated = np.isfinite(inside)
    return Errors(
        *of,
        count=len(off),
        mean=float(truth.mean()),
        mae=float(np.abs(off).mean()),
        rmse=float(np.sqrt((off**2).mean())),
        bias=float(off.mean()),
        coverage=float(inside[stated].mean()) if stated.any() else float("nan"),
    )


def _inside(estimate: Floats, truth: Floats, sd: Floats) -> Floats:
    """Return 1 where the 90 % interval holds the truth, 0 where not, NaN where none is stated."""
    inside = (np.abs(estimate - truth) <= WITHIN_SD * sd).astype(np.float64)
    inside[~(np.isfinite(estimate) & np.isfinite(truth) & np.isfinite(sd))] = np.nan
    return inside


def _blocks(values: Floats) -> Floats:
    """Return the means over whole blocks of five pictures, NaN where one of them is."""
    whole = len(values) // MEANS_MIN * MEANS_MIN
    means: Floats = values[:whole].reshape(-1, MEANS_MIN, values.shape[1]).mean(axis=1)
    return means


def _pace(speed_mps: Floats) -> Floats:
    pace: Floats = KM_M / np.maximum(speed_mps, SLOWEST_MPS)  # NaN stays NaN
    return pace


def _road_s(speed_mps: Floats, free_mps: Floats, length_m: Floats) -> Floats:
    """Return (pictures,) the time along a chain of links; unknown or empty ones are free."""
    speed = np.maximum(np.where(np.isfinite(speed_mps), speed_mps, free_mps), SLOWEST_MPS)
    total: Floats = (length_m / speed).sum(axis=1)
    return total
