"""`twin access`: its files, its schemas, its errors."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from access_days import FOLDER, read
from twin.__main__ import app
from twin.commands.access import SCHEMAS
from twin.control.access.casebook.rows import Row

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "reference"
CASES = ROOT / "tests" / "golden" / "access" / "cases"


def run(*words: str) -> tuple[int, str]:
    told = CliRunner().invoke(app, ["access", *words])
    return told.exit_code, " ".join(told.output.split())


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schemas_of_the_documentation_are_those_of_the_types(name: str) -> None:
    committed = json.loads((PAGES / f"access-{name}.schema.json").read_text("utf-8"))
    assert committed == json.loads(json.dumps(msgspec.json.schema(SCHEMAS[name])))
    code, printed = run("schema", name)
    assert code == 0
    assert json.loads(printed) == committed


def test_what_comes_out_is_of_the_published_form(tmp_path: Path) -> None:
    for case in ("T08", "T17", "T19", "T24", "T25"):
        out = tmp_path / case
        files = ["--world", CASES / case / "world.json", "--events", CASES / case / "events.jsonl"]
        assert run("decide", "--rules", str(FOLDER), *map(str, files), "--out", str(out))[0] == 0
        for line in out.read_bytes().splitlines():
            row = msgspec.json.decode(line, type=Row)
            assert msgspec.json.encode(row) == line


def test_every_wrong_line_is_named(tmp_path: Path) -> None:
    good = read("e1", "G1", "in", "06:30:00")
    lines = [
        good | {"confidence": 1.2},
        good,
        good | {"time": "2026-06-16T06:30:00"},
        {"type": "x"},
    ]
    events = tmp_path / "events.jsonl"
    events.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    world = tmp_path / "world.json"
    world.write_text("{}", encoding="utf-8")
    files = ["--rules", FOLDER, "--world", world, "--events", events, "--out", tmp_path / "out"]
    code, said = run("decide", *map(str, files))
    assert code == 2
    assert all(f"line {number}" in said for number in (1, 3, 4))
    assert "line 2" not in said
    assert not (tmp_path / "out").exists()


def test_a_wrong_world_and_a_wrong_folder_are_named(tmp_path: Path) -> None:
    world = tmp_path / "world.json"
    world.write_text('{"gate": {}}', encoding="utf-8")
    files = ["--rules", FOLDER, "--world", world, "--events", world, "--out", tmp_path / "out"]
    code, said = run("decide", *map(str, files))
    assert code == 2
    assert "unknown field `gate`" in said
    code, said = run("check", str(tmp_path / "none"))
    assert code == 2
    assert "has no rule set" in said
    assert run("check", str(FOLDER))[0] == 0
    assert run("schema", "plates")[0] == 2


def test_texts_come_in_the_language_that_is_asked_for(tmp_path: Path) -> None:
    case = CASES / "T01"
    files = ["--rules", FOLDER, "--world", case / "world.json", "--events", case / "events.jsonl"]
    out = tmp_path / "out"
    assert run("decide", *map(str, files), "--out", str(out), "--language", "es")[0] == 0
    first = json.loads(out.read_text("utf-8").splitlines()[0])
    assert first["text"] == "Residente: entrada permitida en su horario."
