"""SUMO itself: started on a scene, moved second by second, asked what its loops and signals show.

Everything here blocks; the caller runs it in a thread of its own.
"""

from __future__ import annotations

import importlib
import io
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import quoteattr

from twin.errors import Fault, InputError, SimulationError
from twin.network.sumo.detectors import PERIOD_S, Loop
from twin.world.sumo.hands import Hands
from twin.world.sumo.meters import LoopCount
from twin.world.sumo.scene import Scene

PORT_TRIES: Final = 60
_TIMEOUT_S: Final = 3600.0
_LAST_WORDS_S: Final = 5.0
_FASTEST_MPS: Final = 60.0  # of who stands on a loop when a state is loaded SUMO says nonsense


@dataclass(frozen=True, slots=True)
class Traffic:
    """How many vehicles are in the net, wait outside it, have arrived, and are still to come."""

    running: int
    waiting: int
    arrived: int
    expected: int


def sumo_home() -> Path:
    """Return where SUMO is installed. Raises InputError when it is not."""
    try:
        home = importlib.import_module("sumo").SUMO_HOME
    except ImportError as error:
        rule = "is not installed; install the extra: pip install 'twin[sumo]'"
        raise InputError(Fault("sumo", "eclipse-sumo", rule, "missing")) from error
    return Path(home)


def sumo_program(name: str) -> str:
    """Return the path of one of SUMO's programs."""
    return str(sumo_home() / "bin" / name)


def _client() -> Any:
    """Import the client that comes with SUMO; it lives beside the programs, not on the path."""
    tools = str(sumo_home() / "tools")
    if tools not in sys.path:
        sys.path.append(tools)
    return importlib.import_module("traci")


def sumo_command(scene: Scene, out: Path, *, seed: int, loops: Path | None) -> list[str]:
    """Return the command line of one run; every output goes to `out`."""
    out = out.resolve()  # SUMO runs in the scene's folder
    out.mkdir(parents=True, exist_ok=True)
    edges = out / "edges.add.xml"
    edges.write_text(
        f'<additional><edgeData id="minute" file={quoteattr(str(out / "edges.xml"))} '
        'period="60" withInternal="false" excludeEmpty="true"/></additional>\n',
        encoding="utf-8",
    )
    additional = [*scene.additional, edges, *([loops] if loops else [])]
    return [
        sumo_program("sumo"),
        *("-c", str(scene.config)),
        *("--additional-files", ",".join(str(path) for path in additional)),
        *(("--load-state", str(scene.state)) if scene.state else ()),
        *("--begin", f"{scene.begin_s:.12g}"),
        *("--end", f"{scene.end_s:.12g}"),
        *("--step-length", "1"),
        *("--seed", str(seed)),
        *("--time-to-teleport", "-1"),
        *("--tripinfo-output", str(out / "tripinfo.xml")),
        *("--tripinfo-output.write-unfinished", "true"),
        *("--tripinfo-output.write-undeparted", "true"),
        *("--output-prefix", ""),
        *("--log", str(out / "sumo.log")),
        *("--no-step-log", "true"),
        *("--no-warnings", "true"),
        *("--duration-log.disable", "true"),
    ]


def write_loops(loops: Sequence[Loop], path: Path) -> Path:
    """Write the additional file that builds the loops into SUMO."""
    lines = [
        f"<inductionLoop id={quoteattr(loop.id)} lane={quoteattr(loop.lane)} "
        f'pos="{loop.position_m:.2f}" period="{PERIOD_S:g}" file="NUL" friendlyPos="true"/>'
        for loop in loops
    ]
    path.write_text("<additional>\n" + "\n".join(lines) + "\n</additional>\n", encoding="utf-8")
    return path


def run_alone(scene: Scene, out: Path, *, seed: int) -> None:
    """Run the scene once under its own programs. Raises SimulationError when SUMO fails."""
    command = sumo_command(scene, out, seed=seed, loops=None)
    done = subprocess.run(
        command, cwd=scene.folder, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
    )
    if done.returncode != 0:
        raise SimulationError(_last_words(done.stderr))


class Engine:
    """One run of SUMO under remote control."""

    def __init__(self, scene: Scene, out: Path, *, seed: int) -> None:
        """Start SUMO. Raises SimulationError when it does not start."""
        self.scene = scene
        self._loops = tuple(loop.id for loop in scene.loops)
        self._lights = tuple(scene.designs)
        loops = None if scene.city else write_loops(scene.loops, scene.folder / "loops.add.xml")
        command = sumo_command(scene, out, seed=seed, loops=loops)
        traci = _client()
        self._fault: type[Exception] = traci.exceptions.FatalTraCIError
        self._constants = traci.constants
        self._errors = (out / "sumo.err").open("wb")
        port = traci.getFreeSocketPort()
        self._process = subprocess.Popen(
            [*command, "--remote-port", str(port)],
            cwd=scene.folder,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            env={**os.environ, "SUMO_HOME": str(sumo_home())},
        )
        try:
            with redirect_stdout(io.StringIO()):  # the client prints every try
                self._sumo = traci.connect(
                    port, numRetries=PORT_TRIES, proc=self._process, waitBetweenRetries=0.2
                )
            self._hands = Hands(self._sumo, traci.exceptions.TraCIException)
            self._subscribe()
        except (self._fault, traci.exceptions.TraCIException, OSError) as error:
            self._end()
            why = self._why(error)
            self._errors.close()
            raise SimulationError(why) from error

    def _subscribe(self) -> None:
        c = self._constants
        for loop in self._loops:
            self._sumo.inductionloop.subscribe(
                loop,
                [
                    c.VAR_LAST_INTERVAL_NUMBER,
                    c.VAR_LAST_INTERVAL_SPEED,
                    c.LAST_STEP_OCCUPANCY,
                ],
            )
        for light in self._lights:
            self._sumo.trafficlight.subscribe(light, [c.TL_RED_YELLOW_GREEN_STATE])
        self._sumo.simulation.subscribe([c.VAR_ARRIVED_VEHICLES_NUMBER])
        self._arrived = 0
        self._occupied = dict.fromkeys(self._loops, 0.0)
        self._steps = dict.fromkeys(self._loops, 0)
        self._watched: tuple[str, ...] = ()
        self.places: dict[str, dict[str, float]] = {}

    def watch(self, links: Sequence[str]) -> None:
        """Keep in `places`, from now on, who is where on some links: link, vehicle, metre."""
        self._watched = tuple(links)
        for link in self._watched:
            self._sumo.edge.subscribe(link, [self._constants.LAST_STEP_VEHICLE_ID_LIST])

    def _look(self) -> None:
        found = self._sumo.edge.getAllSubscriptionResults() if self._watched else {}
        names = self._constants.LAST_STEP_VEHICLE_ID_LIST
        self.places = {
            link: {one: float(self._sumo.vehicle.getLanePosition(one)) for one in said[names]}
            for link, said in found.items()
        }

    def step(self, states: dict[str, str]) -> dict[str, str]:
        """Show these states, move one second, and return what the lights show then.

        Raises SimulationError when SUMO has died.
        """
        try:
            for light, state in states.items():
                self._sumo.trafficlight.setRedYellowGreenState(light, state)
            self._sumo.simulationStep()
            found = self._sumo.trafficlight.getAllSubscriptionResults()
            self._arrived += self._sumo.simulation.getSubscriptionResults()[
                self._constants.VAR_ARRIVED_VEHICLES_NUMBER
            ]
            self._add_occupancy()
            self._look()
        except (self._fault, OSError) as error:
            raise SimulationError(self._why(error)) from error
        letter = self._constants.TL_RED_YELLOW_GREEN_STATE
        return {light: str(found[light][letter]) for light in self._lights}

    def act(self, doing: Callable[[Hands], None]) -> None:
        """Let devices put their hands on the traffic. Raises SimulationError when SUMO has died."""
        try:
            doing(self._hands)
        except (self._fault, OSError) as error:
            raise SimulationError(self._why(error)) from error

    def _add_occupancy(self) -> None:
        share = self._constants.LAST_STEP_OCCUPANCY
        for loop, said in self._sumo.inductionloop.getAllSubscriptionResults().items():
            self._occupied[loop] += min(max(float(said[share]), 0.0), 100.0)
            self._steps[loop] += 1

    def loops(self, names: Sequence[str]) -> dict[str, LoopCount]:
        """Return what some loops measured since they were asked last; ask once a period.

        Occupancy is the mean of the steps: SUMO's own of an interval is wrong, even negative, when
        a vehicle stands on the loop at its end.
        """
        c = self._constants
        found = self._sumo.inductionloop.getAllSubscriptionResults()
        counts = {}
        for loop in names:
            speed_mps = float(found[loop][c.VAR_LAST_INTERVAL_SPEED])
            counts[loop] = LoopCount(
                loop,
                int(found[loop][c.VAR_LAST_INTERVAL_NUMBER]),
                speed_mps if 0 <= speed_mps <= _FASTEST_MPS else None,
                self._occupied[loop] / max(self._steps[loop], 1),
            )
            self._occupied[loop], self._steps[loop] = 0.0, 0
        return counts

    def traffic(self) -> Traffic:
        """Count the vehicles."""
        return Traffic(
            running=int(self._sumo.vehicle.getIDCount()),
            waiting=len(self._sumo.simulation.getPendingVehicles()),
            arrived=self._arrived,
            expected=int(self._sumo.simulation.getMinExpectedNumber()),
        )

    def close(self) -> None:
        """End SUMO, so that it writes its outputs."""
        try:
            self._sumo.close()
        except (self._fault, OSError):
            self._process.kill()
        self._process.wait(timeout=60)
        self._errors.close()

    def _end(self) -> None:
        """Let a SUMO that is of no use finish its last words, and end it."""
        try:
            self._process.wait(timeout=_LAST_WORDS_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeout=60)

    def _why(self, error: BaseException) -> str:
        self._errors.flush()
        words = Path(self._errors.name).read_text(encoding="utf-8", errors="replace")
        return f"SUMO stopped: {_last_words(words) or error}"


def _last_words(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if "Error" in line]
    return lines[0] if lines else text.strip()[-300:]
