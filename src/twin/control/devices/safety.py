"""The gate at the end of commands to ramp meters, signs and gates.

What it does not release cannot leave the process. It works from the map, and from those commands
to neighbouring signs that it let out itself. A command is released or refused, never changed.

Rates: one car per green needs a cycle of 4 to 15 s, hence 240 to 900 vehicles an hour a lane (FHWA,
Ramp Management and Control Handbook, FHWA-HOP-06-001, on single-lane one-car-per-green metering).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from msgspec.structs import replace

from twin.clock import datetime_from_us, us_from_datetime
from twin.errors import UnsafePlan
from twin.events import DEVICE_KINDS, DecisionEvent, DecisionKind, DecisionState
from twin.network.devices import RoadDevice, road_devices
from twin.network.model import SingleMap
from twin.units import SECOND_US

EMERGENCY: Final = "EMERGENCY"
_BESIDE: Final = frozenset({"for_s"})  # of a proposal: how long; no device looks at it
_REASON_CHARS: Final = 10
_RUNNING: Final = frozenset({DecisionState.ISSUED, DecisionState.ACKNOWLEDGED})


@dataclass(frozen=True, slots=True)
class DeviceLimits:
    """What the gate accepts. Rates are vehicles an hour a lane, speeds km/h."""

    lease_s: float = 120.0
    longest_s: float = 4 * 3600.0
    least_rate_vph: float = 240.0
    most_rate_vph: float = 900.0
    least_limit_kph: float = 30.0
    step_kph: float = 10.0
    most_drop_kph: float = 40.0
    text_chars: int = 60


@dataclass(frozen=True, slots=True)
class _Case:
    """One command under examination. `asked` is the command without words beside it."""

    event: DecisionEvent
    device: RoadDevice
    asked: Mapping[str, str]
    shown: Mapping[str, float]  # limits in force by sign, km/h
    devices: Mapping[str, RoadDevice]
    now_us: int
    limits: DeviceLimits

    def unsafe(self, rule: str, value: str, limit: str) -> UnsafePlan:
        return UnsafePlan(rule, self.device.id, value, limit, what=str(self.device.kind))

    def number(self, name: str) -> float | None:
        """Return a number of the command; None if it has none. Raises UnsafePlan for no number."""
        word = self.asked.get(name)
        if word is None:
            return None
        try:
            value = float(word)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.unsafe("form", f"{name} {word!r}", "a number")
        return value


_PERMIT: Final = object()


class ReleasedCommand:
    """An issued command to a device. Only `DeviceSafety.release` can make one."""

    __slots__ = ("event",)

    def __init__(self, event: DecisionEvent, *, permit: object) -> None:
        """Wrap the event. Raises UnsafePlan without the permit of this module."""
        if permit is not _PERMIT:
            raise UnsafePlan("released", event.target, "made elsewhere", "DeviceSafety.release")
        self.event = event


class DeviceSafety:
    """Examines every command against the map. Keeps nothing: equal questions, equal answers."""

    def __init__(self, network: SingleMap, limits: DeviceLimits | None = None) -> None:
        """Read the devices of the map."""
        self._limits = limits or DeviceLimits()
        self._map_version = network.version
        self._devices = {(str(one.kind), one.id): one for one in road_devices(network)}
        self._signs = {one.id: one for (kind, _), one in self._devices.items() if kind == "sign"}

    @property
    def limits(self) -> DeviceLimits:
        """What is accepted."""
        return self._limits

    def examine(
        self, event: DecisionEvent, *, standing: Iterable[DecisionEvent], now_us: int
    ) -> None:
        """Check a command that shall be issued; `standing` are the commands now in force.

        Raises UnsafePlan naming the first rule that it breaks, the device, the value, the limit.
        """
        case = self._open(event, standing, now_us)
        for _, check in _CHECKS:
            check(case)

    def release(
        self, event: DecisionEvent, *, standing: Iterable[DecisionEvent], now_us: int
    ) -> ReleasedCommand:
        """Examine a command and return it as issued under a fresh lease, with the checks passed.

        Raises UnsafePlan as `examine` does.
        """
        self.examine(event, standing=standing, now_us=now_us)
        now = datetime_from_us(now_us)
        lease_until = now + timedelta(seconds=self._limits.lease_s)
        expires = event.expires or lease_until
        issued = replace(
            event,
            version=event.version + 1,
            state=DecisionState.ISSUED,
            time=now,
            lease_until=min(lease_until, expires),
            checks=DEVICE_RULES,
        )
        return ReleasedCommand(issued, permit=_PERMIT)

    def _open(self, event: DecisionEvent, standing: Iterable[DecisionEvent], now_us: int) -> _Case:
        """Find what the command speaks of (rule `known`)."""
        device = self._devices.get((str(event.kind), event.target))
        if event.kind not in DEVICE_KINDS or device is None:
            value, limit = f"no {event.kind} of the map", "a device of the map"
            raise UnsafePlan("known", event.target, value, limit, what=str(event.kind))
        shown = {
            one.target: float(one.command["limit_kph"])
            for one in standing
            if _in_force(one, now_us) and one.target != event.target
        }
        asked = {name: word for name, word in event.command.items() if name not in _BESIDE}
        case = _Case(event, device, asked, shown, self._signs, now_us, self._limits)
        if event.state not in _RUNNING | {DecisionState.APPROVED}:
            raise case.unsafe("known", f"a command that is {event.state}", "approved or in force")
        if event.map_version != self._map_version:
            raise case.unsafe("known", f"map {event.map_version}", f"map {self._map_version}")
        return case


def _in_force(event: DecisionEvent, now_us: int) -> bool:
    """Say whether a sign's limit was let out by this gate and its lease runs."""
    if event.kind is not DecisionKind.SIGN or event.state not in _RUNNING:
        return False
    runs = event.lease_until is not None and us_from_datetime(event.lease_until) > now_us
    return runs and event.checks == DEVICE_RULES and "limit_kph" in event.command


def _check_form(case: _Case) -> None:
    """A command says exactly one thing, in the words of its kind of device."""
    forms = _FORMS[case.event.kind]
    if frozenset(case.asked) not in forms:
        allowed = " or ".join("+".join(sorted(form)) for form in forms)
        raise case.unsafe("form", "+".join(sorted(case.asked)) or "(empty)", allowed)


def _check_ordered(case: _Case) -> None:
    event = case.event
    if event.automatic:
        return
    if not event.by.strip() or len(event.note.strip()) < _REASON_CHARS:
        value = f"by {event.by!r} with a reason of {len(event.note.strip())} characters"
        raise case.unsafe("ordered", value, f"a person and {_REASON_CHARS} characters")


def _check_duration(case: _Case) -> None:
    expires = case.event.expires
    left_s = (us_from_datetime(expires) - case.now_us) / SECOND_US if expires else math.inf
    if not 0 < left_s <= case.limits.longest_s:
        limit = f"more than 0 s, at most {case.limits.longest_s:g} s"
        raise case.unsafe("duration", f"{left_s:g} s", limit)


def _check_rate(case: _Case) -> None:
    rate_vph = case.number("rate_vph")
    if case.asked.get("rate", "off") != "off":
        raise case.unsafe("rate", f"rate {case.asked['rate']!r}", "off")
    if rate_vph is None:
        return
    lanes = max(case.device.lanes, 1)
    least, most = case.limits.least_rate_vph * lanes, case.limits.most_rate_vph * lanes
    if not least <= rate_vph <= most:
        raise case.unsafe("rate", f"{rate_vph:g} veh/h", f"{least:g} to {most:g} veh/h")


def _check_speed(case: _Case) -> None:
    limit_kph = case.number("limit_kph")
    if limit_kph is None:
        return
    least, legal = case.limits.least_limit_kph, case.device.legal_kph
    if not least <= limit_kph <= legal:
        raise case.unsafe("speed", f"{limit_kph:g} km/h", f"{least:g} to {legal:g} km/h")
    if limit_kph % case.limits.step_kph:
        raise case.unsafe("speed", f"{limit_kph:g} km/h", f"steps of {case.limits.step_kph:g} km/h")


def _check_neighbours(case: _Case) -> None:
    """Between one sign and the next the limit falls by no more than `most_drop_kph`.

    A sign that shows no limit counts with its link's own speed; where no sign stands before this
    one, drivers come with the speed of its own link.
    """
    limit_kph = case.number("limit_kph")
    if limit_kph is None:
        return
    before, after = case.devices.get(case.device.before), case.devices.get(case.device.after)
    coming_kph = _limit_of(before, case) if before else case.device.legal_kph
    drops = [(before.id if before else "the road", coming_kph - limit_kph)]
    if after is not None and after.id in case.shown:
        drops.append((after.id, limit_kph - case.shown[after.id]))
    for name, drop_kph in drops:
        if drop_kph > case.limits.most_drop_kph:
            value = f"{drop_kph:g} km/h of difference to {name}"
            raise case.unsafe("neighbours", value, f"{case.limits.most_drop_kph:g} km/h")


def _limit_of(sign: RoadDevice, case: _Case) -> float:
    return case.shown.get(sign.id, sign.legal_kph)


def _check_lane(case: _Case) -> None:
    lane = case.number("close_lane")
    if lane is None:
        return
    lanes = case.device.lanes
    if lane != int(lane) or not 1 <= lane <= lanes:
        raise case.unsafe("lane", f"lane {lane:g}", f"1 to {lanes}, counted from the left")
    if lanes < 2:
        raise case.unsafe("lane", f"lane {lane:g} of {lanes}", "one lane stays open")


def _check_text(case: _Case) -> None:
    text = case.asked.get("text")
    if text is None:
        return
    most = case.limits.text_chars
    if not text.strip() or len(text) > most or not text.replace("\n", "").isprintable():
        raise case.unsafe("text", f"{len(text)} characters", f"1 to {most} that can be shown")


def _check_gate(case: _Case) -> None:
    """An exit is never closed, and a closed gate names emergency vehicles as let through."""
    word = case.asked.get("gate")
    if word is None:
        return
    if word not in _GATE_WORDS:
        raise case.unsafe("gate", f"gate {word!r}", ", ".join(_GATE_WORDS))
    if word == "closed" and not case.device.inbound:
        raise case.unsafe("gate", "an exit closed", "exits are always open")
    if not case.device.barrier:
        raise case.unsafe("gate", "no barrier", "a gate with a barrier")
    let_through = case.asked.get("except", "")
    if (word == "closed") != (let_through == EMERGENCY):
        value = f"gate {word}, except {let_through or 'nobody'}"
        raise case.unsafe("gate", value, f"closed except {EMERGENCY}")


_GATE_WORDS: Final = ("closed", "open", "by_rule")
_FORMS: Final[Mapping[DecisionKind, tuple[frozenset[str], ...]]] = {
    DecisionKind.RAMP_METER: (frozenset({"rate_vph"}), frozenset({"rate"})),
    DecisionKind.SIGN: tuple(frozenset({one}) for one in ("limit_kph", "close_lane", "text")),
    DecisionKind.GATE: (frozenset({"gate"}), frozenset({"gate", "except"})),
}
_CHECKS: Final[tuple[tuple[str, Callable[[_Case], None]], ...]] = (
    ("form", _check_form),
    ("ordered", _check_ordered),
    ("duration", _check_duration),
    ("rate", _check_rate),
    ("speed", _check_speed),
    ("neighbours", _check_neighbours),
    ("lane", _check_lane),
    ("text", _check_text),
    ("gate", _check_gate),
)
DEVICE_RULES: Final = ("known", *(name for name, _ in _CHECKS))
