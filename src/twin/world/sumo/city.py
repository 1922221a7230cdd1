"""A scene that is a whole city: its own map, its people, and what is bound to happen.

Beside SUMO's files its folder has `network/` (GMNS), `scenario.json`, `access_rules.json`, `day/`
and `signals.json`. Links of the map are SUMO's edges, junctions its traffic lights; the loops of
the sensor `S` are `S_0`, `S_1`, … in the additional file, one a lane.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as Xml

from twin.clock import us_from_seconds
from twin.errors import Fault, InputError
from twin.network.gmns import read_gmns
from twin.network.model import SingleMap
from twin.network.quality import QualityReport
from twin.network.sumo.detectors import Loop
from twin.seal import Plate
from twin.world.recording import open_script
from twin.world.sumo.meters import Meter
from twin.world.tape import Recording

_MAP: Final = "network"
_SCENARIO: Final = "scenario.json"
_RULES: Final = "access_rules.json"
_SIGNALS: Final = "signals.json"
_VEHICLES: Final = "day/vehicles.csv"


@dataclass(frozen=True, slots=True)
class LampLink:
    """One link index of a traffic light: the group that rules it; `yields` when green is `g`."""

    group: str
    yields: bool


@dataclass(frozen=True)
class City:
    """What a city scene has beyond SUMO's files. `script` has no readings and no passages.

    `origin_s` is SUMO's second at the start of the script; `plates` is by vehicle of SUMO.
    """

    network: SingleMap
    quality: QualityReport
    rules: Path
    script: Recording
    origin_s: float
    loops: tuple[Loop, ...]
    meters: tuple[Meter, ...]
    lamps: Mapping[str, tuple[LampLink, ...]]
    plates: Mapping[str, Plate] = field(repr=False)

    def moment_us(self, second: float) -> int:
        """Return the moment of one of SUMO's seconds."""
        return self.script.start_us + us_from_seconds(second - self.origin_s)


def is_city(folder: Path) -> bool:
    """Say whether a folder of SUMO has a map and a scenario of its own."""
    return (folder / _MAP).is_dir() and (folder / _SCENARIO).is_file()


def open_city(folder: Path, additional: Iterable[Path], *, origin_s: float) -> City:
    """Read a city. Raises InputError or MapError naming what is missing or does not fit."""
    network, quality = read_gmns(folder / _MAP)
    script = open_script(folder)
    script.check(network)
    loops = tuple(loop for path in additional for loop in _loops(path))
    return City(
        network=network,
        quality=quality,
        rules=folder / _RULES,
        script=script,
        origin_s=origin_s,
        loops=loops,
        meters=_meters(network, loops),
        lamps=_lamps(folder / _SIGNALS, network),
        plates=_plates(folder / _VEHICLES),
    )


def _loops(path: Path) -> Iterable[Loop]:
    try:
        root = Xml.parse(path).getroot()
        return [
            Loop(element.get("id", ""), element.get("lane", ""), float(element.get("pos", "0")))
            for element in root.iter("inductionLoop")
        ]
    except (OSError, ValueError, Xml.ParseError) as error:
        raise InputError(Fault("sumo", path.name, f"cannot be read ({error})")) from error


def _meters(network: SingleMap, loops: Iterable[Loop]) -> tuple[Meter, ...]:
    lanes: dict[str, list[str]] = {}
    for loop in loops:
        lanes.setdefault(loop.id.rpartition("_")[0], []).append(loop.id)
    if silent := [str(one.id) for one in network.sensors if one.id not in lanes]:
        rule = "no loop of the additional file belongs to this sensor"
        raise InputError(Fault("sensor", silent[0], rule, "missing"))
    return tuple(Meter(str(one.id), one.period_s, tuple(lanes[one.id])) for one in network.sensors)


def _lamps(path: Path, network: SingleMap) -> dict[str, tuple[LampLink, ...]]:
    """Read which group rules which link index. InputError when it is another map's table."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        if table["map_version"] != network.version:
            raise InputError(Fault("sumo", path.name, "was written for another map than network/"))
        return {
            str(one["junction"]): tuple(
                LampLink(
                    str(link["group"]),
                    any(state[link["index"]] == "g" for state in one["stages"].values()),
                )
                for link in sorted(one["links"], key=lambda link: int(link["index"]))
            )
            for one in table["junctions"]
        }
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        rule = f"cannot be read ({type(error).__name__}: {error})"
        raise InputError(Fault("sumo", path.name, rule)) from error


def _plates(path: Path) -> dict[str, Plate]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return {row["vehicle"]: Plate(row["country"], row["plate"]) for row in _rows(file)}
    except (OSError, KeyError, csv.Error, UnicodeDecodeError) as error:
        # A row holds a plate: the message must not quote it.
        rule = f"cannot be read ({type(error).__name__})"
        raise InputError(Fault("sumo", path.name, rule)) from None


def _rows(file: Iterable[str]) -> Iterable[dict[str, str]]:
    return csv.DictReader(file)
