"""How good the forecasts were, hour by hour."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_SUMS = (
    *("samples", "error", "last_error", "usual_samples", "error_there", "usual_error"),
    "inside",
)


def upgrade() -> None:
    """Make the table of scores; nothing was scored yet."""
    op.create_table(
        "forecast_score",
        sa.Column("time_us", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("map_version", sa.Text, nullable=False),
        sa.Column("step_s", sa.Double, nullable=False),
        sa.Column("turns", sa.Text, nullable=False),
        *(sa.Column(name, sa.LargeBinary, nullable=False) for name in _SUMS),
        sa.PrimaryKeyConstraint("time_us", "map_version", name="pk_forecast_score"),
    )
