"""The live picture against the truth: figures worked out by hand, and the plots."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from network_maps import link, node
from twin.errors import InputError
from twin.evaluate.picture_plots import plot_all
from twin.evaluate.pictures import Comparison, compare, errors, known_shares, open_run, save_errors
from twin.network.build import build_map
from twin.network.gmns import write_gmns
from twin.network.model import LinkClass, SingleMap
from twin.world.pictures import Pictures
from twin.world.truth import LinkMinutes

NAN = float("nan")


def town() -> SingleMap:
    return build_map(
        name="town",
        timezone="UTC",
        nodes=[node("w"), node("x"), node("e")],
        links=[
            link("w", "x", link_class=LinkClass.MOTORWAY, length_m=2000.0, road="M"),
            link("x", "e", link_class=LinkClass.MOTORWAY, length_m=2000.0, road="M"),
            link("e", "x"),
        ],
    )


def truth(network: SingleMap) -> LinkMinutes:
    """Ten minutes: 20, 40 and 0 veh/km; 20, 10 m/s and nobody."""
    shape = (10, 3)
    density = np.broadcast_to([0.020, 0.040, 0.0], shape).copy()
    speed = np.broadcast_to([20.0, 10.0, NAN], shape).copy()
    return LinkMinutes(
        tuple(str(one.id) for one in network.links),
        np.arange(10, dtype=np.float64) * 60.0,
        entered=np.zeros(shape),
        speed_mps=speed,
        density_vpm=density,
        travel_s=2000.0 / speed,
    )


def pictures(network: SingleMap) -> Pictures:
    """Always 25 veh/km and 10 m/s on the first link, nothing on the second, 0 on the third."""
    shape = (10, 3)
    return Pictures(
        tuple(str(one.id) for one in network.links),
        time_us=(np.arange(10, dtype=np.int64) * 60 + 20) * 1_000_000,
        speed_mps=np.broadcast_to([10.0, NAN, 14.0], shape).copy(),
        speed_sd_mps=np.broadcast_to([1.0, NAN, 1.0], shape).copy(),
        flow_vps=np.full(shape, NAN),
        density_vpm=np.broadcast_to([0.025, NAN, 0.0], shape).copy(),
        density_sd_vpm=np.broadcast_to([0.004, NAN, NAN], shape).copy(),
        source=np.broadcast_to(np.array([1, 0, 2], np.uint8), shape).copy(),
    )


@pytest.fixture(scope="module")
def compared() -> Comparison:
    network = town()
    return compare(network, truth(network), pictures(network))


def test_errors_are_told_by_class_and_by_source(compared: Comparison) -> None:
    found = {(one.quantity, one.road_class, one.source): one for one in errors(compared)}
    motorway = found["density (veh/km)", "motorway", "measured"]
    assert motorway.count == 10
    assert motorway.mean == pytest.approx(20.0)
    assert [motorway.mae, motorway.rmse, motorway.bias] == pytest.approx([5.0, 5.0, 5.0])
    assert motorway.coverage == 1.0, "5 lies within 1.645 times 4"
    both = found["density (veh/km)", "all", "all"]
    assert both.count == 20
    assert both.mae == pytest.approx(2.5)
    assert both.rmse == pytest.approx(np.sqrt(12.5))
    pace = found["travel time (s/km)", "motorway", "all"]
    assert pace.count == 10
    assert [pace.mae, pace.bias] == pytest.approx([50.0, 50.0])
    assert pace.coverage == 0.0, "20 m/s is not within 10 m/s and 1.645"
    five = found["density, 5 min (veh/km)", "all", "all"]
    assert five.count == 4
    assert np.isnan(five.coverage)
    assert ("travel time (s/km)", "arterial", "all") not in found, "nobody drove there"


def test_shares_and_roads_say_what_is_known(compared: Comparison, tmp_path: Path) -> None:
    shares = known_shares(compared)
    assert shares["density"] == pytest.approx(2 / 3)
    assert [shares["measured"], shares["neighbours"]] == pytest.approx([1 / 3, 1 / 3])
    (road,) = compared.roads()
    assert road.truth_s.tolist() == pytest.approx([300.0] * 10)
    free_s = 2000.0 / (50 / 3.6)
    assert road.estimate_s.tolist() == pytest.approx([200.0 + free_s] * 10)
    save_errors(compared, errors(compared), tmp_path / "errors.json")
    said = json.loads((tmp_path / "errors.json").read_text())
    assert said["roads"][0]["bias_s"] == pytest.approx(free_s - 100.0)


def test_five_pictures_are_judged_by_their_mean() -> None:
    network = town()
    swing = pictures(network)
    swing.density_vpm[:, 0] = 0.020 + 0.010 * np.array([-2, -1, 0, 1, 2] * 2)
    found = {
        (one.quantity, one.road_class): one
        for one in errors(compare(network, truth(network), swing))
        if one.source == "all"
    }
    assert found["density (veh/km)", "motorway"].mae == pytest.approx(12.0)
    assert found["density, 5 min (veh/km)", "motorway"].mae == pytest.approx(0.0, abs=1e-9)


def test_pictures_without_truth_are_left_out_and_other_maps_refused() -> None:
    network = town()
    shown = pictures(network)
    early = replace(shown, time_us=shown.time_us - 120_000_000)
    assert compare(network, truth(network), early).minute_s.tolist() == [60.0 * n for n in range(8)]
    far = replace(shown, time_us=shown.time_us + 3_600_000_000)
    with pytest.raises(InputError, match="no picture lies"):
        compare(network, truth(network), far)
    with pytest.raises(InputError, match="another map"):
        compare(network, truth(network), replace(shown, links=("a", "b", "c")))


def test_a_run_is_read_back_and_plotted(compared: Comparison, tmp_path: Path) -> None:
    network = compared.network
    truth(network).save(tmp_path / "truth.npz")
    pictures(network).save(tmp_path / "pictures.npz")
    write_gmns(network, tmp_path / "network")
    again = open_run(tmp_path)
    assert errors(again)[0] == errors(compared)[0]
    plots = plot_all(again, tmp_path / "plots")
    assert [path.name for path in plots] == [
        f"picture-{name}.png" for name in ("over-time", "scatter", "roads", "space-time")
    ]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in plots)
    (tmp_path / "pictures.npz").write_bytes(b"nothing")
    with pytest.raises(InputError, match="no pictures"):
        open_run(tmp_path)
    (tmp_path / "truth.npz").unlink()
    with pytest.raises(InputError, match="no truth"):
        open_run(tmp_path)
