"""Labelled runs of the practice city's motorway: `python benchmarks/incidents/make_runs.py OUT`.

One way of the A10 drives alone in SUMO a run, with its ramps, trucks and the viaduct that jams by
itself. Broken-down cars block one or two lanes at places, times and for durations that the seed
draws. OUT then holds `network/` and `run-SEED.npz` files: minutes of every detector and the labels
as `twin evaluate incidents OUT` reads them. Needs SUMO (the extra `sumo`).
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as Xml

import numpy as np

from twin.network.build import build_map
from twin.network.gmns import read_gmns, write_gmns
from twin.network.model import Link, LinkClass, SingleMap
from twin.network.sumo.plain import CONFIG_FILE, NET_FILE, write_sumo_plain
from twin.world.sumo.engine import sumo_program

CITY: Final = Path(__file__).parents[2] / "scenarios" / "city" / "network"
MINUTES: Final = 60
START: Final = "2026-09-22T06:00:00+02:00"
PERIOD_S: Final = 60
_TYPES: Final = (
    '<vType id="car" vClass="passenger" tau="1.05" minGap="3" sigma="0.5" '
    'speedFactor="normc(1,0.09,0.75,1.25)"/>'
    '<vType id="truck" vClass="truck" length="13" maxSpeed="25" accel="1.1" decel="4" tau="1.4" '
    'speedFactor="normc(0.95,0.05,0.8,1.05)"/>'
)


def motorway_of(network: SingleMap) -> SingleMap:
    """Return the motorway with its ramps alone, as a map of its own."""
    kept = [one for one in network.links if one.link_class in {LinkClass.MOTORWAY, LinkClass.RAMP}]
    ids = {link.id for link in kept}
    nodes = {node for link in kept for node in (link.from_node, link.to_node)}
    return build_map(
        name="A10 of the practice city",
        timezone=network.timezone,
        nodes=[replace(node, control="", zone="") for node in network.nodes if node.id in nodes],
        links=kept,
        movements=[
            move for move in network.movements if move.from_link in ids and move.to_link in ids
        ],
        sensors=[sensor for sensor in network.sensors if sensor.link in ids],
    )


def make_net(network: SingleMap, folder: Path) -> None:
    """Write the plain files and let netconvert make the net."""
    write_sumo_plain(network, folder)
    subprocess.run(
        [sumo_program("netconvert"), "-c", CONFIG_FILE], cwd=folder, check=True, capture_output=True
    )


def draw_incidents(network: SingleMap, road: str, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Draw four breakdowns, two at a time far apart: where, when, how long, how many lanes."""
    links = [
        link
        for link in network.links
        if link.road == road and link.lanes == 3 and link.length_m > 500.0
    ][2:-2]
    halves = links[: len(links) // 2 - 2], links[len(links) // 2 + 2 :]
    found: list[dict[str, Any]] = []
    for first_min, last_min in ((14, 20), (36, 42)):
        for half in halves:
            link = half[int(rng.integers(len(half)))]
            begin_s = float(rng.uniform(first_min, last_min)) * 60.0
            found.append(
                {
                    "link": link.id,
                    "position_m": round(float(rng.uniform(60.0, link.length_m - 60.0)), 1),
                    "begin_s": round(begin_s),
                    "end_s": round(begin_s + float(rng.uniform(600.0, 900.0))),
                    "lanes": int(rng.choice([1, 1, 2])),
                }
            )
    return found


def write_traffic(
    network: SingleMap,
    folder: Path,
    road: str,
    incidents: list[dict[str, Any]],
    rng: np.random.Generator,
) -> None:
    """Write flows that rise and fall by the quarter of an hour, and the cars that break down."""
    level = float(rng.uniform(0.85, 1.1))
    lines = ["<routes>", _TYPES]
    flows: list[tuple[float, str]] = []
    main = [link for link in network.links if link.road == road]
    head = next(link for link in main if link.id.endswith("-01"))
    last = max(main, key=lambda link: link.id)
    on, off = _ramps(network, road, inward=True), _ramps(network, road, inward=False)
    for quarter in range(MINUTES // 15):
        peak = level * (0.8 + 0.3 * np.sin(np.pi * (quarter + 1) / (MINUTES // 15 + 1)))
        begin_s = 900 * quarter
        for origin, vph in [(head.id, 4000.0), *((ramp.id, 450.0) for ramp in on)]:
            later = [ramp for ramp in off if origin == head.id or ramp.id[:2] > origin[:2]]
            if road == "A10-S" and origin != head.id:
                later = [ramp for ramp in off if ramp.id[:2] < origin[:2]]
            goals = {last.id: 1.0 - 0.09 * len(later)} | {ramp.id: 0.09 for ramp in later}
            for goal, share in goals.items():
                for kind, part in (("car", 0.9), ("truck", 0.1)):
                    rate = vph * peak * share * part / 3600.0
                    flows.append(
                        (
                            begin_s,
                            f'<flow id="f{len(flows)}" type="{kind}" begin="{begin_s}" '
                            f'end="{begin_s + 900}" probability="{rate:.5f}" from="{origin}" '
                            f'to="{goal}" departLane="best" departSpeed="max"/>',
                        )
                    )
    for number, one in enumerate(incidents):
        flows += _breakdown(network, one, number)
    lines += [line for _, line in sorted(flows, key=lambda item: item[0])]
    lines.append("</routes>")
    (folder / "run.rou.xml").write_text("\n".join(lines), encoding="utf-8")


def _ramps(network: SingleMap, road: str, *, inward: bool) -> list[Link]:
    way = road[-1]
    word = f"-{way}-on-1" if inward else f"-{way}-off-2"
    return sorted(
        (link for link in network.links if link.id.endswith(word)), key=lambda one: one.id
    )


def _breakdown(network: SingleMap, one: dict[str, Any], number: int) -> list[tuple[float, str]]:
    """Let a car drive up to the place just before, and stand there on its lane."""
    link = network.links[network.link_rows[one["link"]]]
    before = next(
        other
        for other in network.links
        if other.to_node == link.from_node and other.road == link.road
    )
    lead_s = 15.0 + (before.length_m * 0.5 + one["position_m"]) / 28.0
    return [
        (
            one["begin_s"] - lead_s,
            f'<trip id="broken{number}-{lane}" type="car" depart="{one["begin_s"] - lead_s:.0f}" '
            f'from="{before.id}" to="{link.id}" departLane="{lane}" departSpeed="desired" '
            f'departPos="{before.length_m * 0.5:.0f}">'
            f'<stop lane="{link.id}_{lane}" endPos="{one["position_m"]:.1f}" '
            f'until="{one["end_s"]}" duration="1"/></trip>',
        )
        for lane in range(one["lanes"])
    ]


def write_loops(network: SingleMap, folder: Path) -> None:
    """Put a loop on every lane of every detector, a row a minute."""
    rows = ["<additional>"]
    for sensor in network.sensors:
        for lane in range(sensor.lanes):
            rows.append(
                f'<inductionLoop id="{sensor.id}_{lane}" lane="{sensor.link}_{lane}" '
                f'pos="{sensor.position_m}" period="{PERIOD_S}" file="loops.xml" '
                'friendlyPos="true"/>'
            )
    rows.append("</additional>")
    (folder / "loops.add.xml").write_text("\n".join(rows), encoding="utf-8")


def run(network: SingleMap, net: Path, out: Path, seed: int) -> None:
    """Draw, drive and keep one run: northbound for odd seeds, southbound for even ones."""
    road = "A10-N" if seed % 2 else "A10-S"
    folder = net / f"seed-{seed}"
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(seed)
    incidents = draw_incidents(network, road, rng)
    write_traffic(network, folder, road, incidents, rng)
    write_loops(network, folder)
    command = [sumo_program("sumo"), "-n", str(net / NET_FILE), "-r", "run.rou.xml"]
    command += ["-a", "loops.add.xml", "--seed", str(seed), "--end", str(MINUTES * 60)]
    command += ["--time-to-teleport", "-1", "--no-step-log", "--no-warnings"]
    done = subprocess.run(
        [*command, "--stop-output", "stops.xml"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    labels = _as_they_were(folder / "stops.xml", incidents)
    np.savez_compressed(
        out / f"run-{seed:04d}.npz",
        sensor_id=np.array([str(sensor.id) for sensor in network.sensors]),
        start=START,
        step_s=PERIOD_S,
        labels=json.dumps(labels),
        **_minutes(folder / "loops.xml", network),
    )


def _as_they_were(path: Path, incidents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Label each incident with the moment at which its cars really stood; drop what never did."""
    stood: dict[int, list[float]] = defaultdict(list)
    for stop in Xml.parse(path).getroot():
        number = int(stop.attrib["id"].removeprefix("broken").split("-")[0])
        stood[number].append(float(stop.attrib["started"]))
    return [
        {**one, "begin_s": min(stood[number])}
        for number, one in enumerate(incidents)
        if len(stood[number]) == one["lanes"]
    ]


def _minutes(path: Path, network: SingleMap) -> dict[str, np.ndarray]:
    """Add up the lanes of each detector: count, mean speed (km/h), occupancy (%)."""
    rows = {str(sensor.id): row for row, sensor in enumerate(network.sensors)}
    shape = (MINUTES, len(rows))
    count, speeds, occupied = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for interval in Xml.parse(path).getroot():
        name, _, _ = interval.attrib["id"].rpartition("_")
        at = int(float(interval.attrib["begin"])) // PERIOD_S, rows[name]
        vehicles = float(interval.attrib["nVehContrib"])
        count[at] += vehicles
        speeds[at] += vehicles * max(float(interval.attrib["speed"]), 0.0) * 3.6
        occupied[at] += float(interval.attrib["occupancy"])
    lanes = np.array([sensor.lanes for sensor in network.sensors])
    mean = np.divide(speeds, count, out=np.full(shape, np.nan), where=count > 0)
    return {"count": count, "speed_kph": mean, "occupancy_pct": occupied / lanes}


def main() -> None:
    """Make the runs that are asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(1, 9)))
    chosen = parser.parse_args()
    network = motorway_of(read_gmns(CITY)[0])
    chosen.out.mkdir(parents=True, exist_ok=True)
    write_gmns(network, chosen.out / "network")
    net = chosen.out / "sumo"
    net.mkdir(exist_ok=True)
    make_net(network, net)
    for seed in chosen.seeds:
        run(network, net, chosen.out, seed)


if __name__ == "__main__":
    main()
