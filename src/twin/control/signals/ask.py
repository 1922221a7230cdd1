"""The proposal to a person: hand one junction to adaptive control for half an hour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np

from twin.clock import datetime_from_us, us_from_datetime, us_from_seconds
from twin.columns import Floats
from twin.control.decision import GRANT_SECONDS, DecisionBook
from twin.control.signals.layout import JunctionLayout
from twin.control.signals.memory import AskingMemory
from twin.control.signals.proposals import (
    Patience,
    Saving,
    demand_ahead,
    demand_now,
    queues,
    saving,
)
from twin.control.signals.reasons import SignalReason
from twin.control.signals.validate import STATIC_RULES
from twin.events import DecisionEvent, DecisionKind, DecisionState, Fact
from twin.forecast.result import Forecast
from twin.ids import derived_id
from twin.network.model import SingleMap
from twin.perceive.state import LinkState

ANSWER_WITHIN_S: Final = 600.0
GRANT_S: Final = 1800.0
AFTER_REJECTION_S: Final = 1800.0  # a person who said no is not asked again at once
AFTER_SILENCE_S: Final = 600.0
LOOK_EVERY_S: Final = 5.0  # measurements come once a minute; a look costs milliseconds
_MOST_QUEUES: Final = 4


@dataclass(frozen=True, slots=True)
class Asking:
    """One junction at one tick."""

    layout: JunctionLayout
    now_us: int
    links: LinkState
    forecast: Forecast | None
    map_version: str
    offsets: dict[str, int]


class Proposer:
    """Proposes grants. Remembers only since when each junction has had a clear saving."""

    def __init__(self, network: SingleMap) -> None:
        """Take lengths, speeds and names from the map."""
        self._length_m = np.array([link.length_m for link in network.links], np.float64)
        self._free_mps = np.array(
            [max(link.free_speed_mps, 1.0) for link in network.links], np.float64
        )
        self._names = [link.name or link.id for link in network.links]
        self._links = [link.id for link in network.links]
        self._patience = Patience()
        self._looked_us: dict[str, int] = {}

    def memory(self) -> AskingMemory:
        """Return when was looked, and since when savings have been clear."""
        return AskingMemory(dict(self._looked_us), dict(self._patience.since_us))

    def restore(self, memory: AskingMemory) -> None:
        """Go on where `memory` was taken."""
        self._looked_us = dict(memory.looked_us)
        self._patience.since_us = dict(memory.clear_since_us)

    def propose(self, asking: Asking, book: DecisionBook) -> tuple[DecisionEvent, ...]:
        """Return a proposal if it is time for one, else nothing; look every few seconds only."""
        name = asking.layout.junction.id
        since_us = asking.now_us - self._looked_us.get(name, 0)
        if 0 <= since_us < us_from_seconds(LOOK_EVERY_S):
            return ()
        self._looked_us[name] = asking.now_us
        queue = queues(asking.layout, asking.links, self._length_m, self._free_mps)
        found = saving(asking.layout, demand_now(asking.layout, asking.links, queue))
        clear = found is not None and found.clear and _holds_ahead(asking)
        lasted = self._patience.lasted(name, clear=clear, now_us=asking.now_us)
        if not lasted or found is None or _resting(book, name, asking.now_us):
            return ()
        return (self._proposal(asking, found, queue),)

    def _proposal(self, asking: Asking, found: Saving, queue: Floats) -> DecisionEvent:
        now = datetime_from_us(asking.now_us)
        name = asking.layout.junction.id
        forecast = asking.forecast
        return DecisionEvent(
            id=derived_id("signal_control", name, asking.now_us, asking.map_version),
            version=1,
            kind=DecisionKind.SIGNAL_CONTROL,
            state=DecisionState.PROPOSED,
            target=name,
            time=now,
            reason=str(SignalReason.DELAY_SAVED),
            facts=self._facts(asking, found, queue),
            command={"control": "adaptive", GRANT_SECONDS: f"{GRANT_S:g}"},
            expires=now + timedelta(seconds=ANSWER_WITHIN_S),
            checks=STATIC_RULES,
            map_version=asking.map_version,
            forecast_id=forecast.id if forecast else "",
            offsets=asking.offsets,
        )

    def _facts(self, asking: Asking, found: Saving, queue: Floats) -> tuple[Fact, ...]:
        rows = asking.layout.approaches
        ages = asking.links.age_s[rows]
        oldest_s = float(np.max(ages))
        longest = np.argsort(-queue, kind="stable")[:_MOST_QUEUES]
        return (
            fact("delay saved", found.saved_veh, "veh·h/h", oldest_s),
            fact("delay now", found.plan_veh, "veh·h/h", oldest_s),
            fact("delay adaptive", found.best_veh, "veh·h/h", oldest_s),
            fact("best own plan", found.plan),
            *(
                fact(f"queue {self._label(rows[at])}", float(queue[at]), "veh", float(ages[at]))
                for at in longest
            ),
            fact("data age", oldest_s, "s"),
        )

    def _label(self, row: int) -> str:
        name, link = self._names[row], self._links[row]
        return name if name == link else f"{name} ({link})"


def fact(name: str, value: float | str, unit: str = "", age_s: float | None = None) -> Fact:
    """Make a fact; numbers keep one decimal of a second of age and three figures of value."""
    shown = value if isinstance(value, str) else float(f"{value:.4g}")
    return Fact(name=name, value=shown, unit=unit, age_s=None if age_s is None else round(age_s, 1))


def _holds_ahead(asking: Asking) -> bool:
    """Say whether the forecast of the next quarter of an hour shows a clear saving, too."""
    if asking.forecast is None:
        return False
    demand_vps = demand_ahead(asking.layout, asking.forecast)
    if demand_vps is None:
        return True
    ahead = saving(asking.layout, demand_vps)
    return ahead is not None and ahead.clear


def _resting(book: DecisionBook, junction: str, now_us: int) -> bool:
    """Say whether a person was asked too short a time ago, or is being asked."""
    newest = book.newest(DecisionKind.SIGNAL_CONTROL, junction)
    if newest is None:
        return False
    if newest.state is DecisionState.PROPOSED:
        return True
    since_us = now_us - us_from_datetime(newest.time)
    if newest.state is DecisionState.REJECTED:
        return since_us < us_from_seconds(AFTER_REJECTION_S)
    return newest.state is DecisionState.EXPIRED and since_us < us_from_seconds(AFTER_SILENCE_S)
