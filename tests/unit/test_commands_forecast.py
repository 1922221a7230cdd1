"""`twin forecast backtest`: files in, files out, and one clear line for what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from forecast_series import corridor
from twin.__main__ import app

RUN = CliRunner(env={"COLUMNS": "200", "TERM": "dumb"})


def call(folder: Path, *options: str, **held: Any) -> Any:
    """Write series.npz of what is held and run the backtest on it."""
    np.savez(folder / "series.npz", **held)
    source, out = str(folder / "series.npz"), str(folder / "out" / "pred.npz")
    return RUN.invoke(app, ["forecast", "backtest", "--data", source, "--out", out, *options])


def test_forecasts_are_written_in_the_order_of_time(tmp_path: Path) -> None:
    values = corridor(1.0, 3)[:100].astype(np.float32)
    values[40, 1], values[41, 2] = 0.0, np.nan
    done = call(tmp_path, data=values, start="2026-03-02T00:00", step_min=5)
    assert done.exit_code == 0, done.output
    assert "samples: 54 train, 8 validate, 15 test" in done.output
    with np.load(tmp_path / "out" / "pred.npz") as found:
        shapes = {name: found[name].shape for name in found.files}
        assert shapes == dict.fromkeys(("pred", "lo", "hi"), (15, 12, 3))
        assert (found["lo"] <= found["pred"]).all()
        assert (found["pred"] <= found["hi"]).all()
        first = values[54 + 8 + 11]
        np.testing.assert_allclose(found["pred"][0, 0], first, atol=8.0)


def test_zero_and_nan_are_both_missing(tmp_path: Path) -> None:
    values = corridor(1.0, 2)[:80]
    made = []
    for mark in (0.0, np.nan):
        values[50:60, 0] = mark
        assert call(tmp_path, data=values).exit_code == 0
        with np.load(tmp_path / "out" / "pred.npz") as found:
            made.append(found["pred"].tobytes())
    assert made[0] == made[1]


def test_a_single_station_and_a_split_of_no_training(tmp_path: Path) -> None:
    done = call(tmp_path, "--split", "0,0", data=corridor(1.0, 1)[:60])
    assert done.exit_code == 0, done.output
    with np.load(tmp_path / "out" / "pred.npz") as found:
        assert found["pred"].shape == (37, 12, 1)


GOOD = corridor(1.0, 2)[:60]


@pytest.mark.parametrize(
    ("held", "options", "said"),
    [
        ({"speeds": GOOD}, (), "data = not in series.npz"),
        ({"data": GOOD[:, 0]}, (), "data = shape (60,): must be (T, N)"),
        ({"data": GOOD[:23]}, (), "data = 23 rows: a sample needs 24"),
        ({"data": GOOD[:25]}, (), "data = 25 rows: make 2 samples, of which none is left to test"),
        ({"data": GOOD.astype(str)}, (), "must hold real numbers"),
        ({"data": np.where(GOOD > 60, np.inf, GOOD)}, (), "data = inf"),
        ({"data": -GOOD}, (), "a speed is not negative"),
        ({"data": GOOD, "step_min": 15}, (), "step_min = [15]: must be 5"),
        ({"data": GOOD, "start": "yesterday"}, (), "start = yesterday: must be an ISO time"),
        ({"data": GOOD}, ("--split", "0.7"), "split = 0.7: must be two numbers"),
        ({"data": GOOD}, ("--split", "0.7,0.4"), "must leave something to test"),
        ({"data": GOOD}, ("--split", "-1,0"), "each share is between 0 and 1"),
        ({"data": GOOD}, ("--holiday", "Easter"), "holiday = Easter"),
        ({"data": GOOD}, ("--adjacency", "{folder}/square.npy"), "adjacency = shape (3, 3)"),
        ({"data": GOOD}, ("--profile", "{folder}/square.npy"), "profile = shape (3, 3)"),
        ({"data": GOOD}, ("--profile", "{folder}/none.npy"), "none.npy"),
        ({"data": GOOD}, ("--adjacency", "{folder}/text.npy"), "is not a readable .npy file"),
    ],
)
def test_what_is_wrong_is_named(
    tmp_path: Path, held: dict[str, Any], options: tuple[str, ...], said: str
) -> None:
    np.save(tmp_path / "square.npy", np.eye(3))
    (tmp_path / "text.npy").write_text("not an array", encoding="utf-8")
    done = call(tmp_path, *(one.format(folder=tmp_path) for one in options), **held)
    assert done.exit_code == 2, done.output
    assert said in done.output.replace("\n", " ")
    assert not (tmp_path / "out").exists()


def test_the_series_must_be_a_file_of_arrays(tmp_path: Path) -> None:
    (tmp_path / "series.npz").write_bytes(b"PK nothing")
    options = ["--data", str(tmp_path / "series.npz"), "--out", str(tmp_path / "p.npz")]
    done = RUN.invoke(app, ["forecast", "backtest", *options])
    assert done.exit_code == 2
    assert "is not a readable .npz file" in done.output.replace("\n", " ")


def test_help_teaches(tmp_path: Path) -> None:
    done = RUN.invoke(app, ["forecast", "backtest", "--help"])
    assert done.exit_code == 0
    for word in ("--data", "--adjacency", "--profile", "--split", "--out", "T - 23"):
        assert word in done.output
