"""`twin replay` on both engines: everything accounted for, killed in the middle, fed twice."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from twin.__main__ import app

STEPS, STATIONS = 260, 90
RECORDS = STEPS * STATIONS
SPEED_MPH = 40.0 + 25.0 * np.random.default_rng(7).random((STEPS, STATIONS)).astype(np.float32)
AT = ("2012-03-10T04:00", "2012-03-10T12:35", "2012-03-10T21:35")
VICTIM = Path(__file__).parents[1] / "ingest_victim.py"


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector day of our own: random speeds of stations along two roads."""
    folder = tmp_path_factory.mktemp("week")
    rows = np.arange(STATIONS)
    np.savez(
        folder / "day.npz",
        data=SPEED_MPH,
        sensor_id=np.array([f"{700_000 + row}" for row in rows]),
        lat=34.0 + 0.004 * (rows // 2),
        lon=-118.0 - 0.001 * (rows % 2),
        road=np.array(["I1-N" if row % 2 else "I1-S" for row in rows]),
        start=np.array("2012-03-10T00:00"),
        step_min=np.array(5),
    )
    return folder


def arguments(week: Path, data: Path, *more: str) -> list[str]:
    moments = [word for moment in AT for word in ("--at", moment)]
    return [
        *("replay", str(week), "--tz", "America/Los_Angeles", "--speed-unit", "mph"),
        *("--data", str(data), "--json", *moments, *more),
    ]


def in_process(week: Path, data: Path, *more: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, arguments(week, data, *more), catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    document: dict[str, Any] = msgspec.json.decode(result.stdout)
    return document


async def replayed(week: Path, data: Path, *more: str) -> dict[str, Any]:
    return await asyncio.to_thread(in_process, week, data, *more)


async def killed(when: str, nth: int, words: list[str]) -> None:
    victim = await asyncio.create_subprocess_exec(
        *(sys.executable, str(VICTIM), when, str(nth), "--", *words),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await victim.wait() == -signal.SIGKILL


def check(document: dict[str, Any], *, rounds: int = 1) -> None:
    """Compare with the file: what was sent is the file's own count."""
    assert document["accounting"] == {
        "received": rounds * RECORDS,
        "applied": RECORDS,
        "revised": 0,
        "duplicate": (rounds - 1) * RECORDS,
        "late": 0,
        "rejected": 0,
    }
    assert document["accounted"] is True
    for moment, picture in zip(AT, document["measured"], strict=True):
        row = (int(moment[11:13]) * 60 + int(moment[14:16])) // 5
        expected = {
            f"{700_000 + column}": pytest.approx(speed_mph * 1.609344, abs=0.01)
            for column, speed_mph in enumerate(SPEED_MPH[row].tolist())
        }
        assert {one["id"]: one["speed_kph"] for one in picture["sensors"]} == expected


@pytest.fixture(scope="module")
def uninterrupted(week: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One embedded replay that nothing disturbed."""
    return in_process(week, tmp_path_factory.mktemp("whole"))


def test_every_reading_is_accounted_for(uninterrupted: dict[str, Any]) -> None:
    check(uninterrupted)


@pytest.mark.parametrize(("when", "nth"), [("before", 2), ("after", 1)])
async def test_killed_in_the_middle_and_started_again(
    week: Path, tmp_path: Path, uninterrupted: dict[str, Any], when: str, nth: int
) -> None:
    await killed(when, nth, arguments(week, tmp_path))
    document = await replayed(week, tmp_path)
    check(document)
    assert document["state_hash"] == uninterrupted["state_hash"]


async def test_fed_twice_only_when_asked(
    week: Path, tmp_path: Path, uninterrupted: dict[str, Any]
) -> None:
    assert (await replayed(week, tmp_path))["fed_now"] == RECORDS
    once_more = await replayed(week, tmp_path)
    assert once_more["fed_now"] == 0
    check(once_more)
    twice = await replayed(week, tmp_path, "--again")
    assert twice["fed_now"] == RECORDS
    check(twice, rounds=2)
    hashes = {one["state_hash"] for one in (uninterrupted, once_more, twice)}
    assert len(hashes) == 1


def test_a_log_that_holds_something_else_is_refused(week: Path, tmp_path: Path) -> None:
    in_process(week, tmp_path, "--limit", "100")
    result = CliRunner().invoke(app, arguments(week, tmp_path))
    assert result.exit_code == 2
    assert "holds records already" in result.stderr


@pytest.mark.kafka
@pytest.mark.postgis
@pytest.mark.timeout(180)
async def test_real_servers_give_the_same_state(
    week: Path,
    tmp_path: Path,
    uninterrupted: dict[str, Any],
    kafka_bootstrap: str,
    postgis_url: str,
    topic_prefix: str,
) -> None:
    more = (
        *("--database", postgis_url, "--log", f"kafka://{kafka_bootstrap}"),
        *("--topic-prefix", topic_prefix),
    )
    await killed("before", 2, arguments(week, tmp_path, *more))
    await killed("after", 1, arguments(week, tmp_path, *more))
    document = await replayed(week, tmp_path, *more)
    check(document)
    twice = await replayed(week, tmp_path, *more, "--again")
    check(twice, rounds=2)
    hashes = {one["state_hash"] for one in (uninterrupted, document, twice)}
    assert len(hashes) == 1
