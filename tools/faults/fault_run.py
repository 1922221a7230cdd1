"""One run: the servers, the service, the senders, and the faults of the plan one after another."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from fault_books import Books, Scene, check_books
from fault_deeds import HAPPEN, More, kill_at
from fault_feed import City, Order, make_file
from fault_file import read_file
from fault_fleet import Fleet
from fault_plan import KINDS, Fault, kinds_of, make_plan
from fault_send import FileCarrier, KafkaCarrier, Sender, read_record
from fault_servers import Servers, may_mount
from fault_service import GIVING_UP, Launcher, wait_for
from recount import STREET, query

from twin.clock import WallClock
from twin.ingest.sealing import seal_items
from twin.keys import KeyRing
from twin.log import open_log
from twin.log.contract import Place
from twin.store import people
from twin.store.database import Database

_SMALL: Final = 20_000
"""Events of a run so short that a fuse burns at the first commit."""
_MINUTE_US: Final = 60_000_000
_IMPATIENT: Final = 0.2
"""Share of the faults after which the next one does not wait until the service is ready."""


@dataclass(frozen=True)
class Setup:
    """What is run. `engine` is embedded, servers, or workers; `scenario` a folder with a map.

    `kinds` leaves only faults of these kinds in the plan.
    """

    engine: str
    folder: Path
    scenario: Path
    events: int
    faults: int | None
    seed: int
    size_mb: int = 3000
    broken: str = ""
    until_s: float = math.inf
    forecasters: int = 2
    kinds: tuple[str, ...] = tuple(KINDS)
    extra: dict[str, str] = field(default_factory=dict)


class PausedError(Exception):
    """The time given is over; the same folder goes on later."""


@dataclass
class Outcome:
    """What became of a run."""

    setup: Setup
    bursts: dict[str, int]
    faults: list[dict[str, Any]]
    books: Books
    hashes: dict[str, str]
    events: int
    seconds: float
    failed_attempts: int
    starts: int

    def save(self, path: Path) -> None:
        """Write it, so that a run that is over is not run again."""
        path.write_text(json.dumps(asdict(self), default=str), encoding="utf-8")


Progress = Callable[[int, int, str], None]


class Run:
    """A run in a folder; one that was cut goes on where its record ends."""

    def __init__(self, setup: Setup, progress: Progress, launcher: Launcher | None = None) -> None:
        """Make or find the file of events. `launcher` may serve several runs over one map."""
        self._launcher = launcher
        self._setup = setup
        self._progress = progress
        self._folder = setup.folder / setup.engine
        self._folder.mkdir(parents=True, exist_ok=True)
        self._folder.chmod(0o755)
        self._map = setup.scenario / "network"
        self._events = self._folder / "events.bin"
        self._keys_file = self._folder / "keys.json"
        if not self._events.exists():
            self._make()
        elif self._disks_gone():
            message = f"{self._folder} is of a run whose disks are gone; begin anew with --fresh"
            raise RuntimeError(message)
        self._keys = KeyRing.load(self._keys_file)
        self._deliveries = list(read_file(self._events))
        total = sum(one.events for one in self._deliveries)
        self._total = total
        self._most = 3 if total > _SMALL else 1
        weights = kinds_of(setup.engine, setup.kinds, disks=may_mount())
        self._plan = make_plan(setup.engine, weights, total, setup.faults, setup.seed)
        self._done = _lines(self._folder / "faults.jsonl")

    def _disks_gone(self) -> bool:
        """Say whether something was sent already to disks that are not there any more."""
        begun = (self._folder / "sent.jsonl").exists()
        return begun and may_mount() and not any(one.is_mount() for one in self._folder.iterdir())

    def _make(self) -> None:
        end_us = (time.time_ns() // 1000 // _MINUTE_US - 2) * _MINUTE_US
        order = Order(
            self._setup.events, self._setup.seed, end_us, self._setup.engine == "embedded"
        )
        bursts = make_file(self._events.with_suffix(".new"), City.read(self._map), order)
        (self._folder / "bursts.json").write_text(json.dumps(bursts), encoding="utf-8")
        self._keys_file.unlink(missing_ok=True)
        KeyRing.fresh("test").save(self._keys_file)
        self._events.with_suffix(".new").rename(self._events)

    def go(self) -> Outcome:
        """Run to the end, check the books, and clean up."""
        began = time.monotonic()
        keep = True
        with ExitStack() as stack:
            logging.disable(logging.ERROR)  # Kafka's client reports each of its vain tries
            stack.callback(logging.disable, logging.NOTSET)
            launcher = self._launcher
            if launcher is None:
                launcher = Launcher(self._map)
                stack.callback(launcher.close)
            servers = self._start_servers()
            stack.callback(lambda: servers.close(keep=keep))
            scene = self._scene(servers)
            many = self._setup.engine == "workers"
            forecasters = self._setup.forecasters if many else 0
            settings = self._settings(scene)
            fleet = Fleet(launcher, self._folder, settings, forecasters=forecasters)
            stack.callback(fleet.end)
            stack.callback(GIVING_UP.clear)
            hashes = asyncio.run(self._go(fleet, servers, scene))
            books = check_books(scene, hashes)
            keep = False
        bursts = json.loads((self._folder / "bursts.json").read_text(encoding="utf-8"))
        _, failed = read_record(self._folder / "sent.jsonl")
        return Outcome(
            setup=self._setup,
            bursts=bursts,
            faults=self._done,
            books=books,
            hashes=hashes,
            events=self._total,
            seconds=time.monotonic() - began,
            failed_attempts=failed.total(),
            starts=fleet.starts,
        )

    def _start_servers(self) -> Servers:
        if self._setup.engine == "embedded":
            return Servers.embedded(self._folder, size_mb=self._setup.size_mb)
        return Servers.real(self._folder, size_mb=self._setup.size_mb)

    def _scene(self, servers: Servers) -> Scene:
        """Make the database where it does not exist, with the street's key."""
        database = str(self._folder / "sqlite" / "twin.db")
        url, log_url = f"sqlite:///{database}", "embedded"
        if servers.database is not None and servers.broker is not None:
            name = "faults"
            made = servers.database.has(name)
            url = database = servers.database.url(name) if made else servers.database.create(name)
            log_url = servers.broker.url
        key_file = self._folder / "street.key"
        if not key_file.exists():
            key_file.write_text(asyncio.run(_street_key(url)), encoding="utf-8")
        return Scene(
            events=self._events,
            record=self._folder / "sent.jsonl",
            map=self._map,
            keys=self._keys,
            log_url=log_url,
            prefix="" if log_url == "embedded" else "faults.",
            database=database,
        )

    def _settings(self, scene: Scene) -> dict[str, str]:
        url = scene.database if scene.path is None else f"sqlite:///{scene.database}"
        return {
            "TWIN_MAP": str(self._map),
            "TWIN_ACCESS_RULES": str(self._setup.scenario / "access_rules.json"),
            "TWIN_KEYS": str(self._keys_file),
            "TWIN_DATABASE": url,
            "TWIN_LOG": scene.log_url,
            "TWIN_TOPIC_PREFIX": scene.prefix,
            "TWIN_SNAPSHOT_S": "5",
            "FAULTS_BREAK": self._setup.broken,
            **self._setup.extra,
        }

    async def _go(self, fleet: Fleet, servers: Servers, scene: Scene) -> dict[str, str]:
        fleet.start_missing()
        await asyncio.to_thread(fleet.wait_ready)
        carrier = (
            KafkaCarrier(scene.log_url.removeprefix("kafka://"), scene.prefix)
            if scene.path is None
            else FileCarrier(scene.path)
        )
        sender = Sender(
            self._deliveries,
            scene.record,
            url=fleet.url,
            key=(self._folder / "street.key").read_text(encoding="utf-8"),
            carrier=carrier,
            seal=lambda values: seal_items(values, self._keys),
        )
        sending = asyncio.create_task(sender.run(), name="senders")
        faults = asyncio.create_task(self._faults(sender, fleet, servers), name="faults")
        try:
            done, _ = await asyncio.wait({sending, faults}, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        except BaseException:
            GIVING_UP.set()
            raise
        finally:
            for task in (sending, faults):
                task.cancel()
            await asyncio.gather(sending, faults, return_exceptions=True)
        await asyncio.to_thread(fleet.wait_ready)
        await asyncio.to_thread(self._wait_drained, scene)
        ended = await asyncio.to_thread(fleet.stop)
        again = await asyncio.to_thread(fleet.recovered)
        return {"at the end": ended[0], "recovered from the database": again[0]}

    async def _faults(self, sender: Sender, fleet: Fleet, servers: Servers) -> None:
        done = {fault["number"] for fault in self._done}
        plan = [fault for fault in self._plan if fault.number not in done]
        with (self._folder / "faults.jsonl").open("a", encoding="utf-8") as record:
            for number, fault in enumerate(plan):
                if time.monotonic() > self._setup.until_s:
                    raise PausedError
                after = plan[number + 1].at if number + 1 < len(plan) else self._total
                await sender.allow(fault.at)
                await sender.reached(fault.at)
                more = partial(sender.allow, max(after, fault.at + 1))
                self._progress(sender.acknowledged, self._total, fault.kind)
                told = await self._one(fault, sender, fleet, servers, more)
                line = fault.document() | told
                self._done.append(line)
                record.write(json.dumps(line) + "\n")
                record.flush()
        await sender.allow(self._total + 1)
        await sender.reached(self._total)
        self._progress(sender.acknowledged, self._total, "all sent")

    async def _one(
        self, fault: Fault, sender: Sender, fleet: Fleet, servers: Servers, more: More
    ) -> dict[str, Any]:
        rng = fault.rng()
        began = time.monotonic()
        failed = sender.failed.total()
        kind, _, moment = fault.kind.partition("_")
        if moment:
            told = await kill_at(moment, rng.randint(1, self._most), sender, fleet, more)
        else:
            await more()
            told = await HAPPEN[kind](rng, sender, fleet, servers)
        fleet.start_missing()
        if rng.random() > _IMPATIENT or fault.number == len(self._plan) - 1:
            await asyncio.to_thread(fleet.wait_ready)
        return told | {
            "refused": sender.failed.total() - failed,
            "seconds": round(time.monotonic() - began, 2),
        }

    def _wait_drained(self, scene: Scene) -> None:
        """Wait until all that was said is published and every record has its verdict."""

        def drained() -> bool:
            if query(scene.database, "SELECT count(*) FROM outbox")[0][0]:
                return False
            rows = query(
                scene.database, "SELECT topic, partition, next_offset FROM partition_offset"
            )
            stored = {Place(row[0], row[1]): row[2] for row in rows}
            ends = asyncio.run(_ends(scene, sorted(stored)))
            return all(stored[place] >= end for place, end in ends.items())

        wait_for(drained, "the worker does not come to the end of the log", every_s=0.3)


async def _ends(scene: Scene, places: list[Place]) -> dict[Place, int]:
    log = open_log(scene.log_url, scene.path, scene.prefix)
    await log.start()
    try:
        return await log.end_offsets(places)
    finally:
        await log.close()


async def _street_key(url: str) -> str:
    database = await Database.open(url)
    try:
        await database.prepare()
        return await people.create_key(
            database, name=STREET, role="integrator", now_us=WallClock().now_us()
        )
    finally:
        await database.close()


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
