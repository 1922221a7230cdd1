"""Detectors that are not believed are told with the reason and what stands in for them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from api_house import NOW_US, House, picture
from twin.api.roles import Role
from twin.clock import datetime_from_us
from twin.perceive.health.detectors import DetectorHealth, Fault
from twin.perceive.state import Source


async def test_a_failed_detector_names_its_fault_and_its_stand_in(house: House) -> None:
    network = house.served.network
    shown = picture(network)
    sensors = len(network.sensors)
    faults = np.zeros(sensors, np.uint8)
    faults[0] = Fault.LOCKED_ON | Fault.NO_CHANGE
    since_us = np.full(sensors, -1, np.int64)
    since_us[0] = NOW_US
    source = shown.links.source.copy()
    source[network.link_rows[network.sensors[0].link]] = Source.PROFILE
    health = DetectorHealth(faults=faults, since_us=since_us, imbalance=np.empty(0))
    told = replace(shown, detectors=health, links=replace(shown.links, source=source))
    house.served.board.publish(told)
    async with house.client(Role.VIEWER) as client:
        view = (await client.get("/api/v1/detectors")).json()
    first, *others = view["detectors"]
    assert view["failed"] == 1
    assert view["counts"]["locked_on"] == view["counts"]["no_change"] == 1
    assert first["id"] == network.sensors[0].id
    assert first["faults"] == ["locked_on", "no_change"]
    assert first["excluded"]
    assert first["since"].startswith(datetime_from_us(NOW_US).strftime("%Y-%m-%dT%H:%M:%S"))
    assert first["replaced_by"] == ["profile"]
    assert not any(one["faults"] or one["excluded"] for one in others)


async def test_a_picture_without_verdicts_accuses_nobody(house: House) -> None:
    house.served.board.publish(picture(house.served.network))
    async with house.client(Role.VIEWER) as client:
        view = (await client.get("/api/v1/detectors")).json()
    assert view["failed"] == 0
    assert {one["role"] for one in view["detectors"]} <= {"mainline", "exit", "merge", "auxiliary"}
