"""From a person's order to commands under a lease, renewed while the order stands."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Final

from msgspec.structs import replace

from twin.clock import datetime_from_us, us_from_datetime, us_from_seconds
from twin.control.decision import REASON_CHARS, DecisionBook, step
from twin.control.devices.safety import EMERGENCY, DeviceLimits, DeviceSafety, ReleasedCommand
from twin.errors import Fault, UnsafePlan
from twin.events import DEVICE_KINDS, DecisionEvent, DecisionKind, DecisionState, OperatorAct
from twin.ids import derived_id
from twin.network.model import SingleMap

_IN_FORCE: Final = frozenset(
    {DecisionState.APPROVED, DecisionState.ISSUED, DecisionState.ACKNOWLEDGED}
)


class DeviceReason(StrEnum):
    """Why a version of a command to a device was made."""

    OPERATOR_ORDER = "OPERATOR_ORDER"
    REPLACED = "REPLACED"
    NOT_SAFE = "NOT_SAFE"


def decision_id(act: OperatorAct) -> str:
    """Return the id of the decision that an order makes."""
    kind = act.order.kind if act.order else ""
    return derived_id(str(kind), act.target, act.id)


def ordered(act: OperatorAct, *, now_us: int, map_version: str) -> DecisionEvent | Fault:
    """Make the first version of the decision that an order asks for, or say what it lacks."""
    order = act.order
    if order is None or order.kind not in DEVICE_KINDS:
        kinds = ", ".join(sorted(DEVICE_KINDS))
        found = str(order.kind) if order else "(none)"
        return Fault("kind", found, f"must be one of {kinds}", "not_an_order")
    if len(act.reason.strip()) < REASON_CHARS:
        rule = f"a reason of at least {REASON_CHARS} characters is needed"
        return Fault("reason", act.reason, rule, "reason_too_short")
    command = dict(order.command)
    if order.kind is DecisionKind.GATE and command.get("gate") == "closed":
        command["except"] = EMERGENCY
    now = datetime_from_us(now_us)
    return DecisionEvent(
        id=decision_id(act),
        version=1,
        kind=order.kind,
        state=DecisionState.APPROVED,
        target=act.target,
        time=now,
        reason=str(DeviceReason.OPERATOR_ORDER),
        command=command,
        expires=act.time + timedelta(seconds=order.for_s),
        by=act.person,
        note=act.reason.strip(),
        map_version=map_version,
    )


def unsafe_fault(problem: UnsafePlan) -> Fault:
    """Say in the words of a fault which safety rule a command breaks."""
    rule = f"breaks the safety rule {problem.rule}; allowed: {problem.limit}"
    return Fault("command", problem.value, rule, "unsafe")


class DeviceControl:
    """Commands to the devices of one map. All that it knows of them is in the book of decisions."""

    def __init__(self, network: SingleMap, *, limits: DeviceLimits | None = None) -> None:
        """Take the map; `unsafe` and `unsafe_count` tell what the safety gate refused."""
        self.unsafe: deque[tuple[int, UnsafePlan]] = deque(maxlen=200)
        self.unsafe_count = 0
        self._map_version = network.version
        self._safety = DeviceSafety(network, limits)

    def take(
        self, act: OperatorAct, now_us: int, *, book: DecisionBook
    ) -> tuple[DecisionEvent, ...]:
        """Take an order: the approved decision, and the end of the one that it replaces.

        The caller adds them to the book. An order that cannot be taken makes nothing; why stands
        in the book's `refusals`.
        """
        made = ordered(act, now_us=now_us, map_version=self._map_version)
        fault = made if isinstance(made, Fault) else self._obstacle(made, now_us, book)
        if isinstance(made, Fault) or fault is not None:
            if fault is not None:
                book.refusals.append((act.id, fault))
            return ()
        replaced = tuple(
            step(
                one,
                DecisionState.RELEASED,
                now_us=now_us,
                reason=str(DeviceReason.REPLACED),
                by=act.person,
                note=act.reason.strip(),
            )
            for one in book.open()
            if (one.kind, one.target) == (made.kind, made.target) and one.state in _IN_FORCE
        )
        return (*replaced, replace(made, predecessor=replaced[-1].id if replaced else ""))

    def _obstacle(self, made: DecisionEvent, now_us: int, book: DecisionBook) -> Fault | None:
        try:
            self._safety.examine(made, standing=book.open(), now_us=now_us)
        except UnsafePlan as problem:
            self._note(problem, now_us)
            return unsafe_fault(problem)
        return None

    def decide(
        self, now_us: int, *, book: DecisionBook, offsets: Mapping[str, int]
    ) -> tuple[DecisionEvent, ...]:
        """Issue what is approved, renew leases that are half used up; the caller adds them.

        Every issued command passed the safety gate; one that did not is refused with the rule.
        """
        made = []
        for event in book.open():
            if event.kind in DEVICE_KINDS and self._is_due(event, now_us):
                made.append(_outgoing(self._issue(event, now_us, book, offsets)))
        return tuple(made)

    def _is_due(self, event: DecisionEvent, now_us: int) -> bool:
        if event.state is DecisionState.APPROVED:
            return True
        if event.state is not DecisionState.ACKNOWLEDGED or event.lease_until is None:
            return False
        half_us = us_from_seconds(self._safety.limits.lease_s / 2)
        lasts = event.expires is not None and event.expires > event.lease_until
        return lasts and us_from_datetime(event.lease_until) - now_us <= half_us

    def _issue(
        self, event: DecisionEvent, now_us: int, book: DecisionBook, offsets: Mapping[str, int]
    ) -> DecisionEvent | ReleasedCommand:
        known = replace(event, offsets=dict(offsets))
        try:
            return self._safety.release(known, standing=book.open(), now_us=now_us)
        except UnsafePlan as problem:
            self._note(problem, now_us)
            reason = str(DeviceReason.NOT_SAFE)
            note = f"{problem.rule}: {problem.value}, allowed: {problem.limit}"
            return step(known, DecisionState.REFUSED, now_us=now_us, reason=reason, note=note)

    def _note(self, problem: UnsafePlan, now_us: int) -> None:
        self.unsafe.append((now_us, problem))
        self.unsafe_count += 1


def _outgoing(one: DecisionEvent | ReleasedCommand) -> DecisionEvent:
    """Let an event out; a command that is issued comes out of the safety gate or not at all."""
    if isinstance(one, ReleasedCommand):
        return one.event
    if one.kind in DEVICE_KINDS and one.state is DecisionState.ISSUED:
        raise UnsafePlan("released", one.target, "issued past the gate", "DeviceSafety.release")
    return one
