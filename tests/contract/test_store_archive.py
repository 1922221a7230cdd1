"""Closed days to Parquet and back, on both engines: the same rows, proved by one hash."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pa_dataset
import pyarrow.parquet as pa_parquet
import pytest

from store_samples import NETWORK, READ, START_US, a_commit, a_decision, everything, observations
from twin.errors import InputError
from twin.events import DecisionKind, DecisionState
from twin.forecast.scoreboard import ScoreHour
from twin.store import archive, audit, history, maps
from twin.store.commit import assign, write_commit
from twin.store.database import Database
from twin.store.history import Digester, Kind
from twin.store.records import Commit, MinutePicture
from twin.store.scores import scores_between

DAY = date(2026, 6, 16)
NEXT = date(2026, 6, 17)
DAY_US = 86_400_000_000
LATER_US = START_US + 10 * DAY_US


@pytest.fixture(params=["sqlite", pytest.param("postgis", marks=pytest.mark.postgis)])
async def database(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """Give a database of each engine with a day and a half of history."""
    opened = await Database.open(request.getfixturevalue(f"{request.param}_ready_url"))
    await fill(opened)
    yield opened
    await opened.close()


@pytest.fixture
async def empty(tmp_path: Path, migrated_file: Path) -> AsyncIterator[Database]:
    """Give a second, empty database, always SQLite: the hash must cross the engines."""
    path = tmp_path / "other.db"
    shutil.copyfile(migrated_file, path)
    opened = await Database.open(f"sqlite:///{path}")
    yield opened
    await opened.close()


async def fill(database: Database) -> None:
    """Write 36 hours of readings, minutes of two map versions, decisions with versions."""
    _, epochs = await assign(database, [READ], "worker")
    await maps.save_map(database, NETWORK, now_us=START_US)
    await write_commit(database, a_commit(epochs, end=5))  # readings 0, 1, 2, one minute, "d1"
    rows = observations(36, first=60, step_us=3_600_000_000 // 60 * 60, late_row=7)
    await write_commit(database, Commit(epochs, {READ: 50}, observations=rows))
    column = np.array([3.25, np.nan], np.float32).tobytes()
    told = [
        a_decision(version=2, state=DecisionState.REJECTED, later_s=5.0),
        a_decision("plate", kind=DecisionKind.ACCESS, state=DecisionState.DECIDED),
    ]
    minute = MinutePicture(START_US + 60_000_000, NETWORK.version, column, column, column, b"\2\0")
    sums = np.arange(7 * 2 * 2, dtype=np.float32).reshape(7, 2, 2)
    hour = ScoreHour(
        START_US + 3_600_000_000, NETWORK.version, 300.0, sums, np.full((2, 8, 2), 0.5)
    )
    await write_commit(
        database, Commit(epochs, {READ: 60}, decisions=told, minute=minute, scores=[hour])
    )


async def export(database: Database, folder: Path, day: date = DAY) -> archive.Manifest:
    return await archive.export_day(
        database, folder, day, now_us=LATER_US, lateness_s=600, person="test"
    )


async def test_a_day_goes_out_and_comes_back_the_same(
    database: Database, empty: Database, tmp_path: Path
) -> None:
    """Rows, values that were not measured, NaN, versions: all is there, equal by hash."""
    days = await history.days_between(database, 0, LATER_US)
    assert len(days) > 1
    out = {day: await export(database, tmp_path / "out", day) for day in days}
    assert out[DAY].kinds[Kind.MINUTE].rows == 2
    assert out[DAY].kinds[Kind.DECISION].rows == 2
    assert out[DAY].kinds[Kind.SCORE].rows == 1
    for day in days:
        done = await archive.import_day(
            empty, tmp_path / "out", day, now_us=LATER_US, person="test"
        )
        assert done.there == out[day].kinds
    before, after = await everything(database), await everything(empty)
    assert len(before["observation"]) > 30
    for table in ("observation", "minute_picture", "forecast_score"):
        assert after[table] == before[table]
    assert after["decision"] == [row for row in before["decision"] if row[2] != "access"]
    assert await audit.first_broken(empty) is None


async def test_an_hour_of_scores_comes_back(database: Database) -> None:
    end_us = START_US + 3_600_000_000
    (hour,) = await scores_between(database, end_us - 1, end_us, map_version=NETWORK.version)
    assert hour.sums.tolist() == np.arange(28).reshape(7, 2, 2).tolist()
    assert hour.turns.shape == (2, 8, 2)
    assert not await scores_between(database, end_us, end_us + 1, map_version=NETWORK.version)


async def test_only_the_last_version_is_the_newest_again(
    database: Database, empty: Database, tmp_path: Path
) -> None:
    await export(database, tmp_path)
    await archive.import_day(empty, tmp_path, DAY, now_us=LATER_US, person="test")
    async with empty.read() as connection:
        rows = await connection.exec_driver_sql("SELECT version, newest FROM decision ORDER BY 1")
        assert [tuple(row) for row in rows] == [(1, 0), (2, 1)]


async def test_importing_twice_changes_nothing(database: Database, tmp_path: Path) -> None:
    """Into the very database that it came from, too."""
    before = await everything(database)
    await export(database, tmp_path)
    await archive.import_day(database, tmp_path, DAY, now_us=LATER_US, person="test")
    assert await everything(database) == before


async def test_the_files_say_their_units(database: Database, tmp_path: Path) -> None:
    """A planner's program finds the unit at the column, and the days by their folders."""
    await export(database, tmp_path)
    schema = pa_parquet.read_schema(tmp_path / f"observation/day={DAY}/rows.parquet")
    assert schema.field("speed_mps").metadata[b"unit"] == b"m/s"
    assert all(b"unit" in field.metadata for field in schema)
    parts = pa_dataset.partitioning(pa.schema([("day", pa.string())]), flavor="hive")
    table = pa_dataset.dataset(tmp_path / "observation", partitioning=parts).to_table()
    assert set(table.column("day").to_pylist()) == {DAY.isoformat()}
    links = (tmp_path / "links" / f"{NETWORK.version}.json").read_text()
    assert "l1" in links


async def test_a_single_vehicle_does_not_leave(database: Database, tmp_path: Path) -> None:
    """Access decisions are told as counts only, and one is too few to be told."""
    manifest = await export(database, tmp_path)
    assert manifest.access == [{"gate": "j1", "state": "decided", "count": None}]
    for file in (tmp_path / "decision").rglob("*.parquet"):
        assert "access" not in pa_parquet.read_table(file).column("kind").to_pylist()


async def test_a_day_still_open_is_refused(database: Database, tmp_path: Path) -> None:
    """Until its end and the lateness are over, and until the worker has come that far."""
    end_us = START_US // DAY_US * DAY_US + DAY_US
    for now_us, reason in ((end_us + 599_999_999, "600 s of lateness"), (end_us + 601_000_000, "")):
        with pytest.raises(InputError, match=f"is still open.*{reason}"):
            await history.refuse_open(database, DAY, now_us=now_us, lateness_s=600)
    await history.refuse_open(database, DAY, now_us=end_us + DAY_US, lateness_s=600)
    assert archive.list_days(tmp_path) == []


async def test_a_changed_file_is_refused(
    database: Database, empty: Database, tmp_path: Path
) -> None:
    """Nothing of a day whose rows are not those of its manifest comes in."""
    await export(database, tmp_path)
    path = tmp_path / f"observation/day={DAY}/rows.parquet"
    table = pa_parquet.read_table(path, partitioning=None)
    pa_parquet.write_table(table.slice(1), path)
    with pytest.raises(InputError, match="the manifest says"):
        await archive.import_day(empty, tmp_path, DAY, now_us=LATER_US, person="test")
    path.write_bytes(b"no parquet")
    with pytest.raises(InputError, match="cannot be read as observation"):
        await archive.import_day(empty, tmp_path, DAY, now_us=LATER_US, person="test")
    assert (await history.digest_day(empty, Kind.OBSERVATION, DAY)).rows == 0


async def test_a_day_without_rows_is_exported_as_such(database: Database, tmp_path: Path) -> None:
    """That nothing was there is worth a manifest."""
    manifest = await export(database, tmp_path, date(2026, 6, 20))
    assert {digest.rows for digest in manifest.kinds.values()} == {0}
    assert [one.day for one in archive.list_days(tmp_path)] == [date(2026, 6, 20)]
    with pytest.raises(InputError, match="is not in this folder"):
        archive.read_manifest(tmp_path, NEXT)


async def test_the_export_stands_in_the_audit(database: Database, tmp_path: Path) -> None:
    manifest = await export(database, tmp_path)
    (entry,) = await audit.list_entries(database)
    assert (entry.act, entry.target, entry.person) == ("history.export", "2026-06-16", "test")
    assert entry.detail["observation"]["sha256"] == manifest.kinds[Kind.OBSERVATION].sha256


def test_how_rows_are_cut_changes_no_hash() -> None:
    rows = [(number, "a", None, 0.5) for number in range(10)]
    whole, cut = Digester(), Digester()
    whole.take(rows)
    cut.take(rows[:3])
    cut.take(rows[3:])
    assert whole.digest() == cut.digest()
    cut.take([(0,)])
    assert whole.digest() != cut.digest()
