"""The tables of the report: rows of ready words."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from twin.columns import Floats
from twin.scenario.compare import Differences, Verdict, differences
from twin.scenario.report.drawing import clock
from twin.scenario.results.measures import Kind
from twin.scenario.results.service import LETTERS
from twin.scenario.results.skims import Skims
from twin.scenario.results.tables import measure_differences
from twin.scenario.results.whole import Results

_LEAST_VEH_H = 0.05  # of delay on a link: less is no news
MINUS, NONE = "−", "–"


@dataclass(frozen=True, slots=True)
class MeasureRow:
    """One measure in words; tone is `better`, `worse`, `changed` or `quiet`."""

    key: str
    words: str
    unit: str
    base: str
    edited: str
    difference: str
    interval: str
    verdict: str
    tone: str


@dataclass(frozen=True, slots=True)
class LinkRow:
    """A link whose delay changes most."""

    name: str
    base: str
    edited: str
    difference: str
    interval: str
    full: str
    level: str
    tone: str


def number(value: float, *, signed: bool = False) -> str:
    """Write a number as a person would: three digits that matter, thousands apart."""
    if not math.isfinite(value):
        return NONE
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    text = f"{value:+,.{digits}f}" if signed else f"{value:,.{digits}f}"
    if float(text.replace(",", "")) == 0.0:
        text = "0"
    return text.replace("-", MINUS).replace(",", "\u202f")


def measure_rows(results: Results) -> list[MeasureRow]:
    """Return the rows of the table of measures; what is 0 on both sides everywhere is left out."""
    found = measure_differences(results)
    return [
        _measure_row(one.kind, found, row)
        for row, one in enumerate(results.measures)
        if np.nan_to_num(one.base).any() or np.nan_to_num(one.edited).any()
    ]


def _measure_row(kind: Kind, found: Differences, row: int) -> MeasureRow:
    return MeasureRow(
        key=kind.key,
        words=kind.words,
        unit=kind.unit,
        base=number(float(found.base[row])),
        edited=number(float(found.edited[row])),
        difference=_changed(found, row),
        interval=interval(found, row),
        **dict(zip(("verdict", "tone"), verdict(found, row, kind.better), strict=True)),
    )


def _changed(found: Differences, row: int) -> str:
    if found.verdict(row) is Verdict.SAME:
        return "0"
    return number(float(found.difference[row]), signed=True) + _share(found, row)


def _share(found: Differences, row: int) -> str:
    base = float(found.base[row])
    if base <= 0 or not math.isfinite(base):
        return ""
    share = 100.0 * float(found.difference[row]) / base
    if not 0.05 <= abs(share) < 1000:
        return ""
    digits = 0 if abs(share) >= 10 else 1
    return f" ({share:+.{digits}f}\u202f%)".replace("-", MINUS)


def interval(found: Differences, row: int) -> str:
    """Write the interval of a difference."""
    low, high = (float(side[row]) for side in (found.low, found.high))
    if not math.isfinite(low) or found.verdict(row) is Verdict.SAME:
        return NONE
    return f"{number(low, signed=True)} … {number(high, signed=True)}"


def verdict(found: Differences, row: int, better: int) -> tuple[str, str]:
    """Return the word of a difference and its tone."""
    said = found.verdict(row)
    if said not in (Verdict.HIGHER, Verdict.LOWER):
        return said.value, "quiet"
    if better == 0:
        return said.value, "changed"
    good = (said is Verdict.HIGHER) == (better > 0)
    return ("better", "better") if good else ("worse", "worse")


def link_rows(results: Results, count: int = 10) -> list[LinkRow]:
    """Return the links whose delay changes most beyond noise."""
    found = differences(*results.by_link["delay"])
    change = np.where(found.within_noise, 0.0, np.nan_to_num(found.difference))
    order = np.argsort(-np.abs(change), kind="stable")[:count]
    full = [part.mean(axis=0) for part in results.by_link["full"]]
    worst = [side.links.level.max(axis=0) for side in (results.base, results.edited)]
    return [
        LinkRow(
            name=results.frame.links.ids[row],
            base=number(float(found.base[row])),
            edited=number(float(found.edited[row])),
            difference=number(float(found.difference[row]), signed=True),
            interval=interval(found, row),
            full=f"{number(float(full[0][row]))} → {number(float(full[1][row]))}",
            level=f"{_letter(int(worst[0][row]))} → {_letter(int(worst[1][row]))}",
            tone=verdict(found, row, -1)[1],
        )
        for row in order.tolist()
        if abs(change[row]) >= _LEAST_VEH_H
    ]


def _letter(level: int) -> str:
    return LETTERS[level] if level >= 0 else NONE


def junction_rows(results: Results, count: int = 8) -> list[tuple[str, ...]]:
    """Return the junctions whose worst quarter of an hour changes most: rows of words."""
    base, edited = results.base.junctions, results.edited.junctions
    if not base.nodes:
        return []
    worst = [np.nan_to_num(side.delay_s).max(axis=0) for side in (base, edited)]
    order = np.argsort(-np.abs(worst[1] - worst[0]), kind="stable")[:count]
    return [
        (
            base.nodes[row],
            "signals" if base.signalled[row] else "priority",
            f"{worst[0][row]:.0f}",
            f"{worst[1][row]:.0f}",
            " → ".join(_letter(int(side.level[:, row].max())) for side in (base, edited)),
        )
        for row in order.tolist()
        if abs(worst[1][row] - worst[0][row]) >= 1.0
    ]


def spillback_rows(results: Results, count: int = 10) -> list[tuple[str, ...]]:
    """Return the links that stand full longest: name, first moment and minutes of both sides."""
    full = [part.mean(axis=0) for part in results.by_link["full"]]
    most = np.maximum(full[0], full[1])
    first = [_moments(results, side.full_first_s) for side in (results.base, results.edited)]
    return [
        (
            results.frame.links.ids[row],
            first[0][row],
            number(float(full[0][row])),
            first[1][row],
            number(float(full[1][row])),
        )
        for row in np.argsort(-most, kind="stable")[:count].tolist()
        if most[row] > 0
    ]


def _moments(results: Results, seconds: Floats) -> list[str]:
    start_s = results.frame.start_s
    return [
        clock((start_s + second) / 3600.0) if math.isfinite(second) else NONE
        for second in seconds.tolist()
    ]


def pair_rows(results: Results, count: int = 8) -> list[tuple[str, ...]]:
    """Return the zone pairs whose mean time changes most by all their trips together."""
    zones = results.frame.zones
    times = [_pair_times(side.skims, len(zones)) for side in (results.base, results.edited)]
    weight = {
        key: (times[1][key][1] - time_s) * trips
        for key, (trips, time_s) in times[0].items()
        if key in times[1]
    }
    ranked = sorted(weight, key=lambda key: (-abs(weight[key]), key))
    return [
        (
            f"{zones[key[0]]} → {zones[key[1]]}",
            number(times[0][key][0]),
            number(times[0][key][1] / 60.0),
            number(times[1][key][1] / 60.0),
            number((times[1][key][1] - times[0][key][1]) / 60.0, signed=True),
        )
        for key in ranked[:count]
    ]


def _pair_times(skims: Skims, zones: int) -> dict[tuple[int, int], tuple[float, float]]:
    """Return arrived trips and their mean time in s of each pair of zones, all slots together."""
    key = skims.origin * zones + skims.destination
    unique, place = np.unique(key, return_inverse=True)
    trips = np.bincount(place, weights=skims.arrived)
    total = np.bincount(place, weights=skims.arrived * np.nan_to_num(skims.mean_s))
    return {
        (pair // zones, pair % zones): (count, time_s / count)
        for pair, count, time_s in zip(unique.tolist(), trips.tolist(), total.tolist(), strict=True)
        if count > 0
    }
