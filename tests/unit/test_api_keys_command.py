"""`twin keys`: made once, shown once, listed without secrets, revoked."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from twin.clock import WallClock
from twin.commands.keys import keys
from twin.keys import KeyRing, Purpose
from twin.store import audit, people
from twin.store.database import Database

RUNNER = CliRunner()


def test_new_makes_a_ring_that_only_its_owner_reads_and_never_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    assert RUNNER.invoke(keys, ["new", str(path), "--environment", "production"]).exit_code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert KeyRing.load(path)[Purpose.ACCESS].id.startswith("production-")
    before = path.read_bytes()
    again = RUNNER.invoke(keys, ["new", str(path)])
    assert again.exit_code == 2
    assert "never overwritten" in again.output
    assert path.read_bytes() == before


@pytest.fixture
def database_url(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TWIN_DATABASE", sqlite_url)
    monkeypatch.setenv("TWIN_MAP", str(tmp_path))
    monkeypatch.setenv("TWIN_KEYS", str(tmp_path / "keys.json"))
    return sqlite_url


def test_add_list_revoke(database_url: str) -> None:
    made = RUNNER.invoke(keys, ["add", "--role", "gate", "--name", "G1 camera", "--json"])
    assert made.exit_code == 0, made.output
    clear = json.loads(made.stdout)["key"]

    async def owner() -> people.Person | None:
        database = await Database.open(database_url)
        found = await people.find_key(database, clear, now_us=WallClock().now_us())
        await database.close()
        return found

    assert asyncio.run(owner()) == people.Person("G1 camera", "gate")
    shown = RUNNER.invoke(keys, ["list", "--json"])
    (row,) = json.loads(shown.stdout)
    assert (row["name"], row["role"], row["state"]) == ("G1 camera", "gate", "good")
    assert clear not in shown.stdout
    assert clear.split("_")[2] not in RUNNER.invoke(keys, ["list"]).output
    assert RUNNER.invoke(keys, ["revoke", row["id"]]).exit_code == 0
    assert asyncio.run(owner()) is None
    again = RUNNER.invoke(keys, ["revoke", row["id"]])
    assert again.exit_code == 2
    assert row["id"] in again.output

    async def acts() -> list[str]:
        database = await Database.open(database_url)
        entries = await audit.list_entries(database)
        await database.close()
        return [entry.act for entry in entries]

    assert asyncio.run(acts()) == ["key.add", "key.revoke"]


def test_a_login_link_works_once(database_url: str) -> None:
    made = RUNNER.invoke(keys, ["login", "--role", "operator", "--name", "Ana"])
    assert made.exit_code == 0, made.output
    code = made.stdout.strip().rpartition("code=")[2]

    async def twice() -> list[bool]:
        database = await Database.open(database_url)
        now_us = WallClock().now_us()
        used = [
            await people.use_login_link(database, code, now_us=now_us, session_until_us=now_us + 1)
            for _ in range(2)
        ]
        await database.close()
        return [one is not None for one in used]

    assert asyncio.run(twice()) == [True, False]


def test_a_missing_setting_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TWIN_DATABASE", raising=False)
    failed = RUNNER.invoke(keys, ["list"])
    assert failed.exit_code == 2
    assert "TWIN_DATABASE" in failed.output


def test_new_names_its_keys_after_the_environment_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWIN_ENVIRONMENT", "preproduction")
    path = tmp_path / "none" / "keys.json"
    assert RUNNER.invoke(keys, ["new", str(path)]).exit_code == 0
    assert KeyRing.load(path)[Purpose.ACCESS].id.startswith("preproduction-")
