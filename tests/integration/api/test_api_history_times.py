"""Travel times of a way on a stored day, as JSON and CSV."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from api_house import NOW_US, House
from twin.api.roles import Role
from twin.log.contract import Place
from twin.store.commit import assign, write_commit
from twin.store.records import Commit, MinutePicture
from twin.units import SECOND_US

SPAN = "from=2026-06-16T07:50:00Z&to=2026-06-16T07:59:00Z"
PATH = "/api/v1/history/travel-times"


async def keep_minutes(house: House, first: int, last: int, speed_mps: float) -> None:
    """Keep the minutes that were first … last minutes ago, all links at one speed, measured."""
    _, epochs = await assign(house.served.database, [Place("test", 0)], "test")
    count = len(house.served.network.links)
    for ago in range(first, last - 1, -1):
        minute = MinutePicture(
            time_us=NOW_US - ago * 60 * SECOND_US,
            map_version=house.served.network.version,
            speed_mps=np.full(count, speed_mps, np.float32).tobytes(),
            flow_vps=np.full(count, 0.5, np.float32).tobytes(),
            density_vpm=np.full(count, 0.05, np.float32).tobytes(),
            source=np.ones(count, np.uint8).tobytes(),
        )
        await write_commit(house.served.database, Commit(epochs=epochs, minute=minute))


async def test_every_five_minutes_by_links_and_by_road(house: House) -> None:
    """Links in driving order, or a corridor by its road: the same way, the same times."""
    network = house.served.network
    road = next(link.road for link in network.links if link.road)
    links = [link for link in network.links if link.road == road]
    length_m = sum(link.length_m for link in links)
    await keep_minutes(house, 10, 0, 10.0)
    async with house.client(Role.PLANNER) as client:
        by_road = (await client.get(f"{PATH}?{SPAN}&road={road}")).json()
        named = "&".join(f"link={name}" for name in by_road["links"])
        by_links = (await client.get(f"{PATH}?{SPAN}&{named}")).json()
        text = (await client.get(f"{PATH}.csv?{SPAN}&road={road}")).text
    assert by_links == by_road
    assert by_road["length_m"] == pytest.approx(length_m, abs=0.1)
    assert by_road["time"] == ["2026-06-16T07:50:00Z", "2026-06-16T07:55:00Z"]
    assert by_road["instantaneous_s"] == pytest.approx([length_m / 10] * 2, abs=0.06)
    assert by_road["experienced_s"][0] == pytest.approx(length_m / 10, abs=0.06)
    assert by_road["measured_share"] == [1.0, 1.0]
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["time"] for row in rows] == by_road["time"]
    assert float(rows[0]["experienced_s"]) == by_road["experienced_s"][0]


@pytest.mark.parametrize(
    ("asked", "status"),
    [(f"{SPAN}", 422), (f"{SPAN}&road=nowhere", 404), (f"{SPAN}&link=nothing", 404)],
)
async def test_what_cannot_be_answered_is_said(house: House, asked: str, status: int) -> None:
    async with house.client(Role.PLANNER) as client:
        assert (await client.get(f"{PATH}?{asked}")).status_code == status
