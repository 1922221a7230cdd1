"""What stands behind every demo: the hour before, the welcome, the summary at the end."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
from rich.table import Table

from twin.app import Service
from twin.clock import ManualClock
from twin.commands.console import OUT, progress
from twin.ingest.recovery import incoming_places
from twin.log.contract import Place
from twin.settings import Settings
from twin.store import accounting, decisions, people
from twin.units import SECOND_US
from twin.world.player import Tally
from twin.world.recording import Item, Recording

_MINUTE_US: Final = 60 * SECOND_US
_HISTORY_US: Final = 90 * _MINUTE_US
_LOOK_AGAIN_S: Final = 0.05
_LINK_LASTS_US: Final = 15 * 60 * SECOND_US


class _Sensor(msgspec.Struct):
    sensor: str


async def play_what_was(settings: Settings, recording: Recording) -> None:
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


async def catch_up(service: Service) -> None:
    """Wait until what the city sent has its verdict: the books are then complete."""
    ends = await service.log.end_offsets(await incoming_places(service.log))
    while any(  # noqa: ASYNC110 - the worker has no bell that rings at an offset
        service.worker.positions.get(place, 0) < end for place, end in ends.items()
    ):
        await asyncio.sleep(_LOOK_AGAIN_S)


async def new_key(service: Service, role: str) -> str:
    """Make an API key for one party of the demo."""
    return await people.create_key(
        service.database, name=f"demo {role}", role=role, now_us=service.served.wall.now_us()
    )


async def welcome(service: Service, title: str = "The live corridor") -> None:
    """Print the link with which an operator comes in."""
    code = await people.create_login_link(
        service.database,
        name="demo operator",
        role="operator",
        expires_us=service.served.wall.now_us() + _LINK_LASTS_US,
    )
    OUT.print()
    OUT.print(f"  {title}, as an operator (the link works once, for 15 minutes):")
    OUT.print(f"  [bold]{service.url}/api/v1/login?code={code}[/]", soft_wrap=True)
    OUT.print("  Ctrl-C ends it.", style="dim")


async def summary(service: Service, tallies: Mapping[str, Tally]) -> bool:
    """Print what was sent, what became of it, what was decided. True when the books balance."""
    entries = await accounting.totals(service.database)
    sent = Table("the city sent", "items", "taken", "refused", "sent again", box=None)
    for name, tally in sorted(tallies.items()):
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
