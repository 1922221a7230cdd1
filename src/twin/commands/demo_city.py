"""`twin demo --city`: the practice city in SUMO as the world outside a real service."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.metadata
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from rich.table import Table

from twin import network
from twin.app import Service
from twin.commands.backstage import catch_up, new_key, play_what_was, summary, welcome
from twin.commands.console import ERR, OUT, progress
from twin.commands.logs import start_logging
from twin.commands.warm import warm_with_bar
from twin.errors import Fault, InputError, SimulationError
from twin.events import Topic
from twin.keys import KeyRing, Purpose
from twin.settings import Environment, Settings
from twin.store import accounting
from twin.store.records import Tally as Entry
from twin.units import SECOND_US
from twin.world.faults import Distorter, read_faults
from twin.world.player import Tally
from twin.world.recording import Recording
from twin.world.service import connect
from twin.world.sumo.city import City
from twin.world.sumo.clocks import PacedClock
from twin.world.sumo.engine import run_alone, sumo_program
from twin.world.sumo.roadside import RoadsideKeys
from twin.world.sumo.scene import Scene, open_scene
from twin.world.sumo.sender import Sender
from twin.world.sumo.street import Street, StreetPlan
from twin.world.sumo.warm import going_on, history, warm_up
from twin.world.truth import Delay, delay_of, read_trips

CACHE: Final = Path(".demo")
BEGIN_S: Final = 6.5 * 3600  # from here SUMO runs alone …
START_S: Final = 7 * 3600.0 + 1200  # … to here, where the demo begins
SEED: Final = 42
SETTLED_S: Final = 600.0
_AUTOMATIC: Final = "J01,J02,J03,J04"
_DIGEST: Final = 6
_SLOWEST_SHARE: Final = 0.5  # of the rate, on a machine that is too busy
_SENT_AS: Final[dict[str, str]] = {Topic.READING: "readings", Topic.ANPR_READ: "passages"}


@dataclass(frozen=True)
class CityOrder:
    """What was asked for on the command line."""

    data: Path
    port: int
    rate: float | None
    minutes: float | None
    baseline: bool = False
    faults: str = "none"


@dataclass(frozen=True)
class _Stage:
    """The city, made and warmed up, and where this run writes."""

    order: CityOrder
    scene: Scene
    city: City
    before: Recording
    settings: Settings
    out: Path
    rate: float


def missing_sumo() -> str:
    """Say why SUMO cannot be run here, empty when it can."""
    try:
        there = Path(sumo_program("sumo")).is_file()
    except InputError:
        there = False
    return "" if there else "SUMO is not installed"


def run_city(order: CityOrder) -> int:
    """Build what is not there yet, run the demo, print the summary; return the exit code.

    1 when the accounts disagree or the monitor counts a violation. Raises InputError when the
    generator of the city is not there.
    """
    start_logging("WARNING")
    folder = Path(tempfile.mkdtemp(prefix="twin-city-"))
    try:
        source = _built(_generator())
        warm_with_bar()
        return asyncio.run(_run(_stage(order, source, folder)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# --- the city's folder --------------------------------------------------------------------------


def _generator() -> Path:
    """Find the city's generator: below this folder, or beside an editable install."""
    for root in (Path.cwd(), Path(__file__).resolve().parents[3]):
        if (path := root / "scenarios" / "city" / "make.py").is_file():
            return path
    rule = "is not here; run the demo in a checkout of the project"
    raise InputError(Fault("scenario", "scenarios/city", rule, "missing"))


def _built(generator: Path) -> Path:
    """Return the folder that the generator makes for SUMO; made once for each of its versions."""
    folder = CACHE / f"city-{_digest(generator)}"
    if folder.is_dir():
        return folder
    CACHE.mkdir(exist_ok=True)
    ERR.print("making the city for SUMO (once) …", style="dim")
    with tempfile.TemporaryDirectory(dir=CACHE) as place:
        made = Path(place) / "city"
        command = [sys.executable, str(generator), "--sumo", str(made)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines() or ["no word"]
            message = f"the city could not be made: {lines[-1]}"
            raise SimulationError(message)
        made.rename(folder)
    return folder


def _digest(generator: Path) -> str:
    """Name what the city is made of: its generator, the writers of maps, SUMO's version."""
    total = hashlib.blake2b(digest_size=_DIGEST)
    total.update(importlib.metadata.version("eclipse-sumo").encode())
    writers = Path(network.__file__).parent
    for root in (generator.parent, generator.parents[1] / "maker_common", writers):
        for path in sorted(root.rglob("*.py")):
            total.update(path.read_bytes())
    return total.hexdigest()


def _stage(order: CityOrder, source: Path, folder: Path) -> _Stage:
    """Open the city and let SUMO drive the hour before, once."""
    scene = open_scene(source, folder / "scene")
    if scene.city is None:
        raise InputError(Fault("scenario", str(source), "is no city: it has no map of its own"))
    with progress() as bar:
        task = bar.add_task("SUMO alone (once)", total=int(START_S - BEGIN_S))
        warm = warm_up(
            scene,
            source / "warm",
            until_s=START_S,
            seed=SEED,
            begin_s=BEGIN_S,
            on_second=lambda second: bar.update(task, completed=int(second - BEGIN_S)),
        )
        bar.update(task, completed=int(START_S - BEGIN_S))
    return _Stage(
        order=order,
        scene=going_on(scene, warm),
        city=scene.city,
        before=history(scene.city, warm),
        settings=_settings(order, scene.city, source),
        out=folder / "out",
        rate=order.rate or scene.city.script.demo_rate,
    )


def _settings(order: CityOrder, city: City, source: Path) -> Settings:
    order.data.mkdir(parents=True, exist_ok=True)
    keys = order.data / "keys.json"
    if not keys.exists():
        KeyRing.fresh(Environment.TEST).save(keys)
    return Settings(
        map=source / "network",
        access_rules=city.rules,
        keys=keys,
        database=f"sqlite:///{order.data / 'twin.db'}",
        port=order.port,
        timezone=city.network.timezone,
        automatic_junctions=_AUTOMATIC,
    )


# --- the run ------------------------------------------------------------------------------------


async def _run(stage: _Stage) -> int:
    await play_what_was(stage.settings, stage.before)
    clock = PacedClock(stage.before.demo_start_us, rate=stage.rate)
    note = f"practice city in SUMO, ×{stage.rate:g}"
    service = Service(stage.settings, clock=clock, note=note)
    good: list[bool] = []

    async def city(started: Service) -> None:
        await welcome(started, "The live city")
        good.append(await _play(started, stage, clock))
        started.stop()

    code = await service.run([city])
    return code or (0 if all(good) else 1)


async def _play(service: Service, stage: _Stage, clock: PacedClock) -> bool:
    async with connect(service.url) as client:
        street = Street(
            await _plan(service, stage),
            client=client,
            clock=clock,
            distorter=Distorter(
                read_faults(stage.order.faults, seed=SEED),
                start_us=stage.before.demo_start_us,
                gates=[str(gate.id) for gate in service.network.gates],
            ),
            service_lag_s=lambda: _beats_behind_s(service, clock),
        )
        if stage.order.minutes is not None:
            asyncio.get_running_loop().call_later(stage.order.minutes * 60, street.stop)
        await street.run()
    await catch_up(service)
    return await _close(service, stage, street)


async def _plan(service: Service, stage: _Stage) -> StreetPlan:
    roles = {role: await new_key(service, role) for role in ("integrator", "gate", "access_clerk")}
    seal = KeyRing.load(stage.settings.keys)[Purpose.TRANSPORT]
    return StreetPlan(
        scene=stage.scene,
        start_us=stage.before.demo_start_us,
        seed=SEED,
        out=stage.out,
        key=roles["integrator"],
        rate=stage.rate,
        parties=RoadsideKeys(**roles, seal=seal),
        settled_s=SETTLED_S,
        slowest=_SLOWEST_SHARE * stage.rate,
    )


def _beats_behind_s(service: Service, clock: PacedClock) -> float:
    beat_us = service.worker.health().last_tick_us
    return 0.0 if beat_us is None else (clock.now_us() - beat_us) / SECOND_US


# --- the summary --------------------------------------------------------------------------------


async def _close(service: Service, stage: _Stage, street: Street) -> bool:
    """Print how it went. True when the accounts agree and nothing unlawful was shown."""
    end_s = stage.scene.begin_s + street.ledger.simulated_s
    driven = delay_of(read_trips(stage.out / "tripinfo.xml", end_s=end_s))
    alone = await _alone(stage, end_s) if stage.order.baseline else None
    tallies = _tallies(street)
    balanced = await summary(service, tallies)
    agree = _agree(tallies, await accounting.totals(service.database))
    OUT.print(f"accounts agree with what the city sent: {'yes' if agree else 'NO'}")
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


async def _alone(stage: _Stage, end_s: float) -> Delay:
    """Let SUMO drive the same time again with its own programs."""
    ERR.print("the same time without decisions …", style="dim")
    out = stage.out / "alone"
    await asyncio.to_thread(run_alone, replace(stage.scene, end_s=end_s), out, seed=SEED)
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
