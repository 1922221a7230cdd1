"""Writes down what the worker does, step by step, so that a past day can be done again.

A step is a start, a batch that was observed or a beat. Everything that went into it is kept: the
readings by their place on the log, the other events whole, vehicles and rights as references that
go when they go. Of what came out a hash is kept. The rows are part of the step's own commit.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from twin.control.access.counts import GateCount, hour_told
from twin.events import (
    Acknowledgement,
    DecisionEvent,
    DecisionKind,
    Incident,
    OperatorAct,
    SignalStatus,
)
from twin.ingest.forecasting import Swap
from twin.live import Live, LiveBatch
from twin.log.contract import Place
from twin.opening import encode_opening
from twin.picture import Picture, decisions_digest
from twin.store import decisions, steps
from twin.store.database import Database
from twin.store.days import DAY_US
from twin.store.records import AccessCount, AccessStep, Opening, Step

START: Final = "start"
BATCH: Final = "batch"
TICK: Final = "tick"
_PACKED: Final = 1  # level of deflation: statuses of one second are much alike


class BatchBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a batch brought, vehicles aside. `span_us`: first and last time of its readings.

    `ranges` says where the readings stood that other processes had judged.
    """

    moved: dict[str, int]
    ranges: tuple[tuple[str, int, int], ...] = ()
    span_us: tuple[int, int] | None = None
    incidents: tuple[Incident, ...] = ()
    statuses: tuple[SignalStatus, ...] = ()
    acknowledgements: tuple[tuple[int, Acknowledgement], ...] = ()
    acts: tuple[tuple[int, OperatorAct], ...] = ()


class AccessBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a batch brought about vehicles: (gate, id, arrival), event ids, answers of gates."""

    passages: tuple[tuple[str, str, int], ...] = ()
    authorisations: tuple[str, ...] = ()
    acknowledgements: tuple[tuple[int, Acknowledgement], ...] = ()


_ENCODER: Final = msgspec.json.Encoder()
_BATCHES: Final = msgspec.json.Decoder(BatchBody)
_ACCESS: Final = msgspec.json.Decoder(AccessBody)


class Journal:
    """The steps of one worker. `on` False writes nothing."""

    def __init__(self, database: Database, *, on: bool = True) -> None:
        """Write nothing before `resume`."""
        self._database = database
        self._on = on
        self._last_us = 0
        self._opened_day = -1
        self._forecast_hash = ""
        self._told: tuple[GateCount, ...] = ()

    async def resume(self, live: Live) -> None:
        """Find where the steps end, and what was counted at the gates until then."""
        if not self._on:
            return
        last = await steps.newest_step(self._database)
        self._last_us = 0 if last is None else last.time_us
        self._forecast_hash = ""
        tick_us = await steps.newest_tick_us(self._database)
        hour_us = hour_told(tick_us)
        told = await steps.counts_between(self._database, hour_us, hour_us)
        since = await decisions.made_since(self._database, DecisionKind.ACCESS, hour_us)
        live.counts.resume(tick_us, (GateCount(*one) for one in told), since)
        self._told = live.counts.told

    def started(self, live: Live, now_us: int, positions: Mapping[Place, int]) -> dict[str, Any]:
        """Return what a start writes: the state from which everything goes on."""
        if not self._on:
            return {}
        step = Step(self._next(now_us), START, now_us, str(live.network.version))
        return {"steps": [step], "openings": [self._opening(live, step, positions)]}

    def batch(
        self,
        live: Live,
        batch: LiveBatch,
        *,
        now_us: int,
        moved: Mapping[Place, int],
        decided: Sequence[DecisionEvent],
        ranges: tuple[tuple[str, int, int], ...] = (),
    ) -> dict[str, Any]:
        """Return what the observation of a batch writes; `ranges` as in `BatchBody`."""
        if not self._on:
            return {}
        private = tuple(one for one in decided if one.kind is DecisionKind.ACCESS)
        answered = {one.id for one in private}
        answers = tuple((us, one) for one, us in batch.timed("acknowledgements"))
        access = AccessBody(
            passages=tuple((one.gate, one.id, us) for one, us in batch.timed("passages")),
            authorisations=tuple(one.id for one in batch.authorisations),
            acknowledgements=tuple(one for one in answers if one[1].decision in answered),
        )
        times_us = batch.readings.time_us
        body = BatchBody(
            moved={str(place): offset for place, offset in moved.items()},
            ranges=ranges,
            span_us=(int(times_us.min()), int(times_us.max())) if len(times_us) else None,
            incidents=batch.incidents,
            statuses=batch.statuses,
            acknowledgements=tuple(one for one in answers if one[1].decision not in answered),
            acts=tuple((us, one) for one, us in batch.timed("acts")),
        )
        step = Step(
            time_us=self._next(now_us),
            kind=BATCH,
            now_us=batch.now_us,
            map_version=str(live.network.version),
            decided=decisions_digest(_public(decided)),
            body=zlib.compress(_ENCODER.encode(body), _PACKED),
        )
        written: dict[str, Any] = {"steps": [step]}
        if access != AccessBody():
            told = _ENCODER.encode(access).decode()
            written["access_steps"] = [AccessStep(step.time_us, decisions_digest(private), told)]
        return written

    def tick(
        self,
        live: Live,
        picture: Picture,
        *,
        swap: Swap,
        content: str,
        begins: bool,
        decided: Sequence[DecisionEvent],
        positions: Mapping[Place, int],
        resting: bool,
    ) -> dict[str, Any]:
        """Return what a beat writes.

        content   hash of the forecast in force, if there is one
        begins    a forecast is begun right after this beat
        resting   none is being made: the state may be written down whole, once a day
        """
        if not self._on:
            return {}
        self._forecast_hash = content if picture.forecast is not None else ""
        step = Step(
            time_us=self._next(picture.time_us),
            kind=TICK,
            now_us=picture.time_us,
            map_version=picture.map_version,
            picture=picture.content_hash(self._forecast_hash),
            decided=decisions_digest(_public(decided)),
            forecast=content if swap.taken else "",
            taken=swap.taken,
            dropped=swap.dropped,
            begun=begins,
        )
        written: dict[str, Any] = {"steps": [step], "access_counts": self._counted(live)}
        if resting and picture.time_us // DAY_US > self._opened_day:
            written["openings"] = [self._opening(live, step, positions)]
        return written

    def _next(self, now_us: int) -> int:
        self._last_us = max(self._last_us + 1, now_us)
        return self._last_us

    def _opening(self, live: Live, step: Step, positions: Mapping[Place, int]) -> Opening:
        self._opened_day = step.now_us // DAY_US
        named = {str(place): offset for place, offset in positions.items()}
        body = encode_opening(live.opened(self._forecast_hash, named))
        return Opening(step.time_us, step.map_version, live.state_hash(), body)

    def _counted(self, live: Live) -> list[AccessCount]:
        told = live.counts.told
        if told == self._told:
            return []
        self._told = told
        return [AccessCount(*one) for one in told]


def batch_body(step: Step) -> BatchBody:
    """Read what a batch brought."""
    return _BATCHES.decode(zlib.decompress(step.body))


def access_body(step: AccessStep) -> AccessBody:
    """Read what a batch brought about vehicles."""
    return _ACCESS.decode(step.body)


def _public(decided: Sequence[DecisionEvent]) -> tuple[DecisionEvent, ...]:
    return tuple(one for one in decided if one.kind is not DecisionKind.ACCESS)
