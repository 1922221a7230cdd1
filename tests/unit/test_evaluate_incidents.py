"""Alerts are held against labels: found in time and place, false otherwise."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from motorway_stations import STATIONS, motorway
from twin.errors import InputError
from twin.evaluate.incidents import as_document, open_runs, score
from twin.network.gmns import write_gmns

MINUTES = 45
BEGIN = 25


def write_run(folder: Path, *, labelled: bool, happens: bool) -> None:
    """Write a run in which vehicles pile up behind the fifth station from minute 25 on."""
    rng = np.random.default_rng(3)
    count = np.full((MINUTES, STATIONS), 60.0)
    speed = np.full((MINUTES, STATIONS), 97.0)
    if happens:
        count[BEGIN:40, 5:] = 40.0
        speed[BEGIN + 1 : 40, 4] = 35.0
    label = {"link": "l4", "position_m": 700.0, "begin_s": 60.0 * BEGIN, "end_s": 2400.0}
    np.savez(
        folder / "run-1.npz",
        sensor_id=np.array([f"s{k}" for k in range(STATIONS)]),
        start="2026-06-16T06:00:00+02:00",
        step_s=60,
        count=np.round(count + rng.normal(0.0, 2.0, count.shape)),
        speed_kph=speed,
        occupancy_pct=np.full(count.shape, np.nan),
        labels=json.dumps([label | {"lanes": 1}] if labelled else []),
    )


@pytest.mark.parametrize(
    ("labelled", "happens", "share", "false"),
    [(True, True, 1.0, 0), (True, False, 0.0, 0), (False, True, 0.0, 1)],
)
def test_found_missed_and_false(
    tmp_path: Path, *, labelled: bool, happens: bool, share: float, false: int
) -> None:
    write_gmns(motorway(), tmp_path / "network")
    write_run(tmp_path, labelled=labelled, happens=happens)
    network, runs = open_runs(tmp_path)
    result = score(network, runs)
    assert result.detected_share == share
    assert len(result.false) == false
    assert result.detector_hours == pytest.approx(STATIONS * MINUTES / 60.0)
    if share:
        assert 60.0 < result.mean_s <= 240.0
    assert json.dumps(as_document(result))


def test_a_folder_without_runs_is_refused_by_name(tmp_path: Path) -> None:
    write_gmns(motorway(), tmp_path / "network")
    with pytest.raises(InputError, match="no run-"):
        open_runs(tmp_path)
    (tmp_path / "run-1.npz").write_bytes(b"nothing")
    with pytest.raises(InputError, match="run-1"):
        open_runs(tmp_path)
