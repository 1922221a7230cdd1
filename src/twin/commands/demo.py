"""`twin demo`: a city in SUMO, or a recorded corridor, outside a real service on this machine."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

import typer

from twin.app import Service
from twin.clock import ScaledClock
from twin.commands.backstage import catch_up, new_key, play_what_was, summary, welcome
from twin.commands.console import OUT, plain_errors
from twin.commands.demo_city import missing_sumo, run_city
from twin.commands.demo_close import CityOrder
from twin.commands.logs import start_logging
from twin.commands.warm import warm_with_bar
from twin.errors import Fault, InputError
from twin.keys import KeyRing
from twin.settings import Environment, Settings
from twin.world.controllers import SignalControllers
from twin.world.gates import Gates
from twin.world.player import Player, PlayerKeys, Tally
from twin.world.recording import Recording, open_recording
from twin.world.service import Service as Party
from twin.world.service import connect, together

_AUTOMATIC: Final = "J1,J2"


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
        Path | None, typer.Option(help="Play this recording instead of driving the city.")
    ] = None,
    corridor: Annotated[
        bool, typer.Option("--corridor", help="The recorded corridor instead of the city in SUMO.")
    ] = False,
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
    baseline: Annotated[
        bool, typer.Option(help="With --minutes: in the end the city drives without decisions too.")
    ] = True,
) -> None:
    """Show a city's morning in a real service on this machine, faster than life.

    The practice city drives in SUMO and obeys what is decided. Without SUMO (extra `sumo`) a
    recorded corridor is played instead, and terminal and console say so.

    Detectors, cameras, signal controllers and gates are played by a party that knows only the
    public API. Everything is on this machine: no server, no network, no root.
    """
    recorded = corridor or scenario is not None
    folder = data or Path(tempfile.mkdtemp(prefix="twin-demo-"))
    try:
        with plain_errors():
            instead = "" if recorded else missing_sumo()
            if not recorded and not instead:
                code = run_city(CityOrder(folder, port, rate, minutes, baseline=baseline))
            else:
                if instead:
                    OUT.print(f"[bold]The recorded corridor instead of the city: {instead}.[/]")
                source = scenario or _corridor()
                code = _demo(source, folder, port=port, rate=rate, minutes=minutes, instead=instead)
    finally:
        if data is None:
            shutil.rmtree(folder, ignore_errors=True)
    raise typer.Exit(code)


def _demo(
    scenario: Path,
    folder: Path,
    *,
    port: int,
    rate: float | None,
    minutes: float | None,
    instead: str = "",
) -> int:
    recording = open_recording(scenario)
    if not (scenario / "network").is_dir():
        raise InputError(Fault("scenario", str(scenario), "has no network folder to show"))
    settings = _settings(scenario, recording, folder, port)
    start_logging("WARNING")
    warm_with_bar()
    rate = rate or recording.demo_rate
    note = note_of(rate, instead)
    return asyncio.run(_run(settings, recording, rate, minutes, note))


async def _run(
    settings: Settings, recording: Recording, rate: float, minutes: float | None, note: str
) -> int:
    await play_what_was(settings, recording)
    clock = ScaledClock(recording.demo_start_us, rate=rate)
    show = _Show(recording, clock)
    service = Service(settings, clock=clock, note=note)

    async def city(started: Service) -> None:
        await welcome(started)
        with suppress(TimeoutError):
            async with asyncio.timeout(None if minutes is None else minutes * 60):
                await _play(started, show)
        await catch_up(started)
        show.balanced = await summary(started, show.tallies)
        started.stop()

    code = await service.run([city])
    return code or (0 if show.balanced else 1)


async def _play(service: Service, show: _Show) -> None:
    keys = {role: await new_key(service, role) for role in ("integrator", "gate", "access_clerk")}
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


def _settings(scenario: Path, recording: Recording, folder: Path, port: int) -> Settings:
    folder.mkdir(parents=True, exist_ok=True)
    keys = folder / "keys.json"
    if not keys.exists():
        KeyRing.fresh(Environment.TEST).save(keys)
    return Settings(
        map=scenario / "network",
        access_rules=scenario / "access_rules.json",
        keys=keys,
        database=f"sqlite:///{folder / 'twin.db'}",
        port=port,
        timezone=recording.timezone,
        automatic_junctions=_AUTOMATIC,
    )


def note_of(rate: float, instead: str) -> str:
    """Say in the console's header what is played, and why it is not the city."""
    return f"recorded corridor: {instead}" if instead else f"recorded corridor, ×{rate:g}"


def _corridor() -> Path:
    """Find the corridor: below this folder, or beside the sources of an editable install."""
    for root in (Path.cwd(), Path(__file__).resolve().parents[3]):
        if (root / "scenarios" / "corridor" / "scenario.json").exists():
            return root / "scenarios" / "corridor"
    rule = "is not here; name a recording with --scenario"
    raise InputError(Fault("scenario", "scenarios/corridor", rule, "missing"))
