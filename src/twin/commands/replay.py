"""`twin replay`: a recording through the log, and what became of it."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from heapq import merge
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import typer
from rich.table import Table

from twin.clock import WallClock, iso_from_us, us_from_datetime
from twin.commands.console import ERR, OUT, plain_errors, print_json, progress
from twin.commands.maps import read_stations
from twin.commands.replay_day import PastJob, replay_day, show_day
from twin.errors import Fault, InputError
from twin.events import Topic
from twin.forecast.result import Forecast, Method
from twin.ingest.replay import Feed, FeedItem, Replay, ReplayOutcome
from twin.keys import KeyRing, Purpose
from twin.log import open_log
from twin.network.gmns import read_gmns
from twin.network.model import SingleMap
from twin.network.stations import map_from_stations
from twin.perceive.state import Measured
from twin.store.database import Database
from twin.store.observations import measured_at
from twin.units import SECOND_US, kph_from_mps, pct_from_frac
from twin.world.recording import Recording, SpeedUnit, open_recording

_AROUND_US: Final = 3600 * SECOND_US  # late arrivals around the recording's own times
_PREFIX: Final = "replay."


class _Sensor(msgspec.Struct):
    sensor: str


_SENSORS: Final = msgspec.json.Decoder(_Sensor)


@dataclass(frozen=True)
class _Job:
    """Everything that one replay was asked for."""

    recording: Recording
    network: SingleMap
    feed: Feed
    database_url: str
    log_url: str
    topic_prefix: str
    keys: KeyRing
    moments_us: tuple[int, ...]
    again: bool
    shown: str


def replay(
    source: Annotated[
        Path | None,
        typer.Argument(
            help="Scenario folder, or a detector week (.npz, or a folder with one). With --day: "
            "folder of exported days; without it the database of TWIN_DATABASE.",
            exists=True,
        ),
    ] = None,
    day: Annotated[
        str, typer.Option("--day", help="Do this past UTC day again, YYYY-MM-DD, and compare.")
    ] = "",
    first: Annotated[
        str, typer.Option("--from", help="With --day: begin at this time, e.g. 07:30 (UTC).")
    ] = "",
    last: Annotated[str, typer.Option("--to", help="With --day: end at this time.")] = "",
    timezone: Annotated[
        str | None, typer.Option("--tz", help="Time zone of a detector week, e.g. Europe/Madrid.")
    ] = None,
    speed_unit: Annotated[
        SpeedUnit, typer.Option(help="Unit of a detector week's speeds.")
    ] = SpeedUnit.KPH,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder for SQLite file and keys; the same again goes on."),
    ] = None,
    database: Annotated[
        str | None, typer.Option(help="postgresql://… instead of the SQLite file.")
    ] = None,
    log: Annotated[str, typer.Option(help="embedded, or kafka://HOST:PORT.")] = "embedded",
    topic_prefix: Annotated[
        str, typer.Option(help="Put before every topic name on a broker.")
    ] = _PREFIX,
    at: Annotated[
        list[str] | None,
        typer.Option(help="Show what was measured at this time; may be given several times."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Feed only the first N records.")] = None,
    *,
    again: Annotated[
        bool, typer.Option("--again", help="Feed a recording that was fed to its end once more.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON, for programs.")] = False,
) -> None:
    """Feed a recording through the log and account for every record of it, or do a day again.

    With --day a past day of the service is done again from its history, step by step; every
    picture, signal decision and forecast is compared with what it was when it was live. Exit code
    1: something came out differently, and the first difference is named.

    Prints the verdicts, the hash of the live state and, with --at, the measured picture in km/h.
    A replay that was cut off goes on where its log ends when it is given the same --data (or
    --database and --log). Exit code 1: a record is not accounted for.
    """
    with plain_errors():
        if day:
            document, equal = asyncio.run(replay_day(PastJob(day, first, last, source, database)))
            (print_json if as_json else show_day)(document)
            raise typer.Exit(0 if equal else 1)
        if source is None:
            rule = "name a recording, or a past day with --day YYYY-MM-DD"
            raise InputError(Fault("SOURCE", "", rule, "missing"))
        folder = data or Path(tempfile.mkdtemp(prefix="twin-replay-"))
        folder.mkdir(parents=True, exist_ok=True)
        ERR.print(f"data in {folder}", highlight=False, soft_wrap=True)
        recording = open_recording(source, timezone=timezone, speed_unit=speed_unit)
        network = _network(source, recording)
        recording.check(network)
        keys = _keys(folder / "keys.json")
        job = _Job(
            recording=recording,
            network=network,
            feed=_feed(recording, network, keys, limit=limit),
            database_url=database or f"sqlite:///{folder / 'twin.db'}",
            log_url=log,
            topic_prefix=topic_prefix,
            keys=keys,
            moments_us=tuple(_moment(text, recording.timezone) for text in at or []),
            again=again,
            shown=str(folder),
        )
        document, accounted = asyncio.run(_run(job))
        if as_json:
            print_json(document)
        else:
            _show(document)
    raise typer.Exit(0 if accounted else 1)


async def _run(job: _Job) -> tuple[dict[str, Any], bool]:
    wall = WallClock()
    began_us = wall.now_us()
    async with AsyncExitStack() as stack:
        database = Database.at(job.database_url)
        stack.push_async_callback(database.close)
        await database.prepare()
        log = open_log(job.log_url, database.path, job.topic_prefix)
        stack.push_async_callback(log.close)
        await log.start()
        engine = Replay(
            network=job.network,
            timezone=job.recording.timezone,
            log=log,
            database=database,
            keys=job.keys,
        )
        with _bar(job.feed.total) as told:
            outcome = await engine.run(job.feed, again=job.again, on_progress=told)
        seconds = (wall.now_us() - began_us) / SECOND_US
        measured = [
            _measured(job.network, moment, await measured_at(database, job.network, moment))
            for moment in job.moments_us
        ]
    return _document(job, outcome, seconds=seconds, measured=measured), outcome.accounted


def _feed(recording: Recording, network: SingleMap, keys: KeyRing, *, limit: int | None) -> Feed:
    """Turn a recording into records for the log. Rights to enter are a clerk's, not fed here."""
    first_us, last_us = recording.start_us - _AROUND_US, recording.end_us + _AROUND_US

    def items() -> Iterator[FeedItem]:
        readings = (
            FeedItem(Topic.READING, _SENSORS.decode(value).sensor, arrival_us, value)
            for arrival_us, value in recording.readings(first_us, last_us)
        )
        incidents = (
            FeedItem(Topic.INCIDENT, "", arrival_us, value)
            for arrival_us, value in recording.incidents(first_us, last_us)
        )
        passages = (
            FeedItem(Topic.ANPR_READ, "", arrival_us, value)
            for arrival_us, value in recording.passages(
                first_us, last_us, key=keys[Purpose.TRANSPORT]
            )
        )
        ordered = merge(readings, incidents, passages, key=lambda item: item.arrival_us)
        return islice(ordered, limit)

    total = (
        int(recording.table.present().sum())
        + len(recording.incident_rows)
        + len(recording.passage_rows)
    )
    return Feed(
        source_hash=_source_hash(recording, network, limit=limit),
        start_us=recording.start_us,
        total=total if limit is None else min(limit, total),
        items=items,
    )


def _source_hash(recording: Recording, network: SingleMap, *, limit: int | None) -> str:
    table = recording.table
    digest = blake2b(digest_size=16)
    words = (recording.name, recording.timezone, network.version, limit, *table.sensors)
    digest.update(repr(words).encode())
    digest.update(table.end_us.tobytes())
    for values in (table.count, table.speed_kph, table.occupancy_pct):
        digest.update(b"-" if values is None else np.ascontiguousarray(values).tobytes())
    digest.update(repr((len(recording.passage_rows), len(recording.incident_rows))).encode())
    return digest.hexdigest()


def _network(source: Path, recording: Recording) -> SingleMap:
    if (source / "network").is_dir():
        return read_gmns(source / "network")[0]
    week = source if source.is_file() else next(iter(sorted(source.glob("*.npz"))))
    network, quality = map_from_stations(
        read_stations(week), name=week.stem, timezone=recording.timezone
    )
    ERR.print(
        f"map from {len(network.sensors)} stations, {len(quality.entries)} findings",
        highlight=False,
    )
    return network


def _keys(path: Path) -> KeyRing:
    if not path.exists():
        KeyRing.fresh("test").save(path)
    return KeyRing.load(path)


def _moment(text: str, timezone: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        rule = "must be a time such as 2026-06-16T08:00 or 2026-06-16T06:00:00Z"
        raise InputError(Fault("--at", text, rule)) from error
    local = moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(timezone))
    return us_from_datetime(local)


@contextmanager
def _bar(total: int) -> Iterator[Any]:
    with progress() as bar:
        task = bar.add_task("records", total=total)
        yield lambda done: bar.update(task, completed=min(done, total))


def _measured(network: SingleMap, moment_us: int, found: Measured) -> dict[str, Any]:
    columns = {
        "speed_kph": kph_from_mps(found.speed_mps),
        "count": found.count,
        "occupancy_pct": pct_from_frac(found.occupancy_frac),
    }
    return {
        "time": iso_from_us(moment_us),
        "sensors": [
            {"id": sensor.id, "time": iso_from_us(int(found.time_us[row]))}
            | {
                name: round(float(values[row]), 6)
                for name, values in columns.items()
                if not np.isnan(values[row])
            }
            for row, sensor in enumerate(network.sensors)
            if found.time_us[row] >= 0
        ],
    }


def _document(
    job: _Job, outcome: ReplayOutcome, *, seconds: float, measured: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    names = ("received", "applied", "revised", "duplicate", "late", "rejected")
    tallies = outcome.tallies
    return {
        "recording": job.recording.name,
        "map_version": job.network.version,
        "sensors": len(job.network.sensors),
        "rounds": outcome.rounds,
        "sent": outcome.sent,
        "fed_now": outcome.fed_now,
        "accounting": {name: sum(getattr(tally, name) for tally in tallies) for name in names},
        "accounted": outcome.accounted,
        "by_topic": [tally._asdict() for tally in tallies],
        "state_hash": outcome.state_hash,
        "seconds": round(seconds, 2),
        "records_per_s": round(outcome.fed_now / seconds) if seconds else 0,
        "measured": list(measured),
        "forecast": _forecast(outcome.forecast),
        "data": job.shown,
    }


def _forecast(forecast: Forecast) -> dict[str, Any]:
    """Say how the next hour was made, link by link, and whether it claims a flow anywhere."""
    methods = Counter(Method(code).name.lower() for code in forecast.method)
    return {
        "id": forecast.id,
        "made": iso_from_us(forecast.made_us),
        "links_by_method": dict(sorted(methods.items())),
        "links_with_flow": int(np.isfinite(forecast.flow_vps).any(axis=0).sum()),
    }


def _show(document: dict[str, Any]) -> None:
    counts = document["accounting"]
    if not document["fed_now"]:
        ERR.print("this recording was fed to its end before; --again feeds it once more")
    table = Table(title=f"{document['recording']}: {document['sent']:,} records sent")
    for name in counts:
        table.add_column(name, justify="right")
    table.add_row(*(f"{count:,}" for count in counts.values()))
    OUT.print(table)
    verdict = "every record accounted for" if document["accounted"] else "NOT ACCOUNTED FOR"
    OUT.print(f"{verdict}; {document['seconds']} s, {document['records_per_s']:,} records/s")
    OUT.print(f"state {document['state_hash']}", highlight=False)
    made = ", ".join(f"{n} {name}" for name, n in document["forecast"]["links_by_method"].items())
    OUT.print(f"forecast of the next hour, links by method: {made}")
    for picture in document["measured"]:
        _show_measured(picture)


def _show_measured(picture: dict[str, Any]) -> None:
    table = Table(title=f"measured at {picture['time']}")
    for name in ("sensor", "time", "speed km/h", "count", "occupancy %"):
        table.add_column(name, justify="left" if name in {"sensor", "time"} else "right")
    for row in picture["sensors"]:
        values = (row.get(name) for name in ("speed_kph", "count", "occupancy_pct"))
        shown = ("-" if value is None else f"{value:.2f}" for value in values)
        table.add_row(row["id"], row["time"], *shown)
    OUT.print(table)
