"""The blend in the live state: what it learns, when, and that nothing of it is lost."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from twin.clock import us_from_datetime
from twin.columns import Floats, ReadingBatch
from twin.forecast.blended import shifted
from twin.forecast.first import make_forecast
from twin.forecast.learned.blend import Expert, Regime
from twin.forecast.learned.city import ROW_US, CityCalendar, near_on_map
from twin.forecast.learned.engine import Engine
from twin.forecast.learned.model import unfitted
from twin.forecast.learned.standing import answer, standing_of
from twin.forecast.learning import CLOSED_US, Learning, stations_of
from twin.forecast.result import Forecast, Method
from twin.ids import LinkId, NodeId, SensorId
from twin.live import Live, LiveBatch
from twin.network.difference import difference
from twin.network.model import Link, LinkClass, Node, Sensor, SingleMap

MINUTE_US = 60_000_000
START_US = 1_790_028_000_000_000  # a Tuesday, 00:00 in Madrid
MADRID = ZoneInfo("Europe/Madrid")


def motorway(links: int = 4, version: str = "c" * 32, first: int = 0) -> SingleMap:
    """Draw a motorway of 1 km links, all but the last with a detector."""
    names = range(first, first + links)
    nodes = [Node(NodeId(f"n{k}"), (0.01 * k, 0.0)) for k in (*names, first + links)]
    return SingleMap(
        name="motorway",
        version=version,
        timezone="Europe/Madrid",
        nodes=tuple(nodes),
        links=tuple(
            Link(
                LinkId(f"l{k}"),
                start.id,
                end.id,
                (start.point, end.point),
                1000.0,
                2,
                30.0,
                1.1,
                LinkClass.MOTORWAY,
                road="A1-N",
            )
            for k, start, end in zip(names, nodes[:-1], nodes[1:], strict=True)
        ),
        sensors=tuple(
            Sensor(SensorId(f"s{k}"), LinkId(f"l{k}"), 500.0, (0.0, 0.0), 60.0, lanes=2)
            for k in list(names)[:-1]
        ),
    )


def start(network: SingleMap) -> Live:
    """Start a live state that knows nothing."""
    return Live(network, rules=None, automatic=frozenset(), lease_s=15.0, timezone="Europe/Madrid")


def minute(live: Live, at: int, speeds_mps: list[float]) -> Forecast:
    """Let one minute pass, make a forecast 25 s after it, and hand it back in."""
    end_us = START_US + at * MINUTE_US
    sensors = len(speeds_mps)
    batch = ReadingBatch(
        np.arange(sensors, dtype=np.int32),
        np.full(sensors, end_us),
        np.full(sensors, 60_000, np.int64),
        np.full(sensors, 30.0),
        np.array(speeds_mps),
        np.full(sensors, np.nan),
    )
    live.observe(LiveBatch(now_us=end_us, readings=batch))
    now_us = end_us + CLOSED_US + 5_000_000
    made = make_forecast(live.forecast_input(now_us))
    assert live.take_forecast(made, now_us)
    return made


def wandering(at: int) -> list[float]:
    """Return speeds that go up and down, each station in its own way."""
    return [28.0 + 1.5 * float(np.sin(0.3 * at + k)) for k in range(3)]


def test_stations_are_blended_and_the_rest_is_as_before() -> None:
    live = start(motorway())
    made = [minute(live, at, wandering(at)) for at in range(1, 12)]
    assert made[0].learned_us == -1
    assert made[0].method[0] == Method.PHYSICS
    last = made[-1]
    assert last.learned_us == START_US + 10 * MINUTE_US
    assert last.method.tolist() == [Method.BLEND] * 3 + [Method.PHYSICS]
    assert last.weights[:3].sum(axis=1) == pytest.approx(1.0)
    assert not last.weights[3].any()
    assert (last.weights[:3, Expert.PHYSICS] > 0.1).all()
    assert (last.speed_lo_mps <= last.speed_mps).all()
    assert (last.speed_mps <= last.speed_hi_mps).all()
    assert last.density_vpm[:, 0] == pytest.approx(last.flow_vps[:, 0] / last.speed_mps[:, 0])


def test_a_restart_goes_on_byte_by_byte_and_the_pieces_do_not_matter() -> None:
    through, broken = start(motorway()), start(motorway())
    for at in range(1, 27):
        one = minute(through, at, wandering(at))
        if at in {7, 16, 23}:
            again = start(motorway())
            again.resume(broken.opened("", {}))
            broken = again
        assert make_forecast(through.forecast_input(one.made_us)).id == one.id or at % 5 == 0
        assert minute(broken, at, wandering(at)).id == one.id
    assert through.state_bytes() == broken.state_bytes()


def test_another_map_goes_on_with_the_links_that_stayed() -> None:
    before = start(motorway())
    for at in range(1, 13):
        minute(before, at, wandering(at))
    network = motorway(4, "d" * 32, first=1)
    after = before.on(network)
    now_us = START_US + 12 * MINUTE_US
    after.carry(before, difference(before.network, network), now_us)
    there, here = before._learning, after._learning
    assert here._engine.memory.row == there._engine.memory.row
    assert np.array_equal(here._engine.blend.own[:, :2], there._engine.blend.own[:, 1:])
    assert np.array_equal(here._engine.blend.shared, there._engine.blend.shared)
    assert np.isnan(here._engine.memory.last[2])
    made = minute(after, 13, wandering(13))
    assert made.method.tolist()[:2] == [Method.BLEND] * 2


def test_who_is_wrong_loses_weight() -> None:
    """The physics is far below what comes true, the last value close to it."""
    network = motorway()
    learning = Learning(network, timezone="UTC")
    learning._begin(1000)
    weight = []
    for row in range(1001, 1061):
        learning._engine.step(np.array(wandering(row)))
        learning._row, learning._rows = row, learning._rows + 1
        standing = learning.standing()
        assert standing is not None
        said = np.full((12, 3), 20.0)
        weight.append(answer(standing, said).weight[:, :, Expert.PHYSICS].mean())
        learning.complete(standing.row_us, said)
    assert weight[0] > 0.4
    assert weight[-1] < 0.1
    assert learning.state()["learned_counts"][2] == 1060


def test_a_jam_that_only_the_physics_sees_is_told() -> None:
    engine = Engine.start(CityCalendar(zone=MADRID), unfitted(near_on_map(motorway(), ROWS)), 3)
    engine.memory.row = 1000
    for _ in range(5):
        engine.step(np.array([28.0, 27.0, 26.0]))
    standing = standing_of(engine, ROWS, 1005 * ROW_US, 0.0)
    jam: Floats = np.full((12, 3), 27.0)
    jam[6:, 1] = 5.0
    said = answer(standing, jam)
    assert said.regime.tolist() == [Regime.FREE, Regime.WARNED, Regime.FREE]
    assert said.value[-1, 1] < 0.6 * 27.0
    assert said.value[-1, 0] == pytest.approx(27.5, abs=0.6)


ROWS = np.arange(3)


def test_neighbours_are_those_along_the_road() -> None:
    near = near_on_map(motorway(6), np.array([0, 2, 4]))
    assert near.ahead[:, :2].tolist() == [[1, 2], [2, -1], [-1, -1]]
    assert near.behind[:, :2].tolist() == [[-1, -1], [0, -1], [1, 0]]
    assert near.beside[1, :3].tolist() == [0, 2, -1]


def test_the_calendar_follows_clocks_and_holidays() -> None:
    calendar = CityCalendar(holidays=frozenset({date(2026, 9, 22)}), zone=MADRID)
    rows = [
        us_from_datetime(datetime(*moment, tzinfo=MADRID)) // ROW_US + 1
        for moment in ((2026, 9, 22, 8, 0), (2026, 9, 23, 8, 0), (2026, 10, 26, 8, 0))
    ]
    assert calendar.slots(np.array(rows)).tolist() == [96, 96, 96]
    assert calendar.kinds(np.array(rows)).tolist() == [1, 0, 0]
    assert calendar.slots(np.array([rows[0] - 1])).tolist() == [95]


def test_rows_move_to_steps_and_their_ends_go_on() -> None:
    rows: Floats = np.arange(12.0)[:, None]
    assert shifted(rows, 0.25)[:3, 0] == pytest.approx([0.25, 1.25, 2.25])
    assert shifted(rows, 1.5)[-2:, 0] == pytest.approx([11.0, 11.0])
    assert shifted(rows, -0.5)[:2, 0] == pytest.approx([0.0, 0.5])


def test_a_map_without_detectors_learns_nothing() -> None:
    network = motorway(1)
    assert not len(stations_of(network))
    assert Learning(network, timezone="UTC").state() == {}
