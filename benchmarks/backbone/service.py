"""`twin serve` in a process of its own over a given map, with keys for a benchmark's parties."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

import psutil

from twin.clock import WallClock
from twin.keys import KeyRing
from twin.network.gmns import write_gmns
from twin.network.model import SingleMap
from twin.store import people
from twin.store.database import Database

TWIN: Final = Path(sys.executable).parent / "twin"
PATIENCE_S: Final = 120.0
_LOOK_S: Final = 0.05


class Service:
    """One `twin serve`; `with` starts it and leaves nothing of it behind."""

    def __init__(
        self, folder: Path, network: SingleMap, database: str, *options: str, **settings: str
    ) -> None:
        """Write map and keys; `settings` are more TWIN_* variables, `options` of `twin serve`."""
        self.folder = folder
        self.database = database
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "map").exists():
            write_gmns(network, folder / "map")
        if not (folder / "keys.json").exists():
            KeyRing.fresh("test").save(folder / "keys.json")
        self._options = options
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    async def make_key(self, role: str) -> str:
        """Make the database's tables if need be, and an API key."""
        database = Database.at(self.database)
        try:
            await database.prepare()
            return await people.create_key(
                database, name=f"benchmark {role}", role=role, now_us=WallClock().now_us()
            )
        finally:
            await database.close()

    def start(self) -> Self:
        """Start and wait until it is ready. Raises RuntimeError with its last words."""
        clean = {name: text for name, text in os.environ.items() if not name.startswith("TWIN_")}
        environment = clean | {
            "TWIN_MAP": str(self.folder / "map"),
            "TWIN_KEYS": str(self.folder / "keys.json"),
            "TWIN_DATABASE": self.database,
            "TWIN_PORT": "0",
            **self._settings,
        }
        with self.words.open("wb") as output:
            self._process = subprocess.Popen(
                [TWIN, "serve", *self._options],
                env=environment,
                stderr=output,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._wait(lambda: self._listening(), "it does not listen")
        self._wait(lambda: self.get("/health/ready") is not None, "it is not ready")
        return self

    @property
    def words(self) -> Path:
        """What it writes to standard error."""
        return self.folder / "serve.log"

    @property
    def process(self) -> psutil.Process:
        """The running process."""
        assert self._process is not None
        return psutil.Process(self._process.pid)

    def cpu_s(self) -> float:
        """CPU seconds of the process so far, its threads included."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def rss_mb(self) -> float:
        """Resident memory, megabytes."""
        return float(self.process.memory_info().rss) / 1e6

    def get(self, path: str) -> str | None:
        """Ask; None when it does not answer 200."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as answer:
                return str(answer.read().decode())
        except (urllib.error.URLError, OSError):
            return None

    def metric(self, name: str) -> float:
        """Return one number of /metrics, without labels. Raises KeyError when it is not there."""
        for line in (self.get("/metrics") or "").splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        raise KeyError(name)

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self._end(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        assert self._process is not None
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, how)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(30)
        self._process = None

    def _listening(self) -> bool:
        for line in self.words.read_text(encoding="utf-8").splitlines():
            if " listening url=" in line:
                self.url = line.partition(" listening url=")[2].strip()
                return True
        return False

    def _wait(self, happened: Callable[[], bool], else_say: str) -> None:
        assert self._process is not None
        end_s = time.monotonic() + PATIENCE_S
        while not happened():
            if self._process.poll() is not None or time.monotonic() > end_s:
                words = self.words.read_text(encoding="utf-8")[-3000:]
                raise RuntimeError(f"{else_say}\n{words}")
            time.sleep(_LOOK_S)
