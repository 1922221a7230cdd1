"""`twin world`: a city in SUMO that talks to a service from outside, and obeys it."""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer
from rich.table import Table

from twin.app import Service
from twin.clock import Clock, ScaledClock, us_from_datetime, us_from_seconds
from twin.commands.console import OUT, plain_errors, progress
from twin.commands.logs import start_logging
from twin.commands.warm import warm_kernels
from twin.errors import Fault, InputError
from twin.keys import KeyRing, Purpose
from twin.network.gmns import write_gmns
from twin.settings import Environment, Settings
from twin.store import people
from twin.units import SECOND_US
from twin.world.faults import Distorter, Faults, read_faults
from twin.world.service import API, connect
from twin.world.sumo.clocks import PacedClock
from twin.world.sumo.engine import run_alone
from twin.world.sumo.outcome import Accounts, Outcome, cycles_with_changes, read_accounts
from twin.world.sumo.roadside import RoadsideKeys
from twin.world.sumo.scene import Scene, open_scene
from twin.world.sumo.street import Street, StreetPlan
from twin.world.truth import Delay, delay_of, read_link_minutes, read_trips, write_trips

_DAY: Final = datetime(2026, 6, 16, tzinfo=UTC)
_FAST: Final = 60.0


@dataclass(frozen=True)
class _Order:
    """What was asked for on the command line."""

    scene: Scene
    out: Path
    faults: Faults
    seed: int
    rate: float
    baseline: bool


def world(
    *,
    sumo: Annotated[Path, typer.Option(help="Folder with one *.sumocfg; it is only read.")],
    service: Annotated[
        str, typer.Option(help="URL of a running service; without it one is started here.")
    ] = "",
    key: Annotated[
        str, typer.Option(help="API key of the role integrator.", envvar="TWIN_WORLD_KEY")
    ] = "",
    end: Annotated[
        float | None, typer.Option(help="SUMO's last second; else the file's, see the docs.")
    ] = None,
    rate: Annotated[
        float, typer.Option(min=0.1, max=200, help="Seconds of the street in one of ours.")
    ] = 5.0,
    fast: Annotated[bool, typer.Option("--fast", help="As fast as both sides keep up.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of SUMO and of the faults.")] = 42,
    faults: Annotated[
        str, typer.Option(help="all, a TOML file, or name=value,... (see the docs).")
    ] = "none",
    out: Annotated[
        Path | None, typer.Option(help="Keep truth, trips and SUMO's outputs here.")
    ] = None,
    baseline: Annotated[
        bool, typer.Option("--baseline", help="Run SUMO alone first, with its own programs.")
    ] = False,
    log: Annotated[str, typer.Option(help="Log of the own service: embedded or kafka://…")] = (
        "embedded"
    ),
    database: Annotated[
        str, typer.Option(help="Database of the own service: postgresql://…; SQLite if empty.")
    ] = "",
    topic_prefix: Annotated[
        str, typer.Option(help="Put before every topic of the own service on the broker.")
    ] = "",
    port: Annotated[int, typer.Option(help="Port of the own service; 0 takes a free one.")] = 0,
    timezone: Annotated[str, typer.Option(help="Time zone of the city.")] = "UTC",
    write_map: Annotated[
        Path | None, typer.Option(help="Only write the map (GMNS) for a service, then end.")
    ] = None,
) -> None:
    """Run a SUMO scenario as the outside world of a service, and watch its signals.

    Loop readings and controller statuses go to the public API; stage requests come back and are
    obeyed lawfully. Ends with a summary; exit code 1 for any violation or accounts that disagree.
    """
    folder = Path(tempfile.mkdtemp(prefix="twin-world-"))
    try:
        with plain_errors():
            scene = open_scene(sumo, folder / "scene", end_s=end, timezone=timezone)
            if write_map is not None:
                write_gmns(scene.network, write_map)
                OUT.print(f"map of {scene.name} written to {write_map}")
                return
            order = _Order(
                scene=scene,
                out=out or folder / "out",
                faults=read_faults(faults, seed=seed),
                seed=seed,
                rate=_FAST if fast else rate,
                baseline=baseline,
            )
            start_logging("WARNING")
            if service:
                outcome = asyncio.run(_outside(order, service, key))
            else:
                warm_kernels()
                settings = _settings(
                    scene, folder, log=log, database=database, prefix=topic_prefix, port=port
                )
                outcome = asyncio.run(_inside(order, settings))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    _print(order, outcome)
    raise typer.Exit(0 if outcome.good else 1)


async def _outside(order: _Order, url: str, key: str) -> Outcome:
    """Run against a service that somebody else started; its clock is followed."""
    async with connect(url) as client:
        said = await _ask(client, key, "/network")
        if said["version"] != order.scene.network.version:
            rule = "runs another map than this scenario's; see --write-map"
            raise InputError(Fault("service", url, rule))
        clock = await _clock_of(client, key)
        # SUMO must be there before its first second is due.
        start_us = clock.now_us() + us_from_seconds(5.0 * clock.rate)
        return await _play(order, client, key, clock=clock, start_us=start_us)


async def _clock_of(client: httpx.AsyncClient, key: str) -> ScaledClock:
    said = await _ask(client, key, "/clock")
    now_us = us_from_datetime(datetime.fromisoformat(said["now"]))
    return ScaledClock(now_us, rate=float(said["rate"]) or 1.0)


async def _ask(client: httpx.AsyncClient, key: str, path: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {key}"}
    try:
        response = await client.get(f"{API}{path}", headers=headers)
        said: dict[str, Any] = response.raise_for_status().json()
    except httpx.HTTPError as error:
        rule = f"does not answer {path} ({type(error).__name__}: {error})"
        raise InputError(Fault("service", str(client.base_url), rule)) from error
    return said


async def _inside(order: _Order, settings: Settings) -> Outcome:
    """Start a service of our own, all junctions automatic, on a clock that the street leads."""
    start_us = _start_us(order.scene)
    clock = PacedClock(start_us, rate=order.rate)
    house = Service(settings, clock=clock, note=f"SUMO {order.scene.name}")
    found: list[Outcome] = []

    def lag_s() -> float:
        beat_us = house.worker.health().last_tick_us
        return 0.0 if beat_us is None else (clock.now_us() - beat_us) / SECOND_US

    async def city(started: Service) -> None:
        parties = await _parties(started, order.scene)
        async with connect(started.url) as client:
            outcome = await _play(
                order,
                client,
                parties.integrator,
                clock=clock,
                start_us=start_us,
                lag_s=lag_s,
                parties=parties,
            )
        found.append(outcome)
        started.stop()

    code = await house.run([city])
    if not found:
        raise InputError(Fault("world", order.scene.name, f"the service ended ({code})"))
    return found[0]


def _start_us(scene: Scene) -> int:
    """Return the moment of the scene's begin: a city says it, else it is a day in June."""
    if scene.city is not None:
        return scene.city.moment_us(scene.begin_s)
    return us_from_datetime(_DAY) + us_from_seconds(scene.begin_s)


async def _parties(service: Service, scene: Scene) -> RoadsideKeys:
    """Make a key for each party; only a city has more than the integrator's devices."""
    keys = {
        role: await people.create_key(
            service.database,
            name=f"world {scene.name} {role}",
            role=role,
            now_us=service.served.wall.now_us(),
        )
        for role in ("integrator", "gate", "access_clerk")
    }
    return RoadsideKeys(**keys, seal=service.served.keys[Purpose.TRANSPORT])


async def _play(
    order: _Order,
    client: httpx.AsyncClient,
    key: str,
    *,
    clock: Clock,
    start_us: int,
    lag_s: Callable[[], float] | None = None,
    parties: RoadsideKeys | None = None,
) -> Outcome:
    scene = order.scene
    alone = await _alone(order) if order.baseline else None
    before = await read_accounts(client, key=key, sent=0)
    gates = [str(gate.id) for gate in scene.network.gates]
    street = Street(
        StreetPlan(scene, start_us, order.seed, order.out, key, order.rate, parties=parties),
        client=client,
        clock=clock,
        distorter=Distorter(order.faults, start_us=start_us, gates=gates),
        service_lag_s=lag_s,
    )
    _cut_on_signal(street)
    with progress() as bar:
        task = bar.add_task(scene.name, total=int(scene.end_s - scene.begin_s))
        await street.run(on_second=lambda second: bar.update(task, completed=second + 1))
    sent = street.sender.counts["posted"]
    accounts = await read_accounts(
        client,
        key=key,
        sent=sent,
        again=street.sender.counts["sent_again"],
        before=before.received if before else 0,
    )
    return _outcome(order, street, accounts, alone)


def _cut_on_signal(street: Street) -> None:
    """SIGUSR1 cuts the line, and mends it."""

    def toggle() -> None:
        street.line_down = not street.line_down

    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, toggle)


async def _alone(order: _Order) -> Delay:
    out = order.out / "baseline"
    OUT.print(f"SUMO alone, {order.scene.name}, its own programs …", style="dim")
    await asyncio.to_thread(run_alone, order.scene, out, seed=order.seed)
    return delay_of(read_trips(out / "tripinfo.xml", end_s=order.scene.end_s))


def _outcome(
    order: _Order, street: Street, accounts: Accounts | None, alone: Delay | None
) -> Outcome:
    scene = order.scene
    trips = read_trips(order.out / "tripinfo.xml", end_s=scene.end_s)
    write_trips(trips, order.out / "trips.csv")
    links = [str(link.id) for link in scene.network.links]
    read_link_minutes(order.out / "edges.xml", links).save(order.out / "truth.npz")
    told = "\n".join(str(one) for one in street.monitor.violations)
    (order.out / "violations.txt").write_text(told + "\n" if told else "", encoding="utf-8")
    return Outcome(
        delay=delay_of(trips),
        baseline=alone,
        ledger=street.ledger,
        violations=street.monitor.counts,
        accounts=accounts,
        cycles=cycles_with_changes(street),
        faults=street.distorter.counts,
        lowest_rate=street.pace.lowest if street.pace else order.rate,
        first_violations=tuple(str(one) for one in street.monitor.violations[:5]),
    )


def _print(order: _Order, outcome: Outcome) -> None:
    OUT.print(_delays(order, outcome))
    ledger = outcome.ledger
    OUT.print(
        f"{ledger.simulated_s} s simulated, rate {order.rate:g}, lowest {outcome.lowest_rate:.2f}; "
        f"largest lag behind the clock {ledger.behind_s:.1f} s; "
        f"gridlock: {'YES' if ledger.gridlock else 'no'}"
    )
    OUT.print(
        f"under the service's lease: {100 * ledger.lease_share:.2f} % of junction-seconds; "
        f"longest without: {ledger.longest_alone_s} s; "
        f"without at the end: {len(ledger.alone_since)} junctions"
    )
    for junction, (cycles, hit) in outcome.cycles.items():
        changes = len(ledger.changes.get(junction, []))
        OUT.print(f"  {junction}: {changes} changes accepted, in {hit} of {cycles} cycles")
    OUT.print(f"violations: {sum(outcome.violations.values())} {dict(outcome.violations)}")
    for text in outcome.first_violations:
        OUT.print(f"  {text}", style="red")
    if order.faults != Faults(order.seed):
        OUT.print(f"faults: {dict(sorted(outcome.faults.items()))}")
    _print_accounts(outcome.accounts)


def _delays(order: _Order, outcome: Outcome) -> Table:
    table = Table("SUMO " + order.scene.name, "with the service", "own program", box=None)
    rows = (
        ("vehicles that wanted to travel", "vehicles", "d"),
        ("delay, all together (h)", "total_h", ".2f"),
        ("delay a vehicle (s)", "mean_s", ".1f"),
        ("on the way at the end", "unfinished", "d"),
        ("never departed", "undeparted", "d"),
    )
    for text, field, form in rows:
        alone = f"{getattr(outcome.baseline, field):{form}}" if outcome.baseline else "-"
        table.add_row(text, f"{getattr(outcome.delay, field):{form}}", alone)
    return table


def _print_accounts(accounts: Accounts | None) -> None:
    if accounts is None:
        OUT.print("accounts: the service did not tell them")
        return
    parts = ", ".join(f"{name} {count}" for name, count in accounts.parts.items())
    again = f" ({accounts.again} another time)" if accounts.again else ""
    OUT.print(f"readings sent {accounts.sent}{again}; the service counts: {parts}")
    OUT.print(f"accounts agree: {'yes' if accounts.agree else 'NO'}")


def _settings(
    scene: Scene, folder: Path, *, log: str, database: str, prefix: str, port: int
) -> Settings:
    write_gmns(scene.network, folder / "network")
    keys = folder / "keys.json"
    KeyRing.fresh(Environment.TEST).save(keys)
    return Settings(
        map=folder / "network",
        access_rules=scene.city.rules if scene.city else None,
        keys=keys,
        log=log,
        database=database or f"sqlite:///{folder / 'twin.db'}",
        topic_prefix=prefix,
        port=port,
        timezone=scene.network.timezone,
        automatic_junctions="*",
    )
