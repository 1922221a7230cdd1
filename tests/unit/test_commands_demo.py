"""What `twin demo` shows where, and what `make demo` installs."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer

from twin.commands import demo as command
from twin.commands import demo_city
from twin.commands.demo_close import CityOrder
from twin.errors import Fault, InputError

ROOT = Path(__file__).parents[2]
NO_SUMO = "SUMO is not installed"


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Take note of what would be shown, instead of showing it."""
    found: dict[str, Any] = {}

    def city(order: CityOrder) -> int:
        found["city"] = order
        return 0

    def corridor(scenario: Path, folder: Path, **options: object) -> int:
        found["recording"], found["options"] = scenario, options
        return 0

    monkeypatch.setattr(command, "run_city", city)
    monkeypatch.setattr(command, "_demo", corridor)
    monkeypatch.setattr(command, "missing_sumo", lambda: "")
    monkeypatch.chdir(ROOT)
    return found


def run(**options: Any) -> None:
    with pytest.raises(typer.Exit) as ended:
        command.demo(**{"port": 0, "minutes": None, "rate": None, **options})
    assert ended.value.exit_code == 0


def test_the_demo_is_the_city_and_ends_with_both_delays(shown: dict[str, Any]) -> None:
    run(minutes=2.0)
    assert "recording" not in shown
    assert (shown["city"].minutes, shown["city"].baseline) == (2.0, True)


def test_without_sumo_the_corridor_is_played_and_says_why(
    shown: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "missing_sumo", lambda: NO_SUMO)
    run()
    assert "city" not in shown
    assert shown["recording"] == ROOT / "scenarios" / "corridor"
    assert shown["options"]["instead"] == NO_SUMO
    assert NO_SUMO in capsys.readouterr().out
    assert command.note_of(10.0, NO_SUMO) == "recorded corridor: SUMO is not installed"


@pytest.mark.parametrize("options", [{"corridor": True}, {"scenario": Path("somewhere")}])
def test_a_recording_that_is_asked_for_needs_no_sumo(
    shown: dict[str, Any], monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    monkeypatch.setattr(command, "missing_sumo", lambda: NO_SUMO)
    run(**options)
    assert shown["recording"] == options.get("scenario", ROOT / "scenarios" / "corridor")
    assert shown["options"]["instead"] == ""
    assert command.note_of(10.0, "") == "recorded corridor, ×10"


def test_what_keeps_sumo_from_running_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise InputError(Fault("sumo", name, "is not installed", "missing"))

    said = {}
    for reason, program in {
        "absent": absent,
        "gone": lambda _: "/nowhere/sumo",
        "broken": lambda _: "/bin/false",
        "well": lambda _: "/bin/true",
    }.items():
        monkeypatch.setattr(demo_city, "sumo_program", program)
        said[reason] = demo_city.missing_sumo()
    assert said == {
        "absent": NO_SUMO,
        "gone": "SUMO's programs are missing",
        "broken": "SUMO does not run on this machine",
        "well": "",
    }


def setup() -> ModuleType:
    spec = importlib.util.spec_from_file_location("project_setup", ROOT / "tools" / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_where_sumo_has_no_wheel_the_rest_is_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tools = setup()
    installed: list[str] = []

    def install(name: str, lock: Path) -> None:
        assert lock.name == f"{name}.txt"
        assert lock.is_file()
        if name == "demo":
            raise SystemExit(1)
        installed.append(name)

    monkeypatch.setattr(tools, "install", install)
    monkeypatch.setattr(tools, "VENV", tmp_path)
    tools.install_demo()
    assert installed == ["run"]
    assert "recorded corridor" in capsys.readouterr().out
