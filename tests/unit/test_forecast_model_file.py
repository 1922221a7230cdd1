"""A fitted model as a file, and in the live blend."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from twin.commands.forecast import forecast
from twin.errors import InputError
from twin.forecast.learned.blend import Expert
from twin.forecast.learned.city import near_on_map
from twin.forecast.learned.model_file import SavedModel, fitted_to, load_model
from twin.forecast.learning import Given, Learning
from twin.ids import LinkId, NodeId, SensorId
from twin.network.model import Link, LinkClass, Node, Sensor, SingleMap

ROWS = 160


def road() -> SingleMap:
    """Draw four links in a row, a detector on each."""
    nodes = tuple(Node(NodeId(f"n{k}"), (0.01 * k, 0.0)) for k in range(5))
    ends = list(pairwise(nodes))
    links = tuple(
        Link(
            LinkId(f"l{k}"), start.id, end.id, (start.point, end.point), 900.0, 2, 30.0, 1.1,
            LinkClass.MOTORWAY, road="A1-N",
        )
        for k, (start, end) in enumerate(ends)
    )  # fmt: skip
    sensors = tuple(
        Sensor(SensorId(f"s{k}"), LinkId(f"l{k}"), 9.0, (0.0, 0.0), 60.0, lanes=2) for k in range(4)
    )
    return SingleMap(
        name="r", version="e" * 32, timezone="UTC", nodes=nodes, links=links, sensors=sensors
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> SavedModel:
    """Train on a wave over three links: one in another order, one that is not on the map."""
    folder = tmp_path_factory.mktemp("model")
    at = np.arange(ROWS)[:, None] - np.array([2.0, 0.0, 4.0])
    data = 25.0 + 4.0 * np.sin(at / 6.0) + np.random.default_rng(1).normal(0, 0.2, (ROWS, 3))
    np.savez(folder / "series.npz", data=data, links=np.array(["l2", "l0", "gone"]))
    out = folder / "model.npz"
    command = ["train", "--data", str(folder / "series.npz"), "--out", str(out)]
    done = CliRunner().invoke(forecast, command)
    assert done.exit_code == 0, done.output
    again = folder / "again.npz"
    CliRunner().invoke(forecast, [*command[:-1], str(again)])
    assert load_model(again).hash == load_model(out).hash
    return load_model(out)


def test_a_model_comes_to_the_links_that_it_knows(saved: SavedModel) -> None:
    network = road()
    links = tuple(str(link.id) for link in network.links)
    model = fitted_to(saved, links, near_on_map(network, np.arange(4)))
    assert model.linear is not None
    assert saved.model.linear is not None
    own, shared = saved.model.linear.own, saved.model.linear.shared
    assert np.array_equal(model.linear.own[:, 0], own[:, 1])
    assert np.array_equal(model.linear.own[:, 2], own[:, 0])
    assert np.array_equal(model.linear.own[:, 1], shared)
    assert model.high is not None
    assert np.isnan(model.high).tolist() == [False, True, False, True]
    assert model.near.beside.max() < len(links)


def test_lines_speak_in_the_live_blend(saved: SavedModel) -> None:
    network = road()
    learning = Learning(network, timezone="UTC", given=Given(model=saved))
    learning._begin(1000)
    for row in range(1001, 1030):
        learning._engine.step(25.0 + 4.0 * np.sin((row - np.arange(4.0)) / 6.0))
        learning._row, learning._rows = row, learning._rows + 1
    standing = learning.standing()
    assert standing is not None
    assert np.isfinite(standing.heard[:, :, Expert.LINEAR]).all()
    assert Given(model=saved).model_hash == saved.hash


@pytest.mark.parametrize("body", [b"", b"PK\x03\x04 no archive", b"\x93NUMPY"])
def test_another_file_is_refused(body: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    path.write_bytes(body)
    with pytest.raises(InputError):
        load_model(path)


def test_a_history_without_links_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "series.npz", data=np.full((50, 2), 20.0))
    out = str(tmp_path / "model.npz")
    command = ["train", "--data", str(tmp_path / "series.npz"), "--out", out]
    done = CliRunner().invoke(forecast, command)
    assert done.exit_code != 0
