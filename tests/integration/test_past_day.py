"""A past day is done again: the same pictures, decisions and forecasts, or the first difference."""

from __future__ import annotations

from pathlib import Path

import pytest

from past_house import MIDNIGHT_US, City
from twin.ingest.past_day import DayOutcome, PastDay
from twin.log import open_log
from twin.store.database import Database
from twin.store.past import StoredDays, StoredVehicles
from twin.units import SECOND_US

LAST = 340
FAR_US = MIDNIGHT_US + 3600 * SECOND_US


async def replayed(database: Database, *, vehicles: bool = True, from_us: int = 0) -> DayOutcome:
    day = PastDay(StoredDays(database), vehicles=StoredVehicles(database) if vehicles else None)
    return await day.run(from_us, FAR_US)


@pytest.fixture
async def lived(sqlite_database: Database) -> City:
    log = open_log("embedded", sqlite_database.path, "")
    there = City(log, sqlite_database)
    await there.open()
    await there.live_through(0, 170)
    await there.close()
    await there.start()
    await there.live_through(170, LAST)
    await there.close()
    return there


async def test_the_same_comes_out(lived: City) -> None:
    outcome = await replayed(lived.database)
    print(outcome)
    assert outcome.differences == []
    assert outcome.equal
