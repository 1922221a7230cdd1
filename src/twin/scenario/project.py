"""From a scenario file to the two studies that are run: the base, and the base with its edits."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from twin.errors import Fault, InputError
from twin.network.gmns import read_demand, read_gmns
from twin.network.model import SingleMap
from twin.scenario.demand import MOST_TRIPS, Stream, most_trips
from twin.scenario.edits.change import Done, changed
from twin.scenario.edits.place import Here
from twin.scenario.form import Crowd, Flow, Gathering, Scenario, Table, VehicleClass
from twin.scenario.read import located, read_scenario
from twin.scenario.study import Study, ZoneRule
from twin.scenario.words import seconds_of_day

_SLOTS: Final = ("origin", "destination", "class", "depart_s", "vehicles")
_HOUR_S: Final = 3600.0
MOST_IN_ALL: Final = 20_000_000  # trips: some 3 GB a run


@dataclass(frozen=True, slots=True)
class Project:
    """A scenario with everything it names read and checked.

    start_s, end_s   seconds after midnight;  skipped: trips of tables outside these hours
    inside_zone      trips of the tables that end where they begin: they are not simulated
    classes          every class of the demand, with the words of `allowed_uses` that admit it
    """

    scenario: Scenario
    base: Study
    edited: Study
    done: tuple[Done, ...]
    start_s: float
    end_s: float
    classes: tuple[VehicleClass, ...]
    inside_zone: float

    @property
    def horizon_s(self) -> float:
        """Return how long is simulated."""
        return self.end_s - self.start_s


def opened(
    content: bytes,
    folder: Path,
    *,
    network: SingleMap | None = None,
    check: Callable[[Scenario], None] | None = None,
) -> Project:
    """Read a scenario and everything it names; `check` may refuse it before anything is opened.

    Raises InputError with the line of the field, MapError, OSError.
    """
    scenario = read_scenario(content)
    try:
        if check is not None:
            check(scenario)
        return open_project(scenario, folder, network=network)
    except InputError as error:
        raise InputError(*(located(fault, content) for fault in error.faults)) from error


def open_project(scenario: Scenario, folder: Path, *, network: SingleMap | None = None) -> Project:
    """Read what a scenario names; paths stand beside `folder`. `network` is used if it is given.

    Raises InputError naming the field that is wrong, MapError for a map or table that is none,
    OSError for a file that is not there.
    """
    start_s, end_s = _hours(scenario)
    base_map = _map_of(scenario, folder) if network is None else network
    _check_version(scenario, base_map)
    flows, inside_zone = _streams(scenario, folder, start_s, end_s)
    classes = _classes(scenario, flows)
    here = Here(Study(base_map, flows), start_s, end_s, tuple(one.name for one in classes), "")
    plain = Study(base_map, _placed(flows, here), zones=_zone_rules(scenario, here))
    base, _ = changed(
        scenario.calibration,
        Here(plain, start_s, end_s, tuple(one.name for one in classes), ""),
        part="calibration",
    )
    edited, done = changed(
        scenario.edits, Here(base, start_s, end_s, tuple(one.name for one in classes), "")
    )
    for study in (base, edited):
        _check_size(study)
    return Project(scenario, base, edited, done, start_s, end_s, classes, inside_zone)


def _hours(scenario: Scenario) -> tuple[float, float]:
    start_s, end_s = seconds_of_day(scenario.starts), seconds_of_day(scenario.ends)
    if end_s <= start_s:
        rule = f"is after `starts`, {scenario.starts}; 25:00 is one o'clock of the next day"
        raise InputError(Fault("ends", scenario.ends, rule))
    if len(set(scenario.seeds)) < len(scenario.seeds):
        raise InputError(Fault("seeds", str(list(scenario.seeds)), "names each seed once"))
    return start_s, end_s


def _check_size(study: Study) -> None:
    """Refuse more trips than a run can tell apart or a machine can hold. Raises InputError."""
    most = most_trips(study.streams, study.changes)
    for row in np.flatnonzero(most > MOST_TRIPS)[:1].tolist():
        one = study.streams[row]
        rule = f"has at most {MOST_TRIPS:,} trips from {one.origin} to {one.destination}"
        raise InputError(Fault("demand", f"{most[row]:,.0f}", rule, "too_large"))
    if most.sum() > MOST_IN_ALL:
        rule = f"has at most {MOST_IN_ALL:,} trips, edits included"
        raise InputError(Fault("demand", f"{most.sum():,.0f}", rule, "too_large"))


def _map_of(scenario: Scenario, folder: Path) -> SingleMap:
    if not scenario.map.folder:
        raise InputError(Fault("map.folder", "(missing)", "is the GMNS folder of the map"))
    return read_gmns(folder / scenario.map.folder)[0]


def _check_version(scenario: Scenario, network: SingleMap) -> None:
    wanted = scenario.map.version
    if wanted and not network.version.startswith(wanted):
        rule = f"is the version of the map, which is {network.version}: look at what changed in it"
        raise InputError(Fault("map.version", wanted, rule, "map_version"))


def _classes(scenario: Scenario, flows: tuple[Stream, ...]) -> tuple[VehicleClass, ...]:
    """Return the classes of the file, then those that only the demand names, by name."""
    listed = {one.name: one for one in scenario.classes}
    for name in sorted({flow.vclass for flow in flows} - listed.keys()):
        listed[name] = VehicleClass(name=name)
    return tuple(listed.values()) or (VehicleClass(name="car"),)


def _zone_rules(scenario: Scenario, here: Here) -> tuple[ZoneRule, ...]:
    """Return the restricted zones of the base. Raises InputError."""
    with_links = {str(zone.id) for zone in here.study.network.zones if zone.links}
    rules: dict[str, ZoneRule] = {}
    for number, zone in enumerate(scenario.zones):
        place = Here(here.study, here.start_s, here.end_s, here.classes, f"zones[{number}]")
        if zone.zone not in with_links:
            place.refuse("zone", zone.zone, f"is a zone of links: {', '.join(sorted(with_links))}")
        if zone.zone in rules:
            place.refuse("zone", zone.zone, "stands there once")
        place.known_classes(zone.authorised, "authorised")
        from_s = 0.0 if zone.from_ is None else seconds_of_day(zone.from_) - here.start_s
        until_s = float("inf") if zone.until is None else seconds_of_day(zone.until) - here.start_s
        shares = tuple(sorted(zone.authorised.items()))
        rules[zone.zone] = ZoneRule(zone.zone, from_s, until_s, shares)
    return tuple(rules.values())


def _placed(flows: tuple[Stream, ...], here: Here) -> tuple[Stream, ...]:
    """Return the streams if every zone has a node. Raises InputError naming one that has none."""
    network = here.study.network
    known = set(network.node_rows) | {node.zone for node in network.nodes if node.zone}
    for flow in flows:
        for field, name in (("origin", flow.origin), ("destination", flow.destination)):
            if name not in known:
                rule = "is a node of the map, or a zone that a node names"
                raise InputError(Fault(f"{flow.key.partition(' ')[0]}.{field}", name, rule))
    return flows


def _streams(
    scenario: Scenario, folder: Path, start_s: float, end_s: float
) -> tuple[tuple[Stream, ...], float]:
    """Return all streams with trips, and how many trips end where they begin."""
    flows = []
    for number, table in enumerate(scenario.demand.tables):
        flows += list(_of_table(table, folder, f"demand.tables[{number}]", scenario))
    for number, flow in enumerate(scenario.demand.trips):
        flows.append(_of_flow(flow, f"demand.trips[{number}]"))
    for number, event in enumerate(scenario.demand.events):
        flows += list(_of_event(event, f"demand.events[{number}]"))
    factor = scenario.demand.factor
    moving = [flow for flow in flows if flow.trips > 0 and flow.origin != flow.destination]
    within = [flow for flow in moving if flow.until_s > start_s and flow.from_s < end_s]
    inside = sum(flow.trips for flow in flows if flow.origin == flow.destination)
    return tuple(_from_start(flow, factor, start_s) for flow in within), inside * factor


def _from_start(flow: Stream, factor: float, start_s: float) -> Stream:
    return Stream(
        key=flow.key,
        origin=flow.origin,
        destination=flow.destination,
        vclass=flow.vclass,
        trips=flow.trips * factor,
        from_s=flow.from_s - start_s,
        until_s=flow.until_s - start_s,
        profile=flow.profile,
    )


def _of_table(table: Table, folder: Path, field: str, scenario: Scenario) -> Iterator[Stream]:
    """Yield the streams of a file, in seconds after midnight."""
    path = folder / table.file
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = tuple(next(csv.reader(file), []))
    if set(_SLOTS) <= set(header):
        yield from _of_slots(table, path, field)
        return
    from_s = seconds_of_day(table.from_ or scenario.starts)
    until_s = from_s + _HOUR_S if table.until is None else seconds_of_day(table.until)
    _check_span(from_s, until_s, table.profile, field)
    for trip in read_demand(path):
        yield Stream(
            key=f"{field} {trip.origin} {trip.destination} {table.class_}",
            origin=trip.origin,
            destination=trip.destination,
            vclass=table.class_,
            trips=trip.trips * table.factor,
            from_s=from_s,
            until_s=until_s,
            profile=table.profile,
        )


def _of_slots(table: Table, path: Path, field: str) -> Iterator[Stream]:
    """Yield the streams of a file with a row a pair, class and slot. Raises InputError."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        for line, row in enumerate(csv.DictReader(file), 2):
            try:
                from_s, trips = float(row["depart_s"]), float(row["vehicles"])
                if not (math.isfinite(from_s) and 0 <= trips < math.inf):
                    raise ValueError
            except (TypeError, ValueError) as error:
                rule = f"has numbers in depart_s and vehicles, 0 or more (line {line} of the file)"
                raise InputError(Fault(f"{field}.file", path.name, rule)) from error
            yield Stream(
                key=f"{field} {row['origin']} {row['destination']} {row['class']} {from_s:g}",
                origin=row["origin"],
                destination=row["destination"],
                vclass=row["class"],
                trips=trips * table.factor,
                from_s=from_s,
                until_s=from_s + table.slot_s,
            )


def _of_flow(flow: Flow, field: str) -> Stream:
    from_s, until_s = seconds_of_day(flow.from_), seconds_of_day(flow.until)
    _check_span(from_s, until_s, flow.profile, field)
    return Stream(
        key=f"{field} {flow.origin} {flow.destination} {flow.class_}",
        origin=flow.origin,
        destination=flow.destination,
        vclass=flow.class_,
        trips=flow.trips,
        from_s=from_s,
        until_s=until_s,
        profile=flow.profile,
    )


def _of_event(event: Gathering, field: str) -> Iterator[Stream]:
    """Yield the arrivals and the departures of an event, zone by zone."""
    if event.arrivals is not None:
        for zone, trips in _crowd(event.arrivals, f"{field}.arrivals"):
            yield _crowd_stream(event, event.arrivals, f"{field}.arrivals", zone, event.zone, trips)
    if event.departures is not None:
        for zone, trips in _crowd(event.departures, f"{field}.departures"):
            yield _crowd_stream(
                event, event.departures, f"{field}.departures", event.zone, zone, trips
            )


def _crowd(crowd: Crowd, field: str) -> Iterator[tuple[str, float]]:
    whole = sum(crowd.zones.values())
    if whole <= 0:
        raise InputError(Fault(f"{field}.zones", "0", "has a weight above 0"))
    _check_span(seconds_of_day(crowd.from_), seconds_of_day(crowd.until), crowd.profile, field)
    for zone, weight in crowd.zones.items():
        yield zone, crowd.trips * weight / whole


def _crowd_stream(
    event: Gathering, crowd: Crowd, field: str, origin: str, destination: str, trips: float
) -> Stream:
    return Stream(
        key=f"{field} {event.name} {origin} {destination}",
        origin=origin,
        destination=destination,
        vclass=event.class_,
        trips=trips,
        from_s=seconds_of_day(crowd.from_),
        until_s=seconds_of_day(crowd.until),
        profile=crowd.profile,
    )


def _check_span(from_s: float, until_s: float, profile: tuple[float, ...], field: str) -> None:
    if until_s <= from_s:
        raise InputError(Fault(f"{field}.until", "", "is after `from`"))
    if profile and sum(profile) <= 0:
        raise InputError(Fault(f"{field}.profile", str(list(profile)), "has a weight above 0"))
