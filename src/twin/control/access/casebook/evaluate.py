"""The whole history decided at once: a pure function of the facts that are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from twin.clock import us_from_seconds
from twin.control.access.casebook.judge import Verdict, judge, uses
from twin.control.access.casebook.known import Known
from twin.control.access.casebook.passages import Passage, PassageReader, conflicts
from twin.control.access.casebook.reasons import RANK, Because
from twin.control.access.casebook.rights import Ledger, Rights
from twin.control.access.casebook.rulebook import RuleBook, Rules
from twin.control.access.casebook.sessions import (
    Decided,
    Session,
    Violation,
    sessions,
    violations,
)
from twin.control.access.identity import ReadQuality
from twin.control.access.reasons import AccessState


@dataclass(frozen=True, slots=True)
class QuotaUse:
    """One entry that an authorisation used, and the count of its month and year with it."""

    authorisation: str
    month: str
    month_count: int
    year_count: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the known facts mean: verdicts by passage, stays, used quotas, provable violations."""

    decided: Mapping[str, Decided]
    merged: Mapping[str, str]
    stays: tuple[Session, ...]
    uses: Mapping[str, tuple[QuotaUse, ...]]
    violations: tuple[Violation, ...]
    ledger: Ledger


class Evaluator:
    """Decides histories under one book of rules."""

    def __init__(self, book: RuleBook) -> None:
        self._book = book
        self._reader = PassageReader(book)

    def evaluate(self, facts: Known) -> Outcome:
        """Decide everything that is known.

        What was heard of later than the horizon may only help the driver: of the outcomes with
        and without it, the better verdict counts, and only what both have is used up or proved.
        """
        all_facts = self._once(facts, favour=True)
        if not _has_late(all_facts, facts, self._book):
            return all_facts
        on_time = self._once(facts, favour=False)
        return _in_favour(facts, on_time, all_facts)

    def _once(self, facts: Known, *, favour: bool) -> Outcome:
        passages = self._reader.passages(facts, favour=favour)
        clashing = conflicts(passages, facts.world, self._book)
        rights, ledger = Rights(facts), Ledger.before(facts)
        decided: dict[str, Decided] = {}
        used: dict[str, tuple[QuotaUse, ...]] = {}
        for one in passages:
            rules = self._book.at(one.time_us)
            verdict = self._verdict(one, rules, rights, ledger, conflict=one.id in clashing)
            decided[one.id] = Decided(one, verdict, rules)
            if one.inbound and rules is not None and not one.late:
                used[one.id] = _use(verdict, rules, ledger)
        held = self._held(decided) if any(map(_slow, passages)) else frozenset()
        stays = sessions(decided.values(), _pairing(self._book, held))
        merged = {read: one.id for one in passages for read in one.reads if read != one.id}
        proved = tuple(violations(decided.values(), stays))
        return Outcome(decided, merged, tuple(stays), used, proved, ledger)

    def _verdict(
        self, one: Passage, rules: Rules | None, rights: Rights, ledger: Ledger, *, conflict: bool
    ) -> Verdict:
        if one.inbound:
            return judge(one, rules, self._reader.tables, rights, ledger, conflict=conflict)
        if one.reading.quality is ReadQuality.UNREAD and rules is not None:
            return Verdict(AccessState.UNREAD, Because.UNREAD)
        if conflict:
            return Verdict(AccessState.REVIEW, Because.PLATE_CONFLICT, one.reading.key)
        asked = judge(one, rules, self._reader.tables, rights, ledger, conflict=False)
        opening = tuple(
            trial
            for trial in asked.tried
            if rules is not None
            and (profile := rules.form.profiles.get(trial.version.row.profile)) is not None
            and profile.opens_session
        )
        key = asked.key or one.reading.key
        return Verdict(AccessState.ADMIT, Because.EXIT_ALWAYS, key, opening, fuzzy=asked.fuzzy)

    def _held(self, decided: Mapping[str, Decided]) -> frozenset[str]:
        """Return the passages that a case of the facts of the first day holds."""
        quick = [one for one in decided.values() if not _slow(one.passage)]
        stays = sessions(quick, lambda _entry, _exit: True)
        return frozenset(passage for one in violations(quick, stays) for passage in one.passages)


def _slow(one: Passage) -> bool:
    return one.arrived_us - one.raw_us > us_from_seconds(24 * 3600.0)


def _pairing(book: RuleBook, held: frozenset[str]) -> Callable[[Passage, Passage], bool]:
    """Return whether both legs of a stay were there at one time: neither row was deleted."""

    def kept(there: Passage, came: Passage) -> bool:
        rules = book.at(there.time_us)
        if rules is None or there.id in held or not _slow(came):
            return True
        times = rules.form.times
        kept_us = us_from_seconds(times.kept_s + (times.session_s if there.inbound else 0.0))
        most_us = us_from_seconds(times.horizon_s)
        return came.arrived_us <= there.time_us + min(kept_us, most_us)

    def may_pair(entry: Passage, leaving: Passage) -> bool:
        if _slow(entry) and _slow(leaving):
            return True
        return kept(entry, leaving) and kept(leaving, entry)

    return may_pair


def _use(verdict: Verdict, rules: Rules, ledger: Ledger) -> tuple[QuotaUse, ...]:
    made = []
    for name, month in uses(verdict, rules):
        ledger.use(name, month)
        counts = ledger.count(name, month), ledger.count(name, month[:4])
        made.append(QuotaUse(name, month, *counts))
    return tuple(made)


def _has_late(outcome: Outcome, facts: Known, book: RuleBook) -> bool:
    if any(one.passage.late for one in outcome.decided.values()):
        return True
    for reports in facts.clocks.values():
        for one in reports:
            rules = book.at(int(one.time.timestamp() * 1e6))
            if rules is not None and (
                (one.arrived - one.time).total_seconds() > rules.form.times.horizon_s
            ):
                return True
    return False


def _in_favour(facts: Known, on_time: Outcome, later: Outcome) -> Outcome:
    decided = {name: _better(on_time.decided.get(name), one) for name, one in later.decided.items()}
    used = {name: rows for name, rows in on_time.uses.items() if later.uses.get(name)}
    still = {one.id for one in later.violations}
    proved = tuple(one for one in on_time.violations if one.id in still)
    ledger = Ledger.before(facts)
    for rows in used.values():
        for one in rows:
            ledger.use(one.authorisation, one.month)
    return Outcome(decided, later.merged, later.stays, used, proved, ledger)


def _better(before: Decided | None, now: Decided) -> Decided:
    if before is None or RANK[now.verdict.state] <= RANK[before.verdict.state]:
        return now
    return before
