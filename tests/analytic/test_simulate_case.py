"""Bare cases: the worked ones of the documentation, and what a case may say."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from twin.commands.simulate import simulate
from twin.errors import InputError, SimulationError
from twin.simulate.case.form import NetworkCase, case_schema, read_case
from twin.simulate.case.results import arrivals, node_rows
from twin.simulate.case.run import Record, run_case
from twin.simulate.case.wiring import wire_case

PAGES = Path(__file__).resolve().parents[2] / "docs/reference"
WORKED = re.findall(r"```json\n(.*?)```", (PAGES / "simulate-case.md").read_text("utf-8"), re.S)
APP = typer.Typer()
APP.command()(simulate)


def run(case: dict[str, Any]) -> Record:
    """Run a network case."""
    read = read_case(json.dumps({"type": "network", "name": "test", **case}).encode())
    assert isinstance(read, NetworkCase)
    return run_case(wire_case(read))


def road(name: str, start: str, end: str, **fields: Any) -> dict[str, Any]:
    """Describe a kilometre with vf 60, capacity 1800, jam 150."""
    usual = {"length_m": 1000, "free_speed_kph": 60, "capacity_vph": 1800, "jam_vpkm": 150}
    return {"id": name, "from_node": start, "to_node": end} | usual | fields


def table(path: Path) -> list[dict[str, str]]:
    """Read a table that a case wrote."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_schema_of_the_documentation_is_that_of_the_types() -> None:
    committed = json.loads((PAGES / "simulate-case.schema.json").read_text("utf-8"))
    assert committed == json.loads(json.dumps(case_schema())), "python tools/case_schema.py"


def test_the_worked_bottleneck_says_what_the_page_says(tmp_path: Path) -> None:
    (tmp_path / "case.json").write_text(WORKED[0], encoding="utf-8")
    result = CliRunner().invoke(APP, [str(tmp_path / "case.json"), "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    (delay,) = table(tmp_path / "out/delays.csv")
    assert float(delay["delay_veh_h"]) == pytest.approx(1000, rel=1e-6)
    assert float(delay["longest_wait_s"]) == pytest.approx(1200, rel=1e-6)
    assert float(delay["longest_queue_veh"]) == pytest.approx(1000, rel=1e-6)
    tails = {
        float(row["time_s"]): float(row["tail_m"]) for row in table(tmp_path / "out/queues.csv")
    }
    assert tails[3600] == pytest.approx(12500 - 9090.909 * 52.5 / 60, abs=1)
    flows = table(tmp_path / "out/node_flows.csv")
    assert {float(row["flow_vph"]) for row in flows if not row["link_id"]} >= {3000.0}
    summary = json.loads((tmp_path / "out/summary.json").read_text("utf-8"))
    assert summary["delay_on_links_veh_h"] == pytest.approx(1000, rel=1e-6)
    assert summary["missing"] == pytest.approx(0, abs=1e-6)
    assert float(table(tmp_path / "out/origins.csv")[-1]["appeared"]) == pytest.approx(7000)


def test_the_worked_node_says_what_the_page_says(tmp_path: Path) -> None:
    (tmp_path / "case.json").write_text(WORKED[1], encoding="utf-8")
    result = CliRunner().invoke(APP, [str(tmp_path / "case.json"), "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    rows = table(tmp_path / "out/node_flows.csv")
    into = [float(row["flow_vph"]) for row in rows if not row["exit_id"]]
    out = [float(row["flow_vph"]) for row in rows if not row["approach_id"]]
    assert into == pytest.approx([500, 1369.66825, 800, 1369.66825], abs=1e-4)
    assert out == pytest.approx([249.0521, 794.5498, 1000, 1995.7346], abs=1e-4)


@pytest.mark.parametrize("step_s", [3.0, 5.0, 15.0])
def test_a_signal_case_has_the_delay_of_the_textbook(step_s: float) -> None:
    """s 1800, q 600, cycle 60, green 30: 11.25 s on average, 5 in the queue after red."""
    record = run(
        {
            "links": [road("a", "start", "stop")],
            "origins": [{"id": "o", "node": "start", "demand": [{"flow_vph": 600}]}],
            "signals": [
                {
                    "node": "stop",
                    "cycle_s": 60,
                    "greens": [{"approach": "a", "start_s": 30, "end_s": 60}],
                }
            ],
            "horizon_s": 660,
            "step_s": step_s,
        }
    )
    queue = np.maximum(arrivals(record) - record.curves.columns()[1], 0)[:, 0]
    steady = record.time_s >= 60
    delay_s = np.trapezoid(queue[steady], record.time_s[steady])
    assert delay_s / 100 == pytest.approx(11.25, rel=1e-6)
    assert queue.max() == pytest.approx(5, rel=1e-6)
    assert queue[record.time_s == 285] == pytest.approx(0, abs=1e-6)  # 15 s into green


@pytest.mark.parametrize("offset_s", [-75.0, 0.0, 45.0, 105.0])
def test_the_offset_of_a_signal_moves_its_green(offset_s: float) -> None:
    green = {"approach": "a", "link": "b", "start_s": 0, "end_s": 30}
    record = run(
        {
            "links": [road("a", "x", "y", density_vpkm=60), road("b", "y", "z")],
            "signals": [{"node": "y", "cycle_s": 60, "offset_s": offset_s, "greens": [green]}],
            "horizon_s": 60,
            "step_s": 15,
        }
    )
    passed = np.diff(record.turned[:, 0]) > 0
    shift = round(offset_s / 15)
    assert passed.tolist() == np.roll([True, True, False, False], shift).tolist()


def test_an_incident_case() -> None:
    """4500 on 7500, 2500 for 30 min: queue 1000, gone 20 min after, 416.667 vehicle-hours."""
    wide = {"free_speed_kph": 100, "capacity_vph": 7500, "jam_vpkm": 450, "lanes": 3}
    record = run(
        {
            "links": [
                road("before", "a", "b", length_m=20000, **wide),
                road("after", "b", "c", **wide),
            ],
            "origins": [{"id": "o", "node": "a", "demand": [{"flow_vph": 4500}]}],
            "events": [
                {
                    "kind": "lanes_closed",
                    "link": "after",
                    "closed": 2,
                    "from_s": 1800,
                    "until_s": 3600,
                }
            ],
            "horizon_s": 6000,
            "step_s": 10,
        }
    )
    queue = np.maximum(arrivals(record) - record.curves.columns()[1], 0)[:, 0]
    at = dict(zip(record.time_s.tolist(), queue.tolist(), strict=True))
    assert at[3600.0] == pytest.approx(1000, rel=1e-6)
    assert at[4790.0] > 1
    assert at[4800.0] == pytest.approx(0, abs=1e-6)
    assert np.trapezoid(queue, record.time_s) / 3600 == pytest.approx(416.667, rel=1e-5)


def test_shares_and_demand_change_inside_a_step_with_their_mean() -> None:
    record = run(
        {
            "links": [road("a", "x", "y"), road("b", "y", "p"), road("c", "y", "q")],
            "origins": [
                {
                    "id": "o",
                    "node": "x",
                    "demand": [{"flow_vph": 600}, {"from_s": 303, "flow_vph": 0}],
                }
            ],
            "turns": [
                {
                    "approach": "a",
                    "link": "b",
                    "share": [{"share": 1}, {"from_s": 123, "share": 0.2}],
                },
                {"approach": "a", "link": "c", "share": [{"from_s": 123, "share": 0.8}]},
            ],
            "horizon_s": 600,
            "step_s": 10,
        }
    )
    assert record.appeared[-1, 0] == pytest.approx(600 * 303 / 3600, rel=1e-9)
    through = record.turned[-1] / record.appeared[-1, 0]
    assert record.turned[-1, :2].sum() == pytest.approx(record.appeared[-1, 0])
    assert through[0] == pytest.approx((63 + 0.2 * 240) / 303, rel=1e-6)
    assert {row[4] for row in node_rows(record)} == {"a", "b", "c", ""}


@pytest.mark.parametrize(
    ("event", "flow_vph"),
    [
        ({"kind": "meter", "approach": "o", "flow_vph": 360}, 360),
        ({"kind": "meter", "approach": "a", "flow_vph": 720}, 720),
        ({"kind": "node_capacity", "node": "y", "capacity_vph": 900}, 900),
        ({"kind": "link_capacity", "link": "b", "at": "entry", "capacity_vph": 500}, 500),
        ({"kind": "link_capacity", "link": "b", "capacity_vph": 400}, 400),
        ({"kind": "lanes_closed", "link": "b", "closed": 1}, 0),
    ],
)
def test_every_event_holds_the_flow(event: dict[str, Any], flow_vph: float) -> None:
    record = run(
        {
            "links": [road("a", "x", "y"), road("b", "y", "z")],
            "origins": [{"id": "o", "node": "x", "demand": [{"flow_vph": 1200}]}],
            "events": [event],
            "horizon_s": 3600,
            "step_s": 10,
        }
    )
    left = record.curves.columns()[1][:, 1]
    assert (left[-1] - left[-61]) * 6 == pytest.approx(flow_vph, rel=1e-6, abs=1e-6)


CROSS = [road("a", "x", "y"), road("b", "w", "y"), road("c", "y", "p"), road("d", "y", "q")]


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ({"links": [road("a", "x", "y", jam_vpkm=None)]}, "two of"),
        ({"links": [road("a", "x", "y", jam_vpkm=20)]}, "density at capacity"),
        ({"links": [road("a", "x", "y", density_vpkm=200)]}, "at most the jam"),
        ({"links": [road("a", "x", "y"), road("a", "y", "z")]}, "an id of its own"),
        ({"links": [road("a", "x", "y", speed=3)]}, "speed"),
        ({"links": [road("a", "x", "y")], "horizon_s": 1e300}, "horizon_s"),
        (
            {
                "links": [road("a", "x", "y")],
                "signals": [{"node": "y", "cycle_s": 1e-7, "greens": []}],
            },
            "cycle_s",
        ),
        ({"links": CROSS}, "say the share"),
        ({"links": CROSS, "turns": [{"approach": "z", "link": "c", "share": 1}]}, "no such link"),
        ({"links": CROSS, "turns": [{"approach": "a", "link": "b", "share": 1}]}, "does not start"),
        (
            {
                "links": CROSS,
                "turns": [{"approach": "a", "link": name, "share": 0.6} for name in "cd"]
                + [{"approach": "b", "link": "c", "share": 1}],
            },
            "add up to 1.2",
        ),
        (
            {
                "links": CROSS,
                "turns": [{"approach": name, "link": "c", "share": 1} for name in "ab"],
                "events": [{"kind": "node_capacity", "node": "v", "capacity_vph": 1}],
            },
            "no link starts or ends",
        ),
        (
            {"links": [road("a", "x", "y")], "origins": [{"id": "o", "node": "q", "demand": []}]},
            "no link",
        ),
        (
            {
                "links": [road("a", "x", "y")],
                "signals": [
                    {
                        "node": "y",
                        "cycle_s": 60,
                        "greens": [{"approach": "a", "start_s": 50, "end_s": 70}],
                    }
                ],
            },
            "start < end",
        ),
        (
            {
                "links": [road("a", "x", "y")],
                "events": [
                    {"kind": "meter", "approach": "a", "flow_vph": 1, "from_s": 9, "until_s": 3}
                ],
            },
            "must be after",
        ),
        (
            {"links": [road("a", "x", "y")], "capacity_drops": [{"link": "q", "share": 0.9}]},
            "no such link",
        ),
        (
            {
                "links": [road("a", "x", "y")],
                "events": [{"kind": "lanes_closed", "link": "a", "closed": 2}],
            },
            "has 1 lanes",
        ),
    ],
)
def test_a_case_that_does_not_fit_names_the_field(case: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        run({"horizon_s": 60, **case})


@pytest.mark.parametrize("kernel", ["ltm", "ctm"])
def test_a_node_with_several_ways_passes_its_capacity_in_the_turning_shares(kernel: str) -> None:
    """1200 and 600 at a node that passes 1200: by priority 800 and 400, or 600 and 600."""
    flows = {"a": 1200, "b": 600}
    for weights, through in (((2, 1), (800, 400)), ((1, 1), (600, 600))):
        links = [
            {
                **link,
                **({"priority": weights["ab".index(link["id"])]} if link["id"] in "ab" else {}),
            }
            for link in CROSS
        ]
        record = run(
            {
                "links": links,
                "origins": [
                    {"id": f"o{name}", "node": node, "demand": [{"flow_vph": flows[name]}]}
                    for name, node in (("a", "x"), ("b", "w"))
                ],
                "turns": [
                    {"approach": "a", "link": "c", "share": 0.75},
                    {"approach": "a", "link": "d", "share": 0.25},
                    {"approach": "b", "link": "c", "share": 0.5},
                    {"approach": "b", "link": "d", "share": 0.5},
                ],
                "events": [{"kind": "node_capacity", "node": "y", "capacity_vph": 1200}],
                "horizon_s": 3600,
                "step_s": 10,
                "kernel": kernel,
            }
        )
        half = len(record.time_s) // 2
        entered, left = record.curves.columns()
        assert (left[-1, :2] - left[half, :2]) * 2 == pytest.approx(through, rel=1e-6)
        onward = (0.75 * through[0] + 0.5 * through[1], 0.25 * through[0] + 0.5 * through[1])
        assert (entered[-1, 2:] - entered[half, 2:]) * 2 == pytest.approx(onward, rel=1e-6)


def test_a_tabulated_diagram_needs_the_cell_model() -> None:
    table_of = [[0, 0], [40, 2000], [150, 0]]
    link = {"id": "a", "from_node": "x", "to_node": "y", "length_m": 1000, "diagram": table_of}
    with pytest.raises(SimulationError, match="ctm"):
        run({"links": [link], "horizon_s": 60})


def test_the_worked_bottleneck_in_cells(tmp_path: Path) -> None:
    case = {**json.loads(WORKED[0]), "kernel": "ctm", "step_s": 5}
    (tmp_path / "case.json").write_text(json.dumps(case), encoding="utf-8")
    result = CliRunner().invoke(APP, [str(tmp_path / "case.json"), "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    (delay,) = table(tmp_path / "out/delays.csv")
    assert float(delay["delay_veh_h"]) == pytest.approx(1000, rel=5e-3)
    assert float(delay["longest_wait_s"]) == pytest.approx(1200, rel=5e-3)
    cells = table(tmp_path / "out/cells.csv")
    queued = [row for row in cells if row["time_s"] == "3600" and row["until_m"] == "12500"]
    assert float(queued[0]["density_vpkm"]) == pytest.approx(150, rel=1e-3)
    assert float(queued[0]["speed_kph"]) == pytest.approx(20, rel=1e-3)
    tails = {
        float(row["time_s"]): float(row["tail_m"]) for row in table(tmp_path / "out/queues.csv")
    }
    assert tails[3600] == pytest.approx(4545, abs=150)


def test_a_tabulated_case_in_cells() -> None:
    points = [[k, 100 * k * (1 - k / 150)] for k in range(0, 151, 5)]
    ends = {"from_node": "x", "to_node": "y", "length_m": 2000}
    fields = {"kernel": "ctm", "horizon_s": 600, "step_s": 5, "cell_m": 200}
    demand = {"id": "o", "node": "x", "demand": [{"flow_vph": 3000}]}
    record = run({"links": [{"id": "a", "diagram": points, **ends}], "origins": [demand], **fields})
    assert record.cells is not None
    assert record.step_s == 5
    assert record.rounded() == []
    assert record.cells.at(0, 600) * 1000 == pytest.approx(41.5, rel=0.02)  # where q is 3000
    for wrong in (
        [[0, 0], [10, 5]],
        [[0, 0], [10, 5], [9, 0]],
        [[0, 0], [10, 5], [20, 99], [30, 0]],
    ):
        with pytest.raises(InputError, match="diagram"):
            run({"links": [{"id": "a", "diagram": wrong, **ends}], **fields})


def test_a_link_too_short_for_any_step_is_named() -> None:
    with pytest.raises(SimulationError, match="links\\[0\\]"):
        run({"links": [road("a", "x", "y", length_m=0.1)], "kernel": "ctm", "horizon_s": 60})


def test_a_broken_file_ends_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "case.json"
    path.write_text('{"type": "network", "name": "x", "links": [], "horizon_s": 1}', "utf-8")
    result = CliRunner().invoke(APP, [str(path)])
    assert result.exit_code == 2
    assert "links" in result.output


def test_a_short_link_counts_by_the_vehicles_that_use_it() -> None:
    """100 m of a side street are 6 s: a step of 30 s will do when few turn there, not when most."""

    def step_s(share: float) -> float:
        origin = {"id": "o", "node": "a", "demand": [{"from_s": 0, "flow_vph": 1000}]}
        turns = [
            {"approach": "in", "link": "main", "share": 1.0 - share},
            {"approach": "in", "link": "side", "share": share},
        ]
        links = [road("in", "a", "b"), road("main", "b", "c")]
        links.append(road("side", "b", "d", length_m=100))
        asked = {"links": links, "origins": [origin], "turns": turns}
        return run({**asked, "horizon_s": 600, "step_s": 30}).step_s

    assert step_s(0.01) == 30.0
    assert step_s(0.9) < 30.0
