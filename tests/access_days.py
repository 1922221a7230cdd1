"""A rule book of the practice rules, and small worlds of reads for the tests of the casebook."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from twin.control.access.casebook.facts import Event, World
from twin.control.access.casebook.history import decide_history
from twin.control.access.casebook.rows import CaseRow, DecisionRow, QuotaRow, Row
from twin.control.access.casebook.rulebook import RuleBook, load_rulebook

FOLDER = Path(__file__).parents[1] / "scenarios" / "access" / "rules"
BOOK: RuleBook = load_rulebook(FOLDER)


def moment(text: str, later_s: float = 0.0) -> datetime:
    """Return a moment of 16 June 2026 (`06:30:00`), or of another day if one is written."""
    full = text if "T" in text else f"2026-06-16T{text}"
    return datetime.fromisoformat(full + "+00:00") + timedelta(seconds=later_s)


def read(
    name: str, gate: str, direction: str, time: str, plate: str = "1234BCD", **more: Any
) -> dict[str, Any]:
    """Make one read; `delay_s` says how much later it arrives, half a second if not given."""
    delay_s = more.pop("delay_s", 0.5)
    return {
        "type": "read",
        "id": name,
        "gate": gate,
        "direction": direction,
        "time": moment(time).isoformat(),
        "arrived": moment(time, delay_s).isoformat(),
        "plate": plate,
        "country": "ES",
        "confidence": 0.98,
    } | more


def right(name: str, profile: str, plate: str = "1234BCD", **more: Any) -> dict[str, Any]:
    """Make one authorisation for the zone OLD, in force since the year began."""
    start = "2026-01-01T00:00:00Z"
    own = {"id": name, "profile": profile, "zone": "OLD", "plates": [f"ES {plate}"]}
    return own | {"valid_from": start} | more


def decide(world: dict[str, Any], events: list[dict[str, Any]], book: RuleBook = BOOK) -> list[Row]:
    """Decide a small history."""
    start = msgspec.convert(world, World, strict=False)
    return decide_history(book, start, msgspec.convert(events, list[Event], strict=False))


def final_decisions(rows: list[Row]) -> dict[str, DecisionRow]:
    """Return the last version of each decision that stands for a passage of its own."""
    return {
        row.passage: row
        for row in rows
        if isinstance(row, DecisionRow) and row.final and not row.merged_into
    }


def final_cases(rows: list[Row]) -> dict[str, CaseRow]:
    """Return the last version of each case."""
    return {row.case: row for row in rows if isinstance(row, CaseRow) and row.final}


def final_quotas(rows: list[Row]) -> dict[tuple[str, str], int]:
    """Return what each authorisation used in each month, where it used anything."""
    return {
        (row.authorisation, row.month): row.month_used
        for row in rows
        if isinstance(row, QuotaRow) and row.final and row.passages
    }
