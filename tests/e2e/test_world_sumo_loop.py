"""The whole loop on a tiny town: SUMO, the public API, decisions, the street, the watch."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from twin.network.gmns import read_gmns
from world_sumo_town import make_town


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "twin", "world", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)


@pytest.mark.timeout(200)
def test_the_loop_is_closed_survives_a_cut_and_its_accounts_agree(tmp_path: Path) -> None:
    town = make_town(tmp_path / "town", seconds=150)
    before = {path.name: path.read_bytes() for path in town.iterdir()}
    out = tmp_path / "out"
    done = run(
        *("--sumo", str(town), "--rate", "10", "--baseline", "--seed", "7", "--out", str(out)),
        *("--end", "150"),
        *("--faults", "duplicated=0.1,lost=0.05,cut=50-90"),
    )
    said = " ".join(done.stdout.split())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "violations: 0" in said
    assert "accounts agree: yes" in said
    share = re.search(r"lease: ([\d.]+) %", said)
    assert share is not None
    # Forty of 150 seconds are cut off; the lease of 15 s outlives a part of them.
    assert 55.0 <= float(share[1]) <= 95.0
    counted = re.search(r"readings sent (\d+); the service counts: received (\d+)", said)
    doubled = re.search(r"'duplicated': (\d+)", said)
    known = re.search(r"duplicate (\d+)", said)
    assert counted is not None
    assert doubled is not None
    assert known is not None
    assert counted[1] == counted[2]
    assert doubled[1] == known[1]
    assert {path.name: path.read_bytes() for path in town.iterdir()} == before
    with (out / "trips.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) > 30
    with np.load(out / "truth.npz") as truth:
        assert truth["speed_mps"].shape == (3, 8)
    assert (out / "violations.txt").read_text() == ""


def test_a_map_for_a_service_is_written_and_nothing_run(tmp_path: Path) -> None:
    town = make_town(tmp_path / "town")
    done = run("--sumo", str(town), "--write-map", str(tmp_path / "map"))
    assert done.returncode == 0, done.stderr
    network, _ = read_gmns(tmp_path / "map")
    assert len(network.junctions) == 1


def test_what_is_no_scenario_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    done = run("--sumo", str(tmp_path))
    assert done.returncode == 2
    assert "exactly one *.sumocfg" in " ".join(done.stderr.split())
    town = make_town(tmp_path / "town")
    done = run("--sumo", str(town), "--faults", "gremlins=1")
    assert done.returncode == 2
    assert "gremlins" in done.stderr
