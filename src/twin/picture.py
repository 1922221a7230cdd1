"""The published state: one immutable picture of the whole map at one moment."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from hashlib import blake2b
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from twin.control.access.counts import GateCount
from twin.events import DecisionEvent, DecisionKind, Incident, SignalStatus
from twin.forecast.result import Forecast
from twin.forecast.scoreboard import Scores
from twin.perceive.alerting import Alerts
from twin.perceive.health.detectors import DetectorHealth
from twin.perceive.kernels.digest import mix_words
from twin.perceive.state import LinkState, Measured
from twin.perceive.trips import TripTime

_ENCODER: Final = msgspec.msgpack.Encoder(order="sorted")
_UNHASHED: Final = frozenset(
    {"time_us", "sequence", "forecast", "scores", "alerts", "trips", "provisional"}
)
_OWN_TIME: Final = frozenset({(LinkState, "time_us")})
_SEED: Final = np.array([1, 2, 3, 4], np.uint64)


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that is shown. `sequence` rises by one a picture within one run.

    `decisions` holds the newest version of every decision that is still open (proposed, approved,
    issued, acknowledged and not past its lease or expiry). `detectors` says which sensors are not
    believed; `scores` how good the forecasts were; None where it was not told. `provisional`: the
    service is behind and shows the newest readings of the log before their verdict.
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
    scores: Scores | None = None
    alerts: Alerts = field(default_factory=Alerts)
    access: tuple[GateCount, ...] = ()
    provisional: bool = False
    trips: tuple[TripTime, ...] = ()

    def content_hash(self, forecast_hash: str) -> str:
        """Return 32 hex digits over what is shown: no time of showing, no number of the picture.

        Decisions about single vehicles stay out, counts of vehicles are in. Scores, alerts and
        travel times stay out: they follow from what is forgotten, some of it at a restart.
        `forecast_hash` stands for the content of the forecast in force (`forecast_digest`); ""
        for none.
        """
        digest = blake2b(digest_size=16)
        kept = tuple(one for one in self.decisions if one.kind is not DecisionKind.ACCESS)
        for part in fields(self):
            if part.name in _UNHASHED:
                continue
            value = kept if part.name == "decisions" else getattr(self, part.name)
            digest.update(part.name.encode())
            _feed(digest, value)
        digest.update(forecast_hash.encode())
        return digest.hexdigest()


def forecast_digest(forecast: Forecast) -> str:
    """Return 32 hex digits over everything that a forecast says."""
    digest = blake2b(digest_size=16)
    _feed(digest, forecast)
    return digest.hexdigest()


def decisions_digest(decided: tuple[DecisionEvent, ...]) -> str:
    """Return 32 hex digits over versions of decisions in their order; "" for none."""
    return blake2b(_ENCODER.encode(decided), digest_size=16).hexdigest() if decided else ""


def _feed(digest: blake2b, value: Any) -> None:
    """Add a value of any of the kinds that a picture holds, with its shape."""
    if isinstance(value, np.ndarray):
        digest.update(f"{value.dtype.str}{value.shape}".encode())
        digest.update(_mixed(value))
    elif is_dataclass(value) and not isinstance(value, type):
        for part in fields(value):
            if (type(value), part.name) not in _OWN_TIME:
                digest.update(part.name.encode())
                _feed(digest, getattr(value, part.name))
    elif isinstance(value, tuple) and any(map(_has_arrays, value)):
        digest.update(str(len(value)).encode())
        for one in value:
            _feed(digest, one)
    else:
        digest.update(_ENCODER.encode(value))


def _has_arrays(value: Any) -> bool:
    return isinstance(value, np.ndarray) or is_dataclass(value)


def _mixed(array: npt.NDArray[Any]) -> bytes:
    """Return 32 bytes that stand for an array's content, quickly."""
    body = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    whole = len(body) // 8 * 8
    mixed = _SEED.copy()
    mix_words(body[:whole].view(np.uint64), mixed)
    return mixed.tobytes() + body[whole:].tobytes()
