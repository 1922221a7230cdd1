"""Neither the order of readings nor the cut of batches leaves a trace in the memory."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.columns import ReadingBatch
from twin.ids import LinkId, NodeId, SensorId
from twin.network.model import Link, LinkClass, Node, Sensor, SingleMap
from twin.perceive.estimate import Perception

START_US = 1_781_600_400_000_000
NODES = (Node(NodeId("a"), (0.0, 0.0)), Node(NodeId("b"), (0.01, 0.0)))
LINK = Link(
    LinkId("ab"),
    NODES[0].id,
    NODES[1].id,
    (NODES[0].point, NODES[1].point),
    1000.0,
    2,
    25.0,
    1.1,
    LinkClass.ARTERIAL,
)
MAP = SingleMap(
    name="one",
    version="1" * 32,
    timezone="UTC",
    nodes=NODES,
    links=(LINK,),
    sensors=tuple(Sensor(SensorId(f"s{k}"), LINK.id, 10.0, (0.0, 0.0), 30.0) for k in range(3)),
)

value = st.none() | st.floats(0.0, 60.0)
reading = st.tuples(
    st.integers(0, 2),
    st.integers(0, 400),  # half minutes: two rings long
    st.sampled_from([30_000, 60_000]),
    value,
    value,
    st.none() | st.floats(0.0, 1.0),
)
readings = st.lists(reading, max_size=40, unique_by=lambda row: row[:3])


def as_batch(
    rows: list[tuple[int, int, int, float | None, float | None, float | None]],
) -> ReadingBatch:
    """Turn drawn rows into columns."""
    if not rows:
        return ReadingBatch.empty()
    columns = list(zip(*rows, strict=True))
    return ReadingBatch(
        np.array(columns[0], np.int32),
        START_US + np.array(columns[1], np.int64) * 30_000_000,
        np.array(columns[2], np.int64),
        *(np.array(column, np.float64) for column in columns[3:]),
    )


@settings(max_examples=60, deadline=None)
@given(rows=readings, data=st.data())
def test_order_and_cut_change_nothing(
    rows: list[tuple[int, int, int, float | None, float | None, float | None]],
    data: st.DataObject,
) -> None:
    whole = Perception(MAP)
    whole.observe(as_batch(rows))
    shuffled = data.draw(st.permutations(rows))
    cut = data.draw(st.integers(0, len(rows)))
    parts = Perception(MAP)
    parts.observe(as_batch(shuffled[:cut]))
    parts.observe(as_batch(shuffled[cut:]))
    assert parts.hash() == whole.hash()
    now_us = START_US + 200 * 60_000_000
    one, other = whole.link_state(now_us), parts.link_state(now_us)
    assert np.array_equal(one.speed_mps, other.speed_mps, equal_nan=True)
    assert np.array_equal(one.flow_vps, other.flow_vps, equal_nan=True)
    assert whole.health().faults.tolist() == parts.health().faults.tolist()
    assert whole.health().since_us.tolist() == parts.health().since_us.tolist()


@settings(max_examples=30, deadline=None)
@given(rows=readings.filter(bool))
def test_one_reading_less_is_another_memory(
    rows: list[tuple[int, int, int, float | None, float | None, float | None]],
) -> None:
    whole, less = Perception(MAP), Perception(MAP)
    whole.observe(as_batch(rows))
    less.observe(as_batch(rows[:-1]))
    assert whole.hash() != less.hash()
