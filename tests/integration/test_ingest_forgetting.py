"""Passages are gone a day after, by the service's clock, without anybody asking."""

from __future__ import annotations

import asyncio

import pytest

from store_samples import a_passage
from twin.clock import ManualClock
from twin.ingest.forgetting import Forgetting
from twin.log.contract import Place
from twin.store import passages
from twin.store.commit import assign, write_commit
from twin.store.database import Database
from twin.store.records import Commit
from twin.units import SECOND_US

PLACE = Place("anpr.read", 0)
DAY_US = 86_400 * SECOND_US


async def test_a_passage_is_gone_after_a_day(sqlite_database: Database) -> None:
    fact = a_passage()
    _, epochs = await assign(sqlite_database, [PLACE], "worker")
    await write_commit(sqlite_database, Commit(epochs, {PLACE: 1}, passages=[fact]))
    clock = ManualClock(fact.time_us + DAY_US - SECOND_US)
    held: list[int] = []

    async def an_hour_later(_: float) -> None:
        kept = await passages.passages_between(sqlite_database, 0, fact.time_us + 1)
        held.append(len(kept))
        clock.advance_to(clock.now_us() + 3600 * SECOND_US)
        if len(held) == 2:
            raise asyncio.CancelledError

    forgetting = Forgetting(sqlite_database, clock, pause=an_hour_later)
    with pytest.raises(asyncio.CancelledError):
        await forgetting.run()
    assert held == [1, 0]
