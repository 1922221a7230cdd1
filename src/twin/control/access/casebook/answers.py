"""Answers to questions about the history: what if, and what do you know about me."""

from __future__ import annotations

from collections.abc import Iterable

from twin.clock import iso_from_us
from twin.control.access.casebook.evaluate import Evaluator, Outcome
from twin.control.access.casebook.facts import AccessRequest, WhatIf
from twin.control.access.casebook.known import Known
from twin.control.access.casebook.rights import Rights
from twin.control.access.casebook.rows import (
    AccessAnswerRow,
    CaseRow,
    DecisionRow,
    WhatIfCell,
    WhatIfRow,
)
from twin.control.access.casebook.rulebook import RuleBook


def what_if(event: WhatIf, facts: Known, book: RuleBook, now_us: int) -> WhatIfRow:
    """Decide the known passages again without some rows of the table of days.

    Only rounded counts of vehicles leave, each of enough of them; nothing else changes.
    """
    days = frozenset(event.without_days)
    other = RuleBook(tuple(rules.without_days(days) for rules in book.versions))
    outcome = Evaluator(other).evaluate(facts)
    rules = other.versions[-1]
    vehicles: dict[tuple[str, str], set[str]] = {}
    for one in outcome.decided.values():
        if one.passage.inbound and one.verdict.key:
            tried = one.verdict.tried
            profile = tried[0].version.row.profile if tried else ""
            place = profile, str(one.verdict.state)
            vehicles.setdefault(place, set()).add(one.verdict.key)
    least, step = rules.form.statistics.vehicles_min, rules.form.statistics.round_to
    cells = tuple(
        WhatIfCell(profile=profile, state=state, vehicles=round(len(keys) / step) * step)
        for (profile, state), keys in sorted(vehicles.items())
        if len(keys) >= least
    )
    name = rules.form.calendar.version
    return WhatIfRow(event=event.id, calendar=name, cells=cells, known_at=iso_from_us(now_us))


def access_answer(
    event: AccessRequest,
    facts: Known,
    outcome: Outcome,
    told: Iterable[DecisionRow],
    cases: Iterable[tuple[str, str, CaseRow]],
    now_us: int,
) -> AccessAnswerRow:
    """Collect what was told of a plate while it was the holder's; nothing of before or after.

    `cases` are (plate, holder, row) of every version that was told.
    """
    rights = Rights(facts)
    own = {
        name
        for name, one in outcome.decided.items()
        if one.rules is not None
        and one.verdict.key == event.plate
        and rights.holder(event.plate, one.passage.time_us, one.rules) == event.holder
    }
    return AccessAnswerRow(
        event=event.id,
        decisions=tuple(row for row in told if row.passage in own),
        cases=tuple(
            row for plate, holder, row in cases if (plate, holder) == (event.plate, event.holder)
        ),
        known_at=iso_from_us(now_us),
    )
