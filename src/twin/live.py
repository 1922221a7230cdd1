"""The heart: everything that is known now, and what follows from it.

No I/O, no async, no clock: what happens here is a function of what is handed in.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from twin.clock import us_from_datetime
from twin.columns import PassageFact, ReadingBatch
from twin.events import (
    Acknowledgement,
    Authorisation,
    DecisionEvent,
    Incident,
    OperatorAct,
    SignalStatus,
)
from twin.forecast.result import Forecast
from twin.network.model import SingleMap
from twin.perceive import snapshot
from twin.perceive.estimate import Perception
from twin.perceive.incidents import Incidents
from twin.perceive.state import LinkState
from twin.picture import Picture

LATE_US = 300 * 1_000_000  # a forecast older than its own first step says nothing about the future


@dataclass(frozen=True, slots=True)
class LiveBatch:
    """What arrived, checked, ordered and without duplicates. `now_us`: arrival of the newest."""

    now_us: int
    readings: ReadingBatch = field(default_factory=ReadingBatch.empty)
    passages: tuple[PassageFact, ...] = ()
    incidents: tuple[Incident, ...] = ()
    statuses: tuple[SignalStatus, ...] = ()
    acknowledgements: tuple[Acknowledgement, ...] = ()
    acts: tuple[OperatorAct, ...] = ()
    authorisations: tuple[Authorisation, ...] = ()


class Live:
    """The live state of one map."""

    def __init__(
        self,
        network: SingleMap,
        *,
        rules: object,
        automatic: frozenset[str],
        lease_s: float,
        timezone: str,
    ) -> None:
        """Know the map and nothing else.

        rules       rules of the restricted zones (`control.access.rules`)
        automatic   junctions that need no person's approval
        lease_s     how long the street obeys one signal request
        timezone    IANA name of the city's time zone, for the usual day
        """
        self.network = network
        self._perception = Perception(network, timezone=timezone)
        self._incidents = Incidents(network)
        self._statuses: dict[str, SignalStatus] = {}
        self._forecast: Forecast | None = None
        self._sequence = 0

    @property
    def forecast(self) -> Forecast | None:
        """The newest forecast that was taken in."""
        return self._forecast

    def observe(self, batch: LiveBatch) -> tuple[DecisionEvent, ...]:
        """Take in what arrived and return the versions of decisions that follow at once."""
        self._perception.observe(batch.readings)
        self._incidents.observe(batch.incidents)
        for act in batch.acts:
            self._incidents.apply(act)
        self._observe_statuses(batch.statuses)
        return ()

    def decide(self, now_us: int, *, offsets: Mapping[str, int]) -> tuple[DecisionEvent, ...]:
        """Return the versions of decisions that this beat makes."""
        self._incidents.forget(now_us)
        del offsets
        return ()

    def picture(self, now_us: int) -> Picture:
        """Return everything that is shown, immutable, under the next sequence number."""
        self._sequence += 1
        return Picture(
            time_us=now_us,
            sequence=self._sequence,
            map_version=self.network.version,
            links=self.link_state(now_us),
            measured=self._perception.measured(),
            forecast=self._forecast,
            signals=tuple(self._statuses[name] for name in sorted(self._statuses)),
            incidents=self._incidents.active(now_us),
            decisions=(),
        )

    def link_state(self, now_us: int) -> LinkState:
        """Return the estimate of every link at `now_us`, with what is closed."""
        return dataclasses.replace(
            self._perception.link_state(now_us), closed=self._incidents.closed(now_us)
        )

    def take_forecast(self, forecast: Forecast, now_us: int) -> bool:
        """Swap a finished forecast in; False: too late, of another map or not newer, dropped."""
        late = now_us - forecast.made_us > LATE_US
        behind = self._forecast is not None and forecast.made_us <= self._forecast.made_us
        if late or behind or forecast.map_version != self.network.version:
            return False
        self._forecast = forecast
        return True

    def state_bytes(self) -> bytes:
        """Return everything that a restart needs, besides decisions and authorisations."""
        return snapshot.encode(
            self.network.version,
            self._perception.state(),
            self._incidents.known(),
            tuple(self._statuses[name] for name in sorted(self._statuses)),
        )

    def restore(self, body: bytes) -> None:
        """Go on where `state_bytes` was taken. Raises MapError for another map's state."""
        saved, arrays = snapshot.decode(body, self.network.version)
        self._perception.restore(arrays)
        self._incidents = Incidents(self.network)
        self._incidents.observe(saved.incidents)
        self._statuses = {}
        self._observe_statuses(saved.statuses)

    def state_hash(self) -> str:
        """Return 32 hex digits over what the readings made; no clock and no beat is in it."""
        return self._perception.hash()

    def _observe_statuses(self, statuses: Iterable[SignalStatus]) -> None:
        """Keep the newest status of each junction of the map."""
        for status in statuses:
            known = self._statuses.get(status.junction)
            if status.junction not in self.network.junction_rows:
                continue
            if known is None or us_from_datetime(known.time) <= us_from_datetime(status.time):
                self._statuses[status.junction] = status
