"""Alerts: raised where vehicles do not come out, once, with a place; tails of queues grow."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from motorway_stations import GAP_M, STATIONS, motorway
from twin.columns import Floats, ReadingBatch
from twin.network.model import LinkClass, SingleMap
from twin.perceive.alerting import WAIT_US, Alerting
from twin.perceive.estimate import Perception

MINUTE_US = 60_000_000
START_US = 30_000_000 * MINUTE_US


class Drive:
    """Feeds minutes to perception and keeps what the alerts said."""

    def __init__(
        self, network: SingleMap | None = None, *, seed: int = 1, chance: float = 2.0
    ) -> None:
        road = network or motorway()
        self.perception = Perception(road)
        self.alerting = Alerting(road, self.perception)
        self.minute = 0
        self._chance = chance
        self._rng = np.random.default_rng(seed)

    def pass_minutes(self, minutes: int, vehicles: Floats, speed: Floats) -> None:
        """Let minutes pass with these flows (a minute) and speeds by station, and chance."""
        for _ in range(minutes):
            self.minute += 1
            end_us = START_US + self.minute * MINUTE_US
            noise = self._rng.normal(0.0, self._chance, STATIONS)
            self.perception.observe(
                ReadingBatch(
                    np.arange(STATIONS, dtype=np.int32),
                    np.full(STATIONS, end_us),
                    np.full(STATIONS, 60_000),
                    np.maximum(np.round(vehicles + noise), 0.0),
                    speed * (1.0 + self._rng.normal(0.0, 0.02, STATIONS)),
                    np.full(STATIONS, np.nan),
                )
            )
            self.alerting.advance(end_us + WAIT_US)


FLOW = np.full(STATIONS, 60.0)
SPEED = np.full(STATIONS, 27.0)


def behind(station: int, inside: float, outside: float) -> Floats:
    """Return one value up to a station and another behind it."""
    return np.where(np.arange(STATIONS) <= station, inside, outside)


def test_vehicles_that_do_not_come_out_are_an_incident_in_that_section() -> None:
    drive = Drive()
    drive.pass_minutes(25, FLOW, SPEED)
    assert drive.alerting.alerts().incidents == ()
    speed = SPEED.copy()
    speed[4] = 22.0
    drive.pass_minutes(4, behind(4, 60.0, 44.0), speed)
    (alert,) = drive.alerting.alerts().incidents
    assert (alert.before, alert.behind, alert.road) == ("l4", "l5", "A1-N")
    assert alert.link == "l4"
    assert alert.piled > 22.0
    assert 0.5 < alert.confidence <= 1.0


def test_a_queue_before_a_free_road_is_one_and_it_is_told_once() -> None:
    drive = Drive()
    drive.pass_minutes(25, FLOW, SPEED)
    speed = SPEED.copy()
    for minute in range(8):
        speed[4] = 9.0
        if minute > 3:
            speed[3] = 9.0  # the queue reaches the next station: the same incident
        drive.pass_minutes(1, behind(4, 60.0, 42.0), speed)
    (alert,) = drive.alerting.alerts().incidents
    assert alert.reason == "queue"
    assert alert.before == "l4"
    first = alert.id
    drive.pass_minutes(2, behind(4, 60.0, 42.0), speed)
    assert [one.id for one in drive.alerting.alerts().incidents] == [first]


def test_a_queue_that_is_over_the_station_already_is_seen_by_what_piles_up_before_it() -> None:
    """What stands just behind a station: both ends of the section count the same few vehicles."""
    drive = Drive(chance=0.0)
    drive.pass_minutes(25, FLOW, SPEED)
    speed = SPEED.copy()
    speed[4] = 9.0
    for minute in range(6):
        drive.pass_minutes(1, behind(3, 60.0, 60.0 - 3.0 * minute), speed)
    (alert,) = drive.alerting.alerts().incidents
    assert (alert.before, alert.behind, alert.reason) == ("l4", "l5", "queue")


def test_it_is_cleared_when_it_is_over() -> None:
    drive = Drive()
    drive.pass_minutes(25, FLOW, SPEED)
    speed = SPEED.copy()
    speed[4] = 9.0
    drive.pass_minutes(5, behind(4, 60.0, 40.0), speed)
    assert len(drive.alerting.alerts().incidents) == 1
    drive.pass_minutes(17, FLOW, SPEED)
    assert drive.alerting.alerts().incidents == ()


def test_a_bottleneck_that_passes_all_it_can_is_no_incident() -> None:
    network = motorway()
    links = list(network.links)
    links[5] = dataclasses.replace(links[5], lanes=2, capacity_vps=1.0)
    sensors = list(network.sensors)
    sensors[5] = dataclasses.replace(sensors[5], lanes=2)
    drive = Drive(dataclasses.replace(network, links=tuple(links), sensors=tuple(sensors)))
    drive.pass_minutes(25, np.full(STATIONS, 54.0), SPEED)
    speed = SPEED.copy()
    speed[3:5] = 9.0
    drive.pass_minutes(6, behind(4, 66.0, 58.0), speed)
    assert drive.alerting.alerts().incidents == ()


@pytest.mark.parametrize("seed", range(3))
def test_hours_of_nothing_raise_nothing(seed: int) -> None:
    drive = Drive(seed=seed)
    drive.pass_minutes(180, FLOW, SPEED)
    assert drive.alerting.alerts().incidents == ()
    assert drive.alerting.alerts().tails == ()


def test_streets_are_not_watched() -> None:
    drive = Drive(motorway(LinkClass.ARTERIAL))
    drive.pass_minutes(20, FLOW, SPEED)
    drive.pass_minutes(5, behind(4, 60.0, 20.0), np.where(np.arange(STATIONS) == 4, 5.0, 27.0))
    assert drive.alerting.alerts().incidents == ()
    assert drive.alerting.alerts().tails == ()


def test_a_tail_is_between_the_stations_and_its_growth_is_the_shock_speed() -> None:
    """A tail that passes a station every 4 minutes, 800 m apart: 3.3 m/s against the traffic."""
    drive = Drive()
    drive.pass_minutes(10, FLOW, SPEED)
    for station in (6, 5, 4):
        speed = np.where(np.arange(STATIONS) >= station, 6.0, 27.0)
        drive.pass_minutes(4, FLOW, speed)
    (tail,) = drive.alerting.alerts().tails
    assert tail.link == "l4"  # 57 % of the way from the station at 2800 m to that at 3600 m
    assert tail.position_m == pytest.approx(57.0, abs=25.0)
    assert tail.growth_mps == pytest.approx(GAP_M / 240.0, rel=0.35)
    assert tail.warn
    assert tail.queue_mps == pytest.approx(6.0, rel=0.1)
    assert tail.approach_mps == pytest.approx(27.0, rel=0.1)


def test_slow_traffic_that_meets_a_queue_is_no_warning() -> None:
    drive = Drive()
    drive.pass_minutes(6, FLOW, np.where(np.arange(STATIONS) >= 5, 6.0, 18.0))
    (tail,) = drive.alerting.alerts().tails
    assert not tail.warn


def test_what_is_usual_on_a_road_survives_a_restart() -> None:
    drive = Drive()
    drive.pass_minutes(60, FLOW, SPEED)
    again = Drive()
    again.alerting.restore(drive.alerting.state())
    kept, first = again.alerting.state()["alert_usual"], Drive().alerting.state()["alert_usual"]
    assert kept.tolist() == drive.alerting.state()["alert_usual"].tolist()
    assert kept.tolist() != first.tolist()
