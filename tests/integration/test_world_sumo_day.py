"""A quarter of an hour of the practice city with all faults on, and its watch on real lamps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sumo_city import city_settings
from twin.app import Service
from twin.evaluate.pictures import compare as beside
from twin.evaluate.pictures import errors
from twin.ids import GroupId
from twin.keys import KeyRing, Purpose
from twin.network.model import Junction, SignalPlan
from twin.store import people
from twin.world.books import Books, compare
from twin.world.cabinet import Cabinet
from twin.world.faults import ALL, Distorter
from twin.world.monitor import Monitor, rules_of_map
from twin.world.pictures import PictureWatch
from twin.world.service import connect
from twin.world.sumo.clocks import PacedClock
from twin.world.sumo.engine import Engine
from twin.world.sumo.heads import LampHead
from twin.world.sumo.roadside import RoadsideKeys
from twin.world.sumo.scene import Scene, open_scene
from twin.world.sumo.street import Street, StreetPlan
from twin.world.truth import read_link_minutes
from twin.world.wiretap import Wiretap

pytestmark = [pytest.mark.sumo, pytest.mark.timeout(600)]  # on a busy machine

START_S, LENGTH_S = 7 * 3600.0, 900.0
FAULTS = replace(
    ALL, seed=5, lost=0.05, late=0.02, late_s=720.0, cut=((300.0, 360.0),), broken_from_s=120.0
)


@pytest.fixture(scope="module")
def scene(city_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return open_scene(city_folder, tmp_path_factory.mktemp("copy"), end_s=START_S + LENGTH_S)


async def test_with_all_faults_on_nothing_is_unaccounted_for(
    city_folder: Path, scene: Scene, tmp_path: Path
) -> None:
    assert scene.city is not None
    scene = replace(scene, begin_s=START_S)  # on empty streets, into the morning's traffic
    assert scene.city is not None
    start_us = scene.city.moment_us(START_S)
    clock = PacedClock(start_us, rate=200.0)
    service = Service(city_settings(city_folder, scene, tmp_path, automatic="J01"), clock=clock)
    links = [str(link.id) for link in scene.network.links]
    found: dict[str, Any] = {}

    async def town(started: Service) -> None:
        keys = {
            role: await people.create_key(started.database, name=f"the {role}", role=role, now_us=1)
            for role in ("integrator", "gate", "access_clerk")
        }
        seal = KeyRing.load(tmp_path / "keys.json")[Purpose.TRANSPORT]
        tap = Wiretap(scene.network, {key: f"the {role}" for role, key in keys.items()})
        async with connect(started.url) as client:
            tap.attach(client)
            watch = PictureWatch(client, keys["integrator"], clock, links)
            street = Street(
                StreetPlan(
                    scene=scene,
                    start_us=start_us,
                    seed=1,
                    out=tmp_path / "out",
                    key=keys["integrator"],
                    rate=200.0,
                    parties=RoadsideKeys(**keys, seal=seal),
                    slowest=100.0,
                ),
                client=client,
                clock=clock,
                distorter=Distorter(
                    FAULTS, start_us=start_us, gates=[str(gate.id) for gate in scene.network.gates]
                ),
            )
            await run_watched(street, watch)
            found["books"] = await compare(
                tap, street.distorter, client, key=keys["integrator"], before={}
            )
        found.update(street=street, watch=watch)
        started.stop()

    assert await service.run([town]) == 0
    books: Books = found["books"]
    street: Street = found["street"]
    assert [(one.topic, one.differences) for one in books.lines if not one.agrees] == []
    assert books.difference == 0
    assert [str(one) for one in street.monitor.violations] == []
    said = {(one.source, one.topic): one.said for one in books.lines}
    readings, reads = said["the integrator", "reading"], said["the gate", "anpr.read"]
    assert readings["received"] > 2500
    assert min(readings["duplicate"], readings["late"]) > 5, "the faults were on"
    assert reads["received"] > 10
    done = street.distorter.kinds["reading"]
    assert all(done[name] for name in ("lost", "dead", "stuck", "drifting", "held", "clock_offset"))
    assert said["the access_clerk", "authorisation"]["applied"] > 1000
    assert said["the integrator", "street.ack"]["applied"] > 0
    truth = read_link_minutes(tmp_path / "out" / "edges.xml", links)
    zero_us = start_us - round(START_S * 1e6)
    comparison = beside(scene.network, truth, found["watch"].pictures().since(zero_us))
    assert len(comparison.minute_s) >= 5
    (density,) = (
        one
        for one in errors(comparison)
        if (one.quantity, one.road_class, one.source)
        == ("density (veh/km)", "motorway", "measured")
    )
    assert density.count > 100
    assert density.mae < 0.5 * density.mean, "the live picture knows the motorway"


async def run_watched(street: Street, watch: PictureWatch) -> None:
    """Run a street, and look at the picture meanwhile."""
    looking = asyncio.create_task(watch.run())
    try:
        await street.run()
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


# --- the watch ----------------------------------------------------------------------------------


def quick_feet(one: Junction) -> Junction:
    """Give people one second to leave the road."""
    feet = {group.id for group in one.groups if group.pedestrian}
    between = tuple((a, b, 1.0 if a in feet else gap) for a, b, gap in one.intergreen_s)
    return replace(one, intergreen_s=between)


def quick_wheels(one: Junction) -> Junction:
    """Let everybody follow vehicles after three seconds instead of five and six."""
    feet = {group.id for group in one.groups if group.pedestrian}
    between = tuple((a, b, gap if a in feet else 3.0) for a, b, gap in one.intergreen_s)
    return replace(one, intergreen_s=between)


def quick_yellow(one: Junction) -> Junction:
    return replace(one, groups=tuple(replace(group, yellow_s=1.0) for group in one.groups))


def short_green(one: Junction) -> Junction:
    """Leave the groups no minimum, and the second stage hardly any time."""
    groups = tuple(replace(group, min_green_s=0.0) for group in one.groups)
    return replace(one, groups=groups, plans=(plan(one, 41.0, 12.0, 27.0),))


def long_red(one: Junction) -> Junction:
    """Run one stage for three minutes."""
    return replace(one, plans=(plan(one, 180.0, 25.0, 35.0),))


def all_at_once(one: Junction) -> Junction:
    """Put the third stage's vehicles into the first, as if nothing were in conflict."""
    first = replace(one.stages[0], groups=(*one.stages[0].groups, GroupId(f"{one.id}-F4")))
    return replace(one, stages=(first, *one.stages[1:]), intergreen_s=())


def plan(one: Junction, *lengths: float) -> SignalPlan:
    steps = tuple((stage.id, length) for stage, length in zip(one.stages, lengths, strict=True))
    return replace(one.plans[0], cycle_s=sum(lengths), steps=steps)


# Six junctions of the avenue with the same three stages, F1 F2 P2, F3, F4 P1, and a sound one.
PLANTED: dict[str, tuple[str, Callable[[Junction], Junction]]] = {
    "J01": ("pedestrian clearance", quick_feet),
    "J02": ("short intergreen", quick_wheels),
    "J03": ("yellow too short", quick_yellow),
    "J04": ("minimum green", short_green),
    "J05": ("overlong red", long_red),
    "J06": ("conflicting greens", all_at_once),
    "J10": ("", lambda one: one),
}


def test_the_watch_fires_on_what_sumos_lamps_really_show(scene: Scene, tmp_path: Path) -> None:
    assert scene.city is not None
    lamps = {name: scene.city.lamps[name] for name in PLANTED}
    groups = {name: tuple(link.group for link in links) for name, links in lamps.items()}
    rules = rules_of_map(scene.net, scene.network, groups)
    assert {len(one.crossings) for one in rules.values()} == {2}, "two groups on foot, each"
    heads = {
        str(one.id): LampHead(
            Cabinet(PLANTED[one.id][1](one), timezone="UTC", now_us=0), lamps[one.id]
        )
        for one in scene.network.junctions
        if one.id in PLANTED
    }
    monitors = {name: Monitor({name: rules[name]}) for name in heads}
    engine = Engine(scene, tmp_path / "out", seed=1)
    try:
        for second in range(200):
            for head in heads.values():
                head.cabinet.advance(second * 1_000_000)
            shown = engine.step({name: head.state() for name, head in heads.items()})
            for name, head in heads.items():
                monitors[name].watch(float(second), {name: head.seen(shown[name])})
    finally:
        engine.close()
    for name, (rule, _) in PLANTED.items():
        told = set(monitors[name].counts)
        if rule == "conflicting greens":
            told &= {rule}  # without a matrix nothing is cleared, either
        assert told == ({rule} if rule else set()), name
