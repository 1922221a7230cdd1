"""A metered ramp, a sign and a gate in SUMO: the traffic does what they show, and only so long."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from device_road import START_US, device_road
from real_parts import require
from twin.clock import ManualClock, datetime_from_us
from twin.commands.demo_city import missing_sumo
from twin.events import DecisionEvent, DecisionKind, DecisionState, Fact
from twin.network.sumo.plain import CONFIG_FILE, write_sumo_plain
from twin.units import SECOND_US
from twin.world.devices import RoadDevices
from twin.world.gates import Gates
from twin.world.service import Service
from twin.world.sumo.engine import Engine, sumo_program
from twin.world.sumo.kerbside import Kerbside
from twin.world.sumo.scene import Scene, open_scene
from world_fake import FakeService

pytestmark = pytest.mark.sumo

ROAD = device_road()
LENGTH_S = 1500
FLOWS = {"main": ("M0 M1 M2 M3 M4", 900), "ramp": ("R M1 M2 M3 M4", 900), "town": ("Z0 Z1 Z2", 240)}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    require(missing_sumo() or None)
    folder = tmp_path_factory.mktemp("road")
    write_sumo_plain(ROAD, folder)
    subprocess.run(
        [sumo_program("netconvert"), "-c", CONFIG_FILE], cwd=folder, check=True, capture_output=True
    )
    flows = "".join(
        f'<flow id="{name}" begin="0" end="{LENGTH_S}" vehsPerHour="{rate}" type="car" '
        f'departLane="best" departSpeed="max"><route edges="{edges}"/></flow>'
        for name, (edges, rate) in FLOWS.items()
    )
    blue = '<vehicle id="blue" type="blue" depart="400"><route edges="Z0 Z1 Z2"/></vehicle>'
    kinds = '<vType id="car" vClass="passenger"/><vType id="blue" vClass="emergency"/>'
    (folder / "road.rou.xml").write_text(f"<routes>{kinds}{flows}{blue}</routes>")
    (folder / "road.sumocfg").write_text(
        '<configuration><net-file value="map.net.xml"/><route-files value="road.rou.xml"/>'
        f'<begin value="0"/><end value="{LENGTH_S}"/></configuration>'
    )
    return open_scene(folder, tmp_path_factory.mktemp("copy"))


class Road:
    """The road in SUMO with its devices; `passed` counts who left a link, by link."""

    def __init__(self, scene: Scene, out: Path) -> None:
        self.clock = ManualClock(START_US)
        service = Service(FakeService().client(), key="twk_g_1")
        self.gates = Gates(ROAD, service=service, clock=self.clock)
        self.devices = RoadDevices(ROAD, service=service, clock=self.clock)
        self.kerbside = Kerbside(ROAD, self.devices, self.gates)
        self.engine = Engine(scene, out, seed=3)
        self.engine.watch((*self.kerbside.links, "M2", "Z2"))
        self.left: Counter[str] = Counter()
        self.seen: set[str] = set()
        self._last: dict[str, set[str]] = {}
        self._metres: list[float] = []

    async def obey(self, command: DecisionEvent) -> None:
        await self.gates.obey([command])
        await self.devices.obey([command])

    def run(self, seconds: int, each: Callable[[], None] = lambda: None) -> Counter[str]:
        """Run; return who left each link meanwhile."""
        before = self.left.copy()
        self._metres = []
        for _ in range(seconds):
            now_us = self.clock.now_us()
            self.engine.step({})
            places = self.engine.places
            self.engine.act(partial(self.kerbside.beat, places=places, now_us=now_us))
            here = {link: set(found) for link, found in places.items()}
            for link, last in self._last.items():
                self.left[link] += len(last - here.get(link, set()))
            self.seen |= here.get("Z2", set())
            self._speeds(places)
            self._last = here
            self._before = places
            self.clock.advance_to(now_us + SECOND_US)
            each()
        return self.left - before

    def _speeds(self, places: Any) -> None:
        last = getattr(self, "_before", {}).get("M2", {})
        now = places.get("M2", {})
        self._metres += [at - last[one] for one, at in now.items() if one in last]

    @property
    def speed_kph(self) -> float:
        """The mean speed on M2 during the last `run`."""
        return 3.6 * sum(self._metres) / len(self._metres)

    def ordered(
        self, kind: str, target: str, command: dict[str, str], *, lease_s: float = 250.0
    ) -> DecisionEvent:
        now = datetime_from_us(self.clock.now_us())
        return DecisionEvent(
            id=f"{target}-{now.isoformat()}",
            version=2,
            kind=DecisionKind(kind),
            state=DecisionState.ISSUED,
            target=target,
            time=now,
            reason="test",
            command=command,
            lease_until=now + timedelta(seconds=lease_s),
        )


@pytest.fixture
def road(scene: Scene, tmp_path: Path) -> Iterator[Road]:
    made = Road(scene, tmp_path / "out")
    yield made
    made.engine.close()


async def test_a_meter_lets_its_rate_pass_and_ends_with_its_lease(road: Road) -> None:
    free = road.run(200)["R"]
    await road.obey(road.ordered("ramp_meter", "RM", {"rate_vph": "360"}))
    road.run(50)
    metered = road.run(200)["R"]
    assert free > 35
    assert metered == pytest.approx(20, abs=2)
    road.run(60)  # the lease is over: the queue drains
    assert road.run(140)["R"] >= 35


async def test_a_sign_slows_what_is_behind_it_and_goes_dark(road: Road) -> None:
    road.run(200)
    free_kph = road.speed_kph
    slow = road.ordered("sign", "S2", {"limit_kph": "70"})
    await road.obey(slow)
    road.run(60)
    road.run(100)
    slowed_kph = road.speed_kph
    ended = DecisionEvent(**{**_fields(slow), "state": DecisionState.RELEASED, "version": 3})
    await road.obey(ended)
    road.run(60)
    road.run(60)
    assert free_kph > 95
    assert slowed_kph == pytest.approx(110 - 0.9 * 40, abs=8)
    assert road.speed_kph > free_kph - 5


async def test_a_lane_that_a_sign_closes_is_empty_until_it_opens(road: Road) -> None:
    road.run(100)
    await road.obey(road.ordered("sign", "S2", {"close_lane": "1"}, lease_s=100.0))
    road.run(90)
    client: Any = road.engine._sumo
    assert client.lane.getLastStepVehicleNumber("M2_2") == 0
    assert client.lane.getAllowed("M2_2") == ("emergency",)
    road.run(20)
    assert client.lane.getAllowed("M2_2") != ("emergency",)


async def test_a_barrier_holds_who_comes_until_its_decision_opens_it(road: Road) -> None:
    def admit() -> None:
        waiting = [one for one, at in road.engine.places["Z1"].items() if at > 60.0]
        if waiting:
            road.gates.said["GI"][True] += 1

    assert road.run(200, admit)["Z0"] >= 8
    assert road.kerbside.counts["let_in"] >= 8
    assert road.kerbside.counts["opened_alone"] == 0
    road.run(60)
    assert road.kerbside.counts["opened_alone"] > 0, "nobody answers: it opens by itself"


async def test_a_closed_gate_lets_nobody_in_but_who_is_there_out(road: Road) -> None:
    road.run(300)
    await road.obey(road.ordered("gate", "GI", {"gate": "closed", "except": "EMERGENCY"}))
    closing_exit = road.ordered("gate", "GO", {"gate": "closed", "except": "EMERGENCY"})
    await road.obey(closing_exit)
    assert road.gates.ordered("GO", road.clock.now_us()) == "open"
    road.run(70)
    inside = road.engine.places["Z1"]
    assert all(at <= 66.5 for at in inside.values()), "whoever was past the gate has left"
    road.seen.clear()
    let_in = road.kerbside.counts["let_in"]
    road.run(150)
    assert road.seen == {"blue"}, "nobody comes in but the ambulance"
    assert road.kerbside.counts["let_in"] == let_in + 1
    assert road.kerbside.counts["turned_away"] > 0
    road.run(60)  # the lease is over: its own rule again, and nobody answers
    assert road.run(120)["Z1"] > 3


async def test_a_closed_gate_opens_for_the_decision_of_an_excepted_profile_only(road: Road) -> None:
    await road.obey(road.ordered("gate", "GI", {"gate": "closed", "except": "EMERGENCY"}))
    for profile in ("RESIDENT", "EMERGENCY"):
        seen = Fact(name="profile", value=profile)
        passage = road.ordered("access", "GI", {"gate": "open"})
        await road.obey(DecisionEvent(**{**_fields(passage), "id": profile, "facts": (seen,)}))
    assert road.gates.said["GI"] == {True: 1, False: 1}


def _fields(event: DecisionEvent) -> dict[str, Any]:
    return {name: getattr(event, name) for name in event.__struct_fields__}
