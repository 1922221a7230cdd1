"""Length, lanes, speed and capacity of links: in SI, checked, and filled in where they are missing.

What is filled in is named in `guessed`. An impossible value (no lanes, thirteen lanes, a speed of
zero) is reported with its link and then filled in like a missing one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Final, TypeVar

from twin.network import settle
from twin.network.geometry import line_length_m
from twin.network.gmns.classes import USUAL, Usual
from twin.network.gmns.measures import LENGTH_M
from twin.network.gmns.sheets import Sheet
from twin.network.gmns.source import Source
from twin.network.model import Line, LinkClass
from twin.network.problems import MOST_LANES
from twin.network.quality import Severity
from twin.units import mps_from_kph, vps_from_vph

Number = TypeVar("Number", int, float)

_FASTEST_MPS: Final = mps_from_kph(200.0)
_MOST_LANE_VPS: Final = vps_from_vph(20_000.0)  # connectors carry 10,000 a lane in the wild
_DIFFERS: Final = 0.05  # a length that is so far from its geometry is reported
_WRONG_UNIT: Final = 2.0  # by so much the usual length must miss before the unit is doubted
_RIGHT_UNIT: Final = 1.25
_SHORTEST_M: Final = 1.0  # stands in for the length of a link whose ends are one place
_NAMES: Final = ("foot", "meter", "kilometer", "mile")


@dataclass(frozen=True, slots=True)
class LinkValues:
    """The numbers of one link."""

    length_m: float
    lanes: int
    free_speed_mps: float
    capacity_vps: float
    guessed: tuple[str, ...]


def read_values(
    source: Source,
    sheet: Sheet,
    ids: list[str],
    *,
    lines: list[Line],
    drawn_m: list[float],
    classes: list[LinkClass],
) -> list[LinkValues]:
    """Return the numbers of each link; `capacity` of a GMNS file is for one lane.

    `drawn_m` is how long the source draws each link: lengths and their unit are compared with it.
    """
    check = _Check(source, sheet, ids)
    lengths = _lengths(check, lines, drawn_m)
    lanes = check.possible("lanes", sheet.wholes("lanes"), lambda n: 1 <= n <= MOST_LANES)
    speeds = check.possible(
        "free_speed",
        [
            None if value is None else source.measures.speed(value)
            for value in sheet.numbers("free_speed")
        ],
        lambda mps: 0.0 < mps <= _FASTEST_MPS,
    )
    capacities = check.possible(
        "capacity",
        [None if value is None else vps_from_vph(value) for value in sheet.numbers("capacity")],
        lambda vps: 0.0 < vps <= _MOST_LANE_VPS,
    )
    return [
        _filled_in(USUAL[kind], length, lane_count, speed_mps, capacity_vps)
        for kind, length, lane_count, speed_mps, capacity_vps in zip(
            classes, lengths, lanes, speeds, capacities, strict=True
        )
    ]


def _filled_in(
    usual: Usual,
    length: tuple[float, bool],
    lanes: int | None,
    speed_mps: float | None,
    lane_vps: float | None,
) -> LinkValues:
    """Put the usual in the place of what is missing, and name it."""
    given = {
        "length": length[1],
        "lanes": lanes is not None,
        "free_speed": speed_mps is not None,
        "capacity": lane_vps is not None,
    }
    lane_count = lanes or usual.lanes
    return LinkValues(
        length_m=length[0],
        lanes=lane_count,
        free_speed_mps=speed_mps or usual.free_speed_mps,
        capacity_vps=(lane_vps or usual.lane_capacity_vps) * lane_count,
        guessed=tuple(name for name, is_given in given.items() if not is_given),
    )


class _Check:
    """Reports the impossible values of one table and turns them into missing ones."""

    def __init__(self, source: Source, sheet: Sheet, ids: list[str]) -> None:
        self.source = source
        self.sheet = sheet
        self.ids = ids

    def possible(
        self, column: str, values: list[Number | None], is_possible: Callable[[Number], bool]
    ) -> list[Number | None]:
        """Return the values with None for each impossible one, which is reported."""
        wrong = [
            row for row, value in enumerate(values) if value is not None and not is_possible(value)
        ]
        self.report(f"impossible_{column}", f"{column} cannot be: the usual is taken", wrong)
        for row in wrong:
            values[row] = None
        return values

    def report(
        self, code: str, text: str, rows: list[int], severity: Severity = Severity.WARNING
    ) -> None:
        """Note a finding about some links."""
        self.source.report(code, self.sheet, text, rows, self.ids, severity=severity)


def _lengths(check: _Check, lines: list[Line], drawn_m: list[float]) -> list[tuple[float, bool]]:
    """Return the length of each link in metres, and whether the source gave it."""
    raw = check.sheet.numbers("length")
    zero = [row for row, value in enumerate(raw) if value == 0.0]
    check.report("zero_length", "the length is 0: taken from the geometry", zero)
    stated = check.possible("length", raw, lambda value: value >= 0.0)
    unit_m = _unit_m(check, stated, drawn_m)
    lengths: list[tuple[float, bool]] = []
    differs = []
    for row, (value, drawn) in enumerate(zip(stated, drawn_m, strict=True)):
        length_m = settle.metres((value or 0.0) * unit_m)
        is_given = length_m > 0.0
        lengths.append((length_m if is_given else _measured_m(lines[row]), is_given))
        if is_given and abs(length_m - drawn) > _DIFFERS * drawn:
            differs.append(row)
    text = f"length and geometry differ by more than {_DIFFERS:.0%}: the length is taken"
    check.report("length_differs", text, differs)
    flat = [row for row, drawn in enumerate(drawn_m) if drawn == 0.0]
    check.report("no_extent", "the geometry starts and ends in one place", flat)
    return lengths


def _measured_m(line: Line) -> float:
    return max(line_length_m(line), _SHORTEST_M)


def _unit_m(check: _Check, stated: list[float | None], drawn_m: list[float]) -> float:
    """Return the unit of the lengths: what the config says unless the geometry proves it wrong."""
    said_m = check.source.measures.long_m
    ratios = [
        value / drawn for value, drawn in zip(stated, drawn_m, strict=True) if value and drawn > 0.0
    ]
    if not ratios or "twin_map" in check.source.sheets:
        return said_m
    usual = median(ratios)
    if 1.0 / _WRONG_UNIT <= usual * said_m <= _WRONG_UNIT:
        return said_m
    for name in _NAMES:
        if 1.0 / _RIGHT_UNIT <= usual * LENGTH_M[name] <= _RIGHT_UNIT:
            check.source.findings.add(
                "length_unit",
                check.sheet.name,
                f"lengths are in {name}, not in the long_length of config: read so, because the"
                " geometry agrees",
                severity=Severity.WARNING,
            )
            return LENGTH_M[name]
    check.source.findings.add(
        "length_unit",
        check.sheet.name,
        f"lengths are {usual * said_m:.3g} times as long as the geometry, in no unit known here",
        severity=Severity.ERROR,
    )
    return said_m
