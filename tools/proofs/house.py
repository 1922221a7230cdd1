"""The main job on real input: a week of a real city, a real network, through real servers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import broker
import numpy as np
import postgis

from twin.errors import TwinError
from twin.store import accounting
from twin.store.database import Database

ROOT = Path(__file__).resolve().parents[2]
TWIN = str(Path(sys.executable).with_name("twin"))
WEEK = ["--tz", "America/Los_Angeles", "--speed-unit", "mph"]
MPH_KPH = 1.609344
TIMES = {"2012-03-01T08:00": 96, "2012-03-04T17:30": 1074, "2012-03-07T23:55": 2015}
KILLED_AFTER = 150_000
LIMA = {"nodes": 2232, "links": 6095, "movements": 12627}


def prove(data: Path) -> str:
    """Run every "on real input" item of the house and return what was seen."""
    with tempfile.TemporaryDirectory(prefix="twin-proof-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the database server runs as its own user
        return "\n".join([_week(data / "metr_la_week1", folder), _lima(data, folder), _bench()])


def _week(source: Path, folder: Path) -> str:
    lines = [
        "## A week of 207 stations",
        "",
        "| run | received | applied | duplicate | late | rejected | state hash | seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    embedded = ["--data", str(folder / "embedded")]
    first = _replay(source, embedded, times=True)
    lines.append(_row("embedded log, SQLite", first))
    again = _replay(source, [*embedded, "--again"])
    lines.append(_row("the same, fed twice", again))
    file = f"sqlite:///{folder / 'killed' / 'twin.db'}"
    killed = _killed(source, ["--data", str(folder / "killed")], file)
    lines.append(_row("embedded, kill −9 in the middle, restarted", killed))
    kafka, database = broker.Broker(folder / "kafka"), postgis.Server(folder / "postgis")
    try:
        kafka.start()
        database.start()
        servers = ["--log", kafka.url]
        real = [*servers, "--database", database.create("week"), "--topic-prefix", "week."]
        third = _replay(source, ["--data", str(folder / "real"), *real], times=True)
        lines.append(_row("Kafka, PostGIS", third))
        url = database.create("cut")
        real = [*servers, "--database", url, "--topic-prefix", "cut."]
        fourth = _killed(source, ["--data", str(folder / "cut"), *real], url)
        lines.append(_row("Kafka, PostGIS, kill −9 in the middle, restarted", fourth))
    finally:
        kafka.stop()
        database.stop()
    runs = [first, again, killed, third, fourth]
    hashes = {run["state_hash"] for run in runs}
    assert len(hashes) == 1, hashes
    assert all(run["accounted"] for run in runs)
    assert all(run["forecast"]["links_by_method"] == {"fade_to_profile": 207} for run in runs)
    assert all(run["forecast"]["links_with_flow"] == 0 for run in runs)
    worst = max(_worst(source, first), _worst(source, third))
    assert worst <= 0.01, worst
    lines += [
        "",
        "One state hash in all runs. The measured picture at "
        + ", ".join(TIMES)
        + f" differs from the file (mph × {MPH_KPH}) by at most {worst:.0e} km/h, on both engines. "
        + "No flow or density is there, measured or forecast; the forecast of all 207 links is the "
        + "last value fading to the profile, and marked so.",
        "",
    ]
    return "\n".join(lines)


def _replay(source: Path, options: list[str], *, times: bool = False) -> dict[str, Any]:
    at = [word for moment in TIMES for word in ("--at", moment)] if times else []
    return _json(["replay", str(source), *WEEK, *options, *at, "--json"])


def _killed(source: Path, options: list[str], database: str) -> dict[str, Any]:
    """Start a replay, kill it without warning once it is under way, run it again to its end."""
    command = [TWIN, "replay", str(source), *WEEK, *options, "--json"]
    began = time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    while process.poll() is None and asyncio.run(_received(database)) < KILLED_AFTER:
        time.sleep(0.1)
    assert process.poll() is None, "it was over before it could be killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = _replay(source, options)
    return {**done, "seconds": round(time.monotonic() - began, 2)}


async def _received(url: str) -> int:
    """Ask the books, from outside, how far a replay has come; 0 while there are none."""
    try:
        database = await Database.open(url)
    except TwinError:  # no server yet, or no tables
        return 0
    try:
        return sum(tally.received for tally in await accounting.totals(database))
    except TwinError:  # no server yet, or no tables
        return 0
    finally:
        await database.close()


def _worst(source: Path, run: dict[str, Any]) -> float:
    file = np.load(source / "metr_la_week1.npz")
    column = {str(name): number for number, name in enumerate(file["sensor_id"])}
    worst = 0.0
    for (_, row), picture in zip(TIMES.items(), run["measured"], strict=True):
        assert len(picture["sensors"]) == len(column)
        for sensor in picture["sensors"]:
            expected = float(file["data"][row, column[sensor["id"]]]) * MPH_KPH
            worst = max(worst, abs(sensor["speed_kph"] - expected))
            assert "count" not in sensor, "a flow was invented"
    return worst


def _row(name: str, run: dict[str, Any]) -> str:
    names = ("received", "applied", "duplicate", "late", "rejected")
    counts = " | ".join(f"{run['accounting'][name]:,}" for name in names)
    return f"| {name} | {counts} | `{run['state_hash'][:12]}…` | {run['seconds']:.0f} |"


def _lima(data: Path, folder: Path) -> str:
    source = data / "gmns" / "lima"
    check = _json(["map", "check", str(source), "--json"])
    assert {name: check["counts"][name] for name in LIMA} == LIMA
    subprocess.run([TWIN, "map", "export", str(source), "--out", str(folder / "lima")], check=True)
    again = _json(["map", "check", str(folder / "lima"), "--json"])
    assert again["version"] == check["version"]
    demand = str(source / "demand.csv")
    run = _json(["simulate", str(source), "--demand", demand, "--duration", "3600", "--json"])
    total = run["waiting"] + run["arrived"] + run["inside"]
    assert abs(total - (32_041 - 2_476)) < 1e-6, total
    findings = {finding["code"]: finding["count"] for finding in check["findings"]}
    shown = ("geometry_turned", "length_differs", "unlisted_type", "directed_empty")
    lines = [
        "## The Lima network",
        "",
        ", ".join(f"{count:,} {name}" for name, count in LIMA.items())
        + f"; version `{check['version'][:12]}…`, the same after export and import. Reported: "
        + ", ".join(f"{name} {findings[name]:,}" for name in shown)
        + ".",
        "",
        "| one hour of its demand | trips |",
        "|---|---|",
        *(f"| {name} | {run[name]:,.3f} |" for name in ("waiting", "loaded", "arrived", "inside")),
        "",
        f"waiting + arrived + inside = {total:,.3f} = 32,041 − 2,476.",
        "",
    ]
    return "\n".join(lines)


def _bench() -> str:
    bench = [sys.executable, str(ROOT / "benchmarks" / "ingest" / "bench.py")]
    done = subprocess.run(bench, capture_output=True, text=True, check=True)
    return f"## Ingest beside a bare loop, same run\n\n```text\n{done.stdout.rstrip()}\n```\n"


def _json(arguments: list[str]) -> dict[str, Any]:
    done = subprocess.run([TWIN, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"twin {' '.join(arguments)}: {done.stderr[-2000:]}"
    document: dict[str, Any] = json.loads(done.stdout)
    return document
