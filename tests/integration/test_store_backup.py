"""The drill: a backup of a running service is restored elsewhere, catches up, and is equal."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest
from postgis import Server
from typer.testing import CliRunner

from ingest_city import reading
from ingest_house import House
from store_samples import everything
from twin.__main__ import app
from twin.errors import BackendError, InputError, SettingsError
from twin.log.embedded import EmbeddedLog
from twin.store import audit, backup
from twin.store.database import Database

COMPARED = ("observation", "tally", "tally_reason", "watermark", "dead_letter", "decision")


def hours(minutes: int) -> list[bytes]:
    """Write readings of three sensors, one a minute; every 50th record is unreadable."""
    values = [
        reading(f"S{sensor}", at_s=60.0 * minute, count=minute % 20, speed_kph=50 + minute % 30)
        for minute in range(minutes)
        for sensor in (1, 2, 3)
    ]
    values[::50] = [b"{"] * len(values[::50])
    return values


async def settled(house: House) -> tuple[str, dict[str, object]]:
    """Let a new worker catch up; return the hash of the live state, and the rows."""
    live = await house.work()
    rows = await everything(house.database)
    return live.state_hash(), {name: rows[name] for name in COMPARED}


async def drill(house: House, url: str, file: Path) -> tuple[str, dict[str, object]]:
    """Work half, back up with events waiting, go on to the end; return what came out."""
    values = hours(40)
    await house.send(values[:70])
    await house.work()
    await audit.record(house.database, time_us=1, person="ada", act="key.add", target="k")
    await house.send(values[70:])
    assert await backup.back_up(url, file) > 0
    return await settled(house)


async def test_the_embedded_engine_comes_back(
    sqlite_database: Database, sqlite_ready_url: str, tmp_path: Path
) -> None:
    """The log is in the same file: the events that waited are in the backup, too."""
    assert sqlite_database.path is not None
    house = House(EmbeddedLog(sqlite_database.path), sqlite_database)
    await house.open()
    file = tmp_path / "twin.backup"
    uninterrupted = await drill(house, sqlite_ready_url, file)
    await house.log.close()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    url = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    await backup.restore(url, file)
    other = await Database.open(url)
    assert other.path is not None
    restored = House(EmbeddedLog(other.path), other)
    await restored.open()
    assert await settled(restored) == uninterrupted
    assert await audit.first_broken(other) is None
    await restored.log.close()
    await other.close()


@pytest.mark.postgis
async def test_a_real_server_comes_back(
    postgis_database: Database, postgis_ready_url: str, postgis_url: str, tmp_path: Path
) -> None:
    """The log stands apart: the restored database reads on where the backup stood."""
    house = House(EmbeddedLog(tmp_path / "log.db"), postgis_database)
    await house.open()
    uninterrupted = await drill(house, postgis_ready_url, tmp_path / "twin.backup")
    await backup.restore(postgis_url, tmp_path / "twin.backup")
    other = await Database.open(postgis_url)
    assert await settled(House(house.log, other)) == uninterrupted
    assert await audit.first_broken(other) is None
    with pytest.raises(InputError, match="has tables of twin"):
        await backup.restore(postgis_url, tmp_path / "twin.backup")
    await other.close()
    await house.log.close()


@pytest.mark.postgis
async def test_what_postgresql_says_is_passed_on(
    postgis_server: Server, postgis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is no backup, and programs that are missing, end in one line."""
    del postgis_server
    file = tmp_path / "no.backup"
    file.write_bytes(b"nothing of use")
    with pytest.raises(BackendError, match=r"not appear to be a valid archive|too short"):
        await backup.restore(postgis_url, file)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="pg_restore: is not installed here"):
        await backup.restore(postgis_url, file)


async def test_nothing_is_replaced(
    sqlite_database: Database, sqlite_ready_url: str, tmp_path: Path
) -> None:
    """Neither a backup nor a database is written over, and a stranger's file is refused."""
    file = tmp_path / "twin.backup"
    await backup.back_up(sqlite_ready_url, file)
    with pytest.raises(InputError, match="a backup replaces nothing"):
        await backup.back_up(sqlite_ready_url, file)
    with pytest.raises(InputError, match="a restore replaces nothing"):
        await backup.restore(sqlite_ready_url, file)
    stranger = tmp_path / "stranger"
    stranger.write_bytes(b"PK" * 20)
    fresh = f"sqlite:///{tmp_path / 'fresh.db'}"
    with pytest.raises(InputError, match="is no backup of an SQLite database"):
        await backup.restore(fresh, stranger)
    with pytest.raises(InputError, match="is no file"):
        await backup.restore(fresh, tmp_path / "absent")
    assert not (tmp_path / "fresh.db").exists()
    assert sqlite_database.path is not None


async def test_a_damaged_backup_is_refused(
    sqlite_database: Database, sqlite_ready_url: str, tmp_path: Path
) -> None:
    """A page that was overwritten is found before the file takes its place."""
    assert sqlite_database.path is not None
    file = tmp_path / "twin.backup"
    size = await backup.back_up(sqlite_ready_url, file)
    content = bytearray(file.read_bytes())
    content[size // 2 : size // 2 + 8192] = b"\xff" * 8192
    file.write_bytes(content)
    with pytest.raises(BackendError, match=r"damaged|malformed"):
        await backup.restore(f"sqlite:///{tmp_path / 'fresh.db'}", file)
    assert not (tmp_path / "fresh.db").exists()


def test_the_commands_say_what_they_did(
    sqlite_ready_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old schema comes back as it was, and the message says what to run."""
    for name, value in {"MAP": "net", "KEYS": "keys", "DATABASE": sqlite_ready_url}.items():
        monkeypatch.setenv(f"TWIN_{name}", value)
    file = tmp_path / "twin.backup"
    done = CliRunner().invoke(app, ["database", "backup", str(file)])
    assert done.exit_code == 0
    assert "MiB" in done.stderr
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0000'")
    connection.close()
    monkeypatch.setenv("TWIN_DATABASE", f"sqlite:///{tmp_path / 'fresh.db'}")
    done = CliRunner().invoke(app, ["database", "restore", str(file)])
    assert done.exit_code == 2
    assert "schema version 0000" in done.stderr
    assert SettingsError.__name__ not in done.stderr
