"""Make the corridor scenario again: `python scenarios/corridor/make.py [--seed N] [--into DIR]`.

Everything in the folder beside this file and `maker/` comes out of it: the map, the rules, the
recorded day. The same seed gives the same files.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from maker import city, measure, traffic  # noqa: E402  (the folder must be on the path first)
from maker.approaches import queue_up  # noqa: E402
from maker.passages import read_day  # noqa: E402
from maker.rules import access_rules  # noqa: E402
from maker_common.people import Holder, holders, strangers, visits  # noqa: E402

from twin.clock import iso_from_us, us_from_datetime  # noqa: E402
from twin.network.gmns import write_gmns  # noqa: E402
from twin.network.model import SingleMap  # noqa: E402
from twin.units import SECOND_US  # noqa: E402

SEED = 20260616
START = datetime(2026, 6, 16, tzinfo=ZoneInfo("Europe/Madrid"))
STEP_S = 60
DEMO_START_H = 7.5
DEMO_RATE = 10.0


def moment(seconds: float) -> str:
    """Write a moment of the day, seconds after the local midnight, as RFC 3339 in UTC."""
    return iso_from_us(us_from_datetime(START) + round(seconds * SECOND_US))


def make_readings(folder: Path, network: SingleMap, seed: int) -> None:
    """Drive the day on the motorway and at the signals, and write what detectors measured."""
    drawn = city.draw()
    roads, signals, noise = (np.random.default_rng([seed, stream]) for stream in (1, 2, 3))
    motorway = traffic.drive_both(drawn, roads)
    seen = measure.measure(network, motorway, queue_up(network, signals), noise)
    np.savez_compressed(
        folder / "readings.npz",
        sensor_id=np.array(seen.sensors),
        start=np.array(moment(0.0)),
        step_s=np.array(STEP_S),
        count=measure.packed(seen.count, 1.0),
        speed_kph10=measure.packed(seen.speed_kph, 10.0),
        occupancy_pct10=measure.packed(seen.occupancy_pct, 10.0),
    )


def make_passages(folder: Path, seed: int) -> None:
    """Let people come and go, and write what the gates read and who is authorised."""
    who, when, reads = (np.random.default_rng([seed, stream]) for stream in (4, 5, 6))
    known = holders(who)
    day = read_day(visits(known + strangers(who), when), reads)
    _table(
        folder / "passages.csv",
        ("time", "gate", "direction", "country", "plate", "confidence", "track"),
        (
            (moment(r.at_s), r.gate, r.direction, r.country, r.plate, r.confidence, r.track)
            for r in day
        ),
    )
    _table(
        folder / "authorisations.csv",
        ("authorisation", "profile", "zone", "country", "plate", "valid_from", "valid_to"),
        (row for holder in known for row in _authorised(holder)),
    )


def _authorised(holder: Holder) -> Iterable[tuple[str, ...]]:
    from_s, to_s = holder.from_h * 3600.0, holder.to_h * 3600.0
    for country, plate in holder.plates:
        yield (
            holder.authorisation,
            holder.profile,
            "OLD",
            country,
            plate,
            moment(from_s),
            moment(to_s),
        )


def make_incidents(folder: Path) -> None:
    """Write the crash of the morning."""
    start_min, end_min = traffic.CRASH_MIN
    crash = {
        "id": "corridor-crash-1",
        "link": traffic.CRASH_LINK,
        "time": moment(start_min * 60.0),
        "kind": "crash",
        "until": moment(end_min * 60.0),
        "position_m": 250.0,
        "lanes_closed": 1,
        "capacity_share": traffic.CRASH_SHARE,
        "description": "Alcance entre dos turismos, carril derecho cortado",
    }
    _json(folder / "incidents.json", [crash])


def make_scenario(folder: Path) -> None:
    """Write what the scenario is called, when it plays, and how fast the demo runs."""
    document = {
        "name": city.NAME,
        "timezone": city.TIMEZONE,
        "start": START.isoformat(),
        "end": (START + timedelta(days=1)).isoformat(),
        "demo_start": (START + timedelta(hours=DEMO_START_H)).isoformat(),
        "demo_rate": DEMO_RATE,
        "description": (
            "A working Tuesday in Villaclara, an invented city: the A1 jams northbound where its "
            "third lane ends at Las Eras from 07:30, a crash closes a lane southbound at 08:10, "
            "and the old town is open to those who may enter."
        ),
    }
    _json(folder / "scenario.json", document)
    _json(folder / "access_rules.json", access_rules())


def _json(path: Path, document: object) -> None:
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _table(path: Path, header: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def make(folder: Path, seed: int) -> SingleMap:
    """Write the whole scenario into `folder` and return its map."""
    day = folder / "day"
    day.mkdir(parents=True, exist_ok=True)
    network = city.whole_map(city.draw())
    write_gmns(network, folder / "network")
    make_scenario(folder)
    make_incidents(day)
    make_passages(day, seed)
    make_readings(day, network, seed)
    return network


def main() -> None:
    """Read the command line and make the scenario."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--seed", type=int, default=SEED, help="of all that is drawn by chance")
    parser.add_argument("--into", type=Path, default=HERE, help="folder to write into")
    wanted = parser.parse_args()
    network = make(wanted.into, wanted.seed)
    print(
        f"{network.name}, version {network.version}: {len(network.links)} links, "
        f"{len(network.sensors)} sensors, {len(network.junctions)} signalised junctions, "
        f"{len(network.gates)} gates, written to {wanted.into}"
    )


if __name__ == "__main__":
    main()
