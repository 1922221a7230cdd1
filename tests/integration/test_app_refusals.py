"""What stops `twin serve` at the start: one line that names the thing, and exit code 2."""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app_process import disk
from twin.__main__ import app
from twin.keys import KeyRing

pytestmark = pytest.mark.timeout(60)  # a start that is not refused would serve for ever

CORRIDOR = Path(__file__).parents[2] / "scenarios" / "corridor"


@dataclass
class Start:
    """Settings that work, to be spoilt, and files that may be changed."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)

    def copy(self, name: str) -> Path:
        """Copy a folder or file of the scenario, so that it can be damaged."""
        target = self.folder / name
        if (CORRIDOR / name).is_dir():
            shutil.copytree(CORRIDOR / name, target)
        else:
            shutil.copyfile(CORRIDOR / name, target)
        return target

    def refused(self, *words: str) -> str:
        """Start; return the one line, stripped of the path of the test's own folder."""
        result = CliRunner().invoke(app, list(words or ("serve",)), env=self.settings)
        assert result.exit_code == 2, result.output
        assert "Traceback" not in result.output
        (line,) = result.stderr.splitlines()
        disk = (
            self.settings.get("TWIN_DATABASE", "?")
            .removeprefix("sqlite:///")
            .removesuffix("/twin.db")
        )
        return line.replace(str(self.folder), "DIR").replace(disk, "DISK")


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Give a start that would go well, on an empty SQLite file."""
    for name in [name for name in os.environ if name.startswith("TWIN_")]:
        monkeypatch.delenv(name)
    KeyRing.fresh("test").save(tmp_path / "keys.json")
    return Start(
        tmp_path,
        {
            "TWIN_MAP": str(CORRIDOR / "network"),
            "TWIN_ACCESS_RULES": str(CORRIDOR / "access_rules.json"),
            "TWIN_KEYS": str(tmp_path / "keys.json"),
            "TWIN_DATABASE": f"sqlite:///{tmp_path / 'twin.db'}",
            "TWIN_PORT": "0",
        },
    )


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """Give the root logger back as it was: the command takes it over."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_port_that_is_taken(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        start.settings["TWIN_PORT"] = str(port)
        assert start.refused() == (
            f"twin: TWIN_PORT = {port}: cannot listen on 127.0.0.1: Address already in use; "
            "choose another port, 0 takes a free one"
        )


def test_an_address_that_is_not_ours(start: Start) -> None:
    start.settings["TWIN_HOST"] = "192.0.2.1"
    assert "TWIN_HOST = 192.0.2.1: cannot listen here" in start.refused()


def test_an_unknown_setting(start: Start) -> None:
    start.settings["TWIN_DATABSE"] = "sqlite:///x.db"
    expected = "twin: TWIN_DATABSE = (set): is no setting of twin; did you mean TWIN_DATABASE?"
    assert start.refused() == expected


@pytest.mark.parametrize("name", ["TWIN_MAP", "TWIN_DATABASE", "TWIN_KEYS"])
def test_a_missing_setting(start: Start, name: str) -> None:
    del start.settings[name]
    assert start.refused().startswith(f"twin: {name} = (not set): must be set: ")


def test_every_wrong_setting_is_named_at_once(start: Start) -> None:
    start.settings |= {"TWIN_PORT": "http", "TWIN_TIMEZONE": "Mars/Olympus", "TWIN_LOGG": "x"}
    line = start.refused()
    assert "TWIN_PORT = http: " in line
    assert "TWIN_TIMEZONE = Mars/Olympus: " in line
    assert "TWIN_LOGG = (set): is no setting" in line


def test_a_database_password_is_not_shown(start: Start) -> None:
    start.settings["TWIN_DATABASE"] = "mysql://twin:hunter2@db/twin"
    line = start.refused()
    assert "TWIN_DATABASE" in line
    assert "hunter2" not in line


def test_a_map_folder_that_is_missing(start: Start) -> None:
    start.settings["TWIN_MAP"] = str(start.folder / "nowhere")
    assert start.refused() == "twin: DIR/nowhere: there is no such folder"


def spoil(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_a_sensor_on_a_link_that_does_not_exist(start: Start) -> None:
    network = start.copy("network")
    spoil(network / "twin_sensor.csv", ",A1-N-01,", ",A1-N-99,")
    start.settings["TWIN_MAP"] = str(network)
    line = start.refused()
    assert line.startswith("twin: DIR/network: ")
    assert "sensor 'A1-N-00.23': link 'A1-N-99' does not exist" in line


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda path: path.unlink(), ["TWIN_KEYS", "does not exist", "twin keys new"]),
        (lambda path: path.write_text("{"), ["TWIN_KEYS", "not a key file"]),
        (lambda path: path.write_text("[]"), ["TWIN_KEYS", "not a key file"]),
        (lambda path: path.write_bytes(b"\xff\xfe"), ["TWIN_KEYS", "not a key file"]),
        (
            lambda path: path.write_text('{"transport": {"id": "a", "secret": "QUJD"}}'),
            ["TWIN_KEYS", "access"],
        ),
        (lambda path: (path.unlink(), path.mkdir()), ["TWIN_KEYS", "cannot be read"]),
    ],
    ids=["missing", "no JSON", "no table", "no text", "a key is missing", "a folder"],
)
def test_a_broken_key_file(
    start: Start, break_it: Callable[[Path], object], words: list[str]
) -> None:
    break_it(Path(start.settings["TWIN_KEYS"]))
    line = start.refused()
    assert "DIR/keys.json" in line
    for word in words:
        assert word in line


def test_a_key_that_is_too_short(start: Start) -> None:
    path = Path(start.settings["TWIN_KEYS"])
    document = json.loads(path.read_text(encoding="utf-8"))
    document["access"]["secret"] = "QUJD"
    path.write_text(json.dumps(document), encoding="utf-8")
    assert start.refused() == (
        "twin: TWIN_KEYS = DIR/keys.json: the access key has 3 bytes, 32 are needed"
    )


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("{", "{{", ["is not JSON"]),
        ('"Europe/Madrid"', '"Mars/Olympus"', ["timezone", "Mars/Olympus", "IANA time zone"]),
        ('"zones"', '"zonas"', ["zonas", "is no field of the rules"]),
        ('"G1"', '"G77"', ["G77", "map"]),
    ],
    ids=["no JSON", "a zone of time", "an unknown field", "an unknown gate"],
)
def test_broken_access_rules(start: Start, old: str, new: str, words: list[str]) -> None:
    path = start.copy("access_rules.json")
    spoil(path, old, new)
    start.settings["TWIN_ACCESS_RULES"] = str(path)
    line = start.refused()
    for word in ["DIR/access_rules.json", *words]:
        assert word in line


def test_access_rules_that_are_missing(start: Start) -> None:
    start.settings["TWIN_ACCESS_RULES"] = str(start.folder / "none.json")
    line = start.refused()
    assert "DIR/none.json" in line
    assert "No such file" in line


def test_an_automatic_junction_that_does_not_exist(start: Start) -> None:
    start.settings["TWIN_AUTOMATIC_JUNCTIONS"] = "J1,J77"
    line = start.refused()
    assert line.startswith("twin: TWIN_AUTOMATIC_JUNCTIONS = J77: ")


def test_a_database_of_another_schema_version(start: Start, migrated_file: Path) -> None:
    target = start.folder / "twin.db"
    shutil.copyfile(migrated_file, target)
    connection = sqlite3.connect(target)
    connection.execute("UPDATE alembic_version SET version_num = '0999'")
    connection.commit()
    connection.close()
    line = start.refused()
    assert "TWIN_DATABASE = SQLite file DIR/twin.db: has schema version 0999" in line
    assert "does not know" in line
    assert start.refused("database", "migrate") == line


def test_a_database_file_that_is_none(start: Start) -> None:
    (start.folder / "twin.db").write_bytes(b"something else\n" * 100)
    assert start.refused() == "twin: SQLite file DIR/twin.db: is not an SQLite database"


def test_a_data_folder_that_is_missing(start: Start) -> None:
    start.settings["TWIN_DATABASE"] = f"sqlite:///{start.folder / 'none' / 'twin.db'}"
    line = start.refused()
    assert line == "twin: SQLite file DIR/none/twin.db: the folder DIR/none does not exist"


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """Give an empty disk of 128 kB."""
    with disk("128k") as folder:
        yield folder


def test_a_data_folder_that_is_read_only(start: Start, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    start.settings["TWIN_DATABASE"] = f"sqlite:///{small_disk / 'twin.db'}"
    line = start.refused()
    assert "SQLite file DISK/twin.db: " in line
    assert "may this user write to its folder?" in line


def test_a_file_in_a_folder_that_is_read_only(
    start: Start, small_disk: Path, migrated_file: Path
) -> None:
    subprocess.run(["mount", "-o", "remount,size=2m", small_disk], check=True)
    shutil.copyfile(migrated_file, small_disk / "twin.db")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    start.settings["TWIN_DATABASE"] = f"sqlite:///{small_disk / 'twin.db'}"
    line = start.refused()
    assert "SQLite file DISK/twin.db: " in line
    assert "may this user write to its folder?" in line or "is read-only" in line


def test_a_disk_that_is_full(start: Start, small_disk: Path) -> None:
    start.settings["TWIN_DATABASE"] = f"sqlite:///{small_disk / 'twin.db'}"
    line = start.refused()
    assert line.startswith("twin: SQLite file DISK/twin.db: the disk is full")


def test_a_disk_without_any_room(start: Start, small_disk: Path) -> None:
    done = subprocess.run(
        ["dd", "if=/dev/zero", f"of={small_disk / 'other'}", "bs=4k"],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    start.settings["TWIN_DATABASE"] = f"sqlite:///{small_disk / 'twin.db'}"
    line = start.refused()
    assert line.startswith("twin: SQLite file DISK/twin.db: the disk is full")


def test_a_replay_of_an_incident_on_an_unknown_link(start: Start) -> None:
    scenario = start.folder / "city"
    shutil.copytree(CORRIDOR, scenario)
    incidents = scenario / "day" / "incidents.json"
    (first, *rest) = json.loads(incidents.read_text(encoding="utf-8"))
    first["link"] = "A1-N-99"
    incidents.write_text(json.dumps([first, *rest]), encoding="utf-8")
    result = CliRunner().invoke(
        app, ["replay", str(scenario), "--data", str(start.folder / "data")], env=start.settings
    )
    assert result.exit_code == 2
    *_, line = result.stderr.splitlines()
    assert line == "twin: incidents.json: link = A1-N-99: the map does not know it"
    assert "Traceback" not in result.stderr


def test_a_migration_of_a_database_that_is_away(start: Start) -> None:
    start.settings |= {
        "TWIN_DATABASE": "postgresql://twin:hunter2@127.0.0.1:1/city",
        "TWIN_LOG": "kafka://127.0.0.1:2",
    }
    line = start.refused("database", "migrate")
    assert "PostgreSQL 127.0.0.1:1/city: " in line
    assert "hunter2" not in line
