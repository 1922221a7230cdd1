"""Ramp meters, signs and barriers in SUMO: what each shows becomes what vehicles do.

A meter lets one vehicle a cycle over its line. A sign slows the links that it rules, as far as
drivers comply. A barrier holds who comes until something opens it: an access decision, an order, a
blue light, or its own patience when nobody answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from twin.network.devices import DeviceKind, RoadDevice, governed_links, road_devices
from twin.network.model import SingleMap
from twin.units import mps_from_kph
from twin.world.devices import RoadDevices
from twin.world.gates import Gates
from twin.world.sumo.gatewatch import Places
from twin.world.sumo.hands import Hands

COMPLIANCE: Final = 0.9  # of the way from the link's own speed down to the sign's
AHEAD_M: Final = 6.0  # a barrier stands so far behind the camera of its gate
PATIENCE_S: Final = 15  # with no answer for so long a barrier opens by itself
TURN_S: Final = 20  # who is not let in turns away after so long
_STOP_BEFORE_M: Final = 40.0  # who is closer to a line that goes up passes it
_AT_LINE_M: Final = 12.0
_MARGIN_M: Final = 1.0


@dataclass
class Line:
    """A line across a link at which vehicles are held. `held` are those told to stop there."""

    device: RoadDevice
    at_m: float
    before: tuple[str, ...] = ()  # links that lead here, looked at for who comes
    held: dict[str, int] = field(default_factory=dict)  # vehicle: seconds at the line
    passed: set[str] = field(default_factory=set)
    credit: float = 1.0
    heard: Counter[bool] = field(default_factory=Counter)


class Kerbside:
    """The devices of one city in one run of SUMO. `counts` tells what they did."""

    def __init__(self, network: SingleMap, devices: RoadDevices, gates: Gates) -> None:
        """Stand meters and barriers beside their links."""
        lengths = {link.id: link.length_m for link in network.links}
        leading: dict[str, list[str]] = {}
        for move in network.movements:
            leading.setdefault(move.to_link, []).append(str(move.from_link))
        self._devices, self._gates = devices, gates
        self._meters: list[Line] = []
        self._barriers: list[Line] = []
        self._signs: list[tuple[RoadDevice, tuple[str, ...]]] = []
        self._shown: dict[str, Mapping[str, str]] = {}
        self._own_kph = {str(link.id): link.free_speed_mps * 3.6 for link in network.links}
        self.counts: Counter[str] = Counter()
        for one in road_devices(network):
            end_m = lengths[one.link] - _MARGIN_M
            if one.kind is DeviceKind.RAMP_METER:
                self._meters.append(Line(one, min(one.position_m, end_m)))
            elif one.kind is DeviceKind.SIGN:
                self._signs.append((one, tuple(map(str, governed_links(network, one)))))
            elif one.barrier:
                before = tuple(leading.get(one.link, ()))
                self._barriers.append(Line(one, min(one.position_m + AHEAD_M, end_m), before))

    @property
    def links(self) -> tuple[str, ...]:
        """The links whose vehicles `beat` wants to know."""
        lines = [*self._meters, *self._barriers]
        return tuple(
            dict.fromkeys(link for one in lines for link in (one.device.link, *one.before))
        )

    def beat(self, hands: Hands, places: Places, now_us: int) -> None:
        """Live through one second."""
        for line in self._meters:
            self._meter(line, hands, places, self._devices.shown(line.device.id, now_us))
        for line in self._barriers:
            self._barrier(line, hands, places, self._gates.ordered(line.device.id, now_us))
        for sign, links in self._signs:
            self._sign(sign, links, hands, self._devices.shown(sign.id, now_us))

    def _meter(self, line: Line, hands: Hands, places: Places, shown: Mapping[str, str]) -> None:
        here = places.get(line.device.link, {})
        _forget(line, here)
        rate_vph = float(shown.get("rate_vph", "0"))
        if rate_vph <= 0:
            for vehicle in list(line.held):
                _release(line, hands, vehicle)
            line.credit = 1.0
            return
        for vehicle, at_m in here.items():
            new = vehicle not in line.held and vehicle not in line.passed
            if new and at_m > line.at_m - _STOP_BEFORE_M:
                line.passed.add(vehicle)
            elif new and hands.hold(vehicle, line.device.link, line.at_m):
                line.held[vehicle] = 0
        line.credit = min(line.credit + rate_vph / 3600.0, 1.0)
        first = max(line.held, key=lambda one: here.get(one, 0.0), default=None)
        if line.credit >= 1.0 and first and here.get(first, 0.0) >= line.at_m - _AT_LINE_M:
            _release(line, hands, first)
            line.credit -= 1.0
            self.counts["metered"] += 1

    def _barrier(self, line: Line, hands: Hands, places: Places, order: str) -> None:
        here = places.get(line.device.link, {})
        coming = {one: -1.0 for link in line.before for one in places.get(link, {})}
        _forget(line, {**coming, **here})
        if order == "open":
            for vehicle in list(line.held):
                _release(line, hands, vehicle)
            line.heard = Counter(self._gates.said[line.device.id])
            return
        self._stop_who_comes(line, hands, coming, here)
        said = self._gates.said[line.device.id]
        waiting = [one for one in line.held if here.get(one, 0.0) >= line.at_m - AHEAD_M]
        for vehicle in waiting:
            line.held[vehicle] += 1
        if not waiting:
            line.heard = Counter(said)
            return
        first = max(waiting, key=lambda one: here[one])
        self._decide(line, hands, first, order)

    def _stop_who_comes(
        self, line: Line, hands: Hands, coming: Mapping[str, float], here: Mapping[str, float]
    ) -> None:
        for vehicle in (*coming, *here):
            if vehicle in line.held or vehicle in line.passed:
                continue
            if vehicle in here:
                line.passed.add(vehicle)  # it was on the link when the barrier came down
            elif hands.comes_to(vehicle, line.device.link) and hands.hold(
                vehicle, line.device.link, line.at_m
            ):
                line.held[vehicle] = 0

    def _decide(self, line: Line, hands: Hands, first: str, order: str) -> None:
        """Open for the first at the barrier, or not."""
        said = self._gates.said[line.device.id]
        admitted = said[True] > line.heard[True]
        refused = said[False] > line.heard[False]
        waited_s = line.held[first]
        closed = order == "closed"
        if admitted or hands.is_emergency(first):
            self._open(line, hands, first, "let_in")
        elif (closed or refused) and (waited_s >= TURN_S or _makes_way(line, hands)):
            hands.turn_away(first)
            line.held.pop(first)
            line.heard = Counter(said)
            self.counts["turned_away"] += 1
        elif not closed and not refused and waited_s >= PATIENCE_S:
            self._open(line, hands, first, "opened_alone")

    def _open(self, line: Line, hands: Hands, vehicle: str, why: str) -> None:
        _release(line, hands, vehicle)
        line.heard = Counter(self._gates.said[line.device.id])
        self.counts[why] += 1

    def _sign(
        self, sign: RoadDevice, links: tuple[str, ...], hands: Hands, shown: Mapping[str, str]
    ) -> None:
        if shown == self._shown.get(sign.id, {}):
            return
        self._shown[sign.id] = dict(shown)
        for link in links:
            hands.lift_limit(link)
            hands.open_lanes(link)
        if "limit_kph" in shown:
            for link in links:
                own = self._own_kph[link]
                limit = float(shown["limit_kph"])
                kph = own - COMPLIANCE * max(own - limit, 0.0)
                hands.limit(link, mps_from_kph(kph))
        if "close_lane" in shown:
            hands.close_lane(links[0], int(float(shown["close_lane"])))


def _makes_way(line: Line, hands: Hands) -> bool:
    """Say whether a blue light waits behind whom the barrier does not let in."""
    return any(hands.is_emergency(one) for one in line.held)


def _release(line: Line, hands: Hands, vehicle: str) -> None:
    hands.let_go(vehicle)
    line.held.pop(vehicle, None)
    line.passed.add(vehicle)


def _forget(line: Line, here: Mapping[str, float]) -> None:
    """Forget who is gone."""
    for vehicle in [one for one in line.held if one not in here]:
        del line.held[vehicle]
    line.passed &= set(here)
