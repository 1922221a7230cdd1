"""The city as a folder that SUMO runs: net, traffic, what stands and happens beside it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from metropolis.buses import STOP_S, Bus
from metropolis.happenings import CRASH, RAIN
from metropolis.trips import END_S, START_S, Trip
from metropolis.visitors import Visit
from twin.network.model import LinkClass, SingleMap
from twin.network.sumo.plain import CONFIG_FILE, NET_FILE, ROADSIDE_FILE, write_sumo_plain
from twin.network.sumo.write_xml import Element, document
from twin.world.sumo.engine import sumo_program

PEAK_PLAN = 1  # all junctions run their plan of the peak hours
TRAFFIC_FILE, WEATHER_FILE, RUN_FILE = "city.rou.xml", "city.weather.add.xml", "city.sumocfg"
LAST_S = END_S + 1800  # so that everybody arrives
_CAR: dict[str, str | float] = {
    "tau": 1.05,
    "minGap": 3.0,
    "sigma": 0.5,
    "speedFactor": "normc(1.0,0.09,0.75,1.25)",
}
_KINDS: dict[str, dict[str, str | float]] = {
    "car": {"vClass": "passenger", **_CAR},
    "van": {"vClass": "delivery", "length": 6.5, **_CAR},
    "truck": {
        "vClass": "truck",
        "length": 13.0,
        "maxSpeed": 25.0,
        "accel": 1.1,
        "decel": 4.0,
        "tau": 1.4,
        "speedFactor": "normc(0.95,0.05,0.8,1.05)",
    },
    "taxi": {"vClass": "taxi", **_CAR},
    "bus": {"vClass": "bus", "length": 12.0, "accel": 1.2, "maxSpeed": 22.0, "tau": 1.3},
    "resident": {"vClass": "passenger", **_CAR},
    "guest": {"vClass": "passenger", **_CAR},
    "visitor": {"vClass": "passenger", **_CAR},
    "stranger": {"vClass": "passenger", **_CAR},
    "trader": {"vClass": "delivery", "length": 6.0, **_CAR},
    "goods": {"vClass": "delivery", "length": 7.0, "accel": 1.6, "tau": 1.25},
    "emergency": {"vClass": "emergency", "length": 6.5, "speedFactor": 1.2},
}
_WET = "-wet"


def make_net(network: SingleMap, folder: Path) -> None:
    """Write the plain files and let netconvert make the net. RuntimeError when it refuses."""
    write_sumo_plain(network, folder, plan=PEAK_PLAN)
    done = subprocess.run(
        [sumo_program("netconvert"), "-c", CONFIG_FILE],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        message = f"netconvert: {done.stderr.strip()}"
        raise RuntimeError(message)


def write_traffic(
    folder: Path,
    network: SingleMap,
    *,
    trips: Iterable[Trip],
    visits: Iterable[Visit],
    buses: Iterable[Bus],
) -> None:
    """Write all vehicles in the order of their departure."""
    routes: dict[tuple[str, ...], str] = {}
    vehicles = [(one.depart_s, one.id, _trip(one, routes)) for one in trips]
    vehicles += [(one.depart_s, one.id, _visit(one)) for one in visits]
    vehicles += [(one.depart_s, one.id, _bus(one)) for one in buses]
    vehicles.append((CRASH.start_s - 1.0, "crash", _crash(network)))
    shared = [
        Element("route", {"id": name, "edges": " ".join(links)}) for links, name in routes.items()
    ]
    ordered = [element for _, _, element in sorted(vehicles, key=lambda one: one[:2])]
    text = document("routes", [*_types(), *shared, *ordered])
    (folder / TRAFFIC_FILE).write_text(text, encoding="utf-8")


def _types() -> Iterator[Element]:
    for kind, values in _KINDS.items():
        yield Element("vType", {"id": kind, **values})
        wet = float(values.get("tau", 1.0)) * RAIN.headway_share
        yield Element("vType", {"id": kind + _WET, **values, "tau": round(wet, 3)})


def _vehicle(name: str, kind: str, depart_s: float) -> dict[str, str | float]:
    wet = RAIN.start_s <= depart_s < RAIN.end_s
    return {
        "id": name,
        "type": kind + (_WET if wet else ""),
        "depart": depart_s,
        "departLane": "best",
        "departSpeed": "max",
    }


def _trip(trip: Trip, routes: dict[tuple[str, ...], str]) -> Element:
    name = routes.setdefault(trip.links, f"r{len(routes)}")
    return Element("vehicle", {**_vehicle(trip.id, trip.kind, trip.depart_s), "route": name})


def _visit(visit: Visit) -> Element:
    inside: tuple[Element, ...] = (Element("route", {"edges": " ".join(visit.links)}),)
    if visit.stand:
        stop: dict[str, str | float] = {"lane": f"{visit.stand}_0", "duration": visit.stay_s}
        stop |= {"parking": "true"}
        inside += (Element("stop", stop),)
    return Element("vehicle", _vehicle(visit.id, visit.kind, visit.depart_s), inside)


def _bus(bus: Bus) -> Element:
    stops = (Element("stop", {"busStop": f"BUS-{link}", "duration": STOP_S}) for link in bus.stops)
    inside = (Element("route", {"edges": " ".join(bus.links)}), *stops)
    words = _vehicle(bus.id, "bus", bus.depart_s) | {"line": bus.line, "departSpeed": "0"}
    return Element("vehicle", words, inside)


def _crash(network: SingleMap) -> Element:
    """Write the vehicle that stands in a lane; it leaves the road with the next exit."""
    after = next(move.to_link for move in network.movements if move.from_link == CRASH.link)
    stop = Element(
        "stop",
        {
            "lane": f"{CRASH.link}_{CRASH.lane}",
            "endPos": CRASH.position_m,
            "until": CRASH.end_s,
        },
    )
    words: dict[str, str | float] = {
        "id": "crash",
        "type": "car",
        "depart": CRASH.start_s - 1.0,
        "departLane": CRASH.lane,
        "departPos": CRASH.position_m - 60.0,
        "departSpeed": "0",
    }
    return Element("vehicle", words, (Element("route", {"edges": f"{CRASH.link} {after}"}), stop))


def write_weather(folder: Path, network: SingleMap) -> None:
    """Write the rain: on fast roads everybody may only drive a share of the free speed."""
    fast = {LinkClass.MOTORWAY, LinkClass.RAMP, LinkClass.ARTERIAL}
    by_speed: dict[float, list[str]] = {}
    for link in network.links:
        if link.link_class in fast:
            lanes = [f"{link.id}_{lane}" for lane in range(link.lanes)]
            by_speed.setdefault(link.free_speed_mps, []).extend(lanes)
    signs = [
        Element(
            "variableSpeedSign",
            {"id": f"rain{number}", "lanes": " ".join(lanes)},
            (
                Element("step", {"time": RAIN.start_s, "speed": speed * RAIN.speed_share}),
                Element("step", {"time": RAIN.end_s, "speed": speed}),
            ),
        )
        for number, (speed, lanes) in enumerate(sorted(by_speed.items()))
    ]
    (folder / WEATHER_FILE).write_text(document("additional", signs), encoding="utf-8")


def write_run(folder: Path, seed: int) -> None:
    """Write what SUMO is started with. Nobody is ever taken off the road for waiting long."""
    values: dict[str, str | float] = {
        "net-file": NET_FILE,
        "route-files": TRAFFIC_FILE,
        "additional-files": f"{ROADSIDE_FILE},{WEATHER_FILE}",
        "begin": START_S,
        "end": LAST_S,
        "step-length": 1,
        "seed": seed,
        "time-to-teleport": -1,
        "collision.action": "warn",
        "extrapolate-departpos": "true",
        "no-step-log": "true",
    }
    text = document("configuration", (Element(key, {"value": v}) for key, v in values.items()))
    (folder / RUN_FILE).write_text(text, encoding="utf-8")


def streams(seed: int) -> tuple[np.random.Generator, ...]:
    """Return independent sources of chance for trips, people and visits."""
    return tuple(np.random.default_rng([seed, stream]) for stream in (1, 2, 3))
