"""The city of `twin demo`: the practice city in SUMO as the world outside a real service."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.metadata
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from twin import network
from twin.app import Service
from twin.commands.backstage import catch_up, new_key, play_what_was, welcome
from twin.commands.console import ERR, progress
from twin.commands.demo_close import CityOrder, Stage, close
from twin.commands.logs import start_logging
from twin.commands.warm import LIVE, warm_kernels
from twin.errors import Fault, InputError, SimulationError
from twin.keys import KeyRing, Purpose
from twin.settings import Environment, Settings
from twin.units import SECOND_US
from twin.world.faults import Distorter, read_faults
from twin.world.service import connect
from twin.world.sumo.city import City
from twin.world.sumo.clocks import PacedClock
from twin.world.sumo.engine import sumo_program
from twin.world.sumo.roadside import RoadsideKeys
from twin.world.sumo.scene import open_scene
from twin.world.sumo.street import Street, StreetPlan
from twin.world.sumo.warm import going_on, history, warm_up

CACHE: Final = Path(".demo")
BEGIN_S: Final = 6.5 * 3600  # from here SUMO runs alone …
START_S: Final = 7 * 3600.0 + 36 * 60  # … to here, 07:36, some ten minutes before the jam
SEED: Final = 42
SETTLED_S: Final = 600.0
_AUTOMATIC: Final = "J01,J02,J03,J04"
_DIGEST: Final = 6
_SLOWEST_SHARE: Final = 0.5  # of the rate, on a machine that is too busy


def missing_sumo() -> str:
    """Say why SUMO cannot be run here, empty when it can."""
    try:
        programs = [sumo_program(name) for name in ("sumo", "netconvert")]
    except InputError:
        return "SUMO is not installed"
    if not all(Path(program).is_file() for program in programs):
        return "SUMO's programs are missing"
    try:
        for program in programs:
            subprocess.run([program, "--version"], capture_output=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return "SUMO does not run on this machine"
    return ""


def run_city(order: CityOrder) -> int:
    """Build what is not there yet, run the demo, print the summary; return the exit code.

    1 when the accounts disagree or the monitor counts a violation. Raises InputError when the
    generator of the city is not there.
    """
    start_logging("WARNING")
    folder = Path(tempfile.mkdtemp(prefix="twin-city-"))
    try:
        return asyncio.run(_run(_stage(order, _built(_generator()), folder)))
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


def _stage(order: CityOrder, source: Path, folder: Path) -> Stage:
    """Open the city, and let SUMO drive the hour before while the kernels compile; both once."""
    scene = open_scene(source, folder / "scene")
    if scene.city is None:
        raise InputError(Fault("scenario", str(source), "is no city: it has no map of its own"))
    with progress() as bar, ThreadPoolExecutor(max_workers=1) as beside:
        kernels = bar.add_task("compiling (once)", total=len(LIVE))
        driven = bar.add_task("SUMO alone (once)", total=int(START_S - BEGIN_S))
        warming = beside.submit(
            warm_up,
            scene,
            source / "warm",
            until_s=START_S,
            seed=SEED,
            begin_s=BEGIN_S,
            on_second=lambda second: bar.update(driven, completed=int(second - BEGIN_S)),
        )
        warm_kernels(on_done=lambda: bar.advance(kernels))
        warm = warming.result()
        bar.update(driven, completed=int(START_S - BEGIN_S))
    return Stage(
        order=order,
        scene=going_on(scene, warm),
        city=scene.city,
        before=history(scene.city, warm),
        settings=_settings(order, scene.city, source),
        out=folder / "out",
        rate=order.rate or scene.city.script.demo_rate,
        seed=SEED,
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


async def _run(stage: Stage) -> int:
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


async def _play(service: Service, stage: Stage, clock: PacedClock) -> bool:
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
    return await close(service, stage, street)


async def _plan(service: Service, stage: Stage) -> StreetPlan:
    roles = {role: await new_key(service, role) for role in ("integrator", "gate", "access_clerk")}
    seal = KeyRing.load(stage.settings.keys)[Purpose.TRANSPORT]
    return StreetPlan(
        scene=stage.scene,
        start_us=stage.before.demo_start_us,
        seed=stage.seed,
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
