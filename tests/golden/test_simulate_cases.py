"""The textbook's cases as files: anybody can run them with `twin simulate FILE --out DIR`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from twin.columns import Floats
from twin.simulate.case.form import NetworkCase, NodeCase, read_case
from twin.simulate.case.results import arrivals, node_case_rows, summary
from twin.simulate.case.run import Record, run_case
from twin.simulate.case.wiring import wire_case

FOLDER = Path(__file__).parent / "simulate"
MERGES = [(1500, 500), (1200, 800), (1600, 400), (900, 600)]


def ran(name: str) -> Record:
    """Run a case of a network."""
    case = read_case((FOLDER / f"{name}.json").read_bytes())
    assert isinstance(case, NetworkCase)
    return run_case(wire_case(case))


def flow_vph(record: Record, link: int, from_s: float, until_s: float) -> float:
    """Return the mean flow out of a link."""
    left = np.interp([from_s, until_s], record.time_s, record.curves.columns()[1][:, link])
    return float(left[1] - left[0]) * 3600 / (until_s - from_s)


def queue(record: Record, link: int) -> Floats:
    """Return virtual arrivals less departures at every moment."""
    return np.maximum(arrivals(record) - record.curves.columns()[1], 0)[:, link]


def test_every_case_has_a_test() -> None:
    text = Path(__file__).read_text("utf-8")
    names = {path.stem for path in FOLDER.glob("*.json")}
    assert {name for name in names if f'"{name}"' not in text} == {
        f"merge-{number}" for number in range(1, 5)
    }


def test_shock_and_jam_release() -> None:
    record = ran("riemann-shock")
    tails = [record.curves.tail_m(0, time_s) for time_s in (180.0, 720.0)]
    assert (tails[1] - tails[0]) / 540 * 3.6 == pytest.approx(-12.5, rel=1e-6)
    record = ran("riemann-jam-release")
    for link, at_m in ((0, 8000 - 1150), (0, 7990), (1, 10), (1, 5950)):
        assert record.curves.density_vpm(link, at_m, 216.0) * 1000 == pytest.approx(25, rel=1e-6)
    assert record.curves.density_vpm(0, 8000 - 1250, 216.0) * 1000 == pytest.approx(150, rel=1e-6)
    assert flow_vph(record, 0, 0, 216) == pytest.approx(2500, rel=1e-9)
    record = ran("riemann-standing-shock")
    assert record.curves.tail_m(0, 720.0) == pytest.approx(8000, abs=0.02)
    assert flow_vph(record, 0, 0, 720) == pytest.approx(2000, rel=1e-9)


def test_greenshields_fan() -> None:
    cells = ran("greenshields-fan").cells
    assert cells is not None
    before, after = cells.at(0, 288.0) * 1000, cells.at(1, 288.0) * 1000
    assert (before[99] + before[100]) / 2 == pytest.approx(112.5, rel=0.01)
    assert (before[-1] + after[0]) / 2 == pytest.approx(75, rel=0.01)
    assert (after[99] + after[100]) / 2 == pytest.approx(37.5, rel=0.01)


def test_signal_off_ramp_and_incident() -> None:
    record = ran("signal")
    waiting, steady = queue(record, 0), record.time_s >= 60
    delay_s = np.trapezoid(waiting[steady], record.time_s[steady]) / 100
    assert (delay_s, waiting.max()) == pytest.approx((11.25, 5), rel=1e-6)
    record = ran("off-ramp")
    tails = [record.curves.tail_m(2, 36.0 + moment) for moment in (130.0, 430.0)]
    assert (tails[1] - tails[0]) / 300 * 3.6 == pytest.approx(-2.68657, rel=1e-3)
    assert flow_vph(record, 0, 100, 730) == pytest.approx(4000, rel=1e-6)
    assert flow_vph(record, 0, 745, 1500) == pytest.approx(2500, rel=1e-6)
    assert flow_vph(record, 2, 745, 1500) == pytest.approx(500, rel=1e-6)
    record = ran("incident")
    waiting = queue(record, 0)
    assert waiting[record.time_s == 3600] == pytest.approx(1000, rel=1e-6)
    assert waiting[record.time_s == 4800] == pytest.approx(0, abs=1e-6)
    assert np.trapezoid(waiting, record.time_s) / 3600 == pytest.approx(416.667, rel=1e-5)


def test_capacity_drop_ring_and_gridlock() -> None:
    assert flow_vph(ran("capacity-drop"), 0, 1800, 3600) == pytest.approx(4750, rel=1e-6)
    record = ran("capacity-drop-metered")
    assert flow_vph(record, 0, 1800, 3600) == pytest.approx(4950, rel=1e-6)
    assert record.dropped_s.sum() == 0
    record = ran("ring")
    assert flow_vph(record, 0, 0, 7200) == pytest.approx(2200, rel=1e-9)
    assert flow_vph(record, 0, 3600, 7200) / 40 == pytest.approx(55, rel=1e-9)  # km/h
    record = ran("gridlock")
    told = summary(record, arrivals(record))
    assert told["gridlock_links"] == ["north", "south"]
    assert told["missing"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("number", "passes"), list(enumerate(MERGES, 1)))
def test_merges(number: int, passes: tuple[float, float]) -> None:
    assert node_flows(f"merge-{number}") == pytest.approx(passes, abs=1e-9)


def test_diverge() -> None:
    assert node_flows("diverge") == pytest.approx((1428.571,), abs=1e-3)


def node_flows(name: str) -> tuple[float, ...]:
    """Return what leaves every approach of a node, veh/h."""
    case = read_case((FOLDER / f"{name}.json").read_bytes())
    assert isinstance(case, NodeCase)
    return tuple(float(row[2]) for row in node_case_rows(case) if not row[1])
