"""What the worker did step by step, and where on the log each reading stood."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables of steps; readings that are there already have no origin."""
    op.add_column("observation", sa.Column("origin", sa.BigInteger(), nullable=True))
    op.create_table(
        "step",
        sa.Column("time_us", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("now_us", sa.BigInteger(), nullable=False),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("map_version", "picture", "decided", "forecast", "taken", "dropped")
        ),
        sa.Column("begun", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("time_us", name="pk_step"),
    )
    op.create_table(
        "opening",
        sa.Column("time_us", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("map_version", sa.Text(), nullable=False),
        sa.Column("state_hash", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("time_us", name="pk_opening"),
    )
    op.create_table(
        "access_step",
        sa.Column("time_us", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("decided", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("time_us", name="pk_access_step"),
    )
    op.create_table(
        "access_count",
        sa.Column("time_us", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("gate", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("vehicles", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("time_us", "gate", "direction", "profile", name="pk_access_count"),
    )
