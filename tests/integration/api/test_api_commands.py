"""An operator's order over HTTP: checked, on the log, and shown until it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from api_house import House, Template, open_house, picture
from device_road import device_road
from twin.api.roles import Role
from twin.clock import datetime_from_us
from twin.control.decision import DecisionBook
from twin.control.devices.orders import DeviceControl
from twin.events import Acknowledgement, Act, DecisionEvent, OperatorAct
from twin.log.contract import Place
from twin.store import audit
from twin.units import SECOND_US

ROAD = device_road()
REASON = "queue before the viaduct"
SLOW = {"kind": "sign", "target": "S2", "command": {"limit_kph": "80"}}


class Worker:
    """What the worker does with acts, without its log and store."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.control, self.book = DeviceControl(ROAD), DecisionBook()
        self.done = 0

    def publish(self, events: tuple[DecisionEvent, ...]) -> None:
        for event in events:
            self.book.add(event)
        self.house.served.board.publish_decisions(events)
        shown = picture(ROAD, time_us=self.house.clock.now_us(), decisions=self.book.open())
        self.house.served.board.publish(shown)

    async def acts(self, *, at_least: int) -> list[OperatorAct]:
        """Wait until so many acts are on the log; return all of them."""
        reader = await self.house.served.log.reader({Place("act", 0): 0})
        values: list[bytes] = []
        while len(values) < at_least:
            for records in await reader.fetch(max_records=at_least, timeout_s=5.0):
                values += records.values
        await reader.close()
        return [msgspec.json.decode(value, type=OperatorAct) for value in values]

    async def work(self, *, acts: int = 1) -> None:
        now_us = self.house.clock.now_us()
        for act in (await self.acts(at_least=acts))[self.done :]:
            self.done += 1
            if act.act is Act.COMMAND:
                self.publish(self.control.take(act, now_us, book=self.book))
            else:
                self.publish(self.book.apply_act(act, now_us))
        self.publish(self.control.decide(now_us, book=self.book, offsets={}))

    def answer(self) -> None:
        for event in self.book.open():
            said = Acknowledgement(
                id="k",
                decision=event.id,
                device=event.target,
                time=datetime_from_us(self.house.clock.now_us()),
                accepted=True,
            )
            self.publish(self.book.apply_acknowledgement(said, self.house.clock.now_us()))


@pytest.fixture
async def house(tmp_path: Path, house_template: Template) -> AsyncIterator[House]:
    async with open_house(tmp_path, house_template, network=ROAD) as opened:
        opened.served.board.publish(picture(ROAD, time_us=opened.clock.now_us()))
        yield opened


async def command(house: House, role: Role = Role.OPERATOR, **body: Any) -> httpx.Response:
    asked = {**SLOW, "reason": REASON, "for_s": 900, **body}
    async with house.client(role) as client:
        return await client.post("/api/v1/commands", json=asked)


async def device(house: House, name: str = "S2") -> dict[str, Any]:
    async with house.client(Role.VIEWER) as client:
        answer = await client.get("/api/v1/devices")
    assert answer.status_code == 200, answer.text
    (found,) = [one for one in answer.json()["devices"] if one["id"] == name]
    assert isinstance(found, dict)
    return found


async def test_an_order_goes_out_is_shown_and_released(house: House) -> None:
    worker = Worker(house)
    house.served.approve_wait_s = 5.0
    answer, _ = await asyncio.gather(command(house), worker.work())
    assert answer.status_code == 201, answer.text
    view = answer.json()
    assert (view["state"], view["by"], view["note"]) == ("issued", "the operator", REASON)
    async with house.client(Role.GATE) as client:
        polled = (await client.get("/api/v1/street/commands", params={"device": "S2"})).json()
    (sent,) = polled["commands"]
    assert sent["command"] == {"limit_kph": "80"}
    shown = await device(house)
    assert (shown["shows"], shown["confirmed"]) == ({"limit_kph": "80"}, False)
    worker.answer()
    house.clock.advance_to(house.clock.now_us() + 3 * SECOND_US)
    shown = await device(house)
    assert (shown["confirmed"], shown["age_s"], shown["by"]) == (True, 3.0, "the operator")
    assert (shown["decision"], shown["version"]) == (view["id"], 3)
    assert shown["until"] is not None

    async def release() -> httpx.Response:
        body = {"reason": "the queue is gone", "seen_version": 2}
        async with house.client(Role.OPERATOR) as client:
            return await client.post(f"/api/v1/decisions/{view['id']}/release", json=body)

    ended, _ = await asyncio.gather(release(), worker.work(acts=2))
    assert (ended.status_code, ended.json()["state"]) == (200, "released")
    shown = await device(house)
    assert (shown["shows"], shown["decision"], shown["until"]) == ({}, "", None)
    async with house.client(Role.GATE) as client:
        params = {"device": "S2", "after": str(polled["after"])}
        after = (await client.get("/api/v1/street/commands", params=params)).json()
    assert [one["state"] for one in after["commands"]] == ["released"]
    entries = await audit.list_entries(house.served.database)
    assert {entry.act for entry in entries} == {"device.command", "decision.release"}


async def test_an_order_that_nobody_took_up_yet_is_202(house: House) -> None:
    answer = await command(house)
    assert (answer.status_code, answer.json()["state"]) == (202, "approved")
    (act,) = await Worker(house).acts(at_least=1)
    assert act.order is not None
    assert (act.act, act.target, act.order.command) == (Act.COMMAND, "S2", {"limit_kph": "80"})


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"command": {"limit_kph": "85"}}, 422, "safety rule speed"),
        ({"command": {"limit_kph": "60"}}, 422, "safety rule neighbours"),
        ({"kind": "gate", "target": "GO", "command": {"gate": "closed"}}, 422, "safety rule gate"),
        ({"command": {}}, 422, ">= 1"),
        ({"reason": "because"}, 422, ">= 10"),
        ({"reason": "  because    "}, 422, "at least 10 characters"),
        ({"for_s": 59}, 422, ">= 60"),
        ({"for_s": 86_400}, 422, "<= 14400"),
        ({"kind": "access"}, 422, "Invalid enum value"),
        ({"target": "S9"}, 404, "GET /devices"),
        ({"kind": "ramp_meter"}, 404, "GET /devices"),
    ],
)
async def test_what_may_not_be_ordered_is_not_on_the_log(
    house: House, changes: dict[str, Any], status: int, words: str
) -> None:
    answer = await command(house, **changes)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["errors"][0]["rule"]
    assert await house.records("act") == []


@pytest.mark.parametrize("role", [Role.VIEWER, Role.GATE, Role.ADMINISTRATOR])
async def test_only_operators_order(house: House, role: Role) -> None:
    assert (await command(house, role)).status_code == 403


async def test_devices_tell_what_they_accept(house: House) -> None:
    assert (await device(house, "RM"))["accepts"][0]["most"] == 900.0
    limits = {one["name"]: one for one in (await device(house))["accepts"]}
    assert (limits["limit_kph"]["least"], limits["limit_kph"]["most"]) == (30.0, 110.0)
    assert [(await device(house, name))["can_close"] for name in ("GI", "GO", "GC")] == [
        True,
        False,
        False,
    ]
    async with house.client(Role.VIEWER) as client:
        answer = await client.get("/api/v1/devices", params={"kind": "ramp_meter"})
    assert [one["id"] for one in answer.json()["devices"]] == ["RM"]
