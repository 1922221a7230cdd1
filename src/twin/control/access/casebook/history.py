"""The history as it became known: each moment at which something is learnt, each change told."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from functools import partial

import msgspec

from twin.clock import iso_from_us, us_from_datetime, us_from_seconds
from twin.control.access.casebook.answers import access_answer, what_if
from twin.control.access.casebook.cases import CaseBook, CaseKey
from twin.control.access.casebook.components import Listing, parts
from twin.control.access.casebook.evaluate import Evaluator, Outcome
from twin.control.access.casebook.facts import (
    AccessRequest,
    Event,
    Notified,
    OfficerAct,
    Outage,
    Read,
    WhatIf,
    World,
)
from twin.control.access.casebook.known import Known, known, without_repeats
from twin.control.access.casebook.ledger import Told
from twin.control.access.casebook.offline import decided_alone, gate_action, outage_of
from twin.control.access.casebook.rights import Rights
from twin.control.access.casebook.rows import CaseRow, GateActionRow, RefusedRow, Row
from twin.control.access.casebook.rulebook import RuleBook
from twin.control.access.casebook.sessions import Decided, Violation
from twin.control.access.casebook.telling import (
    case_row,
    decision_row,
    quota_rows,
    session_rows,
    shown,
    timers_us,
)
from twin.control.access.casebook.vehicles import Aliases


def decide_history(
    book: RuleBook, world: World, events: Sequence[Event], *, language: str = "en"
) -> list[Row]:
    """Return every version of everything that was decided, in the order in which it was known.

    The last version of each is marked `final`. The cost grows with the square of the number of
    events that hang together (`components`).
    """
    if not events:
        return []
    until_us = _until_us(book, world, events)
    listing, aliases = Listing(world, events), Aliases(book, world, events)
    told: list[tuple[int, Row]] = []
    for own_world, own_events in parts(book, world, events, listing):
        history = _History(book, own_world, own_events, language, listing, aliases)
        history.run(until_us)
        told += history.told.rows()
    return [row for _, row in sorted(told, key=lambda pair: pair[0])]


def _until_us(book: RuleBook, world: World, events: Sequence[Event]) -> int:
    if world.until is not None:
        return us_from_datetime(world.until)
    last_us = max(us_from_datetime(one.arrived) for one in events)
    rules = book.at(last_us)
    return last_us + us_from_seconds(0.0 if rules is None else rules.form.times.watermark_s)


class _History:
    def __init__(
        self,
        book: RuleBook,
        world: World,
        events: Sequence[Event],
        language: str,
        listing: Listing,
        aliases: Aliases,
    ) -> None:
        self._book, self._world, self._language = book, world, language
        self._events = events
        self._evaluator = Evaluator(book)
        self._cases = CaseBook(world, book)
        self._aliases = aliases
        self._listing = listing
        self._case_rows: list[tuple[str, str, CaseRow]] = []
        self._acted: set[str] = set()
        self._refused: set[tuple[str, str]] = set()
        self.told = Told()

    def run(self, until_us: int) -> None:
        """Go through the moments until the end of the run."""
        arrivals = sorted({us_from_datetime(one.arrived) for one in self._events})
        moments, waiting = list(arrivals), set(arrivals)
        facts, outcome = known(self._world, ()), self._evaluator.evaluate(known(self._world, ()))
        while moments and moments[0] <= until_us:
            now_us = self.told.now_us = heapq.heappop(moments)
            came = [one for one in self._events if us_from_datetime(one.arrived) == now_us]
            if came:
                facts = self._facts(now_us)
                outcome = self._evaluator.evaluate(facts)
                self._alone(came)
            self._tell(facts, outcome, now_us)
            self._acts(came, facts, outcome, now_us)
            for later_us in (*timers_us(outcome), *self._cases.timers_us()):
                if later_us > now_us and later_us not in waiting:
                    waiting.add(later_us)
                    heapq.heappush(moments, later_us)

    def _facts(self, now_us: int) -> Known:
        heard = [one for one in self._events if us_from_datetime(one.arrived) <= now_us]
        standing, refused = without_repeats(heard)
        for one in refused:
            mark = one.id, iso_from_us(us_from_datetime(one.arrived))
            if mark not in self._refused:
                self._refused.add(mark)
                self._refuse(one.id, "CONFLICTING_DUPLICATE", now_us)
        return known(self._world, standing, partial(self._listing.count, now_us=now_us))

    def _refuse(self, event: str, reason: str, now_us: int) -> None:
        row = RefusedRow(event=event, reason=reason, known_at=iso_from_us(now_us))
        self.told.add(("refused", event), row)

    def _alone(self, came: Iterable[Event]) -> None:
        """Tell first what a gate without a connection decided about reads that come now."""
        for read in came:
            outage = outage_of(read, self._events) if isinstance(read, Read) else None
            if isinstance(read, Read) and outage is not None:
                one = decided_alone(
                    read,
                    outage,
                    self._world,
                    self._events,
                    self._evaluator,
                    listing=self._listing,
                )
                self._told_decision(one, us_from_datetime(read.time), degraded=True)

    def _tell(self, facts: Known, outcome: Outcome, now_us: int) -> None:
        for one in outcome.decided.values():
            self._told_decision(one, now_us, degraded=False)
        for read, passage in outcome.merged.items():
            self.told.merge(read, passage, iso_from_us(now_us))
        self.told.sessions(session_rows(outcome, self._aliases, now_us), iso_from_us(now_us))
        self.told.quotas(quota_rows(outcome, facts, now_us), outcome.ledger, iso_from_us(now_us))
        proved = shown(outcome.violations, self._book.at, now_us)
        self._cases.update(self._keyed(facts, proved), now_us)
        self._tell_cases(now_us)

    def _told_decision(self, one: Decided, now_us: int, *, degraded: bool) -> None:
        row = decision_row(one, self._aliases, now_us, language=self._language)
        new = self.told.decision(msgspec.structs.replace(row, degraded=degraded))
        if new:
            gate = self._world.gates.get(one.passage.gate)
            bollard = gate is not None and gate.kind == "bollard"
            action = gate_action(one, bollard=bollard)
            done = GateActionRow(
                passage=one.passage.id,
                gate=one.passage.gate,
                action=action,
                degraded=degraded,
            )
            self.told.add(("gate_action", one.passage.id), done)

    def _keyed(self, facts: Known, proved: Iterable[Violation]) -> list[tuple[CaseKey, Violation]]:
        rights = Rights(facts)
        found: list[tuple[CaseKey, Violation]] = []
        for one in proved:
            rules = self._book.at(one.time_us)
            if rules is not None:
                holder = rights.holder(one.key, one.time_us, rules)
                found.append(((one.zone, one.key, one.day, holder), one))
        return found

    def _tell_cases(self, now_us: int) -> None:
        for key, case in sorted(self._cases.cases.items()):
            rules = self._book.at(case.first_us)
            row = case_row(case, rules, self._aliases, now_us, self._language)
            told = self.told.versioned(("case", row.case, key[3]), row)
            if isinstance(told, CaseRow):
                self._case_rows.append((key[1], key[3], told))

    def _acts(self, came: Iterable[Event], facts: Known, outcome: Outcome, now_us: int) -> None:
        """Do what people asked at this moment, after everything that was learnt at it."""
        for one in sorted(came, key=lambda event: event.id):
            if one.id in self._acted or isinstance(one, Read | Outage):
                continue
            if isinstance(one, OfficerAct | Notified):
                self._acted.add(one.id)
                self._case_act(one, now_us)
            elif isinstance(one, WhatIf):
                row = what_if(one, facts, self._book, now_us)
                self.told.add(("what_if", one.id), row)
            elif isinstance(one, AccessRequest):
                decisions = self.told.decisions()
                answer = access_answer(one, facts, outcome, decisions, self._case_rows, now_us)
                self.told.add(("access_answer", one.id), answer)

    def _case_act(self, act: OfficerAct | Notified, now_us: int) -> None:
        key = next(
            (
                key
                for key, case in sorted(self._cases.cases.items())
                if any(act.passage in fact.passages for fact in case.facts)
            ),
            None,
        )
        if key is None:
            self._refuse(act.id, "NO_CASE", now_us)
            return
        if isinstance(act, OfficerAct):
            refused = self._cases.act(key, act)
        else:
            refused = self._cases.notified(key, now_us)
        if refused:
            self._refuse(act.id, refused, now_us)
        self._tell_cases(now_us)
