"""The practice city: its generator makes what is kept, and the city has what was promised."""

from __future__ import annotations

import csv
import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from scenario_city import CITY, generator
from twin.control.access.rules import load_rules
from twin.control.signals.validate import validate_junctions
from twin.network.corridors import corridors
from twin.network.gmns import read_gmns
from twin.network.model import Layer, LinkClass, SingleMap

DAY = CITY / "day"


@pytest.fixture(scope="module")
def make() -> ModuleType:
    return generator()


@pytest.fixture(scope="module")
def network() -> SingleMap:
    return read_gmns(CITY / "network")[0]


@pytest.fixture(scope="module")
def people(make: ModuleType, network: SingleMap) -> Any:
    return make.people(network, make.SEED)


def rows(name: str) -> list[dict[str, str]]:
    with (DAY / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_kept_map_is_the_drawn_one(make: ModuleType, network: SingleMap) -> None:
    assert make.whole.whole_map(make.whole.draw()).version == network.version


def test_the_city_has_what_was_promised(network: SingleMap) -> None:
    assert 600 <= len(network.links) <= 1500
    for corridor in corridors(network):
        if corridor.road.startswith("A10"):
            assert corridor.length_m == pytest.approx(20_000, rel=0.01)
    stations = [sensor for sensor in network.sensors if sensor.id.startswith("A10-")]
    assert 55 <= len(stations) <= 65
    avenue = [junction for junction in network.junctions if junction.id.startswith("J")]
    assert len(avenue) == 14
    stops = next(table for table in network.tables if table.name == "location")
    assert len(stops.rows) >= 20
    layers = Counter(feature.layer for feature in network.features)
    assert set(layers) == set(Layer)
    assert layers[Layer.SIGN] >= 12
    classes = {link.link_class for link in network.links}
    assert {LinkClass.MOTORWAY, LinkClass.RAMP, LinkClass.ARTERIAL, LinkClass.LOCAL} <= classes


def test_the_old_town_has_thirty_gates_and_the_market_overlaps_it(network: SingleMap) -> None:
    ways = Counter(gate.inbound for gate in network.gates if "OLD" in gate.zones)
    assert ways == {True: 15, False: 15}
    zones = {str(zone.id): set(zone.links) for zone in network.zones if zone.kind == "access"}
    assert set(zones) == {"OLD", "MARKET"}
    assert zones["OLD"] & zones["MARKET"]
    assert zones["MARKET"] - zones["OLD"]
    assert zones["OLD"] - zones["MARKET"]
    both = [gate for gate in network.gates if set(gate.zones) == {"OLD", "MARKET"}]
    assert len(both) == 10


def test_nobody_reaches_the_old_town_without_passing_a_gate(network: SingleMap) -> None:
    old = set(next(zone.links for zone in network.zones if zone.id == "OLD"))
    guarded = {(gate.link, gate.inbound) for gate in network.gates if "OLD" in gate.zones}
    for move in network.movements:
        if move.to_link in old and move.from_link not in old:
            assert (move.to_link, True) in guarded
        if move.from_link in old and move.to_link not in old:
            assert (move.from_link, False) in guarded


def test_signals_are_fit_to_be_controlled(network: SingleMap) -> None:
    assert validate_junctions(network) == ()
    for junction in network.junctions:
        grouped = Counter(move for group in junction.groups for move in group.movements)
        at_node = {move.id for move in network.movements if move.node == junction.node}
        assert set(grouped) == at_node
        assert set(grouped.values()) == {1}
        assert any(group.pedestrian for group in junction.groups)


def test_every_trip_has_a_way(make: ModuleType, network: SingleMap) -> None:
    barred = frozenset(
        link for zone in network.zones if zone.kind == "access" for link in zone.links
    )
    trips = make.trips
    router = trips.Router(network, None, barred)
    ends = trips.ends(network)
    wanted = trips.rates_vph(ends) > 0
    for a, b in zip(*np.nonzero(wanted), strict=True):
        way = trips.shortest(router, ends[a].leaving, ends[b].entering)
        assert way, f"{ends[a].zone} to {ends[b].zone}"
    moves = {(move.from_link, move.to_link) for move in network.movements}
    assert all(pair in moves for pair in pairwise(way))


def test_visitors_of_every_kind_come_through_the_gates(people: Any, network: SingleMap) -> None:
    _, visits, buses = people
    kinds = Counter(visit.kind for visit in visits)
    for kind in ("resident", "trader", "goods", "guest", "taxi", "emergency", "stranger"):
        assert kinds[kind] >= 3, kinds
    assert len(buses) > 60
    inbound = {gate.link for gate in network.gates if gate.inbound and "OLD" in gate.zones}
    outbound = {gate.link for gate in network.gates if not gate.inbound and "OLD" in gate.zones}
    moves = {(move.from_link, move.to_link) for move in network.movements}
    for visit in visits:
        assert all(pair in moves for pair in pairwise(visit.links))
        assert set(visit.links) & outbound
        assert bool(set(visit.links) & inbound) == bool(visit.stand)
        if visit.stand:
            assert visit.stand in visit.links
    assert any(set(bus.links) & inbound for bus in buses)


def test_people_and_plates_fit_the_rules(network: SingleMap) -> None:
    rules = load_rules(CITY / "access_rules.json")
    assert set(rules.zones_by_gate) == set(network.gate_rows)
    for gate in network.gates:
        assert set(rules.zones_by_gate[gate.id]) == set(gate.zones)
    known = rows("authorisations.csv")
    assert {row["profile"] for row in known} == set(rules.profiles)
    assert {row["zone"] for row in known} == {"OLD", "MARKET"}
    vehicles = rows("vehicles.csv")
    assert len({row["vehicle"] for row in vehicles}) == len(vehicles)
    plates = {(row["country"], row["plate"]): row["profile"] for row in known}
    for row in vehicles:
        assert plates.get((row["country"], row["plate"]), "") == row["profile"]


def test_the_demand_counts_every_vehicle_of_sumo(
    make: ModuleType, network: SingleMap, people: Any
) -> None:
    drawn = make.trips_of(network, make.SEED)
    table = rows("demand.csv")
    trips = Counter(trip.kind for trip in drawn)
    counted: Counter[str] = Counter()
    starts: Counter[int] = Counter()
    for row in table:
        counted[row["class"]] += int(row["vehicles"])
        if row["class"] in {"car", "van", "truck"}:
            starts[int(row["depart_s"])] += int(row["vehicles"])
        assert row["origin"] in network.node_rows
        assert row["destination"] in network.node_rows
        assert row["origin"] != row["destination"]
    assert {kind: counted[kind] for kind in ("car", "van", "truck")} == {
        kind: trips[kind] for kind in ("car", "van", "truck")
    }
    assert starts == Counter(
        int(trip.depart_s // 300) * 300 for trip in drawn if trip.kind != "taxi"
    )
    visits = Counter(visit.kind for visit in people[1])
    assert visits["stranger"] <= counted["stranger"] <= 2 * visits["stranger"]


def test_the_same_seed_makes_the_same_files(make: ModuleType, tmp_path: Path) -> None:
    make.make(tmp_path / "again", make.SEED)
    for path in (*DAY.iterdir(), CITY / "scenario.json", CITY / "access_rules.json"):
        made = tmp_path / "again" / path.relative_to(CITY)
        assert made.read_bytes() == path.read_bytes(), path.name
    for path in (CITY / "network").iterdir():
        assert (tmp_path / "again" / "network" / path.name).read_bytes() == path.read_bytes()


def test_another_seed_makes_other_people_and_trips(make: ModuleType, network: SingleMap) -> None:
    first, second = (make.people(network, make.SEED + more)[1] for more in (0, 1))
    assert [visit.plate for visit in first] != [visit.plate for visit in second]


def test_what_happens_is_on_the_map(network: SingleMap) -> None:
    (crash,) = json.loads((DAY / "incidents.json").read_text(encoding="utf-8"))
    link = network.links[network.link_rows[crash["link"]]]
    assert crash["position_m"] < link.length_m
    assert crash["lanes_closed"] < link.lanes
    (rain,) = json.loads((DAY / "weather.json").read_text(encoding="utf-8"))
    assert 0.5 < rain["speed_share"] < 1.0


def test_files_are_small() -> None:
    kept = [path for path in CITY.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert max(path.stat().st_size for path in kept) < 1_000_000
    assert sum(path.stat().st_size for path in kept) < 6_000_000
