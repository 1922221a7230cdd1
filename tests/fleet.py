"""Several processes of one service on shared servers, and somebody who looks at its pictures."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from fault_service import Launcher

from app_process import Sender, Twin

_PAUSE_S = 0.05


class Fleet:
    """Processes by name; a name is its role and a number: worker1, forecaster2, api1."""

    def __init__(
        self, folder: Path, database: str, launcher: Launcher | None, **settings: str
    ) -> None:
        """Prepare; `start` starts, by the launcher where there is one."""
        self._folder = folder
        self._launcher = launcher
        self._database = database
        self._settings = settings
        self.twins: dict[str, Twin] = {}
        self.key = ""

    def __getitem__(self, name: str) -> Twin:
        """Return a process."""
        return self.twins[name]

    def add(self, *names: str) -> None:
        """Prepare processes; all have the same keys."""
        for name in names:
            folder = self._folder / name
            folder.mkdir()
            first = next(iter(self.twins.values()), None)
            if first is not None:
                shutil.copy(first.folder / "keys.json", folder)
            role = name.rstrip("0123456789")
            twin = Twin(folder, self._database, TWIN_ROLE=role, **self._settings)
            twin.launcher = self._launcher
            self.twins[name] = twin
        if not self.key:
            one = next(iter(self.twins.values()))
            one.make_key()
            self.key = one.key
        for twin in self.twins.values():
            twin.key = self.key

    def start(self) -> None:
        """Start all, and wait until all are ready."""
        with ThreadPoolExecutor(len(self.twins)) as pool:
            list(pool.map(lambda twin: twin.start().wait_ready(), self.twins.values()))

    def apis(self) -> list[Twin]:
        """Return the processes that serve."""
        return [twin for name, twin in self.twins.items() if name.startswith("api")]

    def ask(self, path: str) -> Any:
        """Ask whichever process answers, as a client behind a balancer would."""
        for twin in self.apis():
            try:
                answer = twin.get(path)
            except httpx.TransportError:
                continue
            if answer.status_code == 200:
                return answer.json()
        return None

    def until(self, happened: Callable[[], Any], else_say: str) -> Any:
        """Look again and again, as `Twin.until`."""
        running = next(twin for twin in self.twins.values() if twin.runs)
        return running.until(happened, else_say)

    def leader(self) -> str:
        """Return the name, in here, of the process that leads; "" while nobody does."""
        said = self.ask("/api/v1/processes")
        leading = [one["url"] for one in said["processes"] if one["leads"]] if said else []
        return next((name for name, twin in self.twins.items() if twin.url in leading), "")

    def end(self) -> None:
        """Leave nothing behind."""
        for twin in self.twins.values():
            twin.end()


@contextmanager
def fleet(
    folder: Path,
    database: str,
    names: Sequence[str],
    *,
    launcher: Launcher | None = None,
    **settings: str,
) -> Iterator[Fleet]:
    """Give started processes, all ready."""
    made = Fleet(folder, database, launcher, **settings)
    try:
        made.add(*names)
        made.start()
        yield made
    finally:
        made.end()


class Traffic:
    """Posts readings and looks at pictures through whichever process answers, in a thread."""

    def __init__(self, ships: Fleet) -> None:
        """Begin at once; `end` ends."""
        self.sender = Sender(items=20)
        self.sequences: list[int] = []
        self._fleet = ships
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(1)
        self._work = self._pool.submit(self._run)

    def _run(self) -> None:
        while not self._over.wait(_PAUSE_S):
            for twin in self._fleet.apis():
                try:
                    with twin.client() as client:
                        self.sender.post(client)
                        self._look(client)
                except httpx.TransportError:
                    continue
                break

    def _look(self, client: httpx.Client) -> None:
        answer = client.get("/api/v1/picture", params={"link": self._link(client)})
        if answer.status_code == 200:
            self.sequences.append(answer.json()["sequence"])

    def _link(self, client: httpx.Client) -> str:
        if not hasattr(self, "_one_link"):
            found = client.get("/api/v1/picture")
            self._one_link = found.json()["links"][0]["id"] if found.status_code == 200 else "?"
        return self._one_link

    def end(self) -> None:
        """Stop, and send again what got no answer."""
        self._over.set()
        self._work.result()
        self._pool.shutdown()
        with self._fleet.apis()[0].client() as client:
            self.sender.send_again(client)
