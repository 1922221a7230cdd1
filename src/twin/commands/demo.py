"""`twin demo`: a recorded day of a city, played into a real service on this machine."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.table import Table

from twin.app import Service
from twin.clock import ManualClock, ScaledClock
from twin.commands.console import OUT, plain_errors, progress
from twin.commands.logs import start_logging
from twin.commands.warm import warm_with_bar
from twin.errors import Fault, InputError
from twin.ingest.recovery import incoming_places
from twin.keys import KeyRing
from twin.log.contract import Place
from twin.settings import Settings
from twin.store import accounting, decisions, people
from twin.units import SECOND_US
from twin.world.controllers import SignalControllers
from twin.world.gates import Gates
from twin.world.player import Player, PlayerKeys, Tally
from twin.world.recording import Item, Recording, open_recording
from twin.world.service import Service as Party
from twin.world.service import connect, together

_MINUTE_US: Final = 60 * SECOND_US
_HISTORY_US: Final = 90 * _MINUTE_US
_LOOK_AGAIN_S: Final = 0.05
_LINK_LASTS_US: Final = 15 * 60 * SECOND_US
_AUTOMATIC: Final = "J1,J2"


class _Sensor(msgspec.Struct):
    sensor: str


@dataclass(slots=True)
class _Show:
    """What one demo needs besides the service."""

    recording: Recording
    clock: ScaledClock
    tallies: dict[str, Tally] = field(default_factory=dict)
    balanced: bool = True


def demo(
    *,
    scenario: Annotated[
        Path | None, typer.Option(help="Recording to play; the corridor of the checkout if empty.")
    ] = None,
    port: Annotated[int, typer.Option(help="Port of the console; 0 takes a free one.")] = 8000,
    rate: Annotated[
        float | None, typer.Option(min=0.1, max=30, help="How much faster than life.")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(min=0.05, help="End by itself after so many minutes, with a summary."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Keep the database here; else it is gone afterwards.")
    ] = None,
) -> None:
    """Play a recorded day of a city into a real service on this machine, faster than life.

    Detectors, cameras, signal controllers and gates are played by a party that knows only the
    public API. Everything is on this machine: no server, no network, no root.
    """
    folder = data or Path(tempfile.mkdtemp(prefix="twin-demo-"))
    try:
        with plain_errors():
            code = _demo(scenario or _corridor(), folder, port=port, rate=rate, minutes=minutes)
    finally:
        if data is None:
            shutil.rmtree(folder, ignore_errors=True)
    raise typer.Exit(code)


def _demo(
    scenario: Path, folder: Path, *, port: int, rate: float | None, minutes: float | None
) -> int:
    recording = open_recording(scenario)
    if not (scenario / "network").is_dir():
        raise InputError(Fault("scenario", str(scenario), "has no network folder to show"))
    settings = _settings(scenario, recording, folder, port)
    start_logging("WARNING")
    warm_with_bar()
    return asyncio.run(_run(settings, recording, rate or recording.demo_rate, minutes))


async def _run(settings: Settings, recording: Recording, rate: float, minutes: float | None) -> int:
    await _play_what_was(settings, recording)
    clock = ScaledClock(recording.demo_start_us, rate=rate)
    show = _Show(recording, clock)
    service = Service(settings, clock=clock, note=f"recorded corridor, ×{rate:g}")

    async def city(started: Service) -> None:
        await _welcome(started)
        with suppress(TimeoutError):
            async with asyncio.timeout(None if minutes is None else minutes * 60):
                await _play(started, show)
        await _catch_up(started)
        show.balanced = await _summary(started, show)
        started.stop()

    code = await service.run([city])
    return code or (0 if show.balanced else 1)


async def _catch_up(service: Service) -> None:
    """Wait until what the city sent has its verdict: the books are then complete."""
    ends = await service.log.end_offsets(await incoming_places(service.log))
    while any(  # noqa: ASYNC110 - the worker has no bell that rings at an offset
        service.worker.positions.get(place, 0) < end for place, end in ends.items()
    ):
        await asyncio.sleep(_LOOK_AGAIN_S)


async def _play_what_was(settings: Settings, recording: Recording) -> None:
    """Work through the hour and a half before the demo, so that nobody meets a blank day.

    Minute by minute on a clock that is moved by hand; what is kept is what the service finds.
    """
    now_us = recording.demo_start_us - _HISTORY_US
    clock = ManualClock(now_us)
    service = Service(settings, clock=clock)
    try:
        await service.connect()
        places = await incoming_places(service.log)
        with progress() as bar:
            for _ in bar.track(range(_HISTORY_US // _MINUTE_US), description="the hour before"):
                await _append(service, recording.readings(now_us, now_us + _MINUTE_US))
                now_us += _MINUTE_US
                ends = await service.log.end_offsets(places)
                await service.worker.run_until(ends, on_batch=clock.advance_to)
        await service.worker.close()
        await service.worker.relay.drain()
    finally:
        await service.close()


async def _append(service: Service, items: Iterator[Item]) -> None:
    topics = service.served.topics
    by_place: dict[Place, list[Item]] = defaultdict(list)
    for arrival_us, value in items:
        sensor = msgspec.json.decode(value, type=_Sensor).sensor
        by_place[topics.reading_place(sensor)].append((arrival_us, value))
    for place, group in by_place.items():
        await service.log.append(
            place,
            [value for _, value in group],
            arrival_us=[arrival_us for arrival_us, _ in group],
            headers={"source": "recording"},
        )


async def _play(service: Service, show: _Show) -> None:
    keys = {role: await _key(service, role) for role in ("integrator", "gate", "access_clerk")}
    async with connect(service.url) as client:
        player = Player(
            recording=show.recording,
            client=client,
            keys=PlayerKeys(**keys),
            clock=show.clock,
            tallies=show.tallies,
        )
        controllers = SignalControllers(
            service.network, service=Party(client, key=keys["integrator"]), clock=show.clock
        )
        gates = Gates(service.network, service=Party(client, key=keys["gate"]), clock=show.clock)
        await together(player.run(show.recording.demo_start_us), controllers.run(), gates.run())


async def _key(service: Service, role: str) -> str:
    return await people.create_key(
        service.database, name=f"demo {role}", role=role, now_us=service.served.wall.now_us()
    )


async def _welcome(service: Service) -> None:
    code = await people.create_login_link(
        service.database,
        name="demo operator",
        role="operator",
        expires_us=service.served.wall.now_us() + _LINK_LASTS_US,
    )
    OUT.print()
    OUT.print("  The live corridor, as an operator (the link works once, for 15 minutes):")
    OUT.print(f"  [bold]{service.url}/api/v1/login?code={code}[/]", soft_wrap=True)
    OUT.print("  Ctrl-C ends it.", style="dim")


async def _summary(service: Service, show: _Show) -> bool:
    """Print what was sent, what became of it, what was decided. True when the books balance."""
    entries = await accounting.totals(service.database)
    sent = Table("the city sent", "items", "taken", "refused", "sent again", box=None)
    for name, tally in sorted(show.tallies.items()):
        row = (tally.sent, tally.accepted, tally.rejected + tally.refused, tally.retries)
        sent.add_row(name, *(str(number) for number in row))
    fields = ("received", "applied", "revised", "duplicate", "late", "rejected")
    books = Table("the service counts", *fields, box=None)
    for entry in entries:
        name = f"{entry.topic} from {entry.source}"
        books.add_row(name, *(str(getattr(entry, field)) for field in fields))
    made = Table("decisions", "state", "number", box=None)
    for kind, state, count in await decisions.counts(service.database):
        made.add_row(kind, state, str(count))
    balanced = all(accounting.balanced(entry) for entry in entries)
    for table in (sent, books, made):
        OUT.print(table)
    OUT.print(f"accounts balance: {'yes' if balanced else 'NO'}")
    return balanced


def _settings(scenario: Path, recording: Recording, folder: Path, port: int) -> Settings:
    folder.mkdir(parents=True, exist_ok=True)
    keys = folder / "keys.json"
    if not keys.exists():
        KeyRing.fresh("demo").save(keys)
    return Settings(
        map=scenario / "network",
        access_rules=scenario / "access_rules.json",
        keys=keys,
        database=f"sqlite:///{folder / 'twin.db'}",
        port=port,
        timezone=recording.timezone,
        automatic_junctions=_AUTOMATIC,
    )


def _corridor() -> Path:
    """Find the corridor: below this folder, or beside the sources of an editable install."""
    for root in (Path.cwd(), Path(__file__).resolve().parents[3]):
        if (root / "scenarios" / "corridor" / "scenario.json").exists():
            return root / "scenarios" / "corridor"
    rule = "is not here; name a recording with --scenario"
    raise InputError(Fault("scenario", "scenarios/corridor", rule, "missing"))
