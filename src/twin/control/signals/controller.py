"""Signal control: once a tick, what every junction is asked to show, and what a person is asked.

A junction is controlled when it is set automatic or a person has granted it. Anything that is not
known (a status, a density, a forecast) ends the control of that junction at once: nothing more is
asked for, the lease runs out and the street goes on with its own plan.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from msgspec.structs import replace

from twin.clock import datetime_from_us, iso_from_us, us_from_datetime, us_from_seconds
from twin.columns import ReadingBatch
from twin.control.decision import DecisionBook, step
from twin.control.signals.ask import Asking, Proposer, fact
from twin.control.signals.choose import MIN_LEASE_S, Choice, Shown, choose_stage
from twin.control.signals.layout import layout_junction, turning_shares
from twin.control.signals.memory import (
    SignalMemory,
    WatchMemory,
    decode_memory,
    encode_memory,
)
from twin.control.signals.reasons import SignalReason
from twin.control.signals.safety import Limits, Released, SafetyGate
from twin.control.signals.validate import JunctionFinding, validate_junctions
from twin.control.signals.watch import Watch
from twin.control.signals.weigh import Weigher, Weight
from twin.errors import UnsafePlan
from twin.events import (
    ControlMode,
    DecisionEvent,
    DecisionKind,
    DecisionState,
    SignalStatus,
)
from twin.forecast.result import Forecast
from twin.ids import derived_id
from twin.network.model import SingleMap
from twin.perceive.state import Freshness, LinkState
from twin.units import SECOND_US

STATUS_AGE_S: Final = 30.0
FORECAST_AGE_S: Final = 600.0
ANSWER_S: Final = 10.0  # so long a device may take to show what it was asked for
REFUSED_S: Final = 10.0  # after a refusal the device is left alone for so long
ALL: Final = "*"
_RUNNING = frozenset({DecisionState.ISSUED, DecisionState.ACKNOWLEDGED})


@dataclass(frozen=True, slots=True)
class _Tick:
    """What one call of `decide` works from."""

    now_us: int
    links: LinkState
    forecast: Forecast | None
    book: DecisionBook
    map_version: str
    offsets: dict[str, int]


@dataclass(frozen=True, slots=True)
class _Reason:
    """What is asked for, and from what it follows."""

    choice: Choice
    shown: Shown
    weight: Weight


class SignalControl:
    """Decides stages for the junctions of one map. It keeps the newest statuses and no more."""

    def __init__(self, network: SingleMap, *, automatic: frozenset[str], lease_s: float) -> None:
        """Take the map; `automatic` holds junction ids, or `*` for all.

        `findings` tells which junctions are never controlled, and why.
        """
        self.findings: tuple[JunctionFinding, ...] = validate_junctions(network)
        self.unsafe: deque[tuple[int, UnsafePlan]] = deque(maxlen=200)
        self.unsafe_count = 0
        self._automatic = automatic
        self._lease_s = lease_s
        self._gate = SafetyGate(network, Limits(max_lease_s=lease_s))
        unfit = {finding.junction for finding in self.findings}
        shares = turning_shares(network)
        self._watches: dict[str, Watch] = {
            junction.id: Watch(layout_junction(junction, network, shares))
            for junction in network.junctions
            if junction.id not in unfit
        }
        self._weigher = Weigher(network, (watch.layout for watch in self._watches.values()))
        self._proposer = Proposer(network)

    def observe_readings(self, batch: ReadingBatch) -> None:
        """Take in what the detectors counted."""
        self._weigher.observe(batch)

    def observe_status(self, status: SignalStatus) -> None:
        """Take in what a controller shows; unknown junctions and older statuses are ignored."""
        self._gate.observe_status(status)
        watch = self._watches.get(status.junction)
        if watch is not None:
            watch.observe(status)

    def memory(self) -> bytes:
        """Return everything that is remembered; equal memories give equal bytes."""
        return encode_memory(
            SignalMemory(
                watches={
                    name: WatchMemory(watch.status, dict(watch.last_green_us))
                    for name, watch in self._watches.items()
                    if watch.status is not None
                },
                sites=self._gate.memory(),
                loops=self._weigher.memory(),
                asking=self._proposer.memory(),
            )
        )

    def restore(self, body: bytes) -> None:
        """Go on where `memory` was taken on the same map. Raises msgspec.DecodeError."""
        memory = decode_memory(body)
        for name, known in memory.watches.items():
            if (watch := self._watches.get(name)) is not None:
                watch.status, watch.last_green_us = known.status, dict(known.last_green_us)
        self._gate.restore(memory.sites)
        self._weigher.restore(memory.loops)
        self._proposer.restore(memory.asking)

    def decide(
        self,
        now_us: int,
        links: LinkState,
        *,
        forecast: Forecast | None,
        book: DecisionBook,
        map_version: str,
        offsets: Mapping[str, int],
    ) -> tuple[DecisionEvent, ...]:
        """Return the versions of decisions of this tick; the caller adds them to the book.

        Every issued stage passed the safety gate. One that did not is counted and kept in `unsafe`.
        """
        tick = _Tick(now_us, links, forecast, book, map_version, dict(offsets))
        made: list[DecisionEvent | Released] = []
        for name, watch in self._watches.items():
            automatic = name in self._automatic or ALL in self._automatic
            grant = book.grant(name)
            if automatic or grant is not None:
                made.extend(self._control(name, watch, tick, None if automatic else grant))
            else:
                made.extend(self._let_go(name, tick, SignalReason.GRANT_ENDED))
                asking = Asking(watch.layout, now_us, links, forecast, map_version, tick.offsets)
                if self._obstacle(watch, tick) is None:
                    made.extend(self._proposer.propose(asking, book))
        return tuple(_outgoing(one) for one in made)

    def _control(
        self, name: str, watch: Watch, tick: _Tick, grant: DecisionEvent | None
    ) -> list[DecisionEvent | Released]:
        """Ask for a stage, prolong a lease, wait, or let the junction go."""
        obstacle = self._obstacle(watch, tick)
        if obstacle is not None:
            return list(self._let_go(name, tick, obstacle))
        shown = watch.shown(tick.now_us)
        status = watch.status
        if shown is None or status is None:
            return list(self._let_go(name, tick, SignalReason.STATUS_MISSING))
        newest = tick.book.newest(DecisionKind.SIGNAL_STAGE, name)
        if _waiting(newest, status, tick.now_us):
            return []
        weight = self._weigher.weigh(
            watch.layout, tick.links, shown=shown, status=status, now_us=tick.now_us
        )
        choice = self._choice(watch, shown, status, weight, tick.now_us)
        if not self._worth_asking(choice, shown, newest, tick.now_us):
            return []
        return self._request(
            watch, _Reason(choice, shown, weight), tick, grant=grant, newest=newest
        )

    def _choice(
        self, watch: Watch, shown: Shown, status: SignalStatus, weight: Weight, now_us: int
    ) -> Choice:
        values, preferred = weight.values, weight.preferred
        if status.changing:  # what runs is only held, never turned round
            values, preferred = np.zeros(len(values)), None
            shown = Shown(shown.stage, now_us, shown.red_since_us)
        return choose_stage(
            watch.layout,
            shown,
            values,
            now_us=now_us,
            lease_s=self._lease_s,
            preferred=preferred,
        )

    def _worth_asking(
        self, choice: Choice, shown: Shown, newest: DecisionEvent | None, now_us: int
    ) -> bool:
        """Say whether the choice changes the stage, or prolongs a lease that is half used up."""
        if choice.lease_until_us - now_us < us_from_seconds(MIN_LEASE_S):
            return False
        ends_us = _lease_end_us(newest, now_us)
        if choice.stage != shown.stage or ends_us is None:
            return True
        half = ends_us - now_us <= us_from_seconds(self._lease_s / 2)
        return half and choice.lease_until_us >= ends_us + SECOND_US

    def _request(
        self,
        watch: Watch,
        why: _Reason,
        tick: _Tick,
        *,
        grant: DecisionEvent | None,
        newest: DecisionEvent | None,
    ) -> list[DecisionEvent | Released]:
        decided = self._decided(watch, why, tick, grant=grant, newest=newest)
        try:
            released = self._gate.release(decided, links=tick.links, now_us=tick.now_us)
        except UnsafePlan as problem:
            self.unsafe.append((tick.now_us, problem))
            self.unsafe_count += 1
            return []
        begun: list[DecisionEvent | Released] = []
        if grant is not None and grant.state is DecisionState.APPROVED:
            begun.append(_begun(grant, tick.now_us))
        return [*begun, decided, released]

    def _decided(
        self,
        watch: Watch,
        why: _Reason,
        tick: _Tick,
        *,
        grant: DecisionEvent | None,
        newest: DecisionEvent | None,
    ) -> DecisionEvent:
        layout = watch.layout
        choice, shown, weight = why.choice, why.shown, why.weight
        age_s = float(np.max(tick.links.age_s[layout.approaches]))
        values = weight.values
        stage = str(layout.junction.stages[choice.stage].id)
        name = layout.junction.id
        return DecisionEvent(
            id=derived_id("signal_stage", name, stage, tick.now_us, tick.map_version),
            version=1,
            kind=DecisionKind.SIGNAL_STAGE,
            state=DecisionState.DECIDED,
            target=name,
            time=datetime_from_us(tick.now_us),
            reason=str(choice.reason),
            facts=(
                fact("stage shown", str(layout.junction.stages[shown.stage].id)),
                fact("shown for", (tick.now_us - shown.since_us) / SECOND_US, "s"),
                fact(f"{weight.name} wanted", float(values[choice.stage]), weight.unit, age_s),
                fact(f"{weight.name} shown", float(values[shown.stage]), weight.unit, age_s),
                fact("vehicles", weight.vehicles, "veh", age_s),
            ),
            command={"stage": stage, "plan_from": iso_from_us(choice.lease_until_us)},
            lease_until=datetime_from_us(choice.lease_until_us),
            automatic=grant is None,
            map_version=tick.map_version,
            forecast_id=tick.forecast.id if tick.forecast else "",
            offsets=tick.offsets,
            predecessor=newest.id if newest else "",
            grant=grant.id if grant else "",
        )

    def _obstacle(self, watch: Watch, tick: _Tick) -> SignalReason | None:
        """Say what forbids to control a junction now; None when all is known and fresh."""
        status = watch.status
        if status is None or status.stage not in watch.layout.stage_of:
            return SignalReason.STATUS_MISSING
        age_us = tick.now_us - us_from_datetime(status.time)
        if age_us > us_from_seconds(STATUS_AGE_S):
            return SignalReason.STATUS_MISSING
        if status.mode is ControlMode.FAULT:
            return SignalReason.DEVICE_FAULT
        rows = watch.layout.approaches
        fresh = np.isin(tick.links.freshness[rows], (Freshness.LIVE, Freshness.DELAYED))
        if not fresh.all() or np.isnan(tick.links.density_vpm[rows]).any():
            return SignalReason.INPUT_TOO_OLD
        forecast = tick.forecast
        late_us = us_from_seconds(FORECAST_AGE_S)
        if forecast is None or tick.now_us - forecast.made_us > late_us:
            return SignalReason.FORECAST_MISSING
        return None

    def _let_go(self, name: str, tick: _Tick, reason: SignalReason) -> tuple[DecisionEvent, ...]:
        """Say once that nothing more is asked of a junction; its lease runs out by itself."""
        newest = tick.book.newest(DecisionKind.SIGNAL_STAGE, name)
        if newest is None or newest.state not in _RUNNING or tick.book.get(newest.id) is None:
            return ()
        if _lease_end_us(newest, tick.now_us) is None:
            return ()
        return (step(newest, DecisionState.RELEASED, now_us=tick.now_us, reason=str(reason)),)


def _lease_end_us(newest: DecisionEvent | None, now_us: int) -> int | None:
    """Return when the running lease ends, None when none runs."""
    if newest is None or newest.state not in _RUNNING or newest.lease_until is None:
        return None
    ends_us = us_from_datetime(newest.lease_until)
    return ends_us if ends_us > now_us else None


def _waiting(newest: DecisionEvent | None, status: SignalStatus, now_us: int) -> bool:
    """Say whether the device still has time to show what it was asked for, or has just refused."""
    if newest is None:
        return False
    since_us = now_us - us_from_datetime(newest.time)
    if newest.state is DecisionState.REFUSED:
        return since_us < us_from_seconds(REFUSED_S)
    if _lease_end_us(newest, now_us) is None or newest.command.get("stage") == status.stage:
        return False
    return since_us < us_from_seconds(ANSWER_S)


def _begun(grant: DecisionEvent, now_us: int) -> DecisionEvent:
    """Issue a grant: its first stage is released; it lasts until its expiry."""
    issued = step(grant, DecisionState.ISSUED, now_us=now_us)
    return replace(issued, lease_until=grant.expires)


def _outgoing(one: DecisionEvent | Released) -> DecisionEvent:
    """Let an event out; a signal stage that is issued comes out of the safety gate or not."""
    if isinstance(one, Released):
        return one.event
    if one.kind is DecisionKind.SIGNAL_STAGE and one.state is DecisionState.ISSUED:
        raise UnsafePlan("released", one.target, "issued past the gate", "SafetyGate.release")
    return one
