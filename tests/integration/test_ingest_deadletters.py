"""`twin deadletters`: a refused record is read, mended, sent again and then accepted."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from ingest_city import START_US, passage, reading, small_city
from ingest_house import KEYS, House
from twin.__main__ import app
from twin.clock import iso_from_us
from twin.events import ReadingColumns, Topic
from twin.ingest.columnar import encode_columns
from twin.ingest.sealing import seal_items
from twin.log.embedded import EmbeddedLog
from twin.network.gmns import write_gmns
from twin.store.database import Database
from twin.store.records import Tally


class Desk:
    """A deployment in a folder, used from the command line as a clerk would."""

    def __init__(self, url: str) -> None:
        self.url = url

    def run(self, *words: str, code: int = 0, typed: bytes = b"") -> str:
        result = CliRunner().invoke(app, ["deadletters", *words], input=typed)
        assert result.exit_code == code, result.output
        return result.stdout if code == 0 else result.stderr

    def listed(self, *words: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = msgspec.json.decode(self.run("list", "--json", *words))
        return found

    def work(self, topic: Topic = Topic.READING, *values: bytes) -> dict[tuple[str, str], Tally]:
        return asyncio.run(self._work(topic, values))

    async def _work(self, topic: Topic, values: tuple[bytes, ...]) -> dict[tuple[str, str], Tally]:
        database = await Database.open(self.url)
        assert database.path is not None
        house = House(EmbeddedLog(database.path), database)
        await house.open()
        if values:
            await house.send(values, topic=topic)
        await house.work()
        totals = await house.totals()
        await house.log.close()
        await database.close()
        return totals


@pytest.fixture
def desk(tmp_path: Path, sqlite_ready_url: str, monkeypatch: pytest.MonkeyPatch) -> Desk:
    write_gmns(small_city(), tmp_path / "map")
    KEYS.save(tmp_path / "keys.json")
    monkeypatch.setenv("TWIN_MAP", str(tmp_path / "map"))
    monkeypatch.setenv("TWIN_DATABASE", sqlite_ready_url)
    monkeypatch.setenv("TWIN_KEYS", str(tmp_path / "keys.json"))
    return Desk(sqlite_ready_url)


def test_mended_and_replayed(desk: Desk) -> None:
    desk.work(Topic.READING, reading(speed_kph=-3), reading("S2"))
    (letter,) = desk.listed()
    assert letter["reason"] == "invalid"
    assert letter["source"] == "probe"
    (error,) = letter["errors"]
    assert (error["field"], error["value"]) == ("speed_kph", "-3.0")
    shown = desk.run("show", letter["id"])
    assert "speed_kph = -3" in shown
    mended = reading(speed_kph=30, time=iso_from_us(START_US))
    desk.run("mend", letter["id"], "-", typed=mended)
    desk.run("replay", letter["id"])
    tally = desk.work()["probe", "reading"]
    assert (tally.received, tally.applied, tally.rejected) == (3, 2, 1)
    assert desk.listed("--state", "open") == []
    assert desk.listed("--state", "replayed")[0]["id"] == letter["id"]


def test_ids_and_payloads_come_whole_however_narrow_the_screen(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    desk.work(Topic.READING, reading(speed_kph=-3))
    (letter,) = desk.listed()
    first, second = desk.run("list").splitlines()
    assert first.split()[0] == letter["id"]
    assert second.strip().startswith("speed_kph = -3")
    assert letter["payload"] in desk.run("show", letter["id"])


def test_what_was_sent_again_is_not_sent_a_third_time(desk: Desk) -> None:
    desk.work(Topic.READING, reading("S9"))
    (letter,) = desk.listed("--reason", "unknown_sensor")
    desk.run("replay", letter["id"])
    assert "only an open or mended one" in desk.run("replay", letter["id"], code=2)
    assert "only an open or mended one" in desk.run(
        "mend", letter["id"], "-", code=2, typed=reading()
    )


def test_a_mended_record_nested_too_deeply_is_one_line(desk: Desk) -> None:
    """No traceback, and the letter stays as it was."""
    desk.work(Topic.READING, reading("S9"))
    (letter,) = desk.listed()
    deep = b'{"id":"q","x":' + b"[" * 20_000 + b"]" * 20_000 + b"}"
    error = desk.run("mend", letter["id"], "-", code=2, typed=deep)
    assert "must be one JSON object" in error
    assert "Traceback" not in error
    assert desk.listed("--state", "open")


def test_a_mended_passage_is_sealed(desk: Desk) -> None:
    desk.work(Topic.ANPR_READ, passage("1234BCD"))
    (letter,) = desk.listed()
    assert letter["reason"] == "plate_not_sealed"
    assert letter["payload"] is None
    assert "was not kept" in desk.run("replay", letter["id"], code=2)
    desk.run("mend", letter["id"], "-", typed=passage("1234BCD"))
    assert "1234BCD" not in desk.run("show", letter["id"])
    desk.run("replay", letter["id"])
    tally = desk.work()["probe", "anpr.read"]
    assert (tally.received, tally.applied, tally.rejected) == (2, 1, 1)


def test_mistakes_are_one_clear_line(desk: Desk) -> None:
    assert "is no dead letter" in desk.run("show", "nothing", code=2)
    desk.work(Topic.ANPR_READ, *seal_items([b"1234BCD"], KEYS))
    (letter,) = desk.listed()
    error = desk.run("mend", letter["id"], "-", code=2, typed=b"1234BCD")
    assert "must be one JSON object" in error
    assert "1234BCD" not in error


def test_a_row_of_a_record_of_many_is_mended_as_a_reading(desk: Desk) -> None:
    record = ReadingColumns(
        id="many",
        sensors=("S1", "S9"),
        sensor=np.array([0, 1], "<i4").tobytes(),
        time_us=np.array([START_US], "<i8").tobytes(),
        period_ms=np.array([60_000], "<i8").tobytes(),
        count=np.array([3.0, 4.0], "<f8").tobytes(),
    )
    desk.work(Topic.READING_COLUMNS, encode_columns(record))
    (letter,) = desk.listed()
    assert letter["reason"] == "unknown_sensor"
    mended = msgspec.json.decode(letter["payload"].encode()) | {"sensor": "S2"}
    desk.run("mend", letter["id"], "-", typed=msgspec.json.encode(mended))
    desk.run("replay", letter["id"])
    totals = desk.work()
    assert totals["probe", "reading"].applied == 1
