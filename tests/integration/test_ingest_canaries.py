"""Plates in wrong places, written to the broker itself: what is kept of them shows none."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select

from ingest_city import START_US, passage, reading
from ingest_house import KEYS, House
from twin.events import Topic
from twin.ingest.sealing import open_whole
from twin.keys import Purpose
from twin.log.embedded import EmbeddedLog
from twin.seal import seal
from twin.store import deadletters, tables
from twin.store.database import Database
from twin.units import SECOND_US


@pytest.fixture
async def house(sqlite_ready_url: str) -> AsyncIterator[House]:
    """Give a log and a database without a service."""
    database = await Database.open(sqlite_ready_url)
    assert database.path is not None
    opened = House(EmbeddedLog(database.path), database)
    await opened.open()
    yield opened
    await opened.log.close()
    await database.close()


def sealed(**fields: str) -> bytes:
    """Write a passage whose plate a camera has sealed."""
    name = fields.get("id", "P-0")
    return passage(seal("QQ00AAA", key=KEYS[Purpose.TRANSPORT], context=name), **fields)


async def test_a_dead_letter_quotes_nothing_and_is_kept_sealed_or_not_at_all(house: House) -> None:
    wrong = [sealed(gate="QQ02AAA"), sealed(id="QQ03AAA", gate="G9")]
    lost = [passage("sealed1.x.QQ15AAA"), passage("QQ01AAA"), b'{"sealed_whole":"QQ16AAA"}']
    await house.send([*wrong, *lost], topic=Topic.ANPR_READ)
    await house.work()
    kept = await deadletters.list_letters(house.database)
    letters = sorted((stored.letter for stored in kept), key=lambda letter: letter.offset)
    assert [letter.reason for letter in letters] == [
        "unknown_gate",
        "unknown_gate",
        "seal_key_unknown",
        "plate_not_sealed",
        "plate_not_sealed",
    ]
    assert not any("AAA" in repr(letter.faults) for letter in letters)
    assert not any(b'AAA"' in (letter.payload or b"") for letter in letters)
    assert [letter.payload is None for letter in letters] == [False, False, True, True, True]
    assert b"QQ02AAA" in open_whole(letters[0].payload or b"", KEYS)


async def test_a_conflict_does_not_quote_the_id(house: House) -> None:
    await house.send([sealed(id="QQ03AAA", country=c) for c in ("ES", "FR")], topic=Topic.ANPR_READ)
    await house.work()
    (stored,) = await deadletters.list_letters(house.database)
    assert stored.letter.reason == "conflict"
    assert "QQ03AAA" not in repr(stored.letter.faults)
    assert b"QQ03AAA" not in (stored.letter.payload or b"")


async def test_a_passage_that_was_kept_whole_is_judged_anew_when_it_is_sent_again(
    house: House,
) -> None:
    await house.send([sealed()], topic=Topic.ANPR_READ, at_us=START_US - 60 * SECOND_US)
    await house.work()
    (stored,) = await deadletters.list_letters(house.database, reason="future")
    await house.send([stored.to_replay or b""], topic=Topic.ANPR_READ)
    await house.work()
    tally = (await house.totals())["probe", "anpr.read"]
    assert (tally.received, tally.applied, tally.rejected) == (2, 1, 1)


async def test_a_track_is_stored_as_a_token(house: House) -> None:
    await house.send([sealed(id=name, track="QQ05AAA") for name in "ab"], topic=Topic.ANPR_READ)
    await house.work()
    async with house.database.read() as connection:
        rows = (await connection.execute(select(tables.passage))).all()
    assert len({row.track for row in rows}) == 1
    assert not any("QQ05AAA" in repr(row) for row in rows)


async def test_a_record_without_a_header_has_no_name_of_its_own(house: House) -> None:
    await house.log.append(
        house.topics.place(Topic.READING), [reading(source="QQ04AAA")], arrival_us=START_US
    )
    await house.work()
    assert list(await house.totals()) == [("kafka", "reading")]
