"""What disturbs the traffic now: incidents, and links that no vehicle may enter."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import numpy as np

from twin.clock import us_from_datetime
from twin.columns import Floats, Ints
from twin.events import Act, Incident, IncidentKind, OperatorAct
from twin.network.difference import GONE, Dropped
from twin.network.model import SingleMap
from twin.perceive.state import Codes
from twin.perceive.weather import WeatherMap, WeatherShares

KEPT_US = 24 * 3600 * 1_000_000  # an incident that ended is remembered so long for corrections
FOREVER_US = np.iinfo(np.int64).max


class Incidents:
    """The incidents of one map, by id; a later message about one replaces the earlier."""

    def __init__(self, network: SingleMap) -> None:
        """Know of none."""
        self._rows = network.link_rows
        self._lanes = [max(link.lanes, 1) for link in network.links]
        self._from_us: Ints = np.array(
            [link.valid_from_us or 0 for link in network.links], np.int64
        )
        self._to_us: Ints = np.array(
            [
                FOREVER_US if link.valid_to_us is None else link.valid_to_us
                for link in network.links
            ],
            np.int64,
        )
        self._weather = WeatherMap(network)
        self._known: dict[str, Incident] = {}

    def observe(self, incidents: Iterable[Incident]) -> None:
        """Take incidents in; one on a link that the map lacks is left out."""
        for incident in incidents:
            if self._here(incident):
                self._known[incident.id] = incident

    def carry(self, before: Incidents) -> list[Dropped]:
        """Take over what was known on another map; return what happened on links gone since."""
        self.observe(before.known())
        return [
            Dropped("incident", incident.id, f"its link {incident.link} {GONE}")
            for incident in before.known()
            if not self._here(incident)
        ]

    def _here(self, incident: Incident) -> bool:
        """Say whether it is of this map: weather may be without a link."""
        return incident.link in self._rows or (incident.weather is not None and not incident.link)

    def apply(self, act: OperatorAct) -> bool:
        """End an incident by a person's act; False when the act is not about a known one."""
        incident = self._known.get(act.target)
        if act.act is not Act.CLEAR_INCIDENT or incident is None:
            return False
        ends = act.time if incident.until is None else min(act.time, incident.until)
        self._known[incident.id] = msgspec.structs.replace(incident, until=ends)
        return True

    def forget(self, now_us: int) -> None:
        """Drop what ended long ago."""
        self._known = {
            name: incident
            for name, incident in self._known.items()
            if _ends_us(incident) + KEPT_US > now_us
        }

    def active(self, now_us: int) -> tuple[Incident, ...]:
        """Return the incidents that last at `now_us`, by id."""
        return tuple(
            self._known[name]
            for name in sorted(self._known)
            if _begins_us(self._known[name]) <= now_us < _ends_us(self._known[name])
        )

    def known(self) -> tuple[Incident, ...]:
        """Return everything remembered, by id."""
        return tuple(self._known[name] for name in sorted(self._known))

    def closed(self, now_us: int) -> Codes:
        """Return (links,) uint8: 1 where no vehicle may enter at `now_us`."""
        shut = (now_us < self._from_us) | (now_us >= self._to_us)
        for incident in self.active(now_us):
            if incident.link and self._share(incident) == 0.0:
                shut[self._rows[incident.link]] = True
        return shut.astype(np.uint8)

    def weather(self, now_us: int) -> WeatherShares | None:
        """Return what known weather leaves of speed and capacity; None: no weather is known."""
        active = [one for one in self.active(now_us) if one.weather is not None]
        return self._weather.shares(active) if active else None

    def weather_speed(self, now_us: int, step_s: float, steps: int) -> Floats:
        """Return what weather leaves of free speeds now and then in each step, (1 + steps, links).

        Row k + 1 holds at the middle of step k.
        """
        moments = [now_us, *(now_us + round((k + 0.5) * step_s * 1e6) for k in range(steps))]
        return np.array([self._weather.shares(self.active(moment)).speed for moment in moments])

    def capacity_share(self, now_us: int, step_s: float, steps: int) -> Floats:
        """Return what incidents and weather leave of each link's capacity, (steps, links), 1 = all.

        Row k holds at its middle, `now_us` + (k + 1/2) `step_s`.
        """
        share = np.ones((steps, len(self._lanes)))
        for step in range(steps):
            moment_us = now_us + round((step + 0.5) * step_s * 1e6)
            row = share[step]
            active = self.active(moment_us)
            row *= self._weather.shares(active).capacity
            for incident in active:
                if not incident.link:
                    continue
                link = self._rows[incident.link]
                row[link] = min(row[link], self._share(incident))
            row[(moment_us < self._from_us) | (moment_us >= self._to_us)] = 0.0
        return share

    def _share(self, incident: Incident) -> float:
        """Return the share of capacity that one incident leaves."""
        lanes = self._lanes[self._rows[incident.link]]
        if incident.kind is IncidentKind.CLOSURE and not incident.lanes_closed:
            return 0.0 if incident.capacity_share == 1.0 else incident.capacity_share
        open_lanes = max(lanes - incident.lanes_closed, 0) / lanes
        return min(open_lanes, incident.capacity_share)


def _begins_us(incident: Incident) -> int:
    """Return since when it holds: what is announced begins later."""
    return us_from_datetime(incident.begins or incident.time)


def _ends_us(incident: Incident) -> int:
    """Return when an incident ends, far away when nobody knows."""
    return FOREVER_US - KEPT_US if incident.until is None else us_from_datetime(incident.until)
