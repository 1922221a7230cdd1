"""The twenty-five cases of the access reference, as files that `twin access decide` reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from twin.__main__ import app

FOLDER = Path(__file__).parent / "access" / "cases"
RULES = Path(__file__).parents[2] / "scenarios" / "access" / "rules"
CASES = sorted(path.name for path in FOLDER.iterdir())


def decided(name: str, out: Path) -> list[dict[str, Any]]:
    files = ["--world", FOLDER / name / "world.json", "--events", FOLDER / name / "events.jsonl"]
    told = CliRunner().invoke(
        app, ["access", "decide", "--rules", str(RULES), *map(str, files), "--out", str(out)]
    )
    assert told.exit_code == 0, told.output
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def fits(wanted: Any, found: Any) -> bool:
    """Say whether everything that is wanted stands in what was found; lists have equal length."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(
            name in found and fits(value, found[name]) for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(wanted) == len(found)
            and all(fits(one, other) for one, other in zip(wanted, found, strict=True))
        )
    return bool(wanted == found)


@pytest.mark.parametrize("name", CASES)
def test_case(name: str, tmp_path: Path) -> None:
    expected = json.loads((FOLDER / name / "expect.json").read_text(encoding="utf-8"))
    rows = decided(name, tmp_path / "out.jsonl")
    for wanted in expected["rows"]:
        near = [row for row in rows if row["row"] == wanted["row"]]
        assert any(fits(wanted, row) for row in near), (wanted, near)
    for unwanted in expected["absent"]:
        assert not [row for row in rows if fits(unwanted, row)], unwanted


def test_every_case_of_the_reference_is_there() -> None:
    assert {name[:3] for name in CASES} == {f"T{number:02d}" for number in range(1, 26)}


def test_no_plate_comes_out(tmp_path: Path) -> None:
    for name in CASES:
        rows = decided(name, tmp_path / f"{name}.jsonl")
        events = (FOLDER / name / "events.jsonl").read_text(encoding="utf-8").splitlines()
        plates = {json.loads(line).get("plate", "").split(" ")[-1] for line in events} - {""}
        written = json.dumps(rows)
        assert not [plate for plate in plates if plate in written]
