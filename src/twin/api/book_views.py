"""What the books of the events look like: counts by sender, and what was refused."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from twin.api.schemas import Count, Moment


class FaultView(Struct, frozen=True, kw_only=True):
    """A rule that a kept event broke."""

    field: str
    value: str
    rule: str


class DeadLetterView(Struct, frozen=True, kw_only=True):
    """A refused event, kept to be read, mended and replayed. `payload` null: must not be kept."""

    id: str
    topic: str
    partition: int
    offset: int
    arrived: Moment
    source: str
    reason: str
    errors: list[FaultView]
    payload: str | None
    state: Annotated[str, Meta(description="open, mended, replayed, expired")]
    changed: Moment | None
    changed_by: str


class DeadLettersView(Struct, frozen=True, kw_only=True):
    """Refused events, newest first."""

    deadletters: list[DeadLetterView]


class ReplayBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to replay: the mended event, or nothing for the event as it was kept."""

    payload: Annotated[dict[str, Any], Meta(description="the event, mended")] | None = None


class TallyView(Struct, frozen=True, kw_only=True):
    """Counts of one sender on one topic: received = applied + duplicate + late + rejected."""

    source: str
    topic: str
    received: Count
    applied: Count
    revised: Annotated[int, Meta(ge=0, description="a part of applied: out of order")]
    duplicate: Count
    late: Count
    rejected: Count
    reasons: dict[str, Count]


class AccountingView(Struct, frozen=True, kw_only=True):
    """Where every event went. `balanced` is false when one is missing: that is an alarm."""

    received: Count
    applied: Count
    revised: Count
    duplicate: Count
    late: Count
    rejected: Count
    balanced: bool
    sources: list[TallyView]
