"""Alerts about incidents that nobody reported: raised once, with a reason, cleared when over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from twin.columns import Bools, Floats
from twin.ids import derived_id
from twin.network.model import SingleMap
from twin.perceive.health.chains import Section, closed_sections
from twin.perceive.incident_signs import MINUTE_US, Minutes, Roads, Signs, read_signs, roads_of

LOAD_MOST: Final = 0.72
"""Where more than this of the capacity flows off, a queue is a bottleneck's and no incident's."""
FREE_BEHIND: Final = 0.62  # of free speed: vehicles that come out of the section gain speed
SLOW_BEFORE: Final = 0.78
STEP_BETWEEN: Final = 0.1  # of free speed, slower before than behind
PILED_WITH_QUEUE: Final = 3.0
QUEUE_BEYOND: Final = 0.6  # of free speed: so slow, the queue has reached the station before
DROP_WITH_QUEUE: Final = 1.05
DROP_ALONE: Final = 0.9
"""Vehicles that pile up are missing behind; a platoon that is late is not."""
PILED_AT_ONCE: Final = 35.0
DROP_AT_ONCE: Final = 0.8
FREE_AT_ONCE: Final = 0.58
"""So many need no second minute, nor a road behind on which speed was gained already."""
USUAL_FIRST: Final = 12.0  # vehicles: what piles up by chance, before it is learned
USUAL_SHARE: Final = 0.98  # of the minutes have less
USUAL_STEP: Final = 0.4
TIMES_USUAL: Final = 2.0
PILED_BOUNDS: Final = (22.0, 45.0)
LAST_MIN: Final = 6
"""An alert is over when no sign was seen for so many minutes."""
NEAR_SECTIONS: Final = 3
"""A second alert so near on the same road is the same incident."""


@dataclass(frozen=True, slots=True)
class IncidentAlert:
    """An incident that the detectors show.

    link, position_m   the middle of the section between the two stations
    since_us           when the first sign was seen; confidence 0 to 1
    reason             `queue`: a queue before, free road behind; `piled`: vehicles do not come out
    piled              vehicles; speeds are shares of free speed, load of capacity
    """

    id: str
    road: str
    link: str
    position_m: float
    before: str
    behind: str
    since_us: int
    seen_us: int
    confidence: float
    reason: str
    piled: float
    speed_before: float
    speed_behind: float
    load: float


@dataclass(slots=True)
class _Standing:
    """One alert as it is remembered."""

    since: int
    last: int
    told: IncidentAlert


class IncidentWatch:
    """Watches the closed sections of the motorways of one map, minute by minute."""

    def __init__(self, network: SingleMap) -> None:
        """Know of nothing. Streets with signals are not watched: red is no incident."""
        self._network = network
        self.sections: tuple[Section, ...] = tuple(
            one
            for one in closed_sections(network)
            if network.links[one.into[0]].link_class == "motorway"
        )
        self._roads: Roads = roads_of(network, self.sections)
        ends = {one.out[0]: row for row, one in enumerate(self.sections)}
        self._before = np.array([ends.get(one.into[0], -1) for one in self.sections], np.int64)
        names = [network.links[one.into[0]].road for one in self.sections]
        self._corridors = sorted(set(names))
        self._corridor = np.array([self._corridors.index(name) for name in names], np.int64)
        self._usual = np.full(len(self._corridors), USUAL_FIRST)
        self._piled = np.zeros(len(self.sections), np.bool_)
        self._standing: dict[int, _Standing] = {}

    def limits(self) -> Floats:
        """Return from how many piled vehicles on each section is suspicious, (sections,)."""
        return np.clip(TIMES_USUAL * self._usual, *PILED_BOUNDS)[self._corridor]

    def advance(self, minute: int, minutes: Minutes, *, imbalance: Floats) -> None:
        """Take the minute that ends with `minute` in; minutes come in rising order.

        imbalance   (sections,) of the counts over the last hour, NaN unknown
        """
        if not self.sections:
            return
        signs = read_signs(self._roads, minutes, self.sections, imbalance=imbalance)
        limit = self.limits()
        queued, piled = _suspicious(signs, limit, held=self._held(signs))
        piled, self._piled = (piled & self._piled) | _at_once(signs), piled
        self._learn(signs.piled, calm=~(queued | piled))
        for row in np.flatnonzero(queued | piled).tolist():
            self._see(row, minute, signs, "queue" if queued[row] else "piled", limit[row])
        for row in [row for row, one in self._standing.items() if minute - one.last > LAST_MIN]:
            del self._standing[row]

    def alerts(self) -> tuple[IncidentAlert, ...]:
        """Return what stands, the oldest first."""
        return tuple(
            sorted((one.told for one in self._standing.values()), key=lambda a: (a.since_us, a.id))
        )

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Return what was learned; alerts that stand are seen again within a minute."""
        return {"alert_usual": self._usual.copy()}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take over what was learned, if it is of as many roads."""
        if "alert_usual" in state and state["alert_usual"].shape == self._usual.shape:
            self._usual = state["alert_usual"].copy()

    def _held(self, signs: Signs) -> Floats:
        """Return what piles up in each section or, once the queue is beyond it, in the one before.

        (sections,) vehicles; only where the station between the two is slow.
        """
        before = np.where(self._before >= 0, signs.piled[self._before], 0.0)
        return np.where(signs.slow_up <= QUEUE_BEYOND, np.maximum(signs.piled, before), signs.piled)

    def _learn(self, piled: Floats, *, calm: Bools) -> None:
        """Move what is usual on each road towards the share of minutes that have less."""
        for row in range(len(self._corridors)):
            mine = calm & (self._corridor == row)
            if mine.any():
                above = float(np.mean(piled[mine] > self._usual[row]))
                self._usual[row] += USUAL_STEP * (above - (1.0 - USUAL_SHARE))

    def _see(self, row: int, minute: int, signs: Signs, reason: str, limit: float) -> None:
        near = self._nearest(row)
        known = self._standing.get(near) if near is not None else None
        since = known.since if known is not None else minute
        told = self._told(row, minute, since, signs, reason, limit)
        if known is None:
            self._standing[row] = _Standing(minute, minute, told)
            return
        known.last = minute
        if told.confidence >= known.told.confidence or near == row:
            known.told = _as(known.told, told)

    def _nearest(self, row: int) -> int | None:
        """Return the row of the alert to which a sign belongs, None for a new one."""
        rows = [
            other
            for other in self._standing
            if self._corridor[other] == self._corridor[row] and abs(other - row) <= NEAR_SECTIONS
        ]
        return min(rows, key=lambda other: abs(other - row)) if rows else None

    def _told(
        self, row: int, minute: int, since: int, signs: Signs, reason: str, limit: float
    ) -> IncidentAlert:
        section = self.sections[row]
        before, behind = (self._network.links[one[0]] for one in (section.into, section.out))
        drop = max(float(signs.slow_down[row] - signs.slow_up[row]), 0.0)
        weight = float(signs.piled[row]) / limit + 2.0 * drop + (minute - since) / 5.0
        return IncidentAlert(
            id=derived_id("incident alert", before.id, since),
            road=before.road,
            link=before.id,
            position_m=before.length_m,
            before=before.id,
            behind=behind.id,
            since_us=since * MINUTE_US,
            seen_us=minute * MINUTE_US,
            confidence=round(1.0 - float(np.exp(-weight)), 2),
            reason=reason,
            piled=round(float(signs.piled[row]), 1),
            speed_before=round(float(signs.slow_up[row]), 3),
            speed_behind=round(float(signs.slow_down[row]), 3),
            load=round(float(signs.load[row]), 3),
        )


def _as(first: IncidentAlert, newer: IncidentAlert) -> IncidentAlert:
    """Return the newer word about the same incident under its first id."""
    fields = {name: getattr(newer, name) for name in IncidentAlert.__slots__}
    return IncidentAlert(**fields | {"id": first.id, "since_us": first.since_us})


def _at_once(signs: Signs) -> Bools:
    """Return where so much piles up and is missing behind that one minute is enough."""
    return np.asarray(
        (signs.piled >= PILED_AT_ONCE)
        & (signs.drop <= DROP_AT_ONCE)
        & (signs.slow_down >= FREE_AT_ONCE)
        & (signs.load <= LOAD_MOST),
        np.bool_,
    )


def _suspicious(signs: Signs, limit: Floats, *, held: Floats) -> tuple[Bools, Bools]:
    """Return where a queue stands before a free road, and where vehicles pile up."""
    behind = (signs.slow_down >= FREE_BEHIND) & (signs.load <= LOAD_MOST)
    step = signs.slow_down - signs.slow_up
    queued = (
        behind
        & signs.fresh
        & (signs.slow_up <= SLOW_BEFORE)
        & (step >= STEP_BETWEEN)
        & (held >= PILED_WITH_QUEUE)
        & (signs.drop <= DROP_WITH_QUEUE)
    )
    piled = behind & (signs.piled >= limit) & (step >= 0.0) & (signs.drop <= DROP_ALONE)
    return np.asarray(queued, np.bool_), np.asarray(piled, np.bool_)
