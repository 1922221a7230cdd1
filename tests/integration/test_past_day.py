"""A past day is done again: the same pictures, decisions and forecasts, or the first difference."""

from __future__ import annotations

import asyncio
import csv
import io
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from broker import run_apart
from typer.testing import CliRunner

from past_house import LATER_MAP, MIDNIGHT_US, POLICY, STEP_S, City
from twin.__main__ import app
from twin.clock import ManualClock
from twin.control.access.counts import HOUR_US
from twin.errors import InputError
from twin.events import DecisionKind
from twin.ingest.past_day import DayOutcome, PastDay
from twin.log import open_log
from twin.offload import Offload
from twin.store import archive, audit, steps
from twin.store.database import Database
from twin.store.past import StoredDays, StoredVehicles
from twin.store.past_folder import FolderDays
from twin.store.retention import Keep, forget_old
from twin.units import SECOND_US

VICTIM = Path(__file__).parents[1] / "past_victim.py"
LAST = 340
FAR_US = MIDNIGHT_US + HOUR_US
DAYS = (date(2026, 6, 16), date(2026, 6, 17))
LATER_US = MIDNIGHT_US + 3 * 24 * HOUR_US


@pytest.fixture(autouse=True, scope="module")
def at_once() -> Iterator[None]:
    """Let a forecast be ready at the next beat, so that two lives of one day are alike."""

    async def run(_: Offload, function: Callable[..., Any], *given: Any) -> Any:
        return function(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Offload, "run", run)
        yield


async def live_day(city: City, *, restarts: tuple[int, ...] = (172,)) -> City:
    """Live through the day, with a new worker at some seconds."""
    await city.open()
    at = 0
    for second in restarts:
        await city.live_through(at, second)
        await city.close()
        await city.start()
        at = second
    await city.live_through(at, LAST)
    await city.close()
    return city


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> tuple[Path, City]:
    """Give the file of a day that was lived on the embedded engine, and what was seen."""
    path = tmp_path_factory.mktemp("lived") / "twin.db"
    shutil.copyfile(migrated_file, path)

    async def work() -> City:
        database = await Database.open(f"sqlite:///{path}")
        city = await live_day(City(open_log("embedded", path, ""), database))
        await city.log.close()
        await database.close()
        return city

    return path, run_apart(work())


@pytest.fixture
async def database(lived: tuple[Path, City], tmp_path: Path) -> AsyncIterator[Database]:
    """Give a copy of it."""
    path = tmp_path / "copy.db"
    shutil.copyfile(lived[0], path)
    opened = await Database.open(f"sqlite:///{path}")
    yield opened
    await opened.close()


async def replayed(database: Database, *, vehicles: bool = True, from_us: int = 0) -> DayOutcome:
    day = PastDay(StoredDays(database), vehicles=StoredVehicles(database) if vehicles else None)
    return await day.run(from_us, FAR_US)


async def hashes(database: Database) -> list[tuple[str, str]]:
    """Return the pictures' and decisions' hashes of all ticks."""
    found = [one async for part in steps.steps_between(database, 0, FAR_US) for one in part]
    return [(one.picture, one.decided) for one in found if one.kind == "tick"]


async def test_the_same_comes_out(lived: tuple[Path, City], database: Database) -> None:
    """Pictures, signals, the gate, vehicles; with a restart in between, nothing left out."""
    city = lived[1]
    kinds = {one.kind for one in city.decisions}
    assert kinds == {DecisionKind.SIGNAL_STAGE, DecisionKind.ACCESS, DecisionKind.GATE}
    assert len([one for one in city.decisions if one.kind is DecisionKind.SIGNAL_STAGE]) > 30
    assert [cell.vehicles for cell in city.pictures[-1].access] == [65]  # 66, to the nearest five
    assert any(picture.incidents for picture in city.pictures)
    outcome = await replayed(database)
    assert outcome.differences == []
    assert outcome.equal
    assert outcome.pictures == len(city.pictures)
    assert outcome.decisions + outcome.access_decisions == len(city.decisions)
    assert (outcome.starts, outcome.unchecked, outcome.access) == (1, 0, "vehicles")
    assert outcome.forecasts >= 10
    assert outcome.map_versions == [city.network.version, LATER_MAP]


async def test_a_day_begins_at_midnight(database: Database) -> None:
    """With the state that was kept then: what was before is not needed."""
    outcome = await replayed(database, from_us=MIDNIGHT_US)
    assert outcome.differences == []
    assert outcome.equal
    assert MIDNIGHT_US <= outcome.from_us <= MIDNIGHT_US + 60 * SECOND_US


async def test_when_the_vehicles_are_forgotten_the_counts_stand_for_them(
    database: Database,
) -> None:
    gone = await forget_old(database, Keep(), now_us=MIDNIGHT_US + 25 * HOUR_US)
    assert gone.passages > 60
    assert gone.access_steps > 10
    outcome = await replayed(database, vehicles=False)
    assert outcome.differences == []
    assert outcome.equal
    assert outcome.access == "counts"


async def test_without_the_counts_the_picture_would_differ(database: Database) -> None:
    """So they are really in it."""
    async with database.write() as connection:
        await connection.exec_driver_sql("DELETE FROM access_count")
    outcome = await replayed(database, vehicles=False)
    assert {one.what for one in outcome.differences} == {"picture"}


async def test_the_day_from_the_folder_and_back_in_an_empty_database(
    database: Database, tmp_path: Path, migrated_file: Path
) -> None:
    folder = tmp_path / "archive"
    for day in DAYS:
        await archive.export_day(
            database, folder, day, now_us=LATER_US, lateness_s=600, person="test"
        )
    outcome = await PastDay(FolderDays(folder)).run(0, FAR_US)
    assert outcome.differences == []
    assert outcome.equal
    fresh = tmp_path / "fresh.db"
    shutil.copyfile(migrated_file, fresh)
    other = await Database.open(f"sqlite:///{fresh}")
    for day in DAYS:
        await archive.import_day(other, folder, day, now_us=LATER_US, person="test")
    again = await replayed(other, vehicles=False)
    assert (again.differences, again.pictures) == ([], outcome.pictures)
    await other.close()


async def test_where_batches_are_cut_and_when_it_restarts_changes_nothing(
    lived: tuple[Path, City], tmp_path: Path, migrated_file: Path, database: Database
) -> None:
    """The same day in batches of three records: the same hashes at every tick."""
    path = tmp_path / "cut.db"
    shutil.copyfile(migrated_file, path)
    other = await Database.open(f"sqlite:///{path}")
    policy = replace(POLICY, max_records=3)
    city = await live_day(City(open_log("embedded", path, ""), other, policy=policy))
    assert await hashes(other) == await hashes(database)
    outcome = await replayed(other)
    assert outcome.differences == []
    assert outcome.equal
    await city.log.close()
    await other.close()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("UPDATE observation SET speed_mps = speed_mps + 1 WHERE sensor = 'S1'", "picture"),
        ("DELETE FROM observation", "readings"),
        ('UPDATE decision SET body = replace(body, \'"reason":"\', \'"reason":"x\')', "decision"),
        ("UPDATE step SET forecast = 'other' WHERE forecast <> ''", "forecast"),
    ],
)
async def test_the_first_difference_is_named(database: Database, change: str, what: str) -> None:
    async with database.write() as connection:
        await connection.exec_driver_sql(change)
    outcome = await replayed(database)
    assert not outcome.equal
    assert outcome.differences[0].what.startswith(what)


def test_the_command_says_equal_or_different(lived: tuple[Path, City], tmp_path: Path) -> None:
    path = tmp_path / "told.db"
    shutil.copyfile(lived[0], path)
    words = ["replay", "--day", "2026-06-17", "--to", "00:30", "--json"]
    words += ["--database", f"sqlite:///{path}"]
    result = CliRunner().invoke(app, words)
    document = msgspec.json.decode(result.stdout)
    assert (result.exit_code, document["equal"], document["access"]) == (0, True, "counts")
    shown = CliRunner().invoke(app, [word for word in words if word != "--json"])
    assert "equal" in shown.stdout
    nothing = CliRunner().invoke(app, ["replay", "--day", "2026-07-17", *words[-2:]])
    assert nothing.exit_code == 2
    assert "no steps were kept" in nothing.stderr
    assert CliRunner().invoke(app, ["replay"]).exit_code == 2


@pytest.mark.parametrize(("when", "nth"), [("before", 70), ("after", 95)])
async def test_killed_in_the_middle_of_the_day(
    sqlite_database: Database, when: str, nth: int
) -> None:
    """By kill -9 between commits; the next process goes on, and the replay follows both."""
    path = sqlite_database.path
    assert path is not None
    victim = await asyncio.create_subprocess_exec(
        *(sys.executable, str(VICTIM), str(path), when, str(nth))
    )
    assert await victim.wait() == -signal.SIGKILL
    last = await steps.newest_step(sqlite_database)
    assert last is not None
    begin_us = MIDNIGHT_US - 200 * SECOND_US
    second = ((last.now_us - begin_us) // SECOND_US // STEP_S + 1) * STEP_S
    clock = ManualClock(begin_us + second * SECOND_US)
    city = City(open_log("embedded", path, ""), sqlite_database, clock=clock)
    await city.open()
    await city.live_through(second, second + 60)
    await city.close()
    outcome = await replayed(sqlite_database)
    assert outcome.differences == []
    assert (outcome.equal, outcome.starts) == (True, 1)
    await city.log.close()


@pytest.mark.kafka
@pytest.mark.postgis
async def test_the_servers_tell_the_same_day(
    lived: tuple[Path, City],
    database: Database,
    kafka_bootstrap: str,
    topic_prefix: str,
    postgis_ready_url: str,
) -> None:
    """Kafka and PostGIS: the same hashes at every tick as on the embedded engine."""
    other = await Database.open(postgis_ready_url)
    log = open_log(f"kafka://{kafka_bootstrap}", None, topic_prefix)
    await live_day(City(log, other))
    assert await hashes(other) == await hashes(database)
    outcome = await replayed(other)
    assert outcome.differences == []
    assert outcome.equal
    await log.close()
    await other.close()


async def test_travel_times_of_a_day_that_is_only_in_a_folder(
    database: Database, tmp_path: Path
) -> None:
    folder = tmp_path / "archive"
    await archive.export_day(
        database, folder, DAYS[0], now_us=LATER_US, lateness_s=600, person="test"
    )
    words = ["history", "times", str(folder), "--day", str(DAYS[0]), "--link", "N>C"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.stderr
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert len(rows) == 288
    assert rows[-1]["time"] == "2026-06-16T23:55:00Z"
    assert 200 / 14 < float(rows[-1]["instantaneous_s"]) < 200 / 2
    assert float(rows[-1]["measured_share"]) == 0.75  # the first of its minutes was not
    assert rows[0]["instantaneous_s"] == ""
    refused = CliRunner().invoke(app, [*words[:-1], "nowhere"])
    assert refused.exit_code == 2


async def test_steps_go_when_their_time_is_over(database: Database) -> None:
    """With proof in the audit; what stands in for a replay then is that it says so."""
    week_s = 7 * 86_400.0
    gone = await forget_old(database, Keep(step_s=week_s), now_us=MIDNIGHT_US + 10 * 24 * HOUR_US)
    assert gone.steps > 100
    entries = await audit.list_entries(database)
    assert {"step", "opening", "access_step"} <= {entry.target for entry in entries}
    with pytest.raises(InputError, match="no steps were kept"):
        await replayed(database)
