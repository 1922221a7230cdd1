"""The scoreboard as it is served: by step, at turns, by link, and the hours that were kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from api_house import NOW_US, House, picture
from twin.api.roles import Role
from twin.clock import iso_from_us
from twin.forecast.scoreboard import Field, ScoreHour, Scores, Turn, TurnField
from twin.log.contract import Place
from twin.store.commit import assign, write_commit
from twin.store.records import Commit

HOUR_US = 3_600_000_000


def sums(links: int) -> np.ndarray:
    """Draw sums by which the first link is worse than its last value, the others better."""
    found = np.zeros((len(Field), 12, links))
    found[Field.SAMPLES] = 10.0
    found[Field.ERROR], found[Field.LAST_ERROR] = 20.0, 40.0
    found[Field.ERROR, :, 0] = 50.0
    found[Field.INSIDE] = 8.0
    return found


async def test_a_link_below_the_last_value_is_not_to_be_trusted(house: House) -> None:
    network = house.served.network
    turns = np.zeros((len(Turn), len(TurnField), 12))
    turns[Turn.ONSET, TurnField.SAMPLES, 1] = 4.0
    turns[Turn.ONSET, TurnField.ERROR, 1] = 10.0
    turns[Turn.ONSET, TurnField.LAST_ERROR, 1] = 40.0
    turns[Turn.ONSET, TurnField.FORESEEN, 1] = 3.0
    scores = Scores.of(sums(len(network.links)), turns)
    house.served.board.publish(replace(picture(network), scores=scores))
    async with house.client(Role.VIEWER) as client:
        view = (await client.get("/api/v1/forecast/scores")).json()
        one = (await client.get("/api/v1/forecast/scores?link=" + network.links[0].id)).json()
        forecast = (await client.get("/api/v1/forecast")).json()
    assert view["distrusted"] == 1
    assert [link["trusted"] for link in view["links"]] == [False] + [True] * (
        len(network.links) - 1
    )
    assert view["links"][0]["skill"] == pytest.approx(-0.25)
    assert view["links"][1]["skill_by_step"] == [0.5] * 12
    assert view["steps"][0]["minutes"] == 5
    assert view["steps"][0]["coverage"] == 0.8
    assert view["onset"][1]["error_kph"] == pytest.approx(9.0)
    assert view["onset"][1]["foreseen"] == 0.75
    assert view["recovery"][1]["error_kph"] is None
    assert [link["id"] for link in one["links"]] == [network.links[0].id]
    assert [link["trusted"] for link in forecast["links"]][:2] == [False, True]


async def test_kept_hours(house: House) -> None:
    network = house.served.network
    _, epochs = await assign(house.served.database, [Place("test", 0)], "test")
    made = sums(len(network.links)).astype(np.float32)
    turns = np.zeros((len(Turn), len(TurnField), 12))
    hour = ScoreHour(NOW_US - HOUR_US, network.version, 300.0, made, turns)
    await write_commit(house.served.database, Commit(epochs=epochs, scores=[hour]))
    span = f"from={iso_from_us(NOW_US - 2 * HOUR_US)}&to={iso_from_us(NOW_US)}"
    path = "/api/v1/forecast/scores/hours"
    async with house.client(Role.VIEWER) as client:
        (found,) = (await client.get(f"{path}?{span}")).json()["hours"]
        (one,) = (await client.get(f"{path}?{span}&link={network.links[0].id}")).json()["hours"]
        long = await client.get(f"{path}?from={iso_from_us(0)}&to={iso_from_us(NOW_US)}")
    assert found["steps"][0]["samples"] == 10.0 * len(network.links)
    assert one["steps"][0]["error_kph"] == pytest.approx(18.0)
    assert one["steps"][0]["skill"] == pytest.approx(-0.25)
    assert long.status_code == 422
