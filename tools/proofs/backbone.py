"""The backbone, measured: ingest, recovery, the way to the socket, the live stream.

Four benchmarks, each as a person would run it, one after the other; half an hour in all.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "benchmarks"
MUST_INGEST, AIM_INGEST = 0.4, 0.6
MUST_COLUMNS, AIM_COLUMNS = 10.0, 30.0


def prove(data: Path) -> str:
    """Run all of it at full length and return what was seen. Raises when a *must* is missed."""
    lima = str(data / "gmns" / "lima")
    parts = [
        ("Ingest beside a bare loop, same run", _ingest()),
        ("Recovery to a correct map", _measured("recovery", "--map", lima)),
        ("From an accepted event to the sockets", _measured("latency", "--map", lima)),
        ("The live stream", _measured("stream")),
    ]
    return "\n\n".join(f"## {title}\n\n{body}" for title, body in parts)


def _measured(name: str, *options: str) -> str:
    """Run a benchmark that prints Markdown; it ends with 1 where a *must* is missed."""
    return _run(name, *options).rstrip()


def _ingest() -> str:
    # one core: the broker and the client of a real deployment are other machines
    found: dict[str, Any] = json.loads(_run("ingest", "--json"))
    rows = {row["name"]: row for row in found["rows"]}
    lines = [
        f"{found['events']:,} readings as JSON of about 200 bytes, one partition of a real Kafka. "
        "Ratios are events a second of CPU time, to a bare `aiokafka getmany` + `msgspec` loop.",
        "",
        "| consumer | events/s | per core | ratio |",
        "|---|---|---|---|",
        *(
            f"| {row['name']} | {row['events_per_s']:,} | {row['events_per_core_s']:,} | "
            f"{row['ratio']:.2f} |"
            for row in found["rows"]
        ),
    ]
    ratio = rows["ingest, no database"]["ratio"]
    times = rows["columns, no database"]["ratio"] / ratio
    lines += [
        "",
        f"JSON with decode, checks, de-duplication and live state: {ratio:.2f} of the bare loop "
        f"(must {MUST_INGEST}, aim {AIM_INGEST}). Records of arrays through the same checks: "
        f"{times:.0f} × the JSON path (must {MUST_COLUMNS:.0f} ×, aim {AIM_COLUMNS:.0f} ×).",
    ]
    assert ratio >= MUST_INGEST, ratio
    assert times >= MUST_COLUMNS, times
    return "\n".join(lines)


def _run(name: str, *options: str) -> str:
    """Run a benchmark in its own process; show its words when it fails."""
    command = [sys.executable, str(BENCHMARKS / name / "bench.py"), *options]
    clean = {key: text for key, text in os.environ.items() if not key.startswith("TWIN_")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=clean)
    assert done.returncode == 0, f"{name}: {done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout
