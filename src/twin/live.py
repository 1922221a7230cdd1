"""The heart: everything that is known now, and what follows from it.

No I/O, no async, no clock: what happens here is a function of what is handed in.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from typing import Any

from twin.clock import us_from_datetime
from twin.columns import PassageFact, ReadingBatch
from twin.control.access.counts import AccessCounts
from twin.control.access.decide import AccessControl
from twin.control.access.rules import AccessRules
from twin.control.decision import DecisionBook
from twin.control.devices.orders import DeviceControl
from twin.control.devices.safety import DEVICE_RULES
from twin.control.handover import hand_over
from twin.control.signals.controller import SignalControl
from twin.control.signals.safety import RULES
from twin.events import (
    DEVICE_KINDS,
    Acknowledgement,
    Act,
    Authorisation,
    DecisionEvent,
    DecisionKind,
    Incident,
    OperatorAct,
    SignalStatus,
)
from twin.forecast.first import ForecastInput, forecast_input
from twin.forecast.learning import NOTHING_GIVEN, Given, Learning
from twin.forecast.network import forecast_network
from twin.forecast.result import Forecast
from twin.forecast.scoreboard import ScoreHour
from twin.forecast.scoring import Scoring
from twin.network.difference import Dropped, MapDifference
from twin.network.model import SingleMap
from twin.opening import Opened, Terms
from twin.perceive import snapshot
from twin.perceive.alerting import Alerting
from twin.perceive.estimate import Perception
from twin.perceive.incidents import Incidents
from twin.perceive.state import LinkState
from twin.perceive.travelled import streets_of, travelled
from twin.perceive.trips import Trips
from twin.picture import Picture

_RULES = {DecisionKind.SIGNAL_STAGE: RULES, **dict.fromkeys(DEVICE_KINDS, DEVICE_RULES)}
LATE_US = 300 * 1_000_000  # a forecast older than its own first step says nothing about the future


@dataclass(frozen=True, slots=True)
class LiveBatch:
    """What arrived, checked, ordered and without duplicates. `now_us`: arrival of the newest.

    `arrivals_us` says, in their order, when each acknowledgement, act and passage arrived: it is
    the time of what follows from it, however the batches were cut. Where one is not given,
    `now_us` counts.
    """

    now_us: int
    readings: ReadingBatch = field(default_factory=ReadingBatch.empty)
    passages: tuple[PassageFact, ...] = ()
    incidents: tuple[Incident, ...] = ()
    statuses: tuple[SignalStatus, ...] = ()
    acknowledgements: tuple[Acknowledgement, ...] = ()
    acts: tuple[OperatorAct, ...] = ()
    authorisations: tuple[Authorisation, ...] = ()
    arrivals_us: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def timed(self, name: str) -> Iterator[tuple[Any, int]]:
        """Give the events of a field, each with the time at which it arrived."""
        events = getattr(self, name)
        return zip_longest(
            events, self.arrivals_us.get(name, ())[: len(events)], fillvalue=self.now_us
        )


@dataclass(frozen=True, slots=True)
class Carried:
    """What a change of the map did: versions of decisions, and whose past does not count here."""

    decisions: tuple[DecisionEvent, ...]
    dropped: tuple[Dropped, ...]


class Live:
    """The live state of one map."""

    def __init__(
        self,
        network: SingleMap,
        *,
        rules: AccessRules | None,
        automatic: frozenset[str],
        lease_s: float,
        timezone: str,
        given: Given = NOTHING_GIVEN,
    ) -> None:
        """Know the map and nothing else.

        rules       rules of the restricted zones (`control.access.rules`)
        automatic   junctions that need no person's approval
        lease_s     how long the street obeys one signal request
        timezone    IANA name of the city's time zone, for the usual day
        given       what the learned forecast is told

        Raises InputError naming the gates of the rules that the map does not have.
        """
        self.network = network
        self._terms = Terms(
            automatic=tuple(sorted(automatic)),
            lease_s=lease_s,
            timezone=timezone,
            rules=rules.version if rules else "",
            holidays=tuple(sorted(day.isoformat() for day in given.holidays)),
            model=given.model_hash,
        )
        again = partial(Live, rules=rules, automatic=automatic, lease_s=lease_s)
        self._again = partial(again, timezone=timezone, given=given)
        self._perception = Perception(network, timezone=timezone)
        self._incidents = Incidents(network)
        self._statuses: dict[str, SignalStatus] = {}
        self._book = DecisionBook()
        self._signals = SignalControl(network, automatic=automatic, lease_s=lease_s)
        self._access = AccessControl(network, rules)
        self._counts = AccessCounts()
        self._devices = DeviceControl(network)
        self._forecast: Forecast | None = None
        self._forecast_network = forecast_network(network)
        self._scoring = Scoring(network, self._perception)
        self._learning = Learning(network, timezone=timezone or network.timezone, given=given)
        self._alerting = Alerting(network, self._perception)
        self._streets = streets_of(network)
        self._trips = Trips(network)
        self._parts = (self._perception, self._scoring, self._alerting, self._learning)
        self._sequence = 0

    @property
    def book(self) -> DecisionBook:
        """The open decisions, and why acts on them were refused."""
        return self._book

    @property
    def signals(self) -> SignalControl:
        """Signal control: what it refused to send, and which junctions it never touches."""
        return self._signals

    @property
    def counts(self) -> AccessCounts:
        """How many vehicles passed each gate, as far as that may be told."""
        return self._counts

    @property
    def devices(self) -> DeviceControl:
        """Commands to ramp meters, signs and gates: what was refused to be sent."""
        return self._devices

    @property
    def forecast(self) -> Forecast | None:
        """The newest forecast that was taken in."""
        return self._forecast

    def observe(self, batch: LiveBatch) -> tuple[DecisionEvent, ...]:
        """Take in what arrived and return the versions of decisions that follow at once."""
        self._perception.observe(batch.readings)
        self._signals.observe_readings(batch.readings)
        self._incidents.observe(batch.incidents)
        self._observe_statuses(batch.statuses)
        self.learn(batch.authorisations)
        self._trips.observe(batch.passages)
        made: list[DecisionEvent] = []
        for answer, now_us in batch.timed("acknowledgements"):
            made.extend(self._book.apply_acknowledgement(answer, now_us))
        for act, now_us in batch.timed("acts"):
            if act.act is Act.CLEAR_INCIDENT:
                self._incidents.apply(act)
            elif act.act is Act.COMMAND:
                made.extend(self._booked(self._devices.take(act, now_us, book=self._book)))
            else:
                made.extend(self._book.apply_act(act, now_us))
        for fact, now_us in batch.timed("passages"):
            made.extend(self._admitted(self._access.decide(fact, now_us)))
        return tuple(made)

    def decide(self, now_us: int, *, offsets: Mapping[str, int]) -> tuple[DecisionEvent, ...]:
        """Return the versions of decisions that this beat makes."""
        self._incidents.forget(now_us)
        made = self._book.expire(now_us)
        asked = self._signals.decide(
            now_us,
            self.link_state(now_us),
            forecast=self._forecast,
            book=self._book,
            map_version=self.network.version,
            offsets=offsets,
        )
        renewed = self._devices.decide(now_us, book=self._book, offsets=offsets)
        return made + self._booked(asked) + self._booked(renewed)

    def picture(self, now_us: int) -> Picture:
        """Return everything that is shown, immutable, under the next sequence number."""
        self._sequence += 1
        self._counts.advance(now_us)
        self._scoring.advance(now_us)
        self._alerting.advance(now_us)
        return Picture(
            time_us=now_us,
            sequence=self._sequence,
            map_version=self.network.version,
            links=travelled(self._perception.followed(self.link_state(now_us)), self._streets),
            measured=self._perception.measured(),
            forecast=self._forecast,
            signals=tuple(self._statuses[name] for name in sorted(self._statuses)),
            incidents=self._incidents.active(now_us),
            decisions=self._book.open(),
            access=self._counts.told,
            detectors=self._perception.health(),
            scores=self._scoring.scores(),
            alerts=self._alerting.alerts(),
            trips=self._trips.advance(now_us),
        )

    def picture_ahead(self, picture: Picture, readings: ReadingBatch) -> Picture:
        """Return the picture of this beat as newer readings on the log would have it.

        It is marked as provisional: they have not been judged, and nothing is decided upon them.
        """
        ahead = self._perception.ahead(readings)
        weather = self._incidents.weather(picture.time_us)
        state = ahead.link_state(picture.time_us, weather)
        links = dataclasses.replace(state, closed=picture.links.closed)
        return dataclasses.replace(
            picture,
            links=travelled(links, self._streets),
            measured=ahead.measured(),
            provisional=True,
        )

    def link_state(self, now_us: int) -> LinkState:
        """Return the estimate of every link at `now_us`, with what is closed."""
        state = self._perception.link_state(now_us, self._incidents.weather(now_us))
        return dataclasses.replace(state, closed=self._incidents.closed(now_us))

    def forecast_input(self, now_us: int) -> ForecastInput:
        """Freeze what a forecast depends on; `forecast.first.make_forecast` takes it elsewhere."""
        network, seen = self._forecast_network, self._perception
        learned = self._learning.advance(now_us, seen)
        return forecast_input(network, seen, self._incidents, now_us, learned=learned)

    def take_forecast(self, forecast: Forecast, now_us: int) -> bool:
        """Swap a finished forecast in; False: too late, of another map or not newer, dropped."""
        late = now_us - forecast.made_us > LATE_US
        behind = self._forecast is not None and forecast.made_us <= self._forecast.made_us
        if late or behind or forecast.map_version != self.network.version:
            return False
        self._forecast = forecast
        self._scoring.take(forecast)
        self._learning.take(forecast)
        return True

    def closed_scores(self) -> tuple[ScoreHour, ...]:
        """Return the hours of the scoreboard that ended since this was last asked."""
        return self._scoring.closed()

    def state_bytes(self) -> bytes:
        """Return everything that a restart needs, besides decisions and authorisations.

        Equal states give equal bytes; those two are given back by `restore_decisions` and `learn`.
        """
        return snapshot.encode(
            self.network.version,
            {name: one for part in self._parts for name, one in part.state().items()},
            self._incidents.known(),
            tuple(self._statuses[name] for name in sorted(self._statuses)),
            self._signals.memory(),
        )

    def opened(self, forecast_hash: str, positions: Mapping[str, int]) -> Opened:
        """Return everything that this state knows besides vehicles and rights, to be written down.

        forecast_hash   of the forecast in force; positions: next offset of every partition
        """
        standing, newest = self._book.standing()
        return Opened(
            state=self.state_bytes(),
            standing=standing,
            newest=newest,
            forecast=self._forecast,
            forecast_hash=forecast_hash,
            positions=dict(positions),
            terms=self.terms,
        )

    @property
    def terms(self) -> Terms:
        """Under which terms this state decides."""
        return self._terms

    def carry_vehicles(
        self, before: Live, rights: Iterable[Authorisation], decided: Iterable[DecisionEvent]
    ) -> None:
        """Go on after a restart as `before` did: the counts, the rights, open decisions at gates.

        Reads of one passage that were taken together are forgotten, as a restart forgets them.
        """
        self._counts = before._counts
        self.learn(rights)
        self.restore_decisions(decided)

    def remember_reads(self, facts: Iterable[PassageFact]) -> None:
        """Take reads of passages in that were decided before: only to know them again."""
        for fact in facts:
            self._access.decide(fact, fact.time_us)

    def resume(self, opened: Opened) -> None:
        """Go on exactly where `opened` was taken. Raises MapError for another map's state."""
        self.restore(opened.state)
        self._book.resume(opened.standing, opened.newest)
        self._forecast = opened.forecast

    def restore(self, body: bytes) -> None:
        """Go on where `state_bytes` was taken. Raises MapError for another map's state."""
        saved, arrays = snapshot.decode(body, self.network.version)
        for part in self._parts:
            part.restore(arrays)
        self._incidents = Incidents(self.network)
        self._incidents.observe(saved.incidents)
        self._statuses = {}
        self._observe_statuses(saved.statuses)
        if saved.signals:
            self._signals.restore(saved.signals)

    def on(self, network: SingleMap) -> Live:
        """Return a live state of another map under the same rules, which knows nothing yet.

        Raises InputError naming the gates of the rules that this map does not have.
        """
        return self._again(network)

    def carry(self, before: Live, stays: MapDifference, now_us: int) -> Carried:
        """Take over from the live state of another version of the map what still holds here.

        A forecast is left behind: the next one is made on this map.
        """
        self._perception.carry(before._perception, stays.sensors_before, stays.sensors_after)
        self._learning.carry(before._learning, self.network, before.network)
        ended = self._incidents.carry(before._incidents)
        self._observe_statuses(
            status for name, status in before._statuses.items() if name in stays.junctions
        )
        self._access.carry(before._access)
        self._counts = before._counts
        self._sequence = before._sequence
        decided = hand_over(
            before.book, self._book, stays=stays, map_version=self.network.version, now_us=now_us
        )
        return Carried(decided, (*stays.dropped, *ended))

    def restore_decisions(self, events: Iterable[DecisionEvent]) -> None:
        """Take the newest stored versions of decisions back in, in any order."""
        self._book.restore(events, rules=_RULES, map_version=self.network.version)

    def learn(self, authorisations: Iterable[Authorisation]) -> None:
        """Take rights to enter zones in; of one right the newest version counts."""
        for authorisation in authorisations:
            self._access.learn(authorisation)

    def state_hash(self) -> str:
        """Return 32 hex digits over what the readings made; no clock and no beat is in it."""
        return self._perception.hash()

    def _admitted(self, events: tuple[DecisionEvent, ...]) -> tuple[DecisionEvent, ...]:
        """Write decisions about a vehicle into the book, and count it."""
        for event in events:
            self._counts.take(event)
        return self._booked(events)

    def _booked(self, events: tuple[DecisionEvent, ...]) -> tuple[DecisionEvent, ...]:
        """Write fresh versions into the book and return them."""
        for event in events:
            self._book.add(event)
        return events

    def _observe_statuses(self, statuses: Iterable[SignalStatus]) -> None:
        """Keep the newest status of each junction of the map."""
        for status in statuses:
            known = self._statuses.get(status.junction)
            if status.junction not in self.network.junction_rows:
                continue
            if known is None or us_from_datetime(known.time) <= us_from_datetime(status.time):
                self._statuses[status.junction] = status
                self._signals.observe_status(status)
