"""Decisions are found by kind: those about vehicles are to be removed soon."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the index; no row changes."""
    op.create_index("ix_decision_kind_time_us", "decision", ["kind", "time_us"])
