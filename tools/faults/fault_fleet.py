"""The service as a whole: one process that does all, or several, each with its role."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from fault_service import Launcher, Service, wait_for

WORKERS: Final = ("worker-1", "worker-2", "worker-3")
_FORECASTERS: Final = ("forecaster-1", "forecaster-2")
_API: Final = "api"
_ALL: Final = "all"
_SESSION_S: Final = 9.0
"""Longer than the group waits for a silent member."""


class Fleet:
    """All processes of the service, under the names of their roles."""

    def __init__(
        self, launcher: Launcher, folder: Path, settings: dict[str, str], *, forecasters: int
    ) -> None:
        """One process, or with one or two `forecasters` an API and three workers, too."""
        self._forecasters = _FORECASTERS[:forecasters]
        self.many = bool(self._forecasters)
        names = (_API, *WORKERS, *self._forecasters) if self.many else (_ALL,)
        self._launcher = launcher
        self._folder = folder
        self._settings = settings
        self._services = {name: self._service(name) for name in names}
        self.starts = 0

    def _service(self, name: str) -> Service:
        role = name.partition("-")[0]
        return Service(self._launcher, self._folder, name, {**self._settings, "TWIN_ROLE": role})

    @property
    def url(self) -> str:
        """Where events are sent to."""
        return self._services[_API if self.many else _ALL].url

    def start_missing(self) -> None:
        """Start every process that does not run."""
        for service in self._services.values():
            if not service.alive:
                service.start()
                self.starts += 1

    def ready(self) -> bool:
        """Ask whether every process does its work."""
        return all(service.ready() for service in self._services.values())

    def wait_ready(self) -> None:
        """Wait until every process does its work; none may die meanwhile."""
        for service in self._services.values():
            service.wait_ready()

    def targets(self) -> list[Service]:
        """Return the processes that get a fuse: the first of them to burn ends it."""
        if not self.many:
            return list(self._services.values())
        return [self._services[name] for name in (*WORKERS, *self._forecasters)]

    def any_process(self, rng: random.Random) -> Service:
        """Choose a process to be killed."""
        return self._services[rng.choice(sorted(self._services))]

    def ways_to_rebalance(self) -> dict[str, Callable[[Service], None]]:
        """Return how partitions are made to move, by name."""
        return {
            "left in good order": lambda worker: str(worker.stop()),
            "killed": lambda worker: worker.kill(),
            "frozen until it was replaced": self._freeze,
            "a fourth joined and left": self._join,
        }

    def rebalance(self, rng: random.Random) -> str:
        """Make partitions move; what was stopped is started by `start_missing`."""
        worker = self._services[rng.choice(WORKERS)]
        way = rng.choice(sorted(self.ways_to_rebalance()))
        self.ways_to_rebalance()[way](worker)
        return way if "fourth" in way else f"{worker.name} {way}"

    def _freeze(self, worker: Service) -> None:
        """Let it sleep until the others have its partitions; it wakes and must change nothing."""
        worker.send_signal(signal.SIGSTOP)
        wait_for(lambda: False, "", seconds=_SESSION_S)
        worker.send_signal(signal.SIGCONT)

    def _join(self, _: Service) -> None:
        fourth = self._service("worker-4")
        fourth.start()
        self.starts += 1
        fourth.wait_ready()
        wait_for(lambda: "partitions_taken" in fourth.last_words(), "", seconds=_SESSION_S)
        fourth.stop()

    def stop(self) -> list[str]:
        """Stop every process in good order; return the hashes of the live states they had."""
        states: list[dict[str, Any]] = [service.stop() for service in self._services.values()]
        return [state["state_hash"] for state in states if state]

    def recovered(self) -> list[str]:
        """Start the owner of the live state alone, from the database; return its hash."""
        service = self._services[self._forecasters[0] if self.many else _ALL]
        found: list[str] = []
        for _ in range(5):  # a forecaster may be stopped before it led
            service.start()
            service.wait_ready()
            wait_for(lambda: not self.many or "leadership_taken" in service.last_words(), "led")
            state = service.stop()
            if state:
                found.append(state["state_hash"])
                break
        return found

    def end(self) -> None:
        """Leave no process behind, however the run went."""
        for service in self._services.values():
            if service.alive:
                service.send_signal(signal.SIGCONT)
                service.kill()

    def last_words(self) -> str:
        """Return the end of what every process wrote."""
        return "\n".join(
            f"-- {name}\n{service.last_words()}" for name, service in self._services.items()
        )
