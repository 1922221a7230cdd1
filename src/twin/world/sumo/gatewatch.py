"""The cameras at the gates of a city in SUMO: who passes becomes a read plate."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Final

from twin.clock import datetime_from_us, us_from_seconds
from twin.events import Direction, Passage
from twin.network.model import Gate, SingleMap
from twin.seal import Plate
from twin.units import SECOND_US
from twin.world.faults import Timed

_LEAST_CONFIDENCE: Final = 0.88
_SPREAD: Final = 0.115
_LEAST_DELAY_S: Final = 0.4
_MOST_DELAY_S: Final = 1.2

Places = Mapping[str, Mapping[str, float]]
"""Positions in metres of the vehicles on each link with a gate: link, vehicle, metre."""


class GateWatch:
    """Compares where vehicles are with where they were a second before."""

    def __init__(self, network: SingleMap, plates: Mapping[str, Plate], *, scene: str) -> None:
        """Watch all gates of a map; a vehicle without a plate is read as nothing."""
        self._gates: dict[str, list[Gate]] = {}
        for gate in network.gates:
            self._gates.setdefault(str(gate.link), []).append(gate)
        self._plates = plates
        self._scene = scene
        self._last: Places | None = None

    @property
    def links(self) -> tuple[str, ...]:
        """The links on which vehicles must be looked for."""
        return tuple(self._gates)

    def see(self, places: Places, now_us: int) -> list[Timed]:
        """Return the passages of the second that begins at `now_us`; the first look only learns."""
        last, self._last = self._last, places
        if last is None:
            return []
        return [
            self._passage(gate, vehicle, now_us + us_from_seconds(share))
            for link, gates in self._gates.items()
            for gate in gates
            for vehicle, share in _passed(gate.position_m, last.get(link, {}), places.get(link, {}))
        ]

    def _passage(self, gate: Gate, vehicle: str, time_us: int) -> Timed:
        plate = self._plates.get(vehicle)
        name = f"{self._scene}:{gate.id}:{vehicle}:{time_us // SECOND_US}"
        draw = _draw(name)
        event = Passage(
            id=name,
            gate=str(gate.id),
            time=datetime_from_us(time_us),
            plate=plate.text if plate else "",
            confidence=round(_LEAST_CONFIDENCE + _SPREAD * draw, 3) if plate else 0.0,
            direction=Direction.IN if gate.inbound else Direction.OUT,
            country=plate.country if plate else None,
            track=f"{gate.id}:{vehicle}:{time_us // SECOND_US}"[:64],
        )
        delay_s = _LEAST_DELAY_S + (_MOST_DELAY_S - _LEAST_DELAY_S) * draw
        return Timed(time_us + us_from_seconds(delay_s), event)


def _passed(
    gate_m: float, last: Mapping[str, float], here: Mapping[str, float]
) -> Iterator[tuple[str, float]]:
    """Yield who crossed a metre of a link, and at which share of the second.

    Who was before it and is on the link no more has crossed it, too.
    """
    for vehicle in dict.fromkeys((*last, *here)):
        was_m, is_m = last.get(vehicle, -1.0), here.get(vehicle, math.inf)
        if was_m < gate_m <= is_m:
            step_m = is_m - was_m
            yield vehicle, (gate_m - was_m) / step_m if math.isfinite(step_m) else 0.5


def _draw(name: str) -> float:
    digest = blake2b(name.encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") / 2**32
