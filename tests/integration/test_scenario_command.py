"""`twin scenario` from the file to the report."""

from __future__ import annotations

import csv
import json
import signal
from pathlib import Path

import pytest
from rich.progress import Progress, TaskID
from typer.testing import CliRunner, Result

from twin.commands.scenario import scenario
from what_if_town import write_town

CLOSED = "[{edit: close_link, links: [AN], from: 07:10, note: works}]"
SLOWED = "[{edit: close_lanes, link: WA, lanes: 1}]"


def twin(*words: str | Path) -> Result:
    """Run a command."""
    return CliRunner().invoke(scenario, [str(word) for word in words])


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Run two scenarios of the town; return their folders."""
    found = []
    for name, edits in (("closed", CLOSED), ("slowed", SLOWED)):
        folder = tmp_path_factory.mktemp(name)
        file = write_town(folder, edits)
        result = twin("run", file, "--out", folder / "out", "--jobs", "1", "--json")
        assert result.exit_code == 0, result.output
        found.append(folder / "out")
    return found[0], found[1]


def test_check_says_what_would_be_run(tmp_path: Path) -> None:
    file = write_town(tmp_path, CLOSED)
    result = twin("check", file, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["edits"] == ["AN closed, from 07:10 (works)."]
    assert told["hours"] == "07:00 to 07:40"
    assert told["trips"].startswith("290 on average")
    assert twin("check", file).exit_code == 0


def test_run_writes_runs_results_and_a_report(folders: tuple[Path, Path]) -> None:
    folder, _ = folders
    summary = json.loads((folder / "summary.json").read_text())
    rows = {row["key"]: row for row in summary["measures"]}
    assert rows["distance"]["difference"] > 0
    assert rows["trips"]["verdict"] == "no difference"
    assert summary["seeds"] == [1, 2]
    assert summary["edits"][0]["geometry"]["type"] == "MultiLineString"
    assert "07:10" in summary["edits"][0]["properties"]["text"]
    report = (folder / "report.html").read_text()
    assert "town" in report
    assert "AN closed" in report
    assert (folder / "scenario.yaml").read_bytes().endswith(b"note: works}]\n")
    with (folder / "results" / "measures.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(summary["measures"])


def test_report_makes_the_same_again(folders: tuple[Path, Path]) -> None:
    folder, _ = folders
    before = (folder / "summary.json").read_bytes()
    (folder / "summary.json").unlink()
    result = twin("report", folder)
    assert result.exit_code == 0, result.output
    assert (folder / "summary.json").read_bytes() == before


def test_compare_puts_two_variants_side_by_side(folders: tuple[Path, Path]) -> None:
    result = twin("compare", *folders, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    rows = {row["key"]: row for row in told["measures"]}
    assert told["seeds"] == [1, 2]
    assert rows["distance"]["base"] > rows["distance"]["edited"]
    same = json.loads(twin("compare", folders[0], folders[0], "--json").stdout)
    assert {row["verdict"] for row in same["measures"]} <= {
        "no difference",
        "one seed: no interval",
    }
    assert twin("compare", *folders).exit_code == 0


def test_ctrl_c_stops_the_runs_with_exit_code_130(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_town(tmp_path, CLOSED)
    seen: list[float] = []

    def told(self: Progress, task_id: TaskID, **fields: float) -> None:
        del self, task_id
        seen.append(fields["completed"])
        if len(seen) == 5:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Progress, "update", told)
    result = twin("run", file, "--out", tmp_path / "out", "--jobs", "1")
    assert result.exit_code == 130, result.output
    assert "stopped" in result.output
    assert len(seen) <= 6
    assert not (tmp_path / "out" / "report.html").exists()


def test_what_is_wrong_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    file = write_town(tmp_path, "[{edit: close_link, links: [XX]}]")
    for words in (
        ("check", file),
        ("run", file, "--out", tmp_path / "out"),
        ("check", tmp_path / "none.yaml"),
        ("report", tmp_path),
        ("compare", tmp_path, tmp_path),
    ):
        result = twin(*words)
        assert result.exit_code == 2, words
        assert "Traceback" not in result.output
    assert "edits[0].links = XX: is no link of the map (line 14)" in " ".join(
        twin("check", file).output.split()
    )
