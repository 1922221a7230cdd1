"""What `twin doctor` looks at, one function a check. It makes no file and changes no row."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec
from sqlalchemy import func, select, text

import twin
from twin.clock import WallClock
from twin.control.access.rules import load_rules
from twin.errors import BackendError, TwinError
from twin.ingest.recovery import incoming_places
from twin.ingest.topics import Topics
from twin.keys import KeyRing
from twin.log import open_log
from twin.log.contract import Log
from twin.network.gmns import read_gmns
from twin.network.model import SingleMap
from twin.settings import Environment, Settings
from twin.store import audit
from twin.store.commit import stored_positions
from twin.store.database import Database
from twin.store.deadletters import LetterState
from twin.store.tables import dead_letter, snapshot, watermark
from twin.units import SECOND_US

SKEW_S: Final = 1.0
LAG: Final = 10_000
SNAPSHOTS_LATE: Final = 5  # snapshot cycles
FREE_SHARE: Final = 0.1
FREE_BYTES: Final = 2**30


class State(StrEnum):
    """How a check came out. Only `bad` makes the exit code 1."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


class Finding(msgspec.Struct, frozen=True):
    """One check: what was found, and what to do about it (empty when all is well)."""

    check: str
    state: State
    found: str
    advice: str = ""


def files(settings: Settings) -> tuple[list[Finding], SingleMap | None]:
    """Look at map, keys and rules; return the map if it can be read."""
    findings = []
    network = None
    try:
        network, _ = read_gmns(settings.map)
        counts = f"{len(network.links)} links, {len(network.sensors)} sensors"
        findings.append(Finding("map", State.GOOD, f"{settings.map}: {counts}"))
    except (TwinError, OSError) as error:
        advice = "name a folder with a network in TWIN_MAP; `twin map check` says more"
        findings.append(Finding("map", State.BAD, str(error), advice))
    try:
        ring = KeyRing.load(settings.keys)
        ring.refuse_other(settings.environment, of=Environment, path=settings.keys)
        names = ", ".join(key.id for key in ring.keys.values())
        findings.append(Finding("keys", State.GOOD, f"{settings.keys}, mode 0600: {names}"))
    except TwinError as error:
        advice = "mend the file that TWIN_KEYS names; its owner alone may read it"
        findings.append(Finding("keys", State.BAD, str(error), advice))
    if settings.access_rules is not None:
        findings.append(_rules(settings.access_rules))
    return findings, network


def _rules(path: Path) -> Finding:
    try:
        load_rules(path)
    except (TwinError, OSError) as error:
        return Finding("access rules", State.BAD, str(error), "mend the file or leave it out")
    return Finding("access rules", State.GOOD, str(path))


def disk(settings: Settings) -> list[Finding]:
    """Look at the room on the disks that hold the database file and the what-ifs."""
    folders = {"what-ifs": settings.scenarios}
    if settings.database.startswith("sqlite:///"):
        folders["database"] = Path(settings.database.removeprefix("sqlite:///")).parent
    findings = []
    for name, folder in folders.items():
        if folder is None:
            continue
        try:
            usage = shutil.disk_usage(folder)
        except OSError as error:
            found = f"{folder}: {error.strerror}"
            advice = "make the folder and let the user of the service write there"
            findings.append(Finding(f"disk of {name}", State.BAD, found, advice))
            continue
        found = f"{folder}: {usage.free / 2**30:.1f} of {usage.total / 2**30:.1f} GiB free"
        state, advice = State.GOOD, ""
        if usage.free < FREE_BYTES:
            state, advice = State.BAD, "make room now: on a full disk nothing is acknowledged"
        elif usage.free < FREE_SHARE * usage.total:
            state, advice = State.WARNING, "make room, or keep less (TWIN_KEEP_*)"
        findings.append(Finding(f"disk of {name}", state, found, advice))
    return findings


def kernels(environ: Mapping[str, str]) -> Finding:
    """Look whether the compiled kernels are kept: without, the first start costs half a minute."""
    package = Path(twin.__file__).parent
    sources = [
        path
        for path in package.glob("**/kernels/*.py")
        if "@njit" in path.read_text(encoding="utf-8")
    ]
    root = Path(cache) if (cache := environ.get("NUMBA_CACHE_DIR", "")) else package
    kept = {path.name.partition(".")[0] for path in root.glob("**/*.nbi")}
    warm = [path for path in sources if path.stem in kept]
    found = f"{len(warm)} of {len(sources)} files of kernels are compiled"
    if len(warm) == len(sources):
        return Finding("kernels", State.GOOD, found)
    return Finding("kernels", State.WARNING, found, "run `twin warm` as the user of the service")


async def database(settings: Settings) -> tuple[list[Finding], Database | None]:
    """Look whether the database answers and has the tables of this program."""
    opened = Database.at(settings.database)
    if opened.path is not None and not opened.path.exists():
        advice = "it is made at the first start; is TWIN_DATABASE the file that you mean?"
        finding = Finding("database", State.WARNING, f"{opened.where} does not exist yet", advice)
        return [finding], None
    try:
        await opened.check_version()
    except TwinError as error:
        await opened.close()
        advice = "start the server, and see that TWIN_DATABASE names it"
        if not isinstance(error, BackendError):
            advice = "run `twin database migrate`, after a backup"
        return [Finding("database", State.BAD, str(error), advice)], None
    findings = [Finding("database", State.GOOD, f"{opened.where}: the schema is up to date")]
    if opened.dialect == "postgresql":
        findings += await _server(opened)
    return findings, opened


async def _server(opened: Database) -> list[Finding]:
    """Look at PostGIS and at the clock of the server."""
    async with opened.read() as connection:
        installed = text("SELECT extversion FROM pg_extension WHERE extname = 'postgis'")
        version = (await connection.execute(installed)).scalar_one_or_none()
        before_us = WallClock().now_us()
        asked = text("SELECT extract(epoch FROM clock_timestamp()) * 1e6")
        server_us = int((await connection.execute(asked)).scalar_one())
        after_us = WallClock().now_us()
    postgis = Finding("PostGIS", State.GOOD, f"version {version}")
    if version is None:
        advice = "CREATE EXTENSION postgis, as an owner of the database"
        postgis = Finding("PostGIS", State.BAD, "is not installed in this database", advice)
    outside_us = max(before_us - server_us, server_us - after_us, 0)
    return [postgis, clock_skew(outside_us / SECOND_US)]


def clock_skew(skew_s: float) -> Finding:
    """Judge by how much the clocks of this machine and of the database differ at least."""
    found = f"this machine and the database differ by {skew_s:.1f} s at least"
    if skew_s <= SKEW_S:
        return Finding("clocks", State.GOOD, "this machine and the database agree")
    return Finding("clocks", State.BAD, found, "let both follow one time server (NTP)")


async def log(settings: Settings, network: SingleMap, opened: Database | None) -> list[Finding]:
    """Look whether the log answers, has its topics, and how far the worker is behind."""
    if settings.log == "embedded" and opened is None:
        return []
    reached = open_log(settings.log, opened.path if opened else None, settings.topic_prefix)
    try:
        await reached.start()
        topics = Topics(network, settings.reading_partitions or None)
        findings = [await _topics(reached, topics)]
        if opened is not None:
            findings.append(await _lag(reached, opened))
    except BackendError as error:
        advice = "start the broker, and see that TWIN_LOG names it"
        return [Finding("log", State.BAD, str(error), advice)]
    finally:
        await reached.close()
    return findings


async def _topics(reached: Log, topics: Topics) -> Finding:
    specs = topics.specs()
    counts = {spec.name: await reached.partitions(spec.name) for spec in specs}
    absent = [name for name, count in counts.items() if count == 0]
    if absent:
        found = f"{reached.where} has no topic {', '.join(absent)}"
        return Finding("log", State.WARNING, found, "the service makes its topics at its start")
    other = [
        f"{spec.name} has {counts[spec.name]} partitions, the map's regions or "
        f"TWIN_READING_PARTITIONS ask for {spec.partitions}"
        for spec in specs
        if counts[spec.name] != spec.partitions
    ]
    if other:
        advice = "change nothing while events of the old count are on the log; see docs, the log"
        return Finding("log", State.WARNING, "; ".join(other), advice)
    return Finding("log", State.GOOD, f"{reached.where}: {len(specs)} topics")


async def _lag(reached: Log, opened: Database) -> Finding:
    ends = await reached.end_offsets(await incoming_places(reached))
    positions = await stored_positions(opened)
    lags = {place: end - positions.get(place, 0) for place, end in ends.items()}
    total = sum(lags.values())
    if total <= LAG:
        return Finding("lag", State.GOOD, f"{total} records wait for the worker")
    place, most = max(lags.items(), key=lambda item: item[1])
    found = f"{total} records wait for the worker, {most} of them in {place}"
    return Finding("lag", State.BAD, found, "is `twin serve` running? /health/ready says why not")


async def contents(settings: Settings, opened: Database) -> list[Finding]:
    """Look at dead letters, the age of the newest snapshot, and the chain of the audit."""
    async with opened.read() as connection:
        waiting = select(func.count()).where(dead_letter.c.state == LetterState.OPEN.value)
        letters = (await connection.execute(waiting)).scalar_one()
        kept_us = (await connection.execute(select(func.max(snapshot.c.time_us)))).scalar_one()
        event_us = (await connection.execute(select(func.max(watermark.c.time_us)))).scalar_one()
    refused = Finding("dead letters", State.GOOD, "none is open")
    if letters:
        advice = "`twin deadletters list` says why; mend and replay them"
        refused = Finding("dead letters", State.WARNING, f"{letters} are open", advice)
    broken = await audit.first_broken(opened)
    chain = Finding("audit", State.GOOD, "the chain is whole")
    if broken is not None:
        found = f"row {broken} is missing or was changed"
        chain = Finding("audit", State.BAD, found, "compare it with your last backup")
    return [refused, snapshot_age(kept_us, event_us, settings.snapshot_s), chain]


def snapshot_age(kept_us: int | None, event_us: int | None, cycle_s: float) -> Finding:
    """Judge by how much event time has run away from the newest snapshot."""
    if event_us is None:
        return Finding("snapshot", State.GOOD, "no event came yet")
    if kept_us is None:
        return Finding(
            "snapshot",
            State.WARNING,
            "events came, but no snapshot was kept",
            f"wait {cycle_s:g} s of event time; then look at the log of the service",
        )
    age_s = (event_us - kept_us) / SECOND_US
    found = f"the newest is {age_s:.0f} s of event time old"
    if age_s <= SNAPSHOTS_LATE * cycle_s:
        return Finding("snapshot", State.GOOD, found)
    return Finding(
        "snapshot",
        State.WARNING,
        found,
        "a recovery would take long; look at the log of the service",
    )
