"""What is read: map, picture, measurements, forecast, corridors - in the operator's units."""

from __future__ import annotations

import gzip
from dataclasses import replace

import numpy as np
import pytest

from api_house import NOW_US, House, picture
from twin.api.roles import Role
from twin.columns import ReadingBatch
from twin.log.contract import Place
from twin.perceive.state import Freshness
from twin.store.commit import assign, write_commit
from twin.store.records import Commit, MinutePicture, Observations
from twin.units import SECOND_US

MINUTE_US = 60 * SECOND_US


async def commit(house: House, **parts: object) -> None:
    place = Place("test", 0)
    _, epochs = await assign(house.served.database, [place], "test")
    await write_commit(house.served.database, Commit(epochs=epochs, **parts))  # type: ignore[arg-type] # parts of a commit by name


async def test_the_map_and_its_layers(house: House) -> None:
    async with house.client(Role.VIEWER) as client:
        network = (await client.get("/api/v1/network")).json()
        assert network["version"] == house.served.network.version
        assert network["counts"]["links"] == 3
        assert network["corridors"] == ["R1"]
        assert network["bounds"] == pytest.approx([-3.7, 40.4, -3.67, 40.4])
        assert set(network["quality"]) == {"infos", "warnings", "errors"}
        for layer, view in network["layers"].items():
            answer = await client.get(view["href"])
            assert answer.headers["content-type"] == "application/geo+json"
            assert "immutable" in answer.headers["cache-control"]
            assert len(answer.json()["features"]) == view["count"], layer
        href = network["layers"]["links"]["href"]
        known = (await client.get(href)).headers["etag"]
        again = await client.get(href, headers={"If-None-Match": known})
        packed = await client.get(href, headers={"Accept-Encoding": "gzip"})
        plain = await client.get(href, headers={"Accept-Encoding": "identity"})
        report = (await client.get("/api/v1/network/quality")).json()
    assert again.status_code == 304
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.json() == plain.json()
    layer = house.served.layers[house.served.network.version, "links"]
    assert gzip.decompress(layer[1]) == plain.content
    assert report["counts"]["links"] == 3


async def test_the_picture_says_what_is_believed_and_how_far(house: House) -> None:
    shown = picture(house.served.network, ratio=[0.9, 0.5, 0.2])
    shown.links.freshness[1] = Freshness.STALE
    shown.links.density_vpm[2] = np.nan
    shown.links.closed[0] = 1
    house.served.board.publish(shown)
    house.clock.advance_to(NOW_US + 2 * SECOND_US)
    async with house.client(Role.VIEWER) as client:
        whole = (await client.get("/api/v1/picture")).json()
        chosen = (await client.get("/api/v1/picture?link=L2&link=L0")).json()
    assert whole["time"] == "2026-06-16T08:00:00Z"
    assert whole["age_s"] == 2.0
    assert whole["forecast_id"] == "f" * 32
    assert [link["class"] for link in whole["links"]] == ["closed", "stale", "F"]
    assert sum(whole["classes"].values()) == 3
    assert whole["classes"]["F"] == whole["classes"]["stale"] == whole["classes"]["closed"] == 1
    assert [(link["row"], link["id"]) for link in chosen["links"]] == [(2, "L2"), (0, "L0")]
    assert chosen["links"][0] == {
        "row": 2,
        "id": "L2",
        "speed_kph": 18.0,
        "speed_sd_kph": 3.6,
        "flow_vph": 1800.0,
        "flow_sd_vph": 180.0,
        "density_vpkm": None,
        "density_sd_vpkm": 2.0,
        "ratio": 0.2,
        "class": "F",
        "source": "measured",
        "freshness": "live",
        "age_s": 30.0,
        "closed": False,
        "made_from": ["speeds", "counts"],
        "detectors": 1,
    }
    (signal,) = whole["signals"]
    assert (signal["junction"], signal["stage"], signal["age_s"]) == ("J1", "1", 2.0)
    (incident,) = whole["incidents"]
    assert incident["kind"] == "crash"


async def test_a_big_answer_is_made_once_a_picture(house: House) -> None:
    house.served.board.publish(picture(house.served.network, sequence=1))
    async with house.client(Role.VIEWER) as client:
        first = (await client.get("/api/v1/picture")).json()
        made = house.served.made["links"]
        again = (await client.get("/api/v1/picture")).json()
        assert house.served.made["links"] is made
        house.served.board.publish(picture(house.served.network, sequence=2, ratio=0.1))
        later = (await client.get("/api/v1/picture")).json()
        one = (await client.get("/api/v1/forecast")).json()
        two = (await client.get("/api/v1/forecast?link=L0&link=L1&link=L2")).json()
    assert first == again
    assert {link["class"] for link in later["links"]} == {"F"}
    assert one["links"] == two["links"]


async def test_measured_now_repeats_what_was_measured(house: House) -> None:
    shown = picture(house.served.network)
    shown.measured.time_us[2] = -1
    house.served.board.publish(shown)
    async with house.client(Role.VIEWER) as client:
        found = (await client.get("/api/v1/picture/measured")).json()
    first, _, never = found["sensors"]
    assert first == {
        "id": "S1",
        "time": "2026-06-16T07:59:30Z",
        "age_s": 30.0,
        "period_s": 60.0,
        "count": 12.0,
        "flow_vph": 720.0,
        "speed_kph": 72.0,
        "occupancy_pct": None,
    }
    assert (never["time"], never["age_s"], never["period_s"]) == (None, None, None)


async def test_measured_then_comes_from_history(house: House) -> None:
    mph = 61.7
    batch = ReadingBatch(
        sensor=np.array([0, 0, 1], np.int32),
        time_us=np.array([NOW_US - 10 * MINUTE_US, NOW_US, NOW_US - 10 * MINUTE_US]),
        period_ms=np.full(3, 60_000),
        count=np.array([np.nan, 3.0, 4.0]),
        speed_mps=np.array([mph * 0.44704, 10.0, 11.0]),
        occupancy_frac=np.full(3, np.nan),
    )
    kept = Observations(
        readings=batch,
        event_ids=["a", "b", "c"],
        late=np.zeros(3, np.bool_),
        content=np.arange(3),
        sensor_ids=[sensor.id for sensor in house.served.network.sensors],
    )
    await commit(house, observations=kept)
    async with house.client(Role.VIEWER) as client:
        found = (await client.get("/api/v1/picture/measured?at=2026-06-16T09:55:00%2B02:00")).json()
    assert found["time"] == "2026-06-16T07:55:00Z"
    one, two, three = found["sensors"]
    assert one["speed_kph"] == pytest.approx(mph * 1.609344, abs=0.01)
    assert (one["time"], one["count"], one["flow_vph"]) == ("2026-06-16T07:50:00Z", None, None)
    assert (two["count"], two["flow_vph"]) == (4.0, 240.0)
    assert three["time"] is None


async def test_the_forecast_in_operators_units(house: House) -> None:
    house.served.board.publish(picture(house.served.network))
    async with house.client(Role.PLANNER) as client:
        found = (await client.get("/api/v1/forecast?link=L0&link=L2")).json()
    assert (found["step_s"], found["interval"], found["age_s"]) == (300.0, 0.8, 0.0)
    first, last = found["links"]
    assert first["method"] == "physics"
    assert first["speed_kph"] == [72.0] * 12
    assert first["speed_lo_kph"] == [64.8] * 12
    assert first["flow_vph"] == [1440.0] * 12
    assert first["density_vpkm"] == [20.0] * 12
    assert last["speed_kph"] == [None] * 12


async def test_corridors_in_driving_order(house: House) -> None:
    async with house.client(Role.VIEWER) as client:
        (corridor,) = (await client.get("/api/v1/corridors")).json()
    assert (corridor["road"], corridor["length_m"]) == ("R1", 2550.0)
    assert [link["id"] for link in corridor["links"]] == ["L0", "L1", "L2"]
    assert [link["start_m"] for link in corridor["links"]] == [0.0, 850.0, 1700.0]
    assert [node["at_m"] for node in corridor["nodes"]] == [0.0, 850.0, 1700.0, 2550.0]


def minute(house: House, time_us: int, speed_mps: float) -> MinutePicture:
    column = np.full(3, speed_mps, np.float32)
    column[1] = np.nan
    return MinutePicture(
        time_us=time_us,
        map_version=house.served.network.version,
        speed_mps=column.tobytes(),
        flow_vps=column.tobytes(),
        density_vpm=column.tobytes(),
        source=np.array([1, 0, 2], np.uint8).tobytes(),
    )


async def test_timespace_has_a_row_a_minute_and_gaps_stay_gaps(house: House) -> None:
    house.clock.advance_to(NOW_US + 20 * SECOND_US)
    await commit(house, minute=minute(house, NOW_US, 10.0))
    await commit(house, minute=minute(house, NOW_US - 2 * MINUTE_US, 20.0))
    other = replace(minute(house, NOW_US - MINUTE_US, 30.0), map_version="f" * 32)
    await commit(house, minute=other)
    await commit(house, minute=minute(house, NOW_US - 3 * MINUTE_US, 40.0))
    house.served.board.publish(picture(house.served.network))
    async with house.client(Role.VIEWER) as client:
        found = (await client.get("/api/v1/corridors/R1/timespace?minutes=3")).json()
    assert (found["start"], found["end"]) == ("2026-06-16T07:57:00Z", "2026-06-16T08:00:00Z")
    assert found["speed_kph"] == [[72.0, None, 72.0], [None] * 3, [36.0, None, 36.0]]
    assert found["source"] == [[1, 0, 2], [0, 0, 0], [1, 0, 2]]
    assert [cell["row"] for cell in found["cells"]] == [0, 1, 2]
    assert len(found["forecast"]["speed_kph"]) == 12
    assert found["forecast"]["speed_kph"][0] == [72.0, 72.0, None]


async def test_the_clock(house: House) -> None:
    async with house.client(Role.GATE) as client:
        found = (await client.get("/api/v1/clock")).json()
    assert found == {
        "now": "2026-06-16T08:00:00Z",
        "timezone": "Europe/Madrid",
        "rate": 0.0,
        "mode": "LIVE",
        "note": "",
    }
