"""The life of a decision: which step may follow which, and the book of those still open.

signal_control  PROPOSED -> APPROVED -> ISSUED -> RELEASED | EXPIRED
                PROPOSED -> REJECTED | EXPIRED
signal_stage    DECIDED -> ISSUED -> ACKNOWLEDGED | REFUSED | UNANSWERED
                (or RELEASED while its lease runs)
access          DECIDED -> ISSUED -> ACKNOWLEDGED | REFUSED | UNANSWERED
ramp_meter      PROPOSED -> APPROVED | REJECTED | EXPIRED; an operator's order begins APPROVED
sign            APPROVED -> ISSUED -> ACKNOWLEDGED | REFUSED | UNANSWERED | RELEASED | EXPIRED
gate            ACKNOWLEDGED -> ISSUED (its lease is renewed) | REFUSED | RELEASED | EXPIRED

A step makes a new version of the same id. Nothing here asks a clock: `now_us` is an argument.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from msgspec.structs import replace

from twin.clock import datetime_from_us, iso_from_us, us_from_datetime
from twin.errors import Fault, InputError
from twin.events import (
    DEVICE_KINDS,
    Acknowledgement,
    Act,
    DecisionEvent,
    DecisionKind,
    DecisionState,
    OperatorAct,
)

REASON_CHARS: Final = 10
GRANT_SECONDS: Final = "for_s"  # key in the command of a proposal: how long a grant lasts

_S = DecisionState
_ANSWERS = frozenset({_S.ACKNOWLEDGED, _S.REFUSED, _S.UNANSWERED})
_DEVICE_MOVES: Final[Mapping[DecisionState | None, frozenset[DecisionState]]] = {
    None: frozenset({_S.PROPOSED, _S.APPROVED}),
    _S.PROPOSED: frozenset({_S.APPROVED, _S.REJECTED, _S.EXPIRED}),
    _S.APPROVED: frozenset({_S.ISSUED, _S.REFUSED, _S.RELEASED, _S.EXPIRED}),
    _S.ISSUED: _ANSWERS | {_S.RELEASED, _S.EXPIRED},
    _S.ACKNOWLEDGED: frozenset({_S.ISSUED, _S.REFUSED, _S.RELEASED, _S.EXPIRED}),
}

MOVES: Final[Mapping[DecisionKind, Mapping[DecisionState | None, frozenset[DecisionState]]]] = (
    MappingProxyType(
        {
            DecisionKind.SIGNAL_CONTROL: {
                None: frozenset({_S.PROPOSED}),
                _S.PROPOSED: frozenset({_S.APPROVED, _S.REJECTED, _S.EXPIRED}),
                _S.APPROVED: frozenset({_S.ISSUED, _S.RELEASED, _S.EXPIRED}),
                _S.ISSUED: frozenset({_S.RELEASED, _S.EXPIRED}),
            },
            DecisionKind.SIGNAL_STAGE: {
                None: frozenset({_S.DECIDED}),
                _S.DECIDED: frozenset({_S.ISSUED}),
                _S.ISSUED: _ANSWERS | {_S.RELEASED},
                _S.ACKNOWLEDGED: frozenset({_S.RELEASED}),
            },
            DecisionKind.ACCESS: {
                None: frozenset({_S.DECIDED}),
                _S.DECIDED: frozenset({_S.ISSUED}),
                _S.ISSUED: _ANSWERS,
            },
            **dict.fromkeys(sorted(DEVICE_KINDS), _DEVICE_MOVES),
        }
    )
)
CLOSED: Final = frozenset({_S.REJECTED, _S.EXPIRED, _S.REFUSED, _S.UNANSWERED, _S.RELEASED})
GATED: Final = DEVICE_KINDS | {DecisionKind.SIGNAL_STAGE}  # a safety gate issues them, no one else
_RUNNING: Final = frozenset({_S.ISSUED, _S.ACKNOWLEDGED})
_ACT_MOVES: Final = {Act.APPROVE: _S.APPROVED, Act.REJECT: _S.REJECTED, Act.RELEASE: _S.RELEASED}


def check_move(kind: DecisionKind, state: DecisionState | None, to: DecisionState) -> Fault | None:
    """Say why a decision in `state` (None: not yet made) may not step to `to`; None if it may."""
    allowed = MOVES[kind].get(state, frozenset())
    if to in allowed:
        return None
    names = ", ".join(sorted(allowed)) or "nothing: its life is over"
    rule = f"a {kind} decision that is {state or 'not yet made'} can become: {names}"
    return Fault("state", str(to), rule, "impossible_move")


def step(
    current: DecisionEvent,
    to: DecisionState,
    *,
    now_us: int,
    reason: str | None = None,
    by: str | None = None,
    note: str | None = None,
) -> DecisionEvent:
    """Make the next version of a decision; what is not given stays as it was.

    Raises InputError for an impossible move, and for issuing a signal stage or a command to a
    device: that is done by the safety gates alone (`signals/safety.py`, `devices/safety.py`).
    """
    fault = check_move(current.kind, current.state, to)
    if fault is None and current.kind in GATED and to is _S.ISSUED:
        rule = f"only the safety gate issues a {current.kind}"
        fault = Fault("state", str(to), rule, "not_released")
    if fault is not None:
        raise InputError(fault)
    return replace(
        current,
        version=current.version + 1,
        state=to,
        time=datetime_from_us(now_us),
        reason=current.reason if reason is None else reason,
        by=current.by if by is None else by,
        note=current.note if note is None else note,
    )


def act_refusal(current: DecisionEvent, act: OperatorAct, now_us: int) -> Fault | None:
    """Say why a person's act cannot be done on the decision as it stands; None if it can.

    Reasons: `conflict` (the decision moved on since the person saw it), `impossible_move`,
    `expired`, `reason_too_short`, `not_an_act`. A command to a device may be released whatever
    older version was seen: renewing its lease makes versions, and changes nothing else.
    """
    if act.act not in _ACT_MOVES:
        return Fault("act", str(act.act), "is not done to a decision", "not_an_act")
    if len(act.reason.strip()) < REASON_CHARS:
        rule = f"a reason of at least {REASON_CHARS} characters is needed"
        return Fault("reason", act.reason, rule, "reason_too_short")
    renewed = current.kind in DEVICE_KINDS and act.act is Act.RELEASE
    if act.seen_version > current.version or (act.seen_version < current.version and not renewed):
        return Fault("seen_version", str(act.seen_version), _what_changed(current), "conflict")
    fault = check_move(current.kind, current.state, _ACT_MOVES[act.act])
    if fault is None and _past(current, now_us):
        rule = f"the decision lapsed at {iso_from_us(_end_us(current))}"
        return Fault("act", str(act.act), rule, "expired")
    return fault


def _what_changed(current: DecisionEvent) -> str:
    by = f" by {current.by}" if current.by else ""
    note = f" ({current.note})" if current.note else ""
    at = iso_from_us(us_from_datetime(current.time))
    return f"is version {current.version} now: {current.state} at {at}{by}{note}"


def _end_us(event: DecisionEvent) -> int:
    """Return when the decision stops counting: the lease of a command, else its expiry."""
    waits = event.kind in DEVICE_KINDS and event.state not in _RUNNING
    proposal = waits or event.kind is DecisionKind.SIGNAL_CONTROL
    end = event.expires if proposal else event.lease_until
    return us_from_datetime(event.time if end is None else end)


def _past(event: DecisionEvent, now_us: int) -> bool:
    return now_us >= _end_us(event)


class DecisionBook:
    """The newest version of every open decision.

    Memory is bounded: a closed decision leaves at once (its id is remembered among the last
    `remembered`, so that a repeated event does not open it again), a command leaves with its lease,
    and of the signal decisions the newest of every junction stays, open or not.
    """

    def __init__(self, *, remembered: int = 4096) -> None:
        self._open: dict[str, DecisionEvent] = {}
        self._closed: OrderedDict[str, int] = OrderedDict()
        self._newest: dict[tuple[DecisionKind, str], DecisionEvent] = {}
        self._remembered = remembered
        self.refusals: deque[tuple[str, Fault]] = deque(maxlen=100)
        self.dropped = 0

    def add(self, event: DecisionEvent) -> None:
        """Take in one version. A version already known is ignored.

        Raises InputError when a version is missing, the move is impossible, or a signal stage is
        (or a command to a device) is issued without the list of safety checks that it passed.
        """
        known = self._open.get(event.id)
        if event.version <= (known.version if known else self._closed.get(event.id, 0)):
            return
        before = known.state if known else None
        expected = known.version + 1 if known else self._closed.get(event.id, 0) + 1
        if event.version != expected or event.id in self._closed:
            rule = f"version {expected} of decision {event.id} must come next"
            raise InputError(Fault("version", str(event.version), rule, "conflict"))
        fault = check_move(event.kind, before, event.state) or _unchecked(event)
        if fault is not None:
            raise InputError(fault)
        self._put(event)

    def restore(
        self,
        events: Iterable[DecisionEvent],
        *,
        rules: Mapping[DecisionKind, tuple[str, ...]],
        map_version: str,
    ) -> None:
        """Fill the book from stored newest versions, in any order; closed ones are only noted.

        A signal stage or a command to a device of another map, or one that runs without having
        passed exactly the `rules` of its kind, is dropped and counted in `dropped`: nobody vouches
        for it, so it must not go out again.
        """
        for event in sorted(events, key=lambda one: (one.time, one.id, one.version)):
            known = self._open.get(event.id)
            if known is not None and known.version >= event.version:
                continue
            if _vouched(event, rules, map_version):
                self._put(event)
            else:
                self.dropped += 1
                self._close(event)

    def standing(self) -> tuple[tuple[DecisionEvent, ...], tuple[DecisionEvent, ...]]:
        """Return the open decisions, and the newest of every kind and target, over or not.

        Decisions about single vehicles are left out.
        """
        kept = tuple(one for one in self.open() if one.kind is not DecisionKind.ACCESS)
        newest = sorted(self._newest.values(), key=lambda one: (one.time, one.id))
        return kept, tuple(newest)

    def resume(self, standing: Iterable[DecisionEvent], newest: Iterable[DecisionEvent]) -> None:
        """Stand again as `standing` said, nothing left out."""
        self._open = {event.id: event for event in standing}
        self._newest = {(event.kind, event.target): event for event in newest}
        for event in newest:
            if event.id not in self._open:
                self._close(event)

    def take_over(self, event: DecisionEvent) -> None:
        """Take in a decision as it stood in the book of another version of the map."""
        self._put(event)

    def _put(self, event: DecisionEvent) -> None:
        if event.kind is not DecisionKind.ACCESS:
            newest = self._newest.get((event.kind, event.target))
            # A late version of an earlier decision (nobody answered it) is not the newest one.
            begins = event.version == 1 or newest is None or _end_us(event) > _end_us(newest)
            if begins or (newest is not None and event.id == newest.id):
                self._newest[event.kind, event.target] = event
        if event.state in CLOSED:
            self._close(event)
        else:
            self._open[event.id] = event

    def _close(self, event: DecisionEvent) -> None:
        self._open.pop(event.id, None)
        self._closed[event.id] = event.version
        while len(self._closed) > self._remembered:
            self._closed.popitem(last=False)

    def get(self, decision: str) -> DecisionEvent | None:
        """Return the newest version of an open decision, None if it is not open."""
        return self._open.get(decision)

    def open(self) -> tuple[DecisionEvent, ...]:
        """Return the newest version of every open decision, oldest first."""
        return tuple(sorted(self._open.values(), key=lambda one: (one.time, one.id)))

    def newest(self, kind: DecisionKind, target: str) -> DecisionEvent | None:
        """Return the newest signal decision of a junction, open or closed."""
        return self._newest.get((kind, target))

    def grant(self, junction: str) -> DecisionEvent | None:
        """Return the approved or issued grant of a junction, None if nobody granted it."""
        newest = self._newest.get((DecisionKind.SIGNAL_CONTROL, junction))
        granted = newest is not None and newest.state in {_S.APPROVED, _S.ISSUED}
        return newest if granted else None

    def proposal(self, junction: str) -> DecisionEvent | None:
        """Return the proposal of a junction that waits for a person, None if there is none."""
        newest = self._newest.get((DecisionKind.SIGNAL_CONTROL, junction))
        return newest if newest is not None and newest.state is _S.PROPOSED else None

    def apply_act(self, act: OperatorAct, now_us: int) -> tuple[DecisionEvent, ...]:
        """Do a person's act; return the new version, already taken in.

        An act that is refused returns nothing; why stands in `refusals` as (act id, fault). An act
        on something that is no open decision (an incident) returns nothing.
        """
        current = self._open.get(act.target)
        if current is None:
            if act.act in _ACT_MOVES:
                rule = "is not an open decision"
                self.refusals.append((act.id, Fault("target", act.target, rule, "unknown")))
            return ()
        fault = act_refusal(current, act, now_us)
        if fault is not None:
            self.refusals.append((act.id, fault))
            return ()
        following = step(
            current, _ACT_MOVES[act.act], now_us=now_us, by=act.person, note=act.reason.strip()
        )
        if act.act is Act.APPROVE:
            lasts = timedelta(seconds=float(current.command.get(GRANT_SECONDS, "0")))
            following = replace(following, expires=following.time + lasts)
        self._put(following)
        return (following,)

    def apply_acknowledgement(
        self, answer: Acknowledgement, now_us: int
    ) -> tuple[DecisionEvent, ...]:
        """Take in a device's answer to a command; return the new version, already taken in.

        An answer to a decision that is not issued, or from another device, changes nothing.
        """
        current = self._open.get(answer.decision)
        if current is None or current.state is not _S.ISSUED:
            return ()
        if current.kind is DecisionKind.SIGNAL_CONTROL:
            return ()
        if answer.device != current.target:
            rule = f"the command went to {current.target}"
            self.refusals.append((answer.id, Fault("device", answer.device, rule, "conflict")))
            return ()
        to = _S.ACKNOWLEDGED if answer.accepted else _S.REFUSED
        if answer.accepted and current.kind in DEVICE_KINDS:  # who ordered it, and why, stays
            following = step(current, to, now_us=now_us)
        else:
            following = step(current, to, now_us=now_us, by=answer.device, note=answer.reason)
        self._put(following)
        return (following,)

    def expire(self, now_us: int) -> tuple[DecisionEvent, ...]:
        """Close what has run out: proposals, grants, commands nobody answered. Return the versions.

        An acknowledged stage simply leaves with its lease: it was done. One that was decided and
        never issued leaves too: nobody outside has heard of it. A command to a device expires.
        """
        made = []
        for event in [one for one in self.open() if _past(one, now_us)]:
            device = event.kind in DEVICE_KINDS
            if event.state in {_S.ACKNOWLEDGED, _S.DECIDED} and not device:
                self._close(event)
            else:
                made.append(step(event, _lapsed(event), now_us=now_us))
                self._put(made[-1])
        return tuple(made)


def _lapsed(event: DecisionEvent) -> DecisionState:
    """Return what a decision becomes whose time is over."""
    if event.kind in DEVICE_KINDS:
        return _S.UNANSWERED if event.state is _S.ISSUED else _S.EXPIRED
    return _S.EXPIRED if event.kind is DecisionKind.SIGNAL_CONTROL else _S.UNANSWERED


def _vouched(
    event: DecisionEvent, rules: Mapping[DecisionKind, tuple[str, ...]], map_version: str
) -> bool:
    """Say whether a stored version is none that a gate lets out, or one that it did let out."""
    if event.kind not in GATED or event.state in CLOSED:
        return True
    checked = event.state not in _RUNNING or event.checks == rules[event.kind]
    return checked and event.map_version == map_version


def _unchecked(event: DecisionEvent) -> Fault | None:
    if event.kind not in GATED or event.state is not _S.ISSUED or event.checks:
        return None
    rule = f"an issued {event.kind} lists the safety checks that it passed"
    return Fault("checks", "(none)", rule, "not_released")
