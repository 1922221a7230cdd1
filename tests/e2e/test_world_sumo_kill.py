"""The service is killed in the middle: the street goes on lawfully, and the loop closes again."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from twin.keys import KeyRing
from world_sumo_town import make_town

RATE = 6
TWIN = [sys.executable, "-m", "twin"]


@contextmanager
def served(environment: dict[str, str], clock: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [*TWIN, "serve", "--practice-clock", clock]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        wait_until_ready(f"http://127.0.0.1:{environment['TWIN_PORT']}")
        yield process
    finally:
        process.kill()
        process.wait(timeout=20)


def wait_until_ready(url: str) -> None:
    for _ in range(300):
        try:
            if httpx.get(f"{url}/health/ready").is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)  # a process starts: nobody rings
    message = f"{url} does not come up"
    raise AssertionError(message)


def wait_until_controlled(port: str, key: str) -> None:
    """Wait for the third stage that the service asks for and the street takes."""
    for _ in range(600):
        response = httpx.get(
            f"http://127.0.0.1:{port}/api/v1/decisions?kind=signal_stage&state=all&limit=50",
            headers={"Authorization": f"Bearer {key}"},
        )
        states = [one["state"] for one in response.json()["decisions"]]
        if states.count("acknowledged") >= 3:
            return
        time.sleep(0.1)
    raise AssertionError(states)


@pytest.mark.timeout(240)  # a service starts twice; the clock does not wait for it
def test_a_killed_service_does_no_harm_and_takes_over_again(
    tmp_path: Path, unused_tcp_port_factory: object
) -> None:
    assert callable(unused_tcp_port_factory)
    port = unused_tcp_port_factory()
    town = make_town(tmp_path / "town", seconds=200)
    subprocess.run([*TWIN, "world", "--sumo", town, "--write-map", tmp_path / "map"], check=True)
    KeyRing.fresh("test").save(tmp_path / "keys.json")
    environment = {
        **os.environ,
        "TWIN_MAP": str(tmp_path / "map"),
        "TWIN_DATABASE": f"sqlite:///{tmp_path / 'twin.db'}",
        "TWIN_KEYS": str(tmp_path / "keys.json"),
        "TWIN_PORT": str(port),
        "TWIN_AUTOMATIC_JUNCTIONS": "*",
        "TWIN_LOG_LEVEL": "ERROR",
    }
    clock = f"2026-06-16T06:00:00Z,{RATE},{time.time_ns()}"
    with served(environment, clock) as first:
        key = subprocess.run(
            [*TWIN, "keys", "add", "--role", "integrator", "--name", "street"],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        command = [*TWIN, "world", "--sumo", str(town), "--out", str(tmp_path / "out")]
        command += ["--service", f"http://127.0.0.1:{port}", "--key", key]
        street = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        wait_until_controlled(environment["TWIN_PORT"], key)
        first.send_signal(signal.SIGKILL)
    try:
        with served(environment, clock):
            said, _ = street.communicate(timeout=150)
    finally:
        street.kill()
        street.communicate()
    said = " ".join(said.split())
    assert street.returncode == 0, said
    assert "violations: 0" in said
    assert "accounts agree: yes" in said
    assert "without at the end: 0 junctions" in said
    alone = re.search(r"longest without: (\d+) s", said)
    assert alone is not None
    assert int(alone[1]) > 5, "it was cut off for a while"
