"""`twin doctor` on deployments that are well, and on ones with a fault each."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from store_samples import READ, START_US, a_commit
from twin.__main__ import app
from twin.commands import doctor_checks as checks
from twin.commands.doctor_checks import State
from twin.ingest.topics import Topics
from twin.keys import KeyRing
from twin.log.contract import Place
from twin.log.embedded import EmbeddedLog
from twin.network.gmns import read_gmns
from twin.settings import read_settings
from twin.store.commit import assign, write_commit
from twin.store.database import Database

CORRIDOR = Path(__file__).parents[2] / "scenarios" / "corridor"


@pytest.fixture
def deployment(
    tmp_path: Path, sqlite_ready_url: str, monkeypatch: pytest.MonkeyPatch
) -> Mapping[str, str]:
    """Set up a deployment in files and name it in the environment."""
    KeyRing.fresh("test").save(tmp_path / "keys.json")
    given = {
        "TWIN_MAP": str(CORRIDOR / "network"),
        "TWIN_KEYS": str(tmp_path / "keys.json"),
        "TWIN_DATABASE": sqlite_ready_url,
        "TWIN_ACCESS_RULES": str(CORRIDOR / "access_rules.json"),
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return given


def look() -> tuple[int, dict[str, dict[str, Any]]]:
    """Run the command; return its exit code and what it found by check."""
    done = CliRunner().invoke(app, ["doctor", "--json"])
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.exit_code, {one["check"]: one for one in json.loads(done.stdout)}


async def make_topics(path: Path) -> None:
    log = EmbeddedLog(path)
    await log.start()
    await log.create_topics(Topics(read_gmns(CORRIDOR / "network")[0]).specs())
    values = [b"{}"] * (checks.LAG + 1)
    await log.append(Place("incident", 0), values, arrival_us=START_US)
    await log.close()


@pytest.mark.usefixtures("deployment")
def test_a_fresh_deployment_is_well() -> None:
    """Only what the first start brings is missing yet."""
    code, found = look()
    assert code == 0
    assert found["keys"]["found"].endswith(
        "test-transport-1, test-access-1, test-statistics-1, test-evidence-1"
    )
    for check in ("settings", "map", "access rules", "database", "audit", "dead letters"):
        assert found[check]["state"] == "good", found[check]
    assert found["log"]["state"] == "warning"


async def test_a_worker_that_is_behind_is_bad(
    deployment: Mapping[str, str], sqlite_database: Database
) -> None:
    """The lag, its partition, and the letters that wait for a person are named."""
    assert sqlite_database.path is not None
    _, epochs = await assign(sqlite_database, [READ], "worker")
    await write_commit(sqlite_database, a_commit(epochs, end=5))
    await make_topics(sqlite_database.path)
    settings = read_settings(deployment)
    network, _ = read_gmns(settings.map)
    topics, lag = await checks.log(settings, network, sqlite_database)
    assert topics.state is State.GOOD
    assert lag.state is State.BAD
    assert "10001 records" in lag.found
    assert "incident" in lag.found
    letters, snapshot, chain = await checks.contents(settings, sqlite_database)
    assert (letters.found, letters.state) == ("1 are open", State.WARNING)
    assert (snapshot.state, chain.state) == (State.GOOD, State.GOOD)


def test_wrong_files_are_named(
    deployment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each fault stands with what to do, and the exit code tells a program."""
    Path(deployment["TWIN_KEYS"]).chmod(0o644)
    monkeypatch.setenv("TWIN_MAP", str(tmp_path / "nowhere"))
    monkeypatch.setenv("TWIN_DATABASE", f"sqlite:///{tmp_path}/absent.db")
    code, found = look()
    assert code == 1
    assert "mode 0644" in found["keys"]["found"]
    assert found["map"]["state"] == "bad"
    assert found["database"]["state"] == "warning"
    assert not (tmp_path / "absent.db").exists()
    assert all(one["advice"] for one in found.values() if one["state"] != "good")


def test_a_database_of_another_version_is_bad(deployment: Mapping[str, str]) -> None:

    with sqlite3.connect(deployment["TWIN_DATABASE"].removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    code, found = look()
    assert code == 1
    assert "9999" in found["database"]["found"]


def test_wrong_settings_end_it_early(
    deployment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    del deployment
    monkeypatch.setenv("TWIN_PORT", "http")
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 1
    assert "TWIN_PORT" in done.stdout
    assert "twin settings --explain" in done.stdout


def test_clocks_and_snapshots_are_judged_by_limits() -> None:
    assert checks.clock_skew(0.9).state is State.GOOD
    assert checks.clock_skew(1.1).state is State.BAD
    assert checks.snapshot_age(None, None, 60).state is State.GOOD
    assert checks.snapshot_age(None, 1, 60).state is State.WARNING
    assert checks.snapshot_age(0, 300_000_000, 60).state is State.GOOD
    assert checks.snapshot_age(0, 301_000_000, 60).state is State.WARNING


@pytest.mark.postgis
async def test_a_real_server_is_looked_at(
    deployment: Mapping[str, str], postgis_ready_url: str
) -> None:
    """PostGIS and the clock of the server stand in the list; a server that is away is bad."""
    given = {**deployment, "TWIN_DATABASE": postgis_ready_url, "TWIN_LOG": "kafka://127.0.0.1:1"}
    findings, opened = await checks.database(read_settings(given))
    assert opened is not None
    await opened.close()
    assert [one.check for one in findings] == ["database", "PostGIS", "clocks"]
    assert {one.state for one in findings} == {State.GOOD}
    away = {**given, "TWIN_DATABASE": "postgresql://twin@127.0.0.1:1/twin"}
    (finding,), opened = await checks.database(read_settings(away))
    assert (finding.state, opened) == (State.BAD, None)
