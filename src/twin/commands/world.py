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

from twin.app import Service
from twin.clock import Clock, ScaledClock, us_from_datetime, us_from_seconds
from twin.commands.console import OUT, plain_errors, progress
from twin.commands.evaluate import score_run
from twin.commands.logs import start_logging
from twin.commands.warm import warm_kernels
from twin.commands.world_summary import print_outcome
from twin.errors import Fault, InputError
from twin.keys import KeyRing, Purpose
from twin.network.gmns import write_gmns
from twin.settings import Environment, Settings
from twin.store import people
from twin.units import SECOND_US
from twin.world.books import Books, compare, tell
from twin.world.faults import Distorter, Faults, read_faults
from twin.world.pictures import PictureWatch
from twin.world.service import API, connect
from twin.world.sumo.clocks import PacedClock
from twin.world.sumo.engine import run_alone
from twin.world.sumo.outcome import Accounts, Outcome, cycles_with_changes, read_accounts
from twin.world.sumo.roadside import RoadsideKeys
from twin.world.sumo.scene import Scene, open_scene
from twin.world.sumo.street import Street, StreetPlan
from twin.world.sumo.warm import going_on, warm_up
from twin.world.truth import Delay, delay_of, read_link_minutes, read_trips, write_trips
from twin.world.wiretap import Wiretap

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
    settled_s: float = 0.0


def world(
    *,
    sumo: Annotated[Path, typer.Option(help="Folder with one *.sumocfg; it is only read.")],
    service: Annotated[
        str, typer.Option(help="URL of a running service; without it one is started here.")
    ] = "",
    key: Annotated[
        str, typer.Option(help="API key of the role integrator.", envvar="TWIN_WORLD_KEY")
    ] = "",
    gate_key: Annotated[
        str,
        typer.Option(help="API key of the role gate: cameras post.", envvar="TWIN_WORLD_GATE_KEY"),
    ] = "",
    clerk_key: Annotated[
        str,
        typer.Option(
            help="API key of the role access_clerk: who may enter is posted.",
            envvar="TWIN_WORLD_CLERK_KEY",
        ),
    ] = "",
    end: Annotated[
        float | None, typer.Option(help="SUMO's last second; else the last departure + 1800 s.")
    ] = None,
    begin: Annotated[
        float | None,
        typer.Option(help="SUMO's second at which the service comes in; SUMO runs alone before."),
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
        Path | None,
        typer.Option(file_okay=False, help="Keep truth, trips and SUMO's outputs here."),
    ] = None,
    baseline: Annotated[
        bool, typer.Option("--baseline", help="Run SUMO alone first, with its own programs.")
    ] = False,
    score: Annotated[
        bool, typer.Option("--score", help="Hold the live picture against the truth; see --out.")
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
            if score and out is None:
                raise InputError(Fault("score", "yes", "needs --out, where the plots go"))
            scene = open_scene(sumo, folder / "scene", end_s=end, timezone=timezone)
            if write_map is not None:
                write_gmns(scene.network, write_map)
                OUT.print(f"map of {scene.name} written to {write_map}")
                return
            settled_s = 0.0
            if begin is not None:
                settled_s = scene.begin_at(begin)
                scene = going_on(scene, warm_up(scene, folder / "warm", until_s=begin, seed=seed))
            order = _Order(
                scene=scene,
                settled_s=settled_s,
                out=out or folder / "out",
                faults=read_faults(faults, seed=seed),
                seed=seed,
                rate=_FAST if fast else rate,
                baseline=baseline,
            )
            start_logging("WARNING")
            if service:
                parties = RoadsideKeys(integrator=key, gate=gate_key, access_clerk=clerk_key)
                outcome = asyncio.run(_outside(order, service, parties))
            else:
                warm_kernels()
                settings = _settings(
                    scene, folder, log=log, database=database, prefix=topic_prefix, port=port
                )
                outcome = asyncio.run(_inside(order, settings))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print_outcome(
        outcome,
        name=order.scene.name,
        rate=order.rate,
        faults_on=order.faults != Faults(order.seed),
    )
    if score:
        score_run(order.out)
    raise typer.Exit(0 if outcome.good else 1)


async def _outside(order: _Order, url: str, parties: RoadsideKeys) -> Outcome:
    """Run against a service that somebody else started; its clock is followed."""
    key = parties.integrator
    async with connect(url) as client:
        said = await _ask(client, key, "/network")
        if said["version"] != order.scene.network.version:
            rule = "runs another map than this scenario's; see --write-map"
            raise InputError(Fault("service", url, rule))
        clock = await _clock_of(client, key)
        # SUMO must be there before its first second is due.
        start_us = clock.now_us() + us_from_seconds(5.0 * clock.rate)
        return await _play(order, client, parties, clock=clock, start_us=start_us)


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
                parties,
                clock=clock,
                start_us=start_us,
                lag_s=lag_s,
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
    parties: RoadsideKeys,
    *,
    clock: Clock,
    start_us: int,
    lag_s: Callable[[], float] | None = None,
) -> Outcome:
    scene, key = order.scene, parties.integrator
    alone = await _alone(order) if order.baseline else None
    before = await read_accounts(client, key=key, sent=0)
    told_before = await tell(client, key)
    tap = Wiretap(scene.network, await _names(client, parties))
    tap.attach(client)
    watch = PictureWatch(client, key, clock, [str(link.id) for link in scene.network.links])
    street = Street(
        StreetPlan(
            scene,
            start_us,
            order.seed,
            order.out,
            key,
            order.rate,
            parties=parties,
            settled_s=order.settled_s,
        ),
        client=client,
        clock=clock,
        distorter=Distorter(
            order.faults, start_us=start_us, gates=[str(gate.id) for gate in scene.network.gates]
        ),
        service_lag_s=lag_s,
    )
    _hear_signals(street)
    await _run(street, watch)
    accounts = await read_accounts(
        client,
        key=key,
        sent=street.sender.counts["posted"],
        again=street.sender.counts["sent_again"],
        before=before.received if before else 0,
    )
    books = await compare(tap, street.distorter, client, key=key, before=told_before)
    outcome = _outcome(order, street, accounts, alone, books)
    _keep(order, watch, books, start_us)
    return outcome


async def _run(street: Street, watch: PictureWatch) -> None:
    """Run the street to its end, and look at the service's picture meanwhile."""
    scene = street.scene
    looking = asyncio.create_task(watch.run())
    try:
        with progress() as bar:
            task = bar.add_task(scene.name, total=int(scene.end_s - scene.begin_s))
            await street.run(on_second=lambda second: bar.update(task, completed=second + 1))
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


async def _names(client: httpx.AsyncClient, parties: RoadsideKeys) -> dict[str, str]:
    """Ask under which name the service books what each key sends."""
    keys = {parties.integrator, parties.gate, parties.access_clerk} - {""}
    return {key: str((await _ask(client, key, "/me"))["name"]) for key in keys}


def _keep(order: _Order, watch: PictureWatch, books: Books, start_us: int) -> None:
    """Keep what a comparison with the truth needs, and the books."""
    begun_us = start_us - us_from_seconds(order.scene.begin_s)
    watch.pictures().since(begun_us).save(order.out / "pictures.npz")
    write_gmns(order.scene.network, order.out / "network")
    books.save(order.out / "books.json")


def _hear_signals(street: Street) -> None:
    """SIGUSR1 cuts the line, and mends it; SIGUSR2 ends the run in good order."""

    def toggle() -> None:
        street.line_down = not street.line_down

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, toggle)
    loop.add_signal_handler(signal.SIGUSR2, street.stop)


async def _alone(order: _Order) -> Delay:
    out = order.out / "baseline"
    OUT.print(f"SUMO alone, {order.scene.name}, its own programs …", style="dim")
    await asyncio.to_thread(run_alone, order.scene, out, seed=order.seed)
    return delay_of(read_trips(out / "tripinfo.xml", end_s=order.scene.end_s))


def _outcome(
    order: _Order,
    street: Street,
    accounts: Accounts | None,
    alone: Delay | None,
    books: Books,
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
        books=books,
    )


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
