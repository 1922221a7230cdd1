"""Three minutes of the practice city against a real service in one process."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from sumo_city import city_settings
from twin.app import Service
from twin.errors import InputError
from twin.keys import KeyRing, Purpose
from twin.seal import Plate
from twin.store import accounting, decisions, people
from twin.world.faults import Distorter, Faults
from twin.world.service import connect
from twin.world.sumo.clocks import PacedClock
from twin.world.sumo.roadside import RoadsideKeys
from twin.world.sumo.scene import Scene, open_scene
from twin.world.sumo.street import Street, StreetPlan
from twin.world.sumo.warm import going_on, history, warm_up

pytestmark = [pytest.mark.sumo, pytest.mark.timeout(600)]  # on a busy machine

START_S, LENGTH_S = 7 * 3600.0 + 120.0, 180.0  # a bus enters the old town
BEGIN_S = START_S - 600.0
AUTOMATIC = ("J01", "J02", "J03")


@pytest.fixture(scope="module")
def scene(city_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Open the city; its buses have plates that nobody has announced."""
    opened = open_scene(city_folder, tmp_path_factory.mktemp("copy"), end_s=START_S + LENGTH_S)
    assert opened.city is not None
    unknown = {name: Plate("FR", "ZZ000ZZ") for name in opened.city.plates if name.startswith("bL")}
    city = replace(opened.city, plates={**opened.city.plates, **unknown})
    return replace(opened, city=city)


async def order(client: httpx.AsyncClient, operator: dict[str, str]) -> str:
    """Order a limit for longer than the run; return the id of the decision."""
    asked = {
        "kind": "sign",
        "target": "PMV-N5",
        "command": {"limit_kph": "80"},
        "reason": "queue before the viaduct",
        "for_s": 900,
    }
    answer = await client.post("/api/v1/commands", json=asked, headers=operator)
    assert answer.is_success, answer.text  # 202 on a busy machine: it goes out a beat later
    return str(answer.json()["id"])


async def test_a_city_is_measured_obeyed_and_guarded(
    city_folder: Path, scene: Scene, tmp_path: Path
) -> None:
    assert scene.city is not None
    warm = warm_up(scene, tmp_path / "warm", until_s=START_S, seed=1, begin_s=BEGIN_S)
    before = history(scene.city, warm)
    assert before.table.count is not None
    assert before.table.count.shape == (10, 206)
    assert before.table.count.sum() > 500
    clock = PacedClock(before.demo_start_us, rate=60.0)
    service = Service(
        city_settings(city_folder, scene, tmp_path, automatic=",".join(AUTOMATIC)), clock=clock
    )
    found: dict[str, Any] = {}

    async def town(started: Service) -> None:
        keys = {
            role: await people.create_key(started.database, name=role, role=role, now_us=1)
            for role in ("integrator", "gate", "access_clerk", "operator")
        }
        operator = {"Authorization": f"Bearer {keys.pop('operator')}"}
        seal = KeyRing.load(tmp_path / "keys.json")[Purpose.TRANSPORT]
        async with connect(started.url) as client:
            street = Street(
                StreetPlan(
                    scene=going_on(scene, warm),
                    start_us=before.demo_start_us,
                    seed=1,
                    out=tmp_path / "out",
                    key=keys["integrator"],
                    rate=60.0,
                    parties=RoadsideKeys(**keys, seal=seal),
                    settled_s=600.0,
                ),
                client=client,
                clock=clock,
                distorter=Distorter(Faults(seed=1, duplicated=0.1), start_us=before.demo_start_us),
            )
            asked = asyncio.create_task(order(client, operator))
            await street.run()
            found["order"] = await decisions.history(started.database, await asked)
            ends = await started.log.end_offsets(list(started.worker.positions))
            while any(started.worker.positions.get(at, 0) < end for at, end in ends.items()):
                await client.get("/health/live")
        found["street"] = street
        found["books"] = await accounting.totals(started.database)
        found["made"] = await decisions.list_decisions(started.database, limit=500)
        started.stop()

    assert await service.run([town]) == 0
    street: Street = found["street"]
    assert street.roadside is not None
    assert [str(one) for one in street.monitor.violations] == []
    received = {(entry.source, entry.topic): entry for entry in found["books"]}
    assert all(accounting.balanced(entry) for entry in found["books"])
    readings = received["integrator", "reading"]
    late = street.roadside.player.tallies["readings"].sent
    assert readings.received == street.sender.counts["posted"] + late
    assert readings.received > 3 * 206
    assert readings.rejected == 0
    reads = received["gate", "anpr.read"]
    assert reads.received == street.roadside.sender.counts["posted"] > 0
    duplicates = readings.duplicate + reads.duplicate
    assert duplicates == street.distorter.counts["duplicated"]
    access = [one for one in found["made"] if one.kind == "access"]
    reasons = [one.reason for one in access]
    assert "EXIT_ALWAYS" in reasons
    assert "NO_AUTHORISATION" in reasons, f"no bus among {len(reasons)}: {set(reasons)}"
    assert len(access) == reads.applied
    assert 0 < street.roadside.gates.acknowledged <= len(access)
    states = [str(one.state) for one in found["order"]]
    renewed = ["approved", "issued", "acknowledged", "issued", "acknowledged"]
    assert states[:5] == renewed, "the lease is renewed, and each renewal acknowledged"
    assert street.roadside.devices.shown("PMV-N5", clock.now_us()) == {"limit_kph": "80"}
    assert set(street.ledger.leased_s) >= set(AUTOMATIC)
    for junction in AUTOMATIC:
        assert street.ledger.leased_s[junction] > 0.5 * LENGTH_S
        assert street.ledger.changes[junction], "stages were asked for, and shown"
    assert {name for name, s in street.ledger.leased_s.items() if s} == set(AUTOMATIC)


def test_a_table_of_another_map_is_refused(city_folder: Path, tmp_path: Path) -> None:
    table = json.loads((city_folder / "signals.json").read_text())
    whole = json.dumps(table)
    (city_folder / "signals.json").write_text(json.dumps({**table, "map_version": "0" * 32}))
    try:
        with pytest.raises(InputError, match="another map"):
            open_scene(city_folder, tmp_path / "copy")
    finally:
        (city_folder / "signals.json").write_text(whole)
