"""A motorway of the map followed cell by cell, from readings to its links."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
import pytest

from twin.columns import ReadingBatch
from twin.ids import LinkId, NodeId, SensorId
from twin.network.model import Link, LinkClass, Node, Sensor, SingleMap
from twin.perceive.corridor.follow import Minutes, follow, free_links, ramp_flows
from twin.perceive.corridor.roads import followed_roads
from twin.perceive.estimate import Perception
from twin.perceive.state import LinkState

MINUTE_US = 60_000_000
START_US = 1_781_600_400_000_000
Floats = npt.NDArray[np.float64]


def _motorway(
    *, links: int = 6, kind: LinkClass = LinkClass.MOTORWAY, ramp_at: int = 0
) -> SingleMap:
    """Six links of 600 m, detectors on the even ones; at node `ramp_at` another road begins."""
    nodes = tuple(Node(NodeId(f"n{k}"), (0.01 * k, 0.0)) for k in range(links + 2))

    def link(name: str, a: int, b: int, road: str) -> Link:
        ends = (nodes[a].point, nodes[b].point)
        return Link(
            LinkId(name), nodes[a].id, nodes[b].id, ends, 600.0, 3, 30.0, 1.8, kind, road=road
        )

    side = (link("ramp", ramp_at, links + 1, ""),) if ramp_at else ()
    return SingleMap(
        name="road",
        version="0" * 32,
        timezone="UTC",
        nodes=nodes,
        links=tuple(link(f"l{k}", k, k + 1, "A1-N") for k in range(links)) + side,
        sensors=tuple(
            Sensor(SensorId(f"s{k}"), LinkId(f"l{k}"), 300.0, (0.01 * k, 0.0), 60.0, lanes=3)
            for k in range(0, links, 2)
        ),
    )


def _batch(minutes: int, counts: Floats, speeds: Floats) -> ReadingBatch:
    """Make a reading a minute of every sensor."""
    sensors = len(counts)
    return ReadingBatch(
        sensor=np.tile(np.arange(sensors, dtype=np.int32), minutes),
        time_us=START_US
        + np.repeat(np.arange(1, minutes + 1, dtype=np.int64), sensors) * MINUTE_US,
        period_ms=np.full(minutes * sensors, 60_000, np.int64),
        count=np.tile(counts, minutes),
        speed_mps=np.tile(speeds, minutes),
        occupancy_frac=np.full(minutes * sensors, np.nan),
    )


def _shown(network: SingleMap, batch: ReadingBatch, *, parts: int = 1) -> LinkState:
    perception = Perception(network)
    rows = np.random.default_rng(parts).permutation(len(batch.sensor))
    for some in np.array_split(rows, parts):
        columns = {
            field.name: getattr(batch, field.name)[some] for field in dataclasses.fields(batch)
        }
        perception.observe(ReadingBatch(**columns))
    return perception.followed(perception.link_state(START_US + 20 * MINUTE_US + 20_000_000))


def test_free_stretches_are_followed_and_links_beside_a_queue_stay_as_measured() -> None:
    network = _motorway(links=10)
    counts, speeds = np.full(5, 72.0), np.array([28.0, 28.0, 28.0, 28.0, 6.0])
    shown = _shown(network, _batch(20, counts, speeds))
    assert shown.density_vpm[:6] * 1000 == pytest.approx(1.2 / 28.0 * 1000, rel=0.2)
    assert shown.speed_mps[8] == pytest.approx(6.0)
    assert shown.density_vpm[8] == pytest.approx(1.2 / 6.0)
    followed = shown.flow_vps[:6], shown.density_vpm[:6] * shown.speed_mps[:6]
    assert followed[0] == pytest.approx(followed[1], rel=1e-9)
    assert (shown.density_sd_vpm > 0).all()


def test_a_queue_fills_its_links_and_the_bottleneck_passes_what_is_counted() -> None:
    (road,) = followed_roads(_motorway())
    speed, flow = np.tile([28.0, 6.0, 28.0], (10, 1)), np.full((10, 3), 1.2)
    means = follow(road, Minutes(speed, flow))
    assert means.density_vpm[2] > 2.0 * means.density_vpm[0]
    assert means.density_vpm[5] == pytest.approx(1.2 / 28.0, rel=0.3)
    assert free_links(road, Minutes(speed, flow), 3).tolist() == [False] * 5 + [True]
    speed[:, 1] = 27.0
    assert free_links(road, Minutes(speed, flow), 3).all()
    speed[-1, 0] = np.nan
    assert free_links(road, Minutes(speed, flow), 3).all()
    speed[-3:, 0] = np.nan
    assert free_links(road, Minutes(speed, flow), 3).tolist() == [
        False,
        False,
        False,
        True,
        True,
        True,
    ]


def test_neither_order_nor_cut_of_the_readings_leaves_a_trace() -> None:
    batch = _batch(20, np.array([70.0, 60.0, 50.0]), np.array([27.0, 26.0, 28.0]))
    one, other = (_shown(_motorway(), batch, parts=parts) for parts in (1, 7))
    for field in ("density_vpm", "flow_vps", "speed_mps", "density_sd_vpm", "speed_sd_mps"):
        assert getattr(one, field).tobytes() == getattr(other, field).tobytes()


def test_streets_and_roads_without_readings_stay_as_they_are() -> None:
    batch = _batch(20, np.array([70.0, 60.0, 50.0]), np.array([12.0, 8.0, 9.0]))
    street = _motorway(kind=LinkClass.ARTERIAL)
    assert followed_roads(street) == ()
    perception = Perception(street)
    perception.observe(batch)
    state = perception.link_state(START_US + 20 * MINUTE_US)
    assert perception.followed(state) is state
    silent = Perception(_motorway())
    state = silent.link_state(START_US)
    assert np.isnan(silent.followed(state).density_vpm).all()


def test_counts_before_and_after_a_ramp_tell_what_leaves() -> None:
    (road,) = followed_roads(_motorway(ramp_at=1))
    assert np.flatnonzero(road.ramp).tolist() == [0]
    flow = np.tile([1.5, 1.2, 1.2], (10, 1))
    exits, entries = ramp_flows(road, Minutes(np.full((10, 3), 28.0), flow))
    assert exits == pytest.approx([0.2, 0, 0, 0, 0])
    assert not entries.any()
    means = follow(road, Minutes(np.full((10, 3), 28.0), flow))
    assert means.flow_vps[[0, 5]] == pytest.approx([1.5, 1.2], rel=0.1)
    exits, entries = ramp_flows(road, Minutes(np.full((10, 3), 28.0), flow[:, ::-1]))
    assert entries == pytest.approx([0, 0, 0, 0, 0])  # the ramp lies elsewhere
    exits, _ = ramp_flows(road, Minutes(np.full((10, 3), 5.0), flow))
    assert not exits.any()  # a queue that grows is no exit
