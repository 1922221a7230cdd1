"""Vehicles at gates in the replay of a day whose vehicles may still be known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from twin.columns import PassageFact
from twin.events import Authorisation, DecisionEvent, DecisionKind
from twin.ingest.journal import AccessBody, access_body
from twin.live import Live, LiveBatch
from twin.picture import decisions_digest
from twin.store.past import Vehicles
from twin.store.records import AccessStep, Opening, Step
from twin.units import SECOND_US

_BEFORE_US = 60 * SECOND_US
"""Reads of so long before the beginning are known again: those of one passage are 10 s apart."""


class Noted(Protocol):
    """Where differences are noted."""

    access_decisions: int

    def differs(self, time_us: int, what: str, live: object, replayed: object) -> None:
        """Note that something came out differently."""
        ...


class PastVehicles:
    """Puts passages, rights and answers of gates back into the batches that brought them."""

    def __init__(self, vehicles: Vehicles) -> None:
        """Ask these."""
        self._vehicles = vehicles
        self._steps: dict[int, tuple[AccessStep, AccessBody]] = {}
        self._facts: dict[tuple[str, str], PassageFact] = {}
        self._rights: dict[str, Authorisation] = {}
        self._known: dict[str, Authorisation] = {}

    async def open(self, live: Live, opening: Opening, first: Sequence[Step]) -> None:
        """Let a live state know the rights and the last reads of before the beginning."""
        recorded = await self._vehicles.rights()
        later = await self._vehicles.steps(opening.time_us, 2**62)
        since = {name for one in later.values() for name in access_body(one).authorisations}
        self._rights = {right.id: right for right in recorded}
        number = next((k for k, right in enumerate(recorded) if right.id in since), len(recorded))
        self._learn(recorded[:number])
        live.learn(recorded[:number])
        if first and first[0].kind == "start":
            return  # a start knows no reads
        before = await self._vehicles.steps(opening.time_us - _BEFORE_US, opening.time_us)
        keys = [key[:2] for one in before.values() for key in access_body(one).passages]
        facts = await self._vehicles.passages(keys)
        live.remember_reads(facts[key] for key in keys if key in facts)

    async def load(self, part: Sequence[Step]) -> None:
        """Fetch what the steps of a part took in."""
        found = await self._vehicles.steps(part[0].time_us - 1, part[-1].time_us)
        self._steps = {at: (one, access_body(one)) for at, one in found.items()}
        keys = [key[:2] for _, body in self._steps.values() for key in body.passages]
        self._facts = dict(await self._vehicles.passages(keys))

    def with_vehicles(self, batch: LiveBatch, step: Step) -> LiveBatch:
        """Return a batch with the vehicles, the rights and the answers that it had."""
        if step.time_us not in self._steps:
            return batch
        body = self._steps[step.time_us][1]
        passages = [(self._facts.get((gate, name)), us) for gate, name, us in body.passages]
        there = [(fact, us) for fact, us in passages if fact is not None]
        rights = [self._rights[name] for name in body.authorisations if name in self._rights]
        self._learn(rights)
        answers = [
            *batch.timed("acknowledgements"),
            *((one, us) for us, one in body.acknowledgements),
        ]
        return replace(
            batch,
            passages=tuple(fact for fact, _ in there),
            authorisations=tuple(rights),
            acknowledgements=tuple(one for one, _ in answers),
            arrivals_us={
                **batch.arrivals_us,
                "passages": [us for _, us in there],
                "acknowledgements": [us for _, us in answers],
            },
        )

    def compare(self, step: Step, decided: Sequence[DecisionEvent], noted: Noted) -> None:
        """Compare what was decided of vehicles with the hash that was kept."""
        private = tuple(one for one in decided if one.kind is DecisionKind.ACCESS)
        noted.access_decisions += len(private)
        kept = self._steps.get(step.time_us)
        told = kept[0].decided if kept is not None else ""
        if (found := decisions_digest(private)) != told:
            noted.differs(step.now_us, "access decisions", told or "none", found or "none")

    def known_rights(self) -> list[Authorisation]:
        """Return the rights that were learnt so far."""
        return list(self._known.values())

    def _learn(self, rights: Sequence[Authorisation]) -> None:
        for right in rights:
            self._known[right.authorisation] = right
