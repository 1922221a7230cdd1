"""Travel times between gates over HTTP: units, age, and what is sent on to other processes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from api_house import NOW_US, House, picture
from twin.api.roles import Role
from twin.ingest.pictures import PictureDecoder, PictureEncoder
from twin.perceive.trips import TripTime, Way
from twin.units import SECOND_US

WAY = Way("g1", "g2", ("L0", "L1"), 2000.0, 90.0)
TRIP = TripTime(WAY, NOW_US - 200 * SECOND_US, 120.0, 3.0, 15)


async def test_a_way_says_how_long_how_fast_how_sure_and_how_old(house: House) -> None:
    """2 km in 120 s are 60 km/h; nothing about a vehicle stands there."""
    house.served.board.publish(replace(picture(house.served.network), trips=(TRIP,)))
    async with house.client(Role.VIEWER) as client:
        answer = (await client.get("/api/v1/travel-times")).json()
    (way,) = answer["travel_times"]
    assert way == {
        "origin": "g1",
        "destination": "g2",
        "links": ["L0", "L1"],
        "length_m": 2000.0,
        "travel_time_s": 120.0,
        "travel_time_sd_s": 3.0,
        "free_time_s": 90.0,
        "speed_kph": 60.0,
        "speed_sd_kph": 1.5,
        "vehicles": 15,
        "interval_end": way["interval_end"],
        "age_s": pytest.approx(200.0, abs=1.0),
    }


@pytest.mark.parametrize("role", [Role.GATE, Role.CITIZEN])
async def test_roles_that_do_not_see_the_traffic_get_none(house: House, role: Role) -> None:
    """Deny by default."""
    async with house.client(role) as client:
        assert (await client.get("/api/v1/travel-times")).status_code == 403


def test_a_process_that_only_serves_has_them_too(house: House) -> None:
    """They travel with the pictures, and change no hash."""
    shown = replace(picture(house.served.network), trips=(TRIP,))
    read = PictureDecoder().decode(PictureEncoder().encode(shown)[1])
    assert read is not None
    assert read[0].trips == (TRIP,)
    assert shown.content_hash("") == replace(shown, trips=()).content_hash("")
