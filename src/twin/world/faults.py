"""What goes wrong between the street and the service, on purpose and by seed.

A fault changes a stream of timed items: what is sent, when it arrives, what stands in it. Whether
one item is touched depends on the seed and on the item alone, so that cutting the stream into
batches elsewhere changes nothing.
"""

from __future__ import annotations

import math
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace as changed

from twin.clock import us_from_datetime, us_from_seconds
from twin.errors import Fault, InputError
from twin.events import Direction, Passage, Reading
from twin.units import HOUR_S, SECOND_US

_ALIKE: Final = {"0": "D", "D": "0", "8": "B", "B": "8", "1": "T", "T": "1", "5": "S", "S": "5"}

_NEVER_BEFORE: Final = frozenset({"late_s", "out_of_order_s", "broken_from_s"})

READING: Final = "reading"
PASSAGE: Final = "passage"

Event = Reading | Passage
Window = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Timed:
    """One event and the moment at which it reaches the service."""

    arrival_us: int
    event: Event


@dataclass(frozen=True, slots=True)
class Faults:
    """Which faults are on. Shares are 0 to 1; windows are seconds after the start of the run.

    lost, late, duplicated, out_of_order    shares of all items
    misread, missing_exit, cloned           shares of passages
    dead, stuck, drifting                   shares of all sensors, from `broken_from_s` on
    drift_per_h                             by how much a drifting sensor is off after an hour
    clock_offset, clock_offset_s            share of devices, and how far their clocks are off
    cut                                     windows in which nothing gets through; it is kept and
                                            arrives at the end of the window, in order
    """

    seed: int = 0
    lost: float = 0.0
    late: float = 0.0
    late_s: float = 900.0
    duplicated: float = 0.0
    out_of_order: float = 0.0
    out_of_order_s: float = 12.0
    misread: float = 0.0
    missing_exit: float = 0.0
    cloned: float = 0.0
    dead: float = 0.0
    stuck: float = 0.0
    drifting: float = 0.0
    drift_per_h: float = 0.3
    broken_from_s: float = 600.0
    clock_offset: float = 0.0
    clock_offset_s: float = 4.0
    cut: tuple[Window, ...] = field(default=())


ALL: Final = Faults(
    lost=0.01,
    late=0.002,
    duplicated=0.01,
    out_of_order=0.02,
    misread=0.02,
    missing_exit=0.02,
    cloned=0.005,
    dead=0.03,
    stuck=0.03,
    drifting=0.03,
    clock_offset=0.03,
    cut=((1200.0, 1320.0),),
)
"""What `--faults all` switches on."""


def read_faults(text: str, *, seed: int) -> Faults:
    """Read `all`, a TOML file, or `name=value,name=value`; a cut is `cut=600-720`.

    Raises InputError naming what is not known or out of range.
    """
    if not text or text == "none":
        return Faults(seed=seed)
    if text == "all":
        return replace(ALL, seed=seed)
    path = Path(text)
    if path.suffix == ".toml":
        try:
            given: Mapping[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise InputError(Fault("faults", text, f"cannot be read ({error})")) from error
    else:
        pairs = (part.partition("=") for part in text.split(","))
        given = {name.strip(): value.strip() for name, _, value in pairs}
    return replace(Faults(seed=seed), **{name: _value(name, given[name]) for name in given})


def _value(name: str, value: Any) -> Any:
    known = {one.name: one for one in fields(Faults)}
    if name not in known:
        raise InputError(Fault("faults", name, f"is no fault; known: {', '.join(known)}"))
    try:
        if name == "cut":
            return tuple(_window(one) for one in ([value] if isinstance(value, str) else value))
        number = int(value) if name == "seed" else float(value)
    except (TypeError, ValueError) as error:
        raise InputError(Fault(f"faults.{name}", str(value), "is not a number")) from error
    share = known[name].default == 0.0 and name != "seed"
    if share and not 0.0 <= number <= 1.0:
        raise InputError(Fault(f"faults.{name}", str(value), "must be a share from 0 to 1"))
    if not share and name in _NEVER_BEFORE and not 0.0 <= number < math.inf:
        raise InputError(Fault(f"faults.{name}", str(value), "must be 0 s or more"))
    return number


def _window(value: Any) -> Window:
    start, end = (float(part) for part in (value.split("-") if isinstance(value, str) else value))
    if not 0.0 <= start < end:
        raise InputError(Fault("faults.cut", str(value), "must begin before it ends, as 600-720"))
    return start, end


class Distorter:
    """Applies faults to a stream. `kinds` is its own record of what it did, by kind of item."""

    def __init__(self, faults: Faults, *, start_us: int, gates: Sequence[str] = ()) -> None:
        """Windows and drifts count from `start_us`; a cloned plate is read at one of `gates`."""
        self.faults = faults
        self._gates = tuple(gates)
        self.kinds: dict[str, Counter[str]] = {READING: Counter(), PASSAGE: Counter()}
        self._start_us = start_us
        self._frozen: dict[str, Reading] = {}

    @property
    def counts(self) -> Counter[str]:
        """What was done to items of all kinds together."""
        return sum(self.kinds.values(), Counter())

    def _note(self, event: Event, what: str) -> None:
        self.kinds[READING if isinstance(event, Reading) else PASSAGE][what] += 1

    def feed(self, items: Iterable[Timed]) -> list[Timed]:
        """Return what reaches the service instead of these items, by arrival."""
        out = [late for item in items for late in self._one(item)]
        return sorted(out, key=lambda item: item.arrival_us)

    def cut_until(self, now_us: int) -> int | None:
        """Return when the present cut ends, None when the line is up."""
        for start_s, end_s in self.faults.cut:
            if self._at(start_s) <= now_us < self._at(end_s):
                return self._at(end_s)
        return None

    def _one(self, item: Timed) -> Iterator[Timed]:
        self._note(item.event, "made")
        event = self._device(item.event)
        if event is None or self._hit("lost", event.id):
            self._note(item.event, "dead" if event is None else "lost")
            return
        for one in self._passages(event) if isinstance(event, Passage) else (event,):
            arrival_us = self._arrival(item.arrival_us, one)
            yield self._sent(arrival_us, one)
            if self._hit("duplicated", one.id):
                self._note(one, "duplicated")
                again_us = arrival_us + us_from_seconds(1 + 4 * self._draw("again", one.id))
                yield self._sent(again_us, one)

    def _sent(self, arrival_us: int, event: Event) -> Timed:
        self._note(event, "sent")
        held_us = self.cut_until(arrival_us)
        if held_us is not None:
            self._note(event, "held")
        return Timed(arrival_us if held_us is None else held_us, event)

    def _arrival(self, arrival_us: int, event: Event) -> int:
        if self._hit("late", event.id):
            self._note(event, "late")
            return arrival_us + us_from_seconds(self.faults.late_s)
        if self._hit("out_of_order", event.id):
            self._note(event, "out_of_order")
            more_s = self.faults.out_of_order_s * self._draw("wait", event.id)
            return arrival_us + us_from_seconds(more_s)
        return arrival_us

    def _device(self, event: Event) -> Event | None:
        """Return the event as its device tells it; None from a dead one."""
        name = event.sensor if isinstance(event, Reading) else event.gate
        if isinstance(event, Reading):
            broken = self._broken(name, event)
            if broken is None:
                return None
            event = broken
        if self._hit("clock_offset", name):
            self._note(event, "clock_offset")
            event = changed(event, time=event.time + timedelta(seconds=self.faults.clock_offset_s))
        return event

    def _broken(self, name: str, event: Reading) -> Reading | None:
        since_s = (us_from_datetime(event.time) - self._start_us) / SECOND_US
        since_s -= self.faults.broken_from_s
        if since_s < 0:
            return event
        draw = self._draw("sensor", name)
        faults = self.faults
        if draw < faults.dead:
            return None
        if draw < faults.dead + faults.stuck:
            self._note(event, "stuck")
            first = self._frozen.setdefault(name, event)
            return changed(
                event,
                count=first.count,
                speed_kph=first.speed_kph,
                occupancy_pct=first.occupancy_pct,
            )
        if draw < faults.dead + faults.stuck + faults.drifting:
            self._note(event, "drifting")
            return _drifted(event, 1.0 + faults.drift_per_h * since_s / HOUR_S)
        return event

    def _passages(self, event: Passage) -> Iterator[Passage]:
        if event.direction is Direction.OUT and self._hit("missing_exit", event.id):
            self._note(event, "missing_exit")
            return
        if self._hit("misread", event.id) and event.plate:
            self._note(event, "misread")
            event = changed(event, plate=self._misread(event))
        yield event
        elsewhere = [gate for gate in self._gates if gate != event.gate]
        if elsewhere and self._hit("cloned", event.id):
            self._note(event, "cloned")
            gate = elsewhere[int(self._draw("gate", event.id) * len(elsewhere))]
            yield changed(event, id=f"{event.id}:clone", gate=gate, track=None)

    def _misread(self, event: Passage) -> str:
        """Return the plate with one character read as another that looks like it."""
        plate = event.plate
        at = int(self._draw("letter", event.id) * len(plate))
        return plate[:at] + _ALIKE.get(plate[at], "8") + plate[at + 1 :]

    def _hit(self, fault: str, name: str) -> bool:
        return self._draw(fault, name) < float(getattr(self.faults, fault))

    def _draw(self, what: str, name: str) -> float:
        """Return a number in [0, 1) that depends on the seed, the purpose and the item alone."""
        text = f"{self.faults.seed}|{what}|{name}".encode()
        return int.from_bytes(blake2b(text, digest_size=7).digest(), "big") / 2**56

    def _at(self, seconds: float) -> int:
        return self._start_us + us_from_seconds(seconds)


def _drifted(event: Reading, factor: float) -> Reading:
    def times(value: float | None, most: float) -> float | None:
        return None if value is None else min(value * factor, most)

    return changed(
        event,
        count=times(event.count, 1e6),
        speed_kph=times(event.speed_kph, 250.0),
        occupancy_pct=times(event.occupancy_pct, 100.0),
    )
