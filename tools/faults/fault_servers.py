"""What the service stands on, and how each of it fails: a disk, a broker, a database."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from broker import Broker
from postgis import Server

_PAGE: Final = 65536


class Disk:
    """A small tmpfs. Full means: its size is set to what is used, so that nothing more fits."""

    def __init__(self, folder: Path, size_mb: int) -> None:
        """Mount it, or take it over where it is mounted already."""
        self.folder = folder
        self._size = size_mb * 2**20
        folder.mkdir(parents=True, exist_ok=True)
        if not folder.is_mount():
            _mount("-t", "tmpfs", "-o", f"size={self._size},mode=0755", "twin-faults", str(folder))

    def fill(self) -> None:
        """Leave room for nothing more."""
        for _ in range(50):  # a file may grow between the look and the deed
            state = os.statvfs(self.folder)
            used = (state.f_blocks - state.f_bfree) * state.f_frsize
            try:
                _mount("-o", f"remount,size={used + _PAGE}", str(self.folder))
            except RuntimeError:
                continue
            return
        raise RuntimeError(f"{self.folder} cannot be made full")

    def free(self) -> None:
        """Make room again."""
        _mount("-o", f"remount,size={self._size}", str(self.folder))

    def close(self) -> None:
        """Unmount it, with all that is on it."""
        subprocess.run(["umount", "--lazy", self.folder], capture_output=True, check=False)


@cache
def may_mount() -> bool:
    """Say whether this user may mount a small disk; without it no disk fills up."""
    with tempfile.TemporaryDirectory(prefix="twin-faults-mount-") as name:
        try:
            Disk(Path(name), 1).close()
        except RuntimeError:
            return False
    return True


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip() or "mount failed")


def _disks(*names: str) -> tuple[str, ...]:
    return names if may_mount() else ()


@dataclass
class Servers:
    """The servers of one engine; the embedded engine has its disk alone."""

    disks: dict[str, Disk] = field(default_factory=dict)
    broker: Broker | None = None
    database: Server | None = None
    _read: int = 0

    @classmethod
    def real(cls, folder: Path, *, size_mb: int) -> Servers:
        """Start a broker and a database, each on its own small disk."""
        disks = {name: Disk(folder / name, size_mb) for name in _disks("kafka", "postgis")}
        servers = cls(
            disks, Broker(folder / "kafka" / "broker"), Server(folder / "postgis" / "server")
        )
        assert servers.broker is not None
        assert servers.database is not None
        servers.broker.start()
        servers.database.start()
        return servers

    @classmethod
    def embedded(cls, folder: Path, *, size_mb: int) -> Servers:
        """Give the disk for the one file."""
        (folder / "sqlite").mkdir(exist_ok=True)
        return cls({name: Disk(folder / name, size_mb) for name in _disks("sqlite")})

    def revive(self) -> list[str]:
        """Start what has died of a full disk; return the names.

        A broker whose only folder failed may linger, serving nothing: it is ended first.
        """
        revived = []
        for name, server in (("broker", self.broker), ("database", self.database)):
            if server is None or (server.running and not self._given_up(server)):
                continue
            server.kill()
            server.start()
            revived.append(name)
        return revived

    def _given_up(self, server: Broker | Server) -> bool:
        if not isinstance(server, Broker):
            return False
        words = server.output.read_text(encoding="utf-8", errors="replace")
        return "log directory has failed" in words[self._read :]

    def forget_words(self) -> None:
        """What the broker wrote so far says nothing about what comes."""
        if self.broker is not None:
            self._read = len(self.broker.output.read_text(encoding="utf-8", errors="replace"))

    def close(self, *, keep: bool) -> None:
        """Stop the servers; `keep` leaves their disks for a run that goes on later."""
        for server in (self.broker, self.database):
            if server is not None:
                server.stop()
        if not keep:
            for disk in self.disks.values():
                disk.close()


def ways_to_fail(server: Any) -> dict[str, Callable[[], None]]:
    """Return how a server can be taken away, by name; `back` brings it back from each."""
    ways: dict[str, Callable[[], None]] = {"kill": server.kill, "stop": server.stop}
    if isinstance(server, Broker):
        ways["freeze"] = lambda: server.send_signal(signal.SIGSTOP)
    return ways


def back(server: Any, way: str) -> None:
    """Bring a server back."""
    if way == "freeze":
        server.send_signal(signal.SIGCONT)
    else:
        server.start()
