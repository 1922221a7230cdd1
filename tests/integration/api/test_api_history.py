"""The past of links: any stored minutes, in the operator's units, as JSON and CSV."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np

from api_house import NOW_US, House
from twin.api.history import MOST_VALUES
from twin.api.roles import Role
from twin.log.contract import Place
from twin.network.model import SingleMap
from twin.store import maps
from twin.store.commit import assign, write_commit
from twin.store.records import Commit, MinutePicture
from twin.units import SECOND_US

MINUTE_US = 60 * SECOND_US
SPAN = "from=2026-06-16T07:50:00Z&to=2026-06-16T08:00:00Z"
PATH = "/api/v1/history/links"


async def keep(house: House, ago: int, speeds: list[float], *, version: str = "") -> None:
    """Keep the minute that ended so many minutes ago; flow is 0.5 vehicles/s where known."""
    speed = np.array(speeds, np.float32)
    flow = np.where(np.isnan(speed), np.nan, 0.5).astype(np.float32)
    minute = MinutePicture(
        time_us=NOW_US - ago * MINUTE_US,
        map_version=version or house.served.network.version,
        speed_mps=speed.tobytes(),
        flow_vps=flow.tobytes(),
        density_vpm=flow.tobytes(),
        source=(~np.isnan(speed)).astype(np.uint8).tobytes(),
    )
    _, epochs = await assign(house.served.database, [Place("test", 0)], "test")
    await write_commit(house.served.database, Commit(epochs=epochs, minute=minute))


def older_map(network: SingleMap) -> SingleMap:
    """Make a map version from before link L0 was built: its rows are other links."""
    links = tuple(link for link in network.links if link.id != "L0")
    return replace(network, version="e" * 32, links=links)


async def test_minutes_of_links_with_travel_times(house: House) -> None:
    """Gaps are null, a standing link has no travel time, other minutes are left out."""
    await keep(house, 11, [9.0, 9.0, 9.0])  # too early
    await keep(house, 2, [20.0, 10.0, np.nan])
    await keep(house, 1, [10.0, 0.0, 5.0])
    lengths = {str(link.id): link.length_m for link in house.served.network.links}
    async with house.client(Role.PLANNER) as client:
        found = (await client.get(f"{PATH}?{SPAN}&link=L1&link=L0")).json()
    assert found["links"] == ["L1", "L0"]
    assert found["time"] == ["2026-06-16T07:58:00Z", "2026-06-16T07:59:00Z"]
    assert found["speed_kph"] == [[36.0, 72.0], [0.0, 36.0]]
    assert found["flow_vph"] == [[1800.0, 1800.0], [1800.0, 1800.0]]
    first = [round(lengths["L1"] / 10, 1), round(lengths["L0"] / 20, 1)]
    assert found["travel_time_s"] == [first, [None, round(lengths["L0"] / 10, 1)]]
    assert found["total_travel_time_s"][1] is None
    assert abs(found["total_travel_time_s"][0] - sum(first)) < 0.11
    assert found["source"] == [[1, 1], [1, 1]]


async def test_a_link_is_found_in_the_map_of_its_day(house: House) -> None:
    """On an older map the same id stands in another row, or is not there."""
    old = older_map(house.served.network)
    await maps.save_map(house.served.database, old, now_us=0)
    await keep(house, 3, [10.0, 20.0], version=old.version)
    await keep(house, 2, [30.0, 40.0], version="a" * 32)  # of a map that nobody kept
    await keep(house, 1, [1.0, 2.0, 3.0])
    async with house.client(Role.VIEWER) as client:
        found = (await client.get(f"{PATH}?{SPAN}&link=L0&link=L2")).json()
    assert found["map_version"] == [old.version, house.served.network.version]
    assert found["speed_kph"] == [[None, 72.0], [3.6, 10.8]]
    assert found["source"] == [[0, 1], [1, 1]]


async def test_the_same_as_csv(house: House) -> None:
    """The unit stands in the name of each column; what is not known is empty."""
    await keep(house, 1, [10.0, np.nan, 5.0])
    async with house.client(Role.PLANNER) as client:
        answer = await client.get(f"{PATH}.csv?{SPAN}&link=L0&link=L1")
    assert answer.headers["content-type"].startswith("text/csv")
    first, second = csv.DictReader(io.StringIO(answer.text))
    assert (first["time"], first["link"]) == ("2026-06-16T07:59:00Z", "L0")
    assert (first["speed_kph"], first["flow_vph"], first["source"]) == ("36.0", "1800.0", "1")
    assert (second["speed_kph"], second["travel_time_s"], second["source"]) == ("", "", "0")


async def test_a_day_without_minutes_is_empty(house: House) -> None:
    async with house.client(Role.VIEWER) as client:
        found = (await client.get(f"{PATH}?{SPAN}&link=L0")).json()
    assert (found["time"], found["speed_kph"], found["total_travel_time_s"]) == ([], [], [])


async def test_what_cannot_be_answered_names_the_parameter(house: House) -> None:
    """Times the wrong way round, no offset, too much at once, no link."""
    day = "from=2026-06-16T00:00:00Z&to=2026-06-17T00:00:00Z"
    asked = {
        "from=2026-06-16T08:00:00Z&to=2026-06-16T07:00:00Z&link=L0": "to",
        "from=2026-06-16T08:00:00&to=2026-06-16T07:00:00Z&link=L0": "from",
        f"{day}&" + "&".join(["link=L0"] * (MOST_VALUES // 1441 + 1)): "to",
        SPAN: "link",
    }
    async with house.client(Role.VIEWER) as client:
        for query, field in asked.items():
            answer = await client.get(f"{PATH}?{query}")
            assert answer.status_code == 422, query
            assert field in {error["field"].rpartition(".")[2] for error in answer.json()["errors"]}
        unknown = await client.get(f"{PATH}?{SPAN}&link=L9")
        assert unknown.status_code == 404
        assert "L9" in unknown.text
    async with house.client(Role.GATE) as client:
        assert (await client.get(f"{PATH}?{SPAN}&link=L0")).status_code == 403
