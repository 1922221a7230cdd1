"""Cases: what was proved against one vehicle in one zone on one day, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from twin.clock import us_from_datetime, us_from_seconds
from twin.control.access.casebook.facts import OfficerAct, World
from twin.control.access.casebook.moments import months_end_us
from twin.control.access.casebook.reading import canonical_text
from twin.control.access.casebook.rulebook import RuleBook
from twin.control.access.casebook.sessions import Violation


class CaseState(StrEnum):
    """Where a case stands."""

    PENDING = "PENDING"
    PROPOSED = "PROPOSED"
    CONFIRMED = "CONFIRMED"
    NOTIFIED = "NOTIFIED"
    WITHDRAWN = "WITHDRAWN"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"


class CaseKind(StrEnum):
    """What a confirmed case leads to."""

    WARNING = "WARNING"
    SANCTION = "SANCTION"


_ENDED = frozenset({CaseState.WITHDRAWN, CaseState.REJECTED, CaseState.EXPIRED})
_MAY_END = frozenset({CaseState.PENDING, CaseState.PROPOSED, CaseState.CONFIRMED})
_MAY_WITHDRAW = frozenset({CaseState.PENDING, CaseState.PROPOSED})

CaseKey = tuple[str, str, date, str]


@dataclass(frozen=True, slots=True)
class Case:
    """One version of a case. `key` is (zone, plate, local day, holder) and is not shown."""

    key: CaseKey
    state: CaseState
    kind: CaseKind
    facts: tuple[Violation, ...]
    reason: str = ""
    officer: str = ""

    @property
    def first_us(self) -> int:
        """Return when the first of its facts happened."""
        return min(one.time_us for one in self.facts)


class CaseBook:
    """The cases as they stand; told at each moment what can be proved then."""

    def __init__(self, world: World, book: RuleBook) -> None:
        self._world = world
        self._book = book
        self.cases: dict[CaseKey, Case] = {}

    def update(self, proved: Iterable[tuple[CaseKey, Violation]], now_us: int) -> None:
        """Open, extend, withdraw, propose and expire cases as of a moment."""
        if self._world.mode == "pre_exercise":
            return
        by_key: dict[CaseKey, list[Violation]] = {}
        for key, one in proved:
            by_key.setdefault(key, []).append(one)
        for key in sorted(set(by_key) | set(self.cases)):
            self._step(key, tuple(by_key.get(key, ())), now_us)
        self._decide_kinds()

    def act(self, key: CaseKey, act: OfficerAct) -> str:
        """Let an officer confirm or reject; return why it was refused, "" if it was not.

        A confirmation needs the plate as the officer typed it, and a case that is proposed.
        """
        case = self.cases.get(key)
        if case is None or case.state is not CaseState.PROPOSED:
            return "NOT_PROPOSED"
        if act.act == "reject":
            self.cases[key] = replace(case, state=CaseState.REJECTED, officer=act.officer)
            self._decide_kinds()
            return ""
        if us_from_datetime(act.arrived) >= self._deadline_us(case):
            return "DEADLINE_PASSED"
        if canonical_text(act.typed) != key[1].partition(" ")[2]:
            return "TYPED_DIFFERS"
        self.cases[key] = replace(case, state=CaseState.CONFIRMED, officer=act.officer)
        return ""

    def notified(self, key: CaseKey, now_us: int) -> str:
        """Note that a confirmed case was exported and notified; return why not, else ""."""
        case = self.cases.get(key)
        if case is None or case.state is not CaseState.CONFIRMED:
            return "NOT_CONFIRMED"
        if now_us >= self._deadline_us(case):
            return "DEADLINE_PASSED"
        self.cases[key] = replace(case, state=CaseState.NOTIFIED)
        return ""

    def timers_us(self) -> Iterator[int]:
        """Yield the moments at which open cases change by themselves."""
        for case in self.cases.values():
            if case.state in _MAY_END:
                yield self._deadline_us(case)
            if case.state is CaseState.PENDING:
                yield self._horizon_us(case)

    def _step(self, key: CaseKey, proved: tuple[Violation, ...], now_us: int) -> None:
        case = self.cases.get(key)
        if case is None or (case.state is CaseState.WITHDRAWN and proved):
            if proved:
                case = Case(key, CaseState.PENDING, CaseKind.SANCTION, proved)
        elif case.state in _MAY_WITHDRAW:
            facts = proved or case.facts
            gone = CaseState.WITHDRAWN if not proved else case.state
            case = replace(case, state=gone, facts=facts)
        if case is None:
            return
        if case.state in _MAY_END and now_us >= self._deadline_us(case):
            case = replace(case, state=CaseState.EXPIRED, reason="DEADLINE_PASSED")
        elif case.state is CaseState.PENDING and now_us >= self._horizon_us(case):
            case = replace(case, state=CaseState.PROPOSED)
        self.cases[key] = case

    def _decide_kinds(self) -> None:
        """Decide the kind of each open case by what counts as history now."""
        counted: dict[tuple[str, str, str], list[int]] = {}
        for row in self._world.past_cases:
            person = row.zone, row.plate, row.holder
            counted.setdefault(person, []).append(us_from_datetime(row.time))
        ordered = sorted(self.cases.values(), key=lambda one: (one.first_us, one.key))
        for case in ordered:
            zone, plate, _, holder = case.key
            history = counted.setdefault((zone, plate, holder), [])
            if case.state in _MAY_WITHDRAW:
                known = any(self._counts(before_us, case.first_us) for before_us in history)
                warn = not known or self._world.mode == "warnings"
                kind = CaseKind.WARNING if warn else CaseKind.SANCTION
                self.cases[case.key] = replace(case, kind=kind)
            if case.state not in _ENDED:
                history.append(case.first_us)

    def _counts(self, before_us: int, now_us: int) -> bool:
        rules = self._book.at(now_us)
        if rules is None:
            return False
        months = rules.form.cases.history_months
        return before_us < now_us < months_end_us(before_us, months, rules.zone_info)

    def _deadline_us(self, case: Case) -> int:
        rules = self._book.at(case.first_us)
        if rules is None:
            return case.first_us
        return months_end_us(case.first_us, rules.form.cases.deadline_months, rules.zone_info)

    def _horizon_us(self, case: Case) -> int:
        last_us = max(one.time_us for one in case.facts)
        rules = self._book.at(last_us)
        horizon_s = 0.0 if rules is None else rules.form.times.horizon_s
        return last_us + us_from_seconds(horizon_s)
