"""Trips over small networks: every one of them is somewhere at the end."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from twin.commands.simulate import simulate
from twin.commands.warm import LIVE, STUDIES, warm_kernels
from twin.errors import SimulationError
from twin.ids import LinkId, NodeId
from twin.network.model import Link, LinkClass, Node, SingleMap
from twin.simulate.trips import plan_trips, run_trips


def grid(*pairs: tuple[str, str, float], capacity_vps: float = 0.5) -> SingleMap:
    """Make one-lane links of (from, to, metres)."""
    names = sorted({name for pair in pairs for name in pair[:2]})
    nodes = {name: Node(NodeId(name), (0.01 * k, 0.0)) for k, name in enumerate(names)}
    return SingleMap(
        name="grid",
        version="d" * 32,
        timezone="UTC",
        nodes=tuple(nodes.values()),
        links=tuple(
            Link(
                LinkId(f"{start}{end}"),
                NodeId(start),
                NodeId(end),
                (nodes[start].point, nodes[end].point),
                metres,
                1,
                10.0,
                capacity_vps,
                LinkClass.LOCAL,
            )
            for start, end, metres in pairs
        ),
    )


SQUARE = grid(
    ("a", "b", 500.0), ("b", "d", 500.0), ("a", "c", 900.0), ("c", "d", 900.0), ("d", "e", 500.0)
)


def test_trips_take_the_quickest_path_and_stop_where_they_want() -> None:
    plan = plan_trips(SQUARE, [("a", "d", 100.0), ("a", "e", 50.0), ("a", "c", 10.0)])
    assert plan.link_trips.tolist() == [150.0, 150.0, 10.0, 0.0, 50.0]
    assert plan.exit_share[:5].tolist() == pytest.approx([0.0, 2 / 3, 1.0, 1.0, 1.0])
    assert plan.exit_share[5] == pytest.approx(0.0)


@pytest.mark.parametrize("duration_s", [600.0, 3600.0, 5000.0])
def test_every_trip_is_somewhere(duration_s: float) -> None:
    trips = [("a", "d", 1500.0), ("a", "e", 900.0), ("b", "b", 7.0), ("e", "a", 3.0)]
    run = run_trips(plan_trips(SQUARE, trips), duration_s=duration_s)
    count = run.count
    assert count.trips == 2410.0
    assert count.inside_zone == 7.0
    assert count.unroutable == 3.0
    assert count.waiting >= 3.0
    assert abs(count.missing) < 1e-9 * count.trips
    assert count.loaded == count.inside + count.arrived
    assert (count.not_departed > 0) == (duration_s < 3600)


def test_more_trips_than_a_link_takes_wait_at_their_origin() -> None:
    run = run_trips(plan_trips(grid(("a", "b", 500.0)), [("a", "b", 3600.0)]), duration_s=3600.0)
    assert run.count.waiting == pytest.approx(1800.0, rel=0.01)
    assert run.flow_vps[0] == pytest.approx(0.5, rel=0.02)


def test_a_full_loop_that_nobody_leaves_is_called_gridlock() -> None:
    """Everybody goes round a triangle for ever, and more come in until nothing moves."""
    network = grid(("a", "b", 100.0), ("b", "c", 100.0), ("c", "a", 100.0))
    plan = plan_trips(network, [("a", "c", 3000.0)])
    for_ever = dataclasses.replace(
        plan, turn_share=np.ones(len(plan.turns.link)), exit_share=np.zeros(4)
    )
    run = run_trips(for_ever, duration_s=3600.0)
    assert run.full_links.tolist() == [0, 1, 2]
    assert run.still_links.tolist() == [0, 1, 2]
    assert run.gridlock_links.tolist() == [0, 1, 2]
    assert run.count.arrived == 0.0
    assert abs(run.count.missing) < 1e-6
    moving = run_trips(plan, duration_s=3600.0)
    assert len(moving.still_links) == 0
    assert len(moving.gridlock_links) == 0


def test_progress_is_told_up_to_the_end() -> None:
    told: list[float] = []
    run_trips(plan_trips(SQUARE, [("a", "d", 10.0)]), duration_s=1800.0, on_progress=told.append)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1800.0)


def test_a_zone_without_a_node_is_named() -> None:
    with pytest.raises(SimulationError, match="zone z"):
        plan_trips(SQUARE, [("a", "z", 1.0)])


def test_a_run_without_meaning_is_refused() -> None:
    with pytest.raises(SimulationError, match="UnstableStep"):
        run_trips(plan_trips(SQUARE, []), duration_s=0.0)


def test_warm_runs_every_kernel() -> None:
    begun: list[str] = []
    warm_kernels((*LIVE, *STUDIES), on_kernel=begun.append)
    assert begun == [name for name, _ in (*LIVE, *STUDIES)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write a tiny GMNS folder with demand."""
    (tmp_path / "node.csv").write_text(
        "node_id,x_coord,y_coord\n1,-3.70,40.40\n2,-3.69,40.40\n3,-3.68,40.40\n"
    )
    (tmp_path / "link.csv").write_text(
        "link_id,from_node_id,to_node_id,directed,length,free_speed,capacity,lanes,facility_type\n"
        "10,1,2,1,848,50,900,1,arterial\n20,2,3,1,848,50,900,1,arterial\n"
    )
    (tmp_path / "config.csv").write_text(
        "dataset_name,short_length,long_length,speed,crs,version_number\n"
        "tiny,m,km,kph,EPSG:4326,0.96\n"
    )
    (tmp_path / "demand.csv").write_text("orig_taz,dest_taz,total\n1,3,400\n1,2,100\n2,2,5\n")
    return tmp_path


def test_the_command_reports_sums_and_writes_files(folder: Path, tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(simulate)
    out = tmp_path / "out"
    result = CliRunner().invoke(app, [str(folder), "--json", "--out", str(out)])
    assert result.exit_code == 0, result.output
    report = json.loads((out / "report.json").read_text())
    assert report["trips"] == 505
    assert report["inside_zone"] == 5
    assert report["waiting"] + report["arrived"] + report["inside"] == pytest.approx(500)
    lines = (out / "links.csv").read_text().splitlines()
    assert lines[0] == "link_id,flow_vph,speed_kph,density_vpkm,vehicles"
    assert len(lines) == 3


def test_the_command_names_a_missing_file(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(simulate)
    result = CliRunner().invoke(app, [str(tmp_path / "nowhere")])
    assert result.exit_code == 2
