"""`twin perceive reconstruct` and `twin evaluate reconstruct`: files in, files and lines out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from typer.testing import CliRunner

from twin.__main__ import app
from twin.evaluate.reconstruct import field_errors, linear_field, travel_times_s
from twin.perceive.corridor.reports import Grid, detector_rows, report_field

Floats = npt.NDArray[np.float64]
RUN = CliRunner()


def _field(path: Path, speed: Floats, *, cell_m: float = 100.0, step_s: float = 5.0) -> Path:
    np.savez(path, v=speed.astype(np.float32), dx_m=cell_m, dt_s=step_s)
    return path


def _waves(cells: int = 9, columns: int = 60) -> Floats:
    when = np.arange(columns) + 2.0 * np.arange(cells)[:, None]
    return 50.0 + 30.0 * np.sin(when / 6.0)


def _reconstruct(field: Path, out: Path, *options: str) -> str:
    command = ["perceive", "reconstruct", "--field", str(field), "--out", str(out), *options]
    told = RUN.invoke(app, command)
    assert told.exit_code == 0, told.output
    return told.output


def test_the_same_field_makes_the_same_file_and_its_score_is_told(tmp_path: Path) -> None:
    field = _field(tmp_path / "field.npz", _waves())
    for name in ("a.npz", "b.npz"):
        _reconstruct(field, tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz") as found:
        assert sorted(found.files) == ["offline", "offline_sd", "online", "online_sd"]
        assert all(found[name].shape == (9, 60) for name in found.files)
        assert found["online"][:, :6] == pytest.approx(60.0)
    options = ["evaluate", "reconstruct", str(tmp_path / "a.npz"), "--field", str(field)]
    told = RUN.invoke(app, [*options, "--json"])
    scores = json.loads(told.stdout)
    assert scores["offline"]["rmse_kph"] < scores["online"]["rmse_kph"] < 25.0
    assert "RMSE km/h" in RUN.invoke(app, options).stdout


@pytest.mark.parametrize(
    "options",
    [
        ("--detectors", "1"),
        ("--detectors", "40"),
        ("--report-s", "17"),
        ("--report-s", "5"),
        ("--report-s", "300"),
        ("--method", "smoothing", "--first-guess-kph", "80"),
        ("--method", "ensemble"),
    ],
)
def test_odd_sizes_are_answered(tmp_path: Path, options: tuple[str, ...]) -> None:
    speed = _waves()
    speed[4, 20:30] = np.nan
    out = tmp_path / "est.npz"
    _reconstruct(_field(tmp_path / "field.npz", speed), out, *options)
    with np.load(out) as found:
        assert np.isfinite(found["online"]).all()
        assert np.isfinite(found["offline"]).all()


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (("--report-s", "4"), "shorter than a column of 5 s"),
        (("--report-s", "nan"), "shorter than a column"),
        (("--report-s", "900"), "the field lasts only 300 s"),
        (("--detectors", "0"), "at least one is needed"),
    ],
)
def test_a_wrong_request_is_one_line(tmp_path: Path, options: tuple[str, ...], rule: str) -> None:
    field = _field(tmp_path / "field.npz", _waves())
    command = ["perceive", "reconstruct", "--field", str(field), "--out", str(tmp_path / "x.npz")]
    told = RUN.invoke(app, [*command, *options])
    assert told.exit_code == 2
    assert rule in " ".join(told.stderr.split())
    assert not (tmp_path / "x.npz").exists()


def test_a_wrong_file_is_one_line(tmp_path: Path) -> None:
    empty, text, flat = (tmp_path / name for name in ("empty.npz", "text.npz", "flat.npz"))
    np.savez(empty, v=np.ones((3, 30)), dx_m=10.0)
    text.write_text("no archive", encoding="utf-8")
    np.savez(flat, v=np.ones(30), dx_m=10.0, dt_s=5.0)
    nobody = _field(tmp_path / "nobody.npz", np.full((3, 30), np.nan))
    back = _field(tmp_path / "back.npz", np.full((3, 30), -5.0))
    for path, rule in (
        (empty, "must hold v, dx_m and dt_s"),
        (text, "not a .npz of numbers"),
        (flat, "cells by columns"),
        (nobody, "hold no value"),
        (back, "negative"),
        (tmp_path / "away.npz", "No such file"),
    ):
        options = ["--field", str(path), "--out", str(tmp_path / "x.npz")]
        told = RUN.invoke(app, ["perceive", "reconstruct", *options])
        assert told.exit_code == 2, path
        assert rule in " ".join(told.stderr.split())


def test_detectors_stand_where_the_rule_puts_them() -> None:
    assert detector_rows(104, 3).tolist() == [0, 52, 103]
    assert detector_rows(104, 1).tolist() == [0]
    assert detector_rows(3, 9).tolist() == [0, 1, 2]


def test_a_report_is_the_mean_of_its_interval_and_straight_lines_stand_between() -> None:
    grid = Grid(3, 12, 100.0, 5.0)
    speed = np.tile(np.arange(12.0), (3, 1))
    speed[2] += 12.0
    reports = report_field(speed, grid, detectors=2, period_s=30.0)
    assert reports.speed_mps.tolist() == [[2.5, 14.5], [8.5, 20.5]]
    assert [reports.arrived(at) for at in (29.9, 30.0, 60.0)] == [0, 1, 2]
    field = linear_field(reports, grid, first_mps=9.0)
    assert field[:, 5].tolist() == [9.0] * 3
    assert field[:, 6].tolist() == [2.5, 8.5, 14.5]


def test_errors_are_counted_from_a_minute_on() -> None:
    truth = np.full((2, 40), 36.0)
    estimate = truth.copy()
    estimate[:, :12] = 0.0
    assert field_errors(estimate, truth, cell_m=50.0, step_s=5.0).rmse_kph == 0.0
    estimate[:, 12:] = 18.0
    found = field_errors(estimate, truth, cell_m=50.0, step_s=5.0)
    assert found.rmse_kph == pytest.approx(18.0)
    assert found.travel_bias_s == pytest.approx(10.0)
    times = travel_times_s(truth, cell_m=50.0, step_s=5.0)
    assert times[:9] == pytest.approx(10.0)
    assert len(times) == 10
