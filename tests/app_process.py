"""`twin serve` in a process of its own over the corridor, and a sender that keeps its own books."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol, Self

import httpx
import psutil
from broker import run_apart
from fault_service import Launcher

from real_parts import require
from twin.clock import WallClock, iso_from_us
from twin.keys import KeyRing
from twin.store import people
from twin.store.database import Database
from twin.units import SECOND_US

CORRIDOR: Final = Path(__file__).parents[1] / "scenarios" / "corridor"
TWIN: Final = Path(sys.executable).parent / "twin"
PATIENCE_S: Final = 90.0
"""Longest wait for anything: far beyond what a loaded machine needs."""
_LOOK_S: Final = 0.05
_ONE_ORDER: Final = threading.Lock()  # a launcher takes one order at a time
_SENSORS: Final = tuple(
    line.split(",", 1)[0]
    for line in (CORRIDOR / "network" / "twin_sensor.csv").read_text(encoding="utf-8").splitlines()
)[1:]


class Process(Protocol):
    """What is asked of a process, however it was started."""

    @property
    def pid(self) -> int:
        """Its number."""
        ...

    def wait(self, timeout: float) -> int:
        """Return the exit code; raises subprocess.TimeoutExpired."""
        ...

    def send_signal(self, sig: int) -> None:
        """Send a signal if it runs."""
        ...


class Forked:
    """A service that a launcher forked: the program was imported and compiled before."""

    def __init__(self, launcher: Launcher, name: str, out: Path, settings: dict[str, str]) -> None:
        """Start it; what it says goes to the file `out`."""
        self._launcher = launcher
        files = {"FAULTS_ARM": f"{out}.arm", "FAULTS_STATE": f"{out}.state"}
        order = {"name": name, "out": str(out), "args": ["serve"], "env": settings | files}
        with _ONE_ORDER:
            self.pid = launcher.start(order)

    def wait(self, timeout: float) -> int:
        """Return the exit code; raises subprocess.TimeoutExpired."""
        end_s = time.monotonic() + timeout
        while (code := self._launcher.ended(self.pid)) is None:
            if time.monotonic() > end_s:
                raise subprocess.TimeoutExpired("twin serve", timeout)
            time.sleep(_LOOK_S / 5)
        return code

    def send_signal(self, sig: int) -> None:
        """Send a signal if it runs."""
        if self._launcher.ended(self.pid) is None:
            os.kill(self.pid, sig)


class Twin:
    """One `twin serve`. `start` again after `kill`: data and port stay."""

    def __init__(self, folder: Path, database: str, **settings: str) -> None:
        """Prepare settings; `database` is a URL whose tables exist or can be made."""
        self.database = database
        self.folder = folder
        self.url = ""
        self.key = ""
        self._settings = settings
        self.launcher: Launcher | None = None  # forks the processes, where there is one
        self._out = folder / "said"
        self._begun = 0
        self._process: Process | None = None
        self._lines: list[str] = []
        self._reader: threading.Thread | None = None
        if not (folder / "keys.json").exists():
            KeyRing.fresh("test").save(folder / "keys.json")

    def make_key(self) -> None:
        """Make the API key of an integrator in the database, whose tables must exist."""
        self.key = run_apart(_make_key(self.database))

    def start(self) -> Self:
        """Start, and wait until it listens; whether it is ready is another question."""
        self._lines = []
        if self.launcher is None:
            clean = {name: text for name, text in os.environ.items() if name[:5] != "TWIN_"}
            started = subprocess.Popen(
                [TWIN, "serve"],
                env=clean | self._environment(),
                stderr=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                text=True,
                start_new_session=True,  # a Ctrl-C at the terminal is the tests' own
            )
            self._process = started
            self._reader = threading.Thread(target=self._read, args=(started,))
            self._reader.start()
        else:
            self._begun = self._out.stat().st_size if self._out.exists() else 0
            name = self.folder.name
            self._process = Forked(self.launcher, name, self._out, self._environment())
        words = "INFO listening url="
        self.until(lambda: any(words in line for line in self.lines), "it does not listen")
        self.url = next(line for line in self.lines if words in line).partition(words)[2]
        return self

    def _environment(self) -> dict[str, str]:
        port = self.url.rpartition(":")[2] or "0"
        return {
            "TWIN_MAP": str(CORRIDOR / "network"),
            "TWIN_ACCESS_RULES": str(CORRIDOR / "access_rules.json"),
            "TWIN_KEYS": str(self.folder / "keys.json"),
            "TWIN_DATABASE": self.database,
            "TWIN_PORT": port,
            **self._settings,
        }

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                self._lines.append(line.rstrip("\n"))

    @property
    def runs(self) -> bool:
        """Whether there is a process."""
        return self._process is not None

    @property
    def lines(self) -> list[str]:
        """What it wrote to standard error so far."""
        if self.launcher is None:
            return list(self._lines)
        said = self._out.read_bytes() if self._out.exists() else b""
        return said[self._begun :].decode(errors="replace").splitlines()

    def until(self, happened: Callable[[], Any], else_say: str) -> Any:
        """Look again and again; fail with the process's own words when it dies or time is over."""
        assert self._process is not None
        end_s = time.monotonic() + PATIENCE_S
        while not (found := happened()):
            dead = _gone(self._process, _LOOK_S)
            if dead or time.monotonic() > end_s:
                raise AssertionError(f"{else_say}\n" + "\n".join(self.lines[-40:]))
        return found

    def get(self, path: str) -> httpx.Response:
        """Ask as the integrator."""
        with self.client() as client:
            return client.get(path)

    def client(self) -> httpx.Client:
        """Make a client that shows the integrator's key."""
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=PATIENCE_S)

    def wait_ready(self) -> None:
        """Wait until it does its work."""
        self.until(lambda: self.get("/health/ready").status_code == 200, "it is not ready")

    def wait_not_ready(self, *words: str) -> list[str]:
        """Wait until it says that it cannot do its work, with all these words; give its reasons."""

        def told() -> list[str]:
            answer = self.get("/health/ready")
            reasons: list[str] = answer.json()["reasons"]
            text = "\n".join(reasons)
            return reasons if all(word in text for word in words) else []

        found: list[str] = self.until(told, f"it does not say {words}")
        assert self.get("/health/live").status_code == 200
        return found

    def accounting(self) -> dict[str, Any]:
        """Ask for the accounts."""
        answer = self.get("/api/v1/accounting")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self._signal(signal.SIGKILL)
        self._wait()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end; give the exit code. No process of its may be left."""
        assert self._process is not None
        children = psutil.Process(self._process.pid).children(recursive=True)
        self._signal(how)
        code = self._wait()
        assert not [child for child in children if child.is_running()]
        return code

    def wait_end(self) -> int:
        """Wait until it ends by itself; give the exit code."""
        return self._wait()

    def freeze(self) -> None:
        """Stop it in the middle of whatever it does; `thaw` lets it go on."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, how: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(how)

    def _wait(self) -> int:
        assert self._process is not None
        try:
            code = self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired as error:
            raise AssertionError("it does not end\n" + "\n".join(self.lines[-40:])) from error
        if self._reader is not None:
            self._reader.join()
        self._process = None
        return code

    def end(self) -> None:
        """Kill it if it still runs."""
        if self._process is not None:
            self.kill()


@contextmanager
def serving(folder: Path, database: str, **settings: str) -> Iterator[Twin]:
    """Give a service that is not started yet, and leave nothing of it behind."""
    twin = Twin(folder, database, **settings)
    try:
        yield twin
    finally:
        twin.end()


@contextmanager
def disk(size: str) -> Iterator[Path]:
    """Mount a small disk; outside pytest's folders, which others may be cleaning up."""
    folder = Path(tempfile.mkdtemp(prefix="twin-disk-"))
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "twin-test", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        require(done.stderr.strip() or "mount failed" if done.returncode else None)
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], capture_output=True, check=False)
        folder.rmdir()


def embedded(folder: Path, migrated_file: Path) -> str:
    """Make an SQLite file with all tables; give its URL."""
    shutil.copyfile(migrated_file, folder / "twin.db")
    return f"sqlite:///{folder / 'twin.db'}"


class Sender:
    """Posts readings and keeps the books of the street's side: the witness of what was sent.

    Every item is a reading of its own (sensor and time), until `send_again` repeats those for
    which no 202 came.
    """

    def __init__(self, *, items: int = 40) -> None:
        """Send batches of `items`, timed from now backwards: none is late, none ahead."""
        self.newest_us = WallClock().now_us() // SECOND_US * SECOND_US
        self.acknowledged: list[dict[str, Any]] = []
        self.unanswered: list[list[dict[str, Any]]] = []
        self.posted = 0
        self._items = items
        self._made = 0

    def now(self) -> str:
        """Give the newest time of a reading."""
        return iso_from_us(self.newest_us)

    def post(self, client: httpx.Client) -> httpx.Response | None:
        """Post a batch; None when the connection broke before an answer came."""
        return self._post(client, [self._reading() for _ in range(self._items)])

    def send_again(self, client: httpx.Client) -> None:
        """Repeat what got no 202; all of it must get one now."""
        waiting, self.unanswered = self.unanswered, []
        for batch in waiting:
            answer = self._post(client, batch)
            assert answer is not None
            assert answer.status_code == 202, answer.text

    def _post(self, client: httpx.Client, batch: list[dict[str, Any]]) -> httpx.Response | None:
        self.posted += len(batch)
        try:
            answer = client.post("/api/v1/readings", json=batch)
        except httpx.TransportError:
            self.unanswered.append(batch)
            return None
        if answer.status_code == 202:
            assert answer.json()["accepted"] == len(batch), answer.text
            self.acknowledged.extend(batch)
        else:
            self.unanswered.append(batch)
        return answer

    def _reading(self) -> dict[str, Any]:
        row, back = self._made % len(_SENSORS), self._made // len(_SENSORS)
        self._made += 1
        return {
            "id": f"r-{self._made}",
            "sensor": _SENSORS[row],
            "time": iso_from_us(self.newest_us - back * SECOND_US),
            "period_s": 60,
            "count": 10 + row % 7,
            "speed_kph": 60 + row % 40,
        }

    def check_books(self, twin: Twin) -> dict[str, Any]:
        """Wait until every acknowledged reading is in the accounts, once, and all adds up."""
        sent = len(self.acknowledged)

        def counted() -> dict[str, Any] | None:
            document = twin.accounting()
            assert document["balanced"] is True
            books = sum_of(document, "reading")
            return books if books["applied"] + books["rejected"] + books["late"] >= sent else None

        books: dict[str, Any] = twin.until(counted, f"{sent} were acknowledged, fewer counted")
        verdicts = [books[name] for name in ("applied", "duplicate", "late", "rejected")]
        assert books["received"] == sum(verdicts)
        assert books["late"] == books["rejected"] == 0
        if not self.unanswered:
            assert books["applied"] == sent, "a reading is missing or was counted twice"
        assert sent <= books["received"]
        return books


def sum_of(document: dict[str, Any], topic: str) -> dict[str, int]:
    """Add the accounts of one topic up."""
    names = ("received", "applied", "duplicate", "late", "rejected")
    rows = [row for row in document["sources"] if row["topic"] == topic]
    return {name: sum(row[name] for row in rows) for name in names}


async def _make_key(url: str) -> str:
    database = await Database.open(url)
    try:
        now_us = WallClock().now_us()
        return await people.create_key(
            database, name="the street", role="integrator", now_us=now_us
        )
    finally:
        await database.close()


def _gone(process: Process, wait_s: float) -> bool:
    try:
        process.wait(wait_s)
    except subprocess.TimeoutExpired:
        return False
    return True
