"""What becomes of each record of the other topics: passages, incidents, statuses, acts, rights.

They are few and each is judged alone, in the order of its partition. Only passages can be late:
of the others the newest counts, whenever it comes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np

from twin.clock import us_from_datetime
from twin.columns import PassageFact
from twin.errors import Fault, InputError
from twin.events import Topic
from twin.ids import derived_id
from twin.ingest.check import Checker
from twin.ingest.decode import HIDDEN, Decoded, decode, hash_bytes
from twin.ingest.order import NEVER_US, Verdict, Watermark
from twin.ingest.readings import CONFLICT
from twin.ingest.sealing import hidden, kept_payload, open_passage, open_wholes
from twin.ingest.tally import count_verdicts, dead_letter, sources_of
from twin.keys import KeyRing, TravelKeys
from twin.log.contract import Place, Records
from twin.store.records import DeadLetter, EventKey, Tally

KnownEvents = Callable[[str, Sequence[str]], Awaitable[dict[str, int]]]
"""Asks history for (topic name, keys): the content hash of the keys that it has."""
_ENCODER: Final = msgspec.json.Encoder(order="sorted")


@dataclass(frozen=True, slots=True)
class JudgedEvents:
    """One fetch of one topic, judged. `late` were kept and change nothing (passages only).

    `arrivals_us` says when each of `applied` arrived.
    """

    applied: Sequence[Any] = ()
    arrivals_us: Sequence[int] = ()
    late: Sequence[Any] = ()
    keys: Sequence[EventKey] = ()
    dead_letters: Sequence[DeadLetter] = ()
    tallies: Sequence[Tally] = ()
    watermarks: Mapping[Place, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A well-formed event; a passage as its fact, because its plate is a token by now."""

    event: Any
    key: str
    content: int
    time_us: int


class EventStage:
    """Judges everything that is no reading. Keeps the watermark of the passages."""

    def __init__(
        self, checker: Checker, *, keys: KeyRing, lateness_us: int, known: KnownEvents
    ) -> None:
        """Start as if nothing had ever arrived; `resume` says otherwise."""
        self._checker = checker
        self._keys = keys
        self._lateness_us = lateness_us
        self._known = known
        self._travel = TravelKeys()
        self._watermarks: dict[Place, Watermark] = {}

    def resume(self, watermarks: Mapping[Place, int]) -> None:
        """Go on from what was stored."""
        self._watermarks = {
            place: Watermark(self._lateness_us, time_us) for place, time_us in watermarks.items()
        }

    def stand_on(self, checker: Checker) -> None:
        """Judge by another version of the map from now on."""
        self._checker = checker

    def watermarks(self) -> dict[Place, int]:
        """Return how far event time has come; `resume` goes back to it."""
        return {place: watermark.time_us for place, watermark in self._watermarks.items()}

    async def judge(self, topic: Topic, records: Records) -> JudgedEvents:
        """Give every record its verdict. Raises BackendError, nothing changed, without history."""
        if not len(records):
            return JudgedEvents()
        decoded = self._decode(topic, records.values)
        judged = [self._candidate(topic, decoded, records, row) for row in range(len(records))]
        asked = [one.key for one in judged if isinstance(one, _Candidate)]
        seen = await self._known(records.place.topic, asked)
        verdicts = np.full(len(records), Verdict.REJECTED, np.uint8)
        faults: dict[int, list[Fault]] = {}
        for row, one in enumerate(judged):
            if isinstance(one, _Candidate):
                verdicts[row] = self._verdict(topic, records.place, one, seen)
            if isinstance(one, list):
                faults[row] = one
            elif verdicts[row] == Verdict.CONFLICT:
                faults[row] = [_conflict(topic, one)]
        sources = sources_of([records])
        return JudgedEvents(
            applied=_chosen(judged, verdicts, Verdict.APPLIED),
            arrivals_us=records.arrival_us[verdicts == Verdict.APPLIED].tolist(),
            late=_chosen(judged, verdicts, Verdict.LATE),
            keys=[
                EventKey(records.place.topic, one.key, one.content)
                for one, verdict in zip(judged, verdicts.tolist(), strict=True)
                if isinstance(one, _Candidate) and verdict in {Verdict.APPLIED, Verdict.LATE}
            ],
            dead_letters=[
                dead_letter(
                    records,
                    row,
                    source=sources[row],
                    faults=found,
                    payload=self._payload(topic, records.values[row]),
                )
                for row, found in faults.items()
            ],
            tallies=count_verdicts(
                records.place.topic,
                sources,
                verdicts,
                revised=np.zeros(len(records), np.bool_),
                reasons={row: found[0].reason for row, found in faults.items()},
            ),
            watermarks=self._moved(records.place),
        )

    def _decode(self, topic: Topic, values: Sequence[bytes]) -> Decoded[Any]:
        if topic is not Topic.ANPR_READ:
            return decode(topic, values)
        opened, unopened = open_wholes(values, self._keys)
        decoded = decode(topic, opened)
        return Decoded(decoded.events, {**decoded.faults, **unopened})

    def _payload(self, topic: Topic, value: bytes) -> bytes | None:
        return kept_payload(value, self._keys) if topic is Topic.ANPR_READ else value

    def _candidate(
        self, topic: Topic, decoded: Decoded[Any], records: Records, row: int
    ) -> _Candidate | list[Fault]:
        event = decoded.events[row]
        if event is None:
            return decoded.faults[row]
        opened: Any = event
        faults: list[Fault] = []
        if topic is Topic.ANPR_READ:
            try:
                self._travel.advance(int(records.arrival_us[row]))
                opened = open_passage(event, self._keys, travel=self._travel)
            except InputError as error:
                faults.extend(error.faults)
        found = self._checker.event(topic, event, int(records.arrival_us[row]))
        faults.extend(map(hidden, found) if topic is Topic.ANPR_READ else found)
        if faults:
            return faults
        key, content = natural_key(opened)
        return _Candidate(opened, key, content, us_from_datetime(event.time))

    def _verdict(
        self, topic: Topic, place: Place, one: _Candidate, seen: dict[str, int]
    ) -> Verdict:
        if one.key in seen:
            same = seen[one.key] == one.content
            return Verdict.DUPLICATE if same else Verdict.CONFLICT
        seen[one.key] = one.content
        if topic is not Topic.ANPR_READ:
            return Verdict.APPLIED
        watermark = self._watermarks.setdefault(place, Watermark(self._lateness_us))
        return Verdict.LATE if watermark.pass_record(one.time_us) else Verdict.APPLIED

    def _moved(self, place: Place) -> dict[Place, int]:
        watermark = self._watermarks.get(place)
        if watermark is None or watermark.time_us == NEVER_US:
            return {}
        return {place: watermark.time_us}


def natural_key(event: Any) -> tuple[str, int]:
    """Return the key of an event within its topic, and the hash that tells a conflict.

    The key is the event's id, for a passage (gate, id); the hash covers all that was said.
    """
    if isinstance(event, PassageFact):
        key, said = derived_id(event.gate, event.id), event.payload_hash.encode()
    else:
        key, said = event.id, _ENCODER.encode(event)
    return key, hash_bytes(said)


def _chosen(
    judged: Sequence[_Candidate | list[Fault]], verdicts: Any, verdict: Verdict
) -> list[Any]:
    return [
        one.event
        for one, given in zip(judged, verdicts.tolist(), strict=True)
        if isinstance(one, _Candidate) and given == verdict
    ]


def _conflict(topic: Topic, one: _Candidate) -> Fault:
    private = topic is Topic.ANPR_READ
    shown, key = (HIDDEN, "gate and id") if private else (one.event.id, "id")
    return Fault("id", shown, f"another event with this {key} came before", CONFLICT)
