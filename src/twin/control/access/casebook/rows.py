"""What comes out, one JSON line each: no plate, no token; vehicles are numbered in the run."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class _Row(Struct, frozen=True, kw_only=True, tag_field="row", omit_defaults=True):
    pass


class TrialRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An authorisation that was considered, and why it did or did not apply."""

    authorisation: str
    version: int
    profile: str
    zone: str
    state: str
    reason: str
    window: str = ""
    valid_from: str
    valid_to: str | None = None


class DecisionRow(_Row, tag="decision", frozen=True, kw_only=True):
    """One version of the decision about one passage, with what it rests on."""

    passage: str
    version: int
    final: bool = False
    state: str
    reason: str
    text: str = ""
    gate: str
    direction: str
    vehicle: str = ""
    raw_time: str
    time: str
    uncertainty_s: float
    local: str
    quality: str
    confidence: float
    reads: tuple[str, ...]
    flags: tuple[str, ...] = ()
    degraded: bool = False
    authorisation: str = ""
    authorisation_version: int = 0
    profile: str = ""
    window: str = ""
    tried: tuple[TrialRow, ...] = ()
    merged_into: str = ""
    rules: str
    calendar: str
    day_type: str
    known_at: str
    predecessor: int = 0


class GateActionRow(_Row, tag="gate_action", frozen=True, kw_only=True):
    """What the gate did at the passage; it is never played again."""

    passage: str
    gate: str
    action: Literal["open", "record", "intercom"]
    degraded: bool = False


class SessionRow(_Row, tag="session", frozen=True, kw_only=True):
    """One version of a stay."""

    session: str
    version: int
    final: bool = False
    zone: str
    vehicle: str
    state: str
    entry: str = ""
    exit: str = ""
    stay_s: float | None = None
    uncertainty_s: float | None = None
    authorisation: str = ""
    known_at: str


class QuotaRow(_Row, tag="quota", frozen=True, kw_only=True):
    """What an authorisation has used in a local month and its year."""

    authorisation: str
    month: str
    version: int
    final: bool = False
    month_used: int
    month_limit: int | None = None
    year_used: int
    year_limit: int | None = None
    passages: tuple[str, ...]
    known_at: str


class FactRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One violation of a case."""

    reason: str
    text: str = ""
    passages: tuple[str, ...]
    time: str
    measured_s: float | None = None
    limit_s: float | None = None


class CaseRow(_Row, tag="case", frozen=True, kw_only=True):
    """One version of a case."""

    case: str
    version: int
    final: bool = False
    state: str
    kind: str
    zone: str
    vehicle: str
    day: str
    facts: tuple[FactRow, ...]
    reason: str = ""
    officer: str = ""
    known_at: str


class RefusedRow(_Row, tag="refused", frozen=True, kw_only=True):
    """An event that was put aside or an act that was refused, and why."""

    event: str
    reason: str
    known_at: str


class WhatIfCell(Struct, frozen=True, kw_only=True):
    """How many vehicles of a profile had a state; smaller counts are left out."""

    profile: str
    state: str
    vehicles: int


class WhatIfRow(_Row, tag="what_if", frozen=True, kw_only=True):
    """What the rules would have decided, in rounded counts; changes nothing."""

    event: str
    calendar: str
    cells: tuple[WhatIfCell, ...]
    known_at: str


class AccessAnswerRow(_Row, tag="access_answer", frozen=True, kw_only=True):
    """Everything that is known of a plate while it was the asking holder's."""

    event: str
    decisions: tuple[DecisionRow, ...]
    cases: tuple[CaseRow, ...]
    known_at: str


Row = (
    DecisionRow
    | GateActionRow
    | SessionRow
    | QuotaRow
    | CaseRow
    | RefusedRow
    | WhatIfRow
    | AccessAnswerRow
)
