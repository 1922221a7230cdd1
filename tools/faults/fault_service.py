"""The processes of the service under test: started by the launcher, killed, asked how they are."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Final

from broker import free_port

PATIENCE_S: Final = 120.0
_COMPILING_S: Final = 400.0
"""Most seconds for the launcher: the first time on a machine it compiles all kernels."""
_LOOK_S: Final = 0.05
_LAUNCHER: Final = Path(__file__).with_name("fault_launcher.py")


GIVING_UP: Final = threading.Event()
"""Set when a run is broken off: nobody goes on waiting."""


class Launcher:
    """The process that forks; it knows which of its forks ended."""

    def __init__(self, folder: Path) -> None:
        """Start it, and wait until it has compiled what the map in a folder needs."""
        clean = {name: text for name, text in os.environ.items() if not name.startswith("TWIN_")}
        self._process = subprocess.Popen(
            [sys.executable, str(_LAUNCHER), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=clean | {"OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,
        )
        self._pids: dict[str, int] = {}
        self._ended: dict[int, int] = {}
        self._ready = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        wait_for(self._asked, "the launcher does not start", seconds=_COMPILING_S)

    def _asked(self) -> bool:
        if self._process.poll() is not None:
            raise AssertionError(f"the launcher ended with {self._process.returncode}")
        return self._ready

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            if "ended" in said:
                self._ended[said["pid"]] = said["ended"]
            elif "pid" in said:
                self._pids[said["name"]] = said["pid"]
            self._ready = True

    def start(self, order: dict[str, Any]) -> int:
        """Fork a service; return its pid."""
        assert self._process.stdin is not None
        self._pids.pop(order["name"], None)
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        pid: int = wait_for(lambda: self._pids.get(order["name"]), "the launcher does not answer")
        return pid

    def ended(self, pid: int) -> int | None:
        """Return the exit code of a fork, negative for a signal; None while it runs."""
        return self._ended.get(pid)

    def close(self) -> None:
        """End it; it takes what it started along."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait(PATIENCE_S)
        self._reader.join()
        if self._process.stdout is not None:
            self._process.stdout.close()


class Service:
    """One `twin serve` under a name; port and data stay over its deaths."""

    def __init__(
        self, launcher: Launcher, folder: Path, name: str, settings: dict[str, str], *args: str
    ) -> None:
        """Remember how it is started."""
        self.name = name
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.arm_file = folder / f"{name}.arm"
        self.state_file = folder / f"{name}.state.json"
        self.output = folder / f"{name}.log"
        self._launcher = launcher
        self._order = {
            "name": name,
            "out": str(self.output),
            "args": ["serve", *args],
            "env": {
                **settings,
                "TWIN_PORT": str(self.port),
                "FAULTS_ARM": str(self.arm_file),
                "FAULTS_STATE": str(self.state_file),
            },
        }
        self._pid: int | None = None

    def disarm(self) -> bool:
        """Take the fuse away; False when there is none: then it burns, or was never laid."""
        try:
            self.arm_file.unlink()
        except FileNotFoundError:
            return False
        return True

    def start(self) -> None:
        """Start it, without a fuse."""
        self.disarm()
        self.state_file.unlink(missing_ok=True)
        self._pid = self._launcher.start(self._order)

    @property
    def alive(self) -> bool:
        """Say whether its process runs."""
        return self._pid is not None and self._launcher.ended(self._pid) is None

    @property
    def exit_code(self) -> int | None:
        """Return how the last process ended; None while it runs."""
        return None if self._pid is None else self._launcher.ended(self._pid)

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self.send_signal(signal.SIGKILL)
        self.wait_dead()

    def wait_dead(self) -> None:
        """Wait until its process has ended."""
        wait_for(lambda: not self.alive, f"{self.name} does not die")

    def stop(self) -> dict[str, Any]:
        """Ask it to end; return what it says about its state."""
        self.send_signal(signal.SIGTERM)
        wait_for(lambda: not self.alive, f"{self.name} does not stop", tell=self.last_words)
        if self.exit_code != 0:
            raise AssertionError(f"{self.name} stopped with {self.exit_code}: {self.last_words()}")
        if not self.state_file.exists():
            return {}
        state: dict[str, Any] = json.loads(self.state_file.read_text(encoding="utf-8"))
        return state

    def arm(self, moment: str, number: int) -> None:
        """Let it die the n-th time that it comes to a moment."""
        fresh = self.arm_file.with_suffix(".new")
        fresh.write_text(f"{moment} {number} {time.monotonic_ns()}", encoding="utf-8")
        fresh.rename(self.arm_file)

    def ready(self) -> bool:
        """Ask whether it does its work."""
        asking = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            asking.request("GET", "/health/ready")
            return asking.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            asking.close()

    def wait_ready(self) -> None:
        """Wait until it does its work; it may not die meanwhile."""

        def asked() -> bool:
            if not self.alive:
                raise AssertionError(f"{self.name} died ({self.exit_code}): {self.last_words()}")
            return self.ready()

        wait_for(asked, f"{self.name} is not ready", tell=self.last_words)

    def last_words(self) -> str:
        """Return the end of what it wrote."""
        text = self.output.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-25:])

    def send_signal(self, how: signal.Signals) -> None:
        """Send a signal to it if it runs."""
        assert self._pid is not None
        if self.alive:
            with suppress(ProcessLookupError):
                os.kill(self._pid, how)


def wait_for(
    happened: Callable[[], Any],
    else_say: str,
    *,
    seconds: float = PATIENCE_S,
    every_s: float = _LOOK_S,
    tell: Callable[[], str] = str,
) -> Any:
    """Look again and again; raise AssertionError when it takes too long.

    An empty `else_say` returns False instead.
    """
    end_s = time.monotonic() + seconds
    while not (found := happened()):
        if GIVING_UP.is_set():
            raise AssertionError("the run was broken off")
        if time.monotonic() > end_s:
            if not else_say:
                return False
            raise AssertionError(f"{else_say} within {seconds:.0f} s\n{tell()}")
        time.sleep(every_s)
    return found
