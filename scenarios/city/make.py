"""Make the practice city again: `python scenarios/city/make.py [--seed N] [--sumo DIR]`.

Everything in the folder beside this file and `metropolis/` comes out of it: the map, the rules,
the people, the demand. With `--sumo DIR` it makes a folder that SUMO runs, and
`twin world --sumo DIR`. The same seed gives the same files.
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

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from maker_common.people import Holder  # noqa: E402
from metropolis import sumo, trips, whole  # noqa: E402  (the folder must be on the path first)
from metropolis.buses import LINES, Bus, line_links, runs  # noqa: E402
from metropolis.demand import COLUMNS, demand_rows  # noqa: E402
from metropolis.happenings import CRASH, RAIN  # noqa: E402
from metropolis.rules import access_rules  # noqa: E402
from metropolis.visitors import OldTown, Visit, residents, zones_of  # noqa: E402

from twin.clock import iso_from_us, us_from_datetime  # noqa: E402
from twin.network.gmns import write_gmns  # noqa: E402
from twin.network.model import SingleMap  # noqa: E402
from twin.units import SECOND_US  # noqa: E402

SEED = 20260922
DAY = datetime(2026, 9, 22, tzinfo=ZoneInfo(whole.TIMEZONE))
DEMO_START_H = 7.0
DEMO_RATE = 10.0


def moment(seconds: float) -> str:
    """Write a moment of the day, seconds after the local midnight, as RFC 3339 in UTC."""
    return iso_from_us(us_from_datetime(DAY) + round(seconds * SECOND_US))


def make_scenario(folder: Path, network: SingleMap) -> None:
    """Write what the scenario is called, when it plays, and the rules of its zones."""
    document = {
        "name": whole.NAME,
        "timezone": whole.TIMEZONE,
        "start": (DAY + timedelta(seconds=trips.START_S)).isoformat(),
        "end": (DAY + timedelta(seconds=trips.END_S)).isoformat(),
        "demo_start": (DAY + timedelta(hours=DEMO_START_H)).isoformat(),
        "demo_rate": DEMO_RATE,
        "description": (
            "A working morning in Valdoria, an invented metropolis: the A10 jams northbound before "
            "the two lanes of the viaduct from about 07:30, a crash closes a lane southbound at "
            "08:15, it rains from 09:00, and the old town and its market are for those who may "
            "enter."
        ),
    }
    _json(folder / "scenario.json", document)
    _json(folder / "access_rules.json", access_rules(network))


def make_happenings(folder: Path) -> None:
    """Write what happens: as incidents that a person would report, and the rain as the world's."""
    crash = {
        "id": "city-crash-1",
        "link": CRASH.link,
        "time": moment(CRASH.start_s),
        "kind": "crash",
        "until": moment(CRASH.end_s),
        "position_m": CRASH.position_m,
        "lanes_closed": 1,
        "capacity_share": 0.6,
        "description": "Turismo averiado tras un golpe, carril central cortado",
    }
    _json(folder / "incidents.json", [crash])
    rain = {
        "kind": "rain",
        "time": moment(RAIN.start_s),
        "until": moment(RAIN.end_s),
        "speed_share": RAIN.speed_share,
        "headway_share": RAIN.headway_share,
        "description": "Lluvia en toda la ciudad",
    }
    _json(folder / "weather.json", [rain])


def make_people(folder: Path, known: list[Holder], visits: list[Visit], buses: list[Bus]) -> None:
    """Write who is authorised, and which plate each vehicle of the world has."""
    _table(
        folder / "authorisations.csv",
        ("authorisation", "profile", "zone", "country", "plate", "valid_from", "valid_to"),
        (row for holder in known for row in _authorised(holder)),
    )
    _table(
        folder / "vehicles.csv",
        ("vehicle", "country", "plate", "profile", "authorisation"),
        (
            *((v.id, v.country, v.plate, v.profile, v.authorisation) for v in visits),
            *((b.id, b.country, b.plate, "BUS", b.authorisation) for b in buses),
        ),
    )


def _authorised(holder: Holder) -> Iterable[tuple[str, ...]]:
    times = (moment(holder.from_h * 3600.0), moment(holder.to_h * 3600.0))
    for zone in zones_of(holder):
        suffix = "" if zone == "OLD" else "-M"
        for country, plate in holder.plates:
            name = holder.authorisation + suffix
            yield (name, holder.profile, zone, country, plate, *times)


def make_lines(folder: Path, network: SingleMap) -> None:
    """Write the bus lines with their links."""
    lines = [
        {
            "line": line.name,
            "title": line.title,
            "headway_s": line.headway_s,
            "links": line_links(network, line),
        }
        for line in LINES
    ]
    _json(folder / "lines.json", lines)


def _json(path: Path, document: object) -> None:
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _table(path: Path, header: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def people(network: SingleMap, seed: int) -> tuple[list[Holder], list[Visit], list[Bus]]:
    """Draw who is authorised, who comes, and the runs of the buses."""
    _, who, when = sumo.streams(seed)
    known = residents(who)
    return known, OldTown(network, when).morning(known), runs(network, known)


def trips_of(network: SingleMap, seed: int) -> tuple[trips.Trip, ...]:
    """Draw the trips of the morning, none of them through a zone that is guarded."""
    guarded = frozenset(
        str(link) for zone in network.zones if zone.kind == "access" for link in zone.links
    )
    return trips.draw_trips(network, sumo.streams(seed)[0], guarded)


def make(folder: Path, seed: int) -> SingleMap:
    """Write the whole scenario into `folder` and return its map."""
    day = folder / "day"
    day.mkdir(parents=True, exist_ok=True)
    network = whole.whole_map(whole.draw())
    write_gmns(network, folder / "network")
    make_scenario(folder, network)
    make_happenings(day)
    make_lines(day, network)
    known, visits, buses = people(network, seed)
    make_people(day, known, visits, buses)
    _table(day / "demand.csv", COLUMNS, demand_rows(network, trips_of(network, seed), visits))
    return network


def make_sumo(folder: Path, seed: int) -> SingleMap:
    """Write a folder that SUMO runs, with the scenario in it. Needs the extra `sumo`."""
    network = make(folder, seed)
    _, visits, buses = people(network, seed)
    sumo.make_net(network, folder)
    sumo.write_traffic(folder, network, trips=trips_of(network, seed), visits=visits, buses=buses)
    sumo.write_weather(folder, network)
    sumo.write_run(folder, seed)
    return network


def main() -> None:
    """Read the command line and make the scenario."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--seed", type=int, default=SEED, help="of all that is drawn by chance")
    parser.add_argument("--into", type=Path, default=HERE, help="folder to write into")
    parser.add_argument("--sumo", type=Path, help="make a folder for SUMO here instead")
    wanted = parser.parse_args()
    how, where = (make_sumo, wanted.sumo) if wanted.sumo else (make, wanted.into)
    network = how(where, wanted.seed)
    print(
        f"{network.name}, version {network.version}: {len(network.links)} links, "
        f"{len(network.sensors)} sensors, {len(network.junctions)} signalised junctions, "
        f"{len(network.gates)} gates, written to {where}"
    )


if __name__ == "__main__":
    main()
