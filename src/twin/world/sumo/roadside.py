"""What else works in a city: cameras, gates, meters, signs, a clerk, who reports incidents."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec

from twin.clock import Clock
from twin.events import Passage, Reading
from twin.keys import Key
from twin.network.model import SingleMap
from twin.seal import seal
from twin.world.devices import RoadDevices
from twin.world.faults import Distorter
from twin.world.gates import Gates
from twin.world.player import Player, PlayerKeys
from twin.world.service import Pause
from twin.world.sumo.city import City
from twin.world.sumo.gatewatch import GateWatch, Places
from twin.world.sumo.hands import Hands
from twin.world.sumo.kerbside import Kerbside
from twin.world.sumo.line import Line
from twin.world.sumo.sender import Sender


@dataclass(frozen=True, slots=True, repr=False)
class RoadsideKeys:
    """API keys of the parties. With a `seal` key no plate leaves a camera in clear."""

    integrator: str
    gate: str
    access_clerk: str
    seal: Key | None = None


@dataclass(frozen=True, slots=True)
class Wire:
    """How the parties of one city reach the service."""

    client: httpx.AsyncClient
    clock: Clock
    is_cut: Callable[[], bool]
    pause: Pause


class Roadside:
    """The parties of one city beside its loops and signals. Numbers may be read at any time."""

    def __init__(
        self, city: City, network: SingleMap, keys: RoadsideKeys, wire: Wire, *, scene: str
    ) -> None:
        """Prepare everybody; nobody talks before `jobs` run."""
        line = Line(wire.client, key=keys.gate, is_cut=wire.is_cut, pause=wire.pause)
        self._watch = GateWatch(network, city.plates, scene=scene)
        self._start_us = wire.clock.now_us()
        self.sender = Sender(line, wire.clock, path="/passages", encode=encoder(keys.seal))
        self.gates = Gates(network, service=line, clock=wire.clock, pause=wire.pause)
        self.devices = RoadDevices(network, service=line, clock=wire.clock, pause=wire.pause)
        self.kerbside = Kerbside(network, self.devices, self.gates)
        self.player = Player(
            recording=city.script,
            client=wire.client,
            keys=PlayerKeys(integrator=keys.integrator, access_clerk=keys.access_clerk),
            clock=wire.clock,
            pause=wire.pause,
        )

    @property
    def links(self) -> tuple[str, ...]:
        """The links whose vehicles `see` and `act` want to know."""
        return tuple(dict.fromkeys((*self._watch.links, *self.kerbside.links)))

    def see(self, places: Places, now_us: int, distorter: Distorter) -> None:
        """Read the plates of who passed, and hand them to the line as they are due."""
        self.sender.put(distorter.feed(self._watch.see(places, now_us)))
        self.sender.ring()

    def act(self, hands: Hands, places: Places, now_us: int) -> None:
        """Let meters, signs and barriers do to the traffic what they show. Blocks."""
        self.kerbside.beat(hands, places, now_us)

    def jobs(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """Return what must run: first the sender, which ends by itself after `sender.end`."""
        player = self.player.run(self._start_us)
        return self.sender.run(), self.gates.run(), self.devices.run(), player


def encoder(key: Key | None) -> Callable[[Reading | Passage], bytes]:
    """Return how events are written: plates sealed when there is a key."""

    def encode(event: Reading | Passage) -> bytes:
        if key is not None and isinstance(event, Passage) and event.plate:
            sealed = seal(event.plate, key=key, context=event.id)
            event = msgspec.structs.replace(event, plate=sealed)
        return msgspec.json.encode(event)

    return encode
