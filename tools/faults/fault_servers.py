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

    def revive(self, disk: str) -> list[str]:
        """Start what has died of a full disk, as an operator would; return the names.

        A broker is always started again. Either it gave up its folder and lingers, serving
        nothing, or an index of it was left behind its log, and it refuses all appends to that
        partition (InvalidOffsetException) until a start mends the index.
        """
        revived = []
        for name, server in (("broker", self.broker), ("database", self.database)):
            if server is not None and (
                (disk == "kafka" and name == "broker") or not server.running
            ):
                server.kill()
                server.start()
                revived.append(name)
        return revived

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
