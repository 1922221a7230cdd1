"""How a demo of the city ends: its books, its delays with and without decisions, its safety."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from rich.table import Table

from twin.app import Service
from twin.commands.backstage import summary
from twin.commands.console import ERR, OUT
from twin.errors import SimulationError
from twin.events import Topic
from twin.settings import Settings
from twin.store import accounting
from twin.store.records import Tally as Entry
from twin.world.player import Tally
from twin.world.recording import Recording
from twin.world.sumo.city import City
from twin.world.sumo.engine import sumo_command
from twin.world.sumo.scene import Scene
from twin.world.sumo.sender import Sender
from twin.world.sumo.street import Street
from twin.world.truth import Delay, delay_of, read_trips

_SENT_AS: Final[dict[str, str]] = {Topic.READING: "readings", Topic.ANPR_READ: "passages"}


@dataclass(frozen=True)
class CityOrder:
    """What was asked for on the command line."""

    data: Path
    port: int
    rate: float | None
    minutes: float | None
    baseline: bool = True
    faults: str = "none"


@dataclass(frozen=True)
class Stage:
    """The city, made and warmed up, and where this run writes."""

    order: CityOrder
    scene: Scene
    city: City
    before: Recording
    settings: Settings
    out: Path
    rate: float
    seed: int


async def close(service: Service, stage: Stage, street: Street) -> bool:
    """Print how it went. True when the accounts agree and nothing unlawful was shown."""
    end_s = stage.scene.begin_s + street.ledger.simulated_s
    driven = delay_of(read_trips(stage.out / "tripinfo.xml", end_s=end_s))
    tallies = _tallies(street)
    balanced = await summary(service, tallies)
    agree = _agree(tallies, await accounting.totals(service.database))
    OUT.print(f"accounts agree with what the city sent: {'yes' if agree else 'NO'}")
    alone = await _alone(stage, end_s) if stage.order.baseline else None
    OUT.print(_delays(driven, alone))
    ledger = street.ledger
    lowest = street.pace.lowest if street.pace else stage.rate
    OUT.print(
        f"{ledger.simulated_s} s simulated, ×{stage.rate:g}, slowest ×{lowest:.1f}; "
        f"{len(ledger.changes)} junctions obeyed {sum(map(len, ledger.changes.values()))} changes; "
        f"gates acknowledged {street.roadside.gates.acknowledged if street.roadside else 0}"
    )
    violations = street.monitor.counts
    OUT.print(f"violations: {sum(violations.values())} {dict(violations)}")
    for one in street.monitor.violations[:5]:
        OUT.print(f"  {one}", style="red")
    return balanced and agree and not sum(violations.values())


async def _alone(stage: Stage, end_s: float) -> Delay:
    """Let SUMO drive the same time again with its own programs. Raises SimulationError."""
    ERR.print("the same time again without decisions, for comparison …", style="dim")
    out = stage.out / "alone"
    scene = replace(stage.scene, end_s=end_s)
    process = await asyncio.create_subprocess_exec(
        *sumo_command(scene, out, seed=stage.seed, loops=None),
        cwd=scene.folder,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        code = await process.wait()
    finally:  # who ends the demo now does not wait for it
        if process.returncode is None:
            process.kill()
    if code != 0:
        message = f"SUMO stopped ({code}) in the run without decisions"
        raise SimulationError(message)
    return delay_of(read_trips(out / "tripinfo.xml", end_s=end_s))


def _tallies(street: Street) -> dict[str, Tally]:
    """Return what each party sent. The rest of the hour before came from the script's player."""
    told = {"readings": _tally(street.sender)}
    if street.roadside:
        told["passages"] = _tally(street.roadside.sender)
        for name, tally in street.roadside.player.tallies.items():
            told[name] = _sum(told[name], tally) if name in told else tally
    return told


def _tally(sender: Sender) -> Tally:
    count: Counter[str] = sender.counts
    return Tally(
        sent=count["posted"],
        accepted=count["accepted"],
        rejected=count["rejected"],
        refused=count["refused"],
        retries=count["sent_again"],
    )


def _sum(one: Tally, two: Tally) -> Tally:
    return Tally(
        sent=one.sent + two.sent,
        accepted=one.accepted + two.accepted,
        rejected=one.rejected + two.rejected,
        refused=one.refused + two.refused,
        retries=one.retries + two.retries,
    )


def _agree(tallies: dict[str, Tally], entries: Sequence[Entry]) -> bool:
    """Say whether readings and passages that were sent are those that were received."""
    received: Counter[str] = Counter()
    for entry in entries:
        if entry.source.startswith("demo "):
            received[_SENT_AS.get(entry.topic, entry.topic)] += entry.received
    return all(
        tallies[name].sent <= received[name] <= tallies[name].sent + tallies[name].retries
        for name in ("readings", "passages")
        if name in tallies
    )


def _delays(driven: Delay, alone: Delay | None) -> Table:
    table = Table("the city's traffic", "with decisions", "without", box=None)
    rows = (
        ("vehicles", "vehicles", "d"),
        ("delay, all together (h)", "total_h", ".1f"),
        ("delay a vehicle (s)", "mean_s", ".1f"),
    )
    for text, field, form in rows:
        other = f"{getattr(alone, field):{form}}" if alone else "-"
        table.add_row(text, f"{getattr(driven, field):{form}}", other)
    return table
