"""An outcome told in rows: decisions, stays and quotas as they are known at a moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from twin.clock import datetime_from_us, iso_from_us, us_from_seconds
from twin.control.access.casebook.cases import Case
from twin.control.access.casebook.evaluate import Outcome
from twin.control.access.casebook.judge import Trial
from twin.control.access.casebook.known import Known
from twin.control.access.casebook.passages import ClockState
from twin.control.access.casebook.rows import (
    CaseRow,
    DecisionRow,
    FactRow,
    QuotaRow,
    SessionRow,
    TrialRow,
)
from twin.control.access.casebook.rulebook import Rules
from twin.control.access.casebook.sessions import Decided, Session, SessionState, Violation

Alias = Callable[[str], str]


def decision_row(one: Decided, alias: Alias, now_us: int, *, language: str) -> DecisionRow:
    """Write the decision of one passage with everything that it rests on."""
    passage, verdict, rules = one.passage, one.verdict, one.rules
    first = verdict.chosen[0] if verdict.chosen and passage.inbound else None
    local, calendar, kind = "", "", ""
    if rules is not None:
        moment = datetime_from_us(passage.time_us).astimezone(rules.zone_info)
        local, calendar = moment.isoformat(), rules.form.calendar.version
        kind = rules.day_type(moment.date())
    return DecisionRow(
        passage=passage.id,
        version=1,
        state=str(verdict.state),
        reason=str(verdict.reason),
        text=_text(rules, language, verdict.reason),
        gate=passage.gate,
        direction="in" if passage.inbound else "out",
        vehicle=alias(verdict.key or passage.reading.key),
        raw_time=iso_from_us(passage.raw_us),
        time=iso_from_us(passage.time_us),
        uncertainty_s=passage.uncertainty_us / 1e6,
        local=local,
        quality=str(passage.reading.quality),
        confidence=passage.confidence,
        reads=passage.reads,
        flags=_flags(one),
        authorisation="" if first is None else first.version.row.id,
        authorisation_version=0 if first is None else first.version.row.version,
        profile="" if first is None else first.version.row.profile,
        window="" if first is None else first.window,
        tried=tuple(_trial(row) for row in verdict.tried),
        rules="" if rules is None else rules.version,
        calendar=calendar,
        day_type=kind,
        known_at=iso_from_us(now_us),
    )


def _flags(one: Decided) -> tuple[str, ...]:
    if one.passage.clock is ClockState.TRUSTED or one.verdict.flags:
        return one.verdict.flags
    return ("CLOCK_UNTRUSTED",)


def _trial(row: Trial) -> TrialRow:
    told = row.version.row
    return TrialRow(
        authorisation=told.id,
        version=told.version,
        profile=told.profile,
        zone=row.zone,
        state=str(row.state),
        reason=str(row.reason),
        window=row.window,
        valid_from=told.valid_from.isoformat(),
        valid_to=None if told.valid_to is None else told.valid_to.isoformat(),
    )


def session_rows(outcome: Outcome, alias: Alias, now_us: int) -> Iterator[SessionRow]:
    """Write the stays; an exit without an entry only after the watermark."""
    for one in outcome.stays:
        state = _state(one, now_us)
        if state is None:
            continue
        pair = one.entry is not None and one.exit is not None
        yield SessionRow(
            session=one.id,
            version=1,
            zone=one.zone,
            vehicle=alias(one.key),
            state=str(state),
            entry="" if one.entry is None else one.entry.passage.id,
            exit="" if one.exit is None else one.exit.passage.id,
            stay_s=one.stay_us / 1e6 if pair else None,
            uncertainty_s=one.uncertainty_us / 1e6 if pair else None,
            authorisation="" if one.trial is None else one.trial.version.row.id,
            known_at=iso_from_us(now_us),
        )


def _state(one: Session, now_us: int) -> SessionState | None:
    leg = one.entry or one.exit
    if leg is None or leg.rules is None:
        return None
    times = leg.rules.form.times
    since_us = now_us - leg.passage.time_us
    if one.state is SessionState.ENTRY_MISSED and since_us < us_from_seconds(times.watermark_s):
        return None
    if one.state is SessionState.OPEN and since_us >= us_from_seconds(times.session_s):
        return SessionState.EXIT_MISSED
    return one.state


def quota_rows(outcome: Outcome, facts: Known, now_us: int) -> Iterator[QuotaRow]:
    """Write what is used, for each authorisation and local month with an entry."""
    passages: dict[tuple[str, str], list[str]] = {}
    rules_of: dict[tuple[str, str], Rules | None] = {}
    for name, rows in outcome.uses.items():
        for use in rows:
            place = use.authorisation, use.month
            passages.setdefault(place, []).append(name)
            rules_of[place] = outcome.decided[name].rules
    for (name, month), ids in passages.items():
        rules = rules_of[name, month]
        profile = facts.versions[name][-1].row.profile
        form = None if rules is None else rules.form.profiles.get(profile)
        quota = None if form is None else form.quota
        yield QuotaRow(
            authorisation=name,
            month=month,
            version=1,
            month_used=outcome.ledger.count(name, month),
            month_limit=None if quota is None else quota.month,
            year_used=outcome.ledger.count(name, month[:4]),
            year_limit=None if quota is None else quota.year,
            passages=tuple(ids),
            known_at=iso_from_us(now_us),
        )


def case_row(case: Case, rules: Rules | None, alias: Alias, now_us: int, language: str) -> CaseRow:
    """Write a case as it stands."""
    zone, plate, day, _ = case.key
    vehicle = alias(plate)
    return CaseRow(
        case=f"{zone}/{vehicle}/{day.isoformat()}",
        version=1,
        state=str(case.state),
        kind=str(case.kind),
        zone=zone,
        vehicle=vehicle,
        day=day.isoformat(),
        facts=tuple(_fact(one, rules, language) for one in case.facts),
        reason=case.reason,
        officer=case.officer,
        known_at=iso_from_us(now_us),
    )


def _fact(one: Violation, rules: Rules | None, language: str) -> FactRow:
    return FactRow(
        reason=str(one.kind),
        text=_text(rules, language, one.kind),
        passages=one.passages,
        time=iso_from_us(one.time_us),
        measured_s=one.measured_s,
        limit_s=one.limit_s,
    )


def _text(rules: Rules | None, language: str, name: str) -> str:
    if rules is None:
        return ""
    texts: dict[str, dict[str, str]] = {str(key): row for key, row in rules.form.texts.items()}
    return texts.get(language, {}).get(str(name), "")


def timers_us(outcome: Outcome) -> Iterator[int]:
    """Yield the moments at which stays and first facts change by themselves."""
    for one in outcome.decided.values():
        if one.rules is not None:
            times = one.rules.form.times
            yield one.passage.time_us + us_from_seconds(times.watermark_s)
    for stay in outcome.stays:
        leg = stay.entry
        if stay.state is SessionState.OPEN and leg is not None and leg.rules is not None:
            yield leg.passage.time_us + us_from_seconds(leg.rules.form.times.session_s)


def shown(
    violations: Iterable[Violation], rules_of: Callable[[int], Rules | None], now_us: int
) -> Iterator[Violation]:
    """Yield the violations whose watermark is over."""
    for one in violations:
        rules = rules_of(one.time_us)
        if rules is not None and now_us >= one.time_us + us_from_seconds(
            rules.form.times.watermark_s
        ):
            yield one
