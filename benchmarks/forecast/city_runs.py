"""Mornings of the practice city, driven by SUMO alone: what detectors counted, and the truth.

`python benchmarks/forecast/city_runs.py OUT` makes one folder a run, with `readings.npz` (one row a
detector and minute) and `truth.npz` (SUMO's own state of every link and minute). A run that is
there is not made again. Needs SUMO (the extra `sumo`).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as Xml

import numpy as np

from twin.columns import ReadingBatch
from twin.network.gmns import read_gmns
from twin.network.model import SingleMap
from twin.units import SECOND_US
from twin.world.sumo.engine import sumo_home, sumo_program
from twin.world.truth import read_link_minutes

SCENARIO: Final = Path(__file__).parents[2] / "scenarios" / "city"
DAY_US: Final = 1_790_028_000 * SECOND_US
"""22 September 2026, 00:00 in Madrid: SUMO's second 0."""
BEGIN_S: Final = 6.5 * 3600.0
PERIOD_S: Final = 60.0
CRASH: Final = "crash"
SEEDS: Final = (1, 2, 3, 4, 5)
KEPT: Final = 20260922  # the city as it is kept
LEVELS: Final = (0.8, 1.0, 1.15)
ONSET_END_S: Final = 8.25 * 3600.0
LEVEL_END_S: Final = 8.75 * 3600.0


@dataclass(frozen=True, slots=True)
class Morning:
    """One run: the city's own seed, demand against the city's, with the crash of 08:15 or not."""

    seed: int
    level: float = 1.0
    crash: bool = False
    end_s: float = LEVEL_END_S

    @property
    def name(self) -> str:
        """Name of its folder."""
        words = [f"seed{self.seed}", f"{self.level:.2f}", "crash" if self.crash else "usual"]
        return "-".join(words)


def mornings() -> list[Morning]:
    """Return all runs of the report: five seeds, then the kept city at three levels."""
    found = [jammed(seed) for seed in SEEDS]
    for level in LEVELS:
        found += [Morning(KEPT, level, crash) for crash in (False, True)]
    return found


def jammed(seed: int) -> Morning:
    """Return the morning of a seed until the jam stands."""
    return Morning(seed, end_s=ONSET_END_S)


def make_city(seed: int, folder: Path) -> None:
    """Let the generator of the city write its folder for SUMO."""
    command = [sys.executable, str(SCENARIO / "make.py"), "--seed", str(seed)]
    subprocess.run([*command, "--sumo", str(folder)], check=True, capture_output=True, text=True)


def drive(morning: Morning, out: Path) -> None:
    """Drive one morning and keep what came of it in `out`."""
    with tempfile.TemporaryDirectory(prefix="twin-city-") as name:
        folder = Path(name)
        make_city(morning.seed, folder)
        _write_traffic(folder / "city.rou.xml", morning)
        _write_counting(folder)
        command = [
            *(sumo_program("sumo"), "-n", "map.net.xml", "-r", "city.rou.xml"),
            *("-a", "map.add.xml,city.weather.add.xml,truth.add.xml"),
            *("--begin", f"{BEGIN_S:.12g}", "--end", f"{morning.end_s:.12g}"),
            *("--seed", str(morning.seed), "--step-length", "1", "--time-to-teleport", "-1"),
            *("--extrapolate-departpos", "true", "--collision.action", "warn"),
            *("--no-step-log", "true", "--no-warnings", "true"),
        ]
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "SUMO_HOME": str(sumo_home())},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])
        network, _ = read_gmns(SCENARIO / "network")
        out.mkdir(parents=True, exist_ok=True)
        links = [str(link.id) for link in network.links]
        read_link_minutes(folder / "edges.xml", links).save(out / "truth.npz")
        np.savez_compressed(out / "readings.npz", **_minutes(folder / "loops.xml", network))


def _write_traffic(path: Path, morning: Morning) -> None:
    """Leave vehicles out, or let more drive, by a draw; keep the crash or not."""
    tree = Xml.parse(path)
    root = tree.getroot()
    draw = np.random.default_rng([morning.seed, round(100 * morning.level)])
    kept: list[Xml.Element] = []
    for one in list(root):
        if one.tag not in {"vehicle", "trip"}:
            continue
        root.remove(one)
        if one.get("id") == CRASH:
            kept += [one] if morning.crash else []
        elif one.find("stop") is not None:
            kept.append(one)  # buses and visitors come as they are
        else:
            kept += _scaled(one, morning.level, draw)
    root.extend(sorted(kept, key=lambda one: float(one.get("depart", "0"))))
    tree.write(path, encoding="utf-8")


def _scaled(one: Xml.Element, level: float, draw: np.random.Generator) -> Iterator[Xml.Element]:
    """Yield a vehicle once, not at all, or twice: then the second a little later."""
    if draw.random() < min(level, 1.0):
        yield one
    if draw.random() < level - 1.0:
        other = Xml.fromstring(Xml.tostring(one))
        other.set("id", f"{one.get('id')}+")
        later_s = float(one.get("depart", "0")) + float(draw.uniform(5.0, 120.0))
        other.set("depart", f"{later_s:.2f}")
        yield other


def _write_counting(folder: Path) -> None:
    """Let all loops write into one file, and SUMO its own state of the links into another."""
    tree = Xml.parse(folder / "map.add.xml")
    for loop in tree.getroot().iter("inductionLoop"):
        loop.set("file", "loops.xml")
    tree.write(folder / "map.add.xml", encoding="utf-8")
    (folder / "truth.add.xml").write_text(
        '<additional><edgeData id="minute" file="edges.xml" period="60" withInternal="false" '
        'excludeEmpty="true"/></additional>',
        encoding="utf-8",
    )


def _minutes(path: Path, network: SingleMap) -> dict[str, np.ndarray]:
    """Put the lanes of every detector together: end_s (minutes,) and values (minutes, sensors)."""
    rows = {str(sensor.id): row for row, sensor in enumerate(network.sensors)}
    ends: dict[float, dict[str, list[tuple[float, float, float]]]] = {}
    for _, one in Xml.iterparse(path):
        if one.tag != "interval":
            continue
        sensor = one.get("id", "").rpartition("_")[0]
        said = (
            float(one.get("nVehContrib", "0")),
            float(one.get("speed", "-1")),
            min(max(float(one.get("occupancy", "0")), 0.0), 100.0),
        )
        ends.setdefault(float(one.get("end", "0")), {}).setdefault(sensor, []).append(said)
        one.clear()
    end_s = np.array(sorted(ends))
    shape = (len(end_s), len(rows))
    count, speed, occupied = np.zeros(shape), np.full(shape, np.nan), np.zeros(shape)
    for at, end in enumerate(end_s.tolist()):
        for sensor, lanes in ends[end].items():
            part = np.array(lanes)
            row = rows[sensor]
            count[at, row] = part[:, 0].sum()
            occupied[at, row] = part[:, 2].mean() / 100.0
            heard = np.where(part[:, 1] >= 0, part[:, 0], 0.0)
            if heard.sum() > 0:
                speed[at, row] = (heard * np.maximum(part[:, 1], 0.0)).sum() / heard.sum()
    return {"end_s": end_s, "count": count, "speed_mps": speed, "occupancy_frac": occupied}


@dataclass(frozen=True, slots=True)
class Minutes:
    """What the detectors of one morning counted: end_s (minutes,), the rest (minutes, sensors)."""

    end_s: np.ndarray
    count: np.ndarray
    speed_mps: np.ndarray
    occupancy_frac: np.ndarray

    def batch(self, at: int) -> ReadingBatch:
        """Return the readings of one minute, one a detector."""
        sensors = self.count.shape[1]
        return ReadingBatch(
            sensor=np.arange(sensors, dtype=np.int32),
            time_us=np.full(sensors, time_us(float(self.end_s[at])), np.int64),
            period_ms=np.full(sensors, round(1000 * PERIOD_S), np.int64),
            count=self.count[at],
            speed_mps=self.speed_mps[at],
            occupancy_frac=self.occupancy_frac[at],
        )


def time_us(second_s: float) -> int:
    """Return the moment of one of SUMO's seconds."""
    return DAY_US + round(second_s * SECOND_US)


def load_minutes(folder: Path) -> Minutes:
    """Read the detectors of a run."""
    with np.load(folder / "readings.npz", allow_pickle=False) as file:
        return Minutes(file["end_s"], file["count"], file["speed_mps"], file["occupancy_frac"])


def main() -> None:
    """Make the runs that are not there yet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--most", type=int, default=100, help="so many runs at once")
    chosen = parser.parse_args()
    missing = [one for one in mornings() if not (chosen.out / one.name / "readings.npz").is_file()]
    for one in missing[: chosen.most]:
        drive(one, chosen.out / one.name)
        print(one.name, flush=True)


if __name__ == "__main__":
    main()
