"""Versions of the map over HTTP: listed, asked for, served beside each other."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from api_house import House, picture
from ingest_city import START_US, small_city
from twin.api.frames import FrameKind, decode
from twin.api.roles import Role
from twin.events import Act, OperatorAct
from twin.network.model import SingleMap
from twin.store import audit, maps

REASON = {"reason": "the third lane is open"}


def wider() -> SingleMap:
    """The small city with a third lane on L1."""
    city = small_city()
    links = tuple(replace(link, lanes=3) if link.id == "L1" else link for link in city.links)
    return replace(
        city, version="0" * 31 + "2", links=links[:2], sensors=city.sensors[:2], gates=()
    )


@pytest.fixture
async def stored(house: House) -> SingleMap:
    """Keep both maps in the database of the house."""
    for city in (small_city(), wider()):
        await maps.save_map(house.served.database, city, now_us=START_US)
    return wider()


async def test_operator_asks_for_another_version(house: House, stored: SingleMap) -> None:
    """The act stands on the log and in the audit; the answer says asked, not done."""
    path = f"/api/v1/network/versions/{stored.version}/activate"
    async with house.client(Role.OPERATOR) as client:
        listed = (await client.get("/api/v1/network/versions")).json()
        answer = await client.post(path, json=REASON)
    assert [(one["version"], one["in_use"]) for one in listed] == [
        (small_city().version, True),
        (stored.version, False),
    ]
    assert (answer.status_code, answer.json()["state"]) == (202, "asked")
    ((_, value, _),) = await house.records("act")
    act = msgspec.json.decode(value, type=OperatorAct)
    assert (act.act, act.target, act.id) == (
        Act.ACTIVATE_MAP,
        stored.version,
        answer.json()["id"],
    )
    entries = await audit.list_entries(house.served.database)
    assert [(one.act, one.target) for one in entries] == [("map.activate", stored.version)]


@pytest.mark.parametrize(
    ("version", "body", "status"),
    [
        ("f" * 32, REASON, 404),
        ("0" * 31 + "1", REASON, 409),
        ("0" * 31 + "2", {"reason": "short"}, 422),
    ],
)
async def test_wish_that_cannot_be_met(
    house: House, stored: SingleMap, version: str, body: dict[str, str], status: int
) -> None:
    """Nothing reaches the log."""
    async with house.client(Role.ADMINISTRATOR) as client:
        answer = await client.post(f"/api/v1/network/versions/{version}/activate", json=body)
    assert answer.status_code == status, stored
    assert await house.records("act") == []


async def test_everything_is_served_of_the_map_in_use(house: House, stored: SingleMap) -> None:
    """After the change: the network, its layers, a whole frame; layers of the other map stay."""
    board = house.served.board
    before = small_city().version
    with board.stream() as slot:
        board.publish(picture(small_city()))
        assert decode(await slot.next_frame()).stamp.map_version == before
        house.served.use(stored)
        board.publish(picture(stored, sequence=2))
        frame = decode(await slot.next_frame())
    assert (frame.kind, frame.stamp.map_version) == (FrameKind.KEY, stored.version)
    async with house.client(Role.VIEWER) as client:
        shown = (await client.get("/api/v1/network")).json()
        new = (await client.get(f"/api/v1/network/{stored.version}/links")).json()
        old = (await client.get(f"/api/v1/network/{before}/links")).json()
        quality = await client.get("/api/v1/network/quality")
        picture_now = (await client.get("/api/v1/picture")).json()
    assert shown["version"] == stored.version
    assert shown["counts"]["links"] == 2
    assert (len(new["features"]), len(old["features"])) == (2, 3)
    assert quality.status_code == 200
    assert len(picture_now["links"]) == 2
