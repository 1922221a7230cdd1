"""Run the city in SUMO and print what happened: `python scenarios/city/look.py DIR [--seed N]`.

`DIR` is a folder that `make.py --sumo DIR` made. Prints speeds over place and time of the motorway,
vehicles on the road, delays, and what SUMO complains about.
"""

from __future__ import annotations

import argparse
import subprocess
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree as Xml

from twin.world.sumo.engine import sumo_program

_SLOT_S = 600
_BEGIN_S = 6 * 3600


def run(folder: Path, out: Path, *, seed: int | None, end_s: int | None) -> str:
    """Let SUMO run the folder, writing its measures into `out`; return what it printed."""
    (out / "mean.add.xml").write_text(
        f'<additional><edgeData id="m" freq="{_SLOT_S}" file="mean.xml" excludeEmpty="true"/>'
        "</additional>\n",
        encoding="utf-8",
    )
    extra = ",".join(
        str(path.resolve())
        for path in (folder / "map.add.xml", folder / "city.weather.add.xml", out / "mean.add.xml")
    )
    command = [sumo_program("sumo"), "-c", str(folder / "city.sumocfg")]
    command += ["-a", extra, "--summary-output", str(out / "summary.xml")]
    command += ["--tripinfo-output", str(out / "trips.xml"), "--tripinfo-output.write-unfinished"]
    command += ["--summary-output.period", "60", "--duration-log.statistics"]
    command += [] if seed is None else ["--seed", str(seed)]
    command += [] if end_s is None else ["--end", str(end_s)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 3600:02d}:{int(seconds) % 3600 // 60:02d}"


def speeds(out: Path) -> dict[str, dict[float, float]]:
    """Return km/h by edge and beginning of the slot."""
    found: dict[str, dict[float, float]] = defaultdict(dict)
    for interval in Xml.parse(out / "mean.xml").getroot():
        begin_s = float(interval.attrib["begin"])
        for edge in interval:
            if "speed" in edge.attrib:
                found[edge.attrib["id"]][begin_s] = float(edge.attrib["speed"]) * 3.6
    return found


def print_space_time(by_edge: dict[str, dict[float, float]], road: str) -> None:
    """Print a row for each moment and a column for each link, km/h, in driving order."""
    links = sorted(edge for edge in by_edge if edge.startswith(road))
    slots = sorted({slot for link in links for slot in by_edge[link]})
    print(f"\n{road}, km/h; links " + " ".join(link[-2:] for link in links))
    for slot in slots:
        cells = (by_edge[link].get(slot) for link in links)
        print(_clock(slot), *("  ." if one is None else f"{one:3.0f}" for one in cells))


def print_summary(out: Path) -> None:
    """Print vehicles on the road and waiting to depart, and how fast they are."""
    print("\ntime  running waiting halting mean km/h")
    for step in Xml.parse(out / "summary.xml").getroot():
        at_s = float(step.attrib["time"])
        if at_s % 900 == 0:
            words = (step.attrib[name] for name in ("running", "waiting", "halting"))
            speed_kph = float(step.attrib["meanSpeed"]) * 3.6
            print(_clock(at_s), *(f"{word:>7}" for word in words), f"{speed_kph:6.1f}")


def print_delays(out: Path) -> None:
    """Print delays of the trips by the hour of departure, and the worst standing times."""
    by_hour: dict[int, list[float]] = defaultdict(list)
    worst: list[tuple[float, str]] = []
    unfinished = 0
    for trip in Xml.parse(out / "trips.xml").getroot():
        depart_s = float(trip.attrib["depart"])
        unfinished += float(trip.attrib["arrival"]) < 0
        delay_s = float(trip.attrib["timeLoss"]) + float(trip.attrib["departDelay"])
        by_hour[int(depart_s // 3600)].append(delay_s)
        worst.append((float(trip.attrib["waitingTime"]), trip.attrib["id"]))
    print(f"\nunfinished {unfinished}; longest standing {sorted(worst)[-5:]}")
    for hour, some in sorted(by_hour.items()):
        print(f"{hour:02d}:00 {len(some):6d} trips, mean delay {sum(some) / len(some):6.1f} s")


def print_slow(by_edge: dict[str, dict[float, float]]) -> None:
    """Print the links off the motorway that stay slowest."""
    means = {
        edge: sum(slots.values()) / len(slots)
        for edge, slots in by_edge.items()
        if not edge.startswith("A10") and len(slots) > 8
    }
    worst = sorted(means, key=lambda edge: means[edge])[:24]
    print("\nslowest:", *(f"{edge} {means[edge]:.0f}" for edge in worst))


def main() -> None:
    """Read the command line, run and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, help="of SUMO")
    parser.add_argument("--end", type=int, help="seconds of the day")
    wanted = parser.parse_args()
    out = wanted.folder / "look"
    out.mkdir(exist_ok=True)
    said = run(wanted.folder, out, seed=wanted.seed, end_s=wanted.end)
    lines = said.splitlines()
    print("\n".join([*lines[:12], "...", *lines[-30:]] if len(lines) > 44 else lines))
    by_edge = speeds(out)
    for road in ("A10-N", "A10-S"):
        print_space_time(by_edge, road)
    print_summary(out)
    print_delays(out)
    print_slow(by_edge)


if __name__ == "__main__":
    main()
