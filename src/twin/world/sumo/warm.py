"""The hour before: SUMO alone, as fast as it can, and what the detectors saw meanwhile.

What it leaves is kept: a state of SUMO to go on from, and the detectors' file. The second time
both are only read.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as Xml

import numpy as np

from twin.errors import SimulationError
from twin.network.sumo.net import opened
from twin.units import kph_from_mps
from twin.world.sumo.city import City
from twin.world.sumo.engine import sumo_home, sumo_program
from twin.world.sumo.meters import LoopCount, Meter, merged
from twin.world.sumo.scene import Scene
from twin.world.tape import ReadingTable, Recording

_REPORT_EVERY_S: Final = 5  # SUMO speaks in blocks of 4 kB: once a minute would come all at once
_STEP: Final = re.compile(r"Step #(\d+\.\d+)")


@dataclass(frozen=True, slots=True)
class Warm:
    """What a warm-up left: SUMO's state at `until_s`, and what its loops counted before."""

    until_s: float
    state: Path
    loops: Path


def warm_up(
    scene: Scene,
    folder: Path,
    *,
    until_s: float,
    seed: int,
    begin_s: float | None = None,
    on_second: Callable[[float], None] = lambda _: None,
) -> Warm:
    """Run a scene alone from `begin_s` (its own begin) until `until_s`, if not done before.

    `on_second` hears SUMO's second about once a minute of it. Raises SimulationError when SUMO
    fails.
    """
    folder = folder.resolve()  # SUMO runs in the scene's folder
    name = f"warm-{until_s:.12g}-{seed}"
    warm = Warm(until_s, folder / f"{name}.state.xml.gz", folder / f"{name}.loops.xml")
    if warm.state.is_file() and warm.loops.is_file():
        return warm
    folder.mkdir(parents=True, exist_ok=True)
    state, loops = (path.with_name(f"new-{path.name}") for path in (warm.state, warm.loops))
    counting = ",".join(str(path) for path in _counting(scene, loops))
    command = [
        *(sumo_program("sumo"), "-c", str(scene.config), "--seed", str(seed)),
        *(("--additional-files", counting) if counting else ()),
        *("--begin", f"{scene.begin_s if begin_s is None else begin_s:.12g}"),
        *("--end", f"{until_s + 1:.12g}"),
        *("--save-state.times", f"{until_s:.12g}", "--save-state.files", str(state)),
        *("--step-length", "1", "--time-to-teleport", "-1", "--no-warnings", "true"),
        *("--no-step-log", "false", "--step-log.period", str(_REPORT_EVERY_S)),
        *("--duration-log.disable", "true"),
    ]
    loops.write_text("<detector/>\n", encoding="utf-8")  # it stays so where nothing counts
    _run(command, scene.folder, on_second)
    loops.replace(warm.loops)
    state.replace(warm.state)
    return warm


def _counting(scene: Scene, file: Path) -> Iterator[Path]:
    """Yield the additional files with all loops writing into one file."""
    for path in scene.additional:
        with opened(path) as packed:
            tree = Xml.parse(packed)
        for loop in tree.getroot().iter("inductionLoop"):
            loop.set("file", str(file.resolve()))
        copy = path.with_name(f"counting-{path.name.removesuffix('.gz')}")
        tree.write(copy, encoding="utf-8")
        yield copy


def _run(command: list[str], folder: Path, on_second: Callable[[float], None]) -> None:
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "SUMO_HOME": str(sumo_home())},
    )
    said = ""
    with process:
        try:
            for line in process.stdout or ():  # it ends its lines with \r, which counts as a line
                if "Error" in line:
                    said = said or line[line.index("Error") :].strip()
                elif step := _STEP.match(line):
                    on_second(float(step[1]))
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        message = f"SUMO stopped: {said or process.returncode}"
        raise SimulationError(message)


def going_on(scene: Scene, warm: Warm) -> Scene:
    """Return the scene as it goes on after a warm-up."""
    return replace(scene, begin_s=warm.until_s, state=warm.state)


def history(city: City, warm: Warm) -> Recording:
    """Return the city's script with the readings of the warm-up; the demo starts at its end."""
    return replace(
        city.script,
        demo_start_us=city.moment_us(warm.until_s),
        table=_table(city, _counts(warm)),
    )


def _counts(warm: Warm) -> dict[float, dict[str, LoopCount]]:
    """Return what each loop counted, by the second at which its period ended."""
    found: dict[float, dict[str, LoopCount]] = {}
    try:
        for _, one in Xml.iterparse(warm.loops):
            if one.tag != "interval":
                continue
            end_s = float(one.get("end", "inf"))
            speed_mps = float(one.get("speed", "-1"))
            loop = one.get("id", "")
            if end_s <= warm.until_s:
                found.setdefault(end_s, {})[loop] = LoopCount(
                    loop,
                    int(one.get("nVehContrib", "0")),
                    speed_mps if speed_mps >= 0 else None,
                    min(max(float(one.get("occupancy", "0")), 0.0), 100.0),
                )
            one.clear()
    except (OSError, ValueError, Xml.ParseError) as error:
        message = f"{warm.loops.name} of SUMO cannot be read ({error})"
        raise SimulationError(message) from error
    return found


def _table(city: City, counts: dict[float, dict[str, LoopCount]]) -> ReadingTable:
    """Put the loops together as sensors; those with the commonest period alone."""
    periods = [meter.period_s for meter in city.meters]
    period_s = max(sorted(set(periods)), key=periods.count)
    meters = [meter for meter in city.meters if meter.period_s == period_s]
    ends_s = sorted(end_s for end_s, said in counts.items() if _all_there(meters, said))
    shape = (len(ends_s), len(meters))
    count, speed, occupancy = (np.full(shape, np.nan) for _ in range(3))
    for row, end_s in enumerate(ends_s):
        for column, meter in enumerate(meters):
            one = merged([counts[end_s][loop] for loop in meter.loops])
            count[row, column] = one.count
            occupancy[row, column] = round(one.occupancy_pct, 2)
            if one.speed_mps is not None:
                speed[row, column] = round(kph_from_mps(one.speed_mps), 2)
    return ReadingTable(
        sensors=tuple(meter.sensor for meter in meters),
        end_us=np.array([city.moment_us(end_s) for end_s in ends_s], dtype=np.int64),
        period_s=period_s,
        count=count,
        speed_kph=speed,
        occupancy_pct=occupancy,
    )


def _all_there(meters: list[Meter], said: dict[str, LoopCount]) -> bool:
    return all(loop in said for meter in meters for loop in meter.loops)
