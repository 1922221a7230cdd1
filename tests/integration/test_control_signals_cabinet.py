"""Signal control and the world's own controllers, with late statuses and late commands."""

from __future__ import annotations

import random
from collections import deque

import pytest

from control_city import ARMS, START_US, crossing, forecast_of, state, status, violations
from twin.clock import datetime_from_us
from twin.control.decision import DecisionBook
from twin.control.signals.controller import SignalControl
from twin.events import (
    Acknowledgement,
    ControlMode,
    DecisionEvent,
    DecisionState,
    SignalStatus,
)
from twin.units import SECOND_US
from twin.world.cabinet import Aspect, Cabinet, Shown


class City:
    """One crossing with the world's cabinet, and the service until it dies at `dies_s`."""

    def __init__(self, seed: int, dies_s: int) -> None:
        self.chance = random.Random(seed)
        self.dies_s = dies_s
        self.network = crossing()
        self.control = SignalControl(self.network, automatic=frozenset("*"), lease_s=15.0)
        self.book = DecisionBook()
        self.cabinet = Cabinet(self.network.junctions[0], timezone="Europe/Madrid", now_us=START_US)
        self.told: Shown | None = None
        self.statuses: deque[tuple[int, SignalStatus]] = deque()
        self.commands: deque[tuple[int, DecisionEvent]] = deque()
        self.greens: list[tuple[int, frozenset[str]]] = []
        self.leased = 0
        self.vehicles: dict[str, float] = {}

    def second(self, at_s: int) -> None:
        now_us = START_US + at_s * SECOND_US
        self.cabinet.advance(now_us)
        aspects = self.cabinet.aspects()
        green = frozenset(name for name, aspect in aspects.items() if aspect is Aspect.GREEN)
        self.greens.append((now_us, green))
        self.leased += self.cabinet.shown.mode is ControlMode.LEASED
        self.tell(at_s, now_us)
        if at_s < self.dies_s:
            self.serve(at_s, now_us)
        while self.commands and self.commands[0][0] <= now_us:
            self.answer(self.commands.popleft()[1], now_us)

    def tell(self, at_s: int, now_us: int) -> None:
        shown = self.cabinet.shown
        if shown != self.told or at_s % 5 == 0:
            self.told = shown
            said = status(
                shown.stage,
                at_us=now_us,
                since_us=shown.since_us,
                changing=shown.changing,
                mode=shown.mode,
            )
            self.statuses.append((now_us + self.chance.choice([0, 1]) * SECOND_US, said))

    def serve(self, at_s: int, now_us: int) -> None:
        while self.statuses and self.statuses[0][0] <= now_us:
            self.control.observe_status(self.statuses.popleft()[1])
        if at_s % 60 == 1:
            self.vehicles = {f"{arm}>C": self.chance.uniform(0, 40) for arm in ARMS}
        links = state(self.network, now_us, vehicles=self.vehicles)
        self.book.expire(now_us)
        for event in self.control.decide(
            now_us,
            links,
            forecast=forecast_of(links, now_us),
            book=self.book,
            map_version=self.network.version,
            offsets={},
        ):
            self.book.add(event)
            if event.state is DecisionState.ISSUED:
                late_us = self.chance.choice([0, 1, 2]) * SECOND_US
                self.commands.append((now_us + late_us, event))

    def answer(self, event: DecisionEvent, now_us: int) -> None:
        reply = self.cabinet.take(event, now_us)
        self.book.apply_acknowledgement(
            Acknowledgement(
                id=event.id,
                decision=event.id,
                device=event.target,
                time=datetime_from_us(now_us),
                accepted=reply.accepted,
            ),
            now_us,
        )


@pytest.mark.parametrize("seed", range(2))
def test_the_loop_is_closed_and_safe(seed: int) -> None:
    city = City(seed, dies_s=10_000)
    for at_s in range(1, 901):
        city.second(at_s)
    assert violations(city.network.junctions[0], city.greens) == []
    assert city.leased >= 0.95 * 900
    assert city.control.unsafe_count == 0
    changes = sum(a[1] != b[1] for a, b in zip(city.greens, city.greens[1:], strict=False))
    assert changes >= 20


@pytest.mark.parametrize("dies_s", [61, 137, 250])
def test_cut_off_at_any_moment_the_street_runs_its_plan_within_the_lease(dies_s: int) -> None:
    city = City(7, dies_s)
    for at_s in range(1, dies_s + 200):
        city.second(at_s)
        if at_s >= dies_s + 17:  # the lease, and what was still on its way
            assert city.cabinet.shown.mode is ControlMode.OWN_PLAN
    # Cut off in a long red, a group may wait for one red of the plan in addition.
    assert violations(city.network.junctions[0], city.greens, own_red_s=66.0) == []
