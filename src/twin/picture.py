"""The published state: one immutable picture of the whole map at one moment."""

from __future__ import annotations

from dataclasses import dataclass

from twin.events import DecisionEvent, Incident, SignalStatus
from twin.forecast.result import Forecast
from twin.perceive.health.detectors import DetectorHealth
from twin.perceive.state import LinkState, Measured


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that is shown. `sequence` rises by one a picture within one run.

    `decisions` holds the newest version of every decision that is still open (proposed, approved,
    issued, acknowledged and not past its lease or expiry). `detectors` says which sensors are not
    believed; None where it was not told.
    """

    time_us: int
    sequence: int
    map_version: str
    links: LinkState
    measured: Measured
    forecast: Forecast | None
    signals: tuple[SignalStatus, ...]
    incidents: tuple[Incident, ...]
    decisions: tuple[DecisionEvent, ...]
    detectors: DetectorHealth | None = None
