"""Table of how good the forecasts were: the sums of every hour, by step and link."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Double, LargeBinary, Table, Text

from twin.store.tables import metadata

# The columns of sums are float32 over steps times links of the map version, step by step, packed.
forecast_score: Final = Table(
    "forecast_score",
    metadata,
    Column("time_us", BigInteger, primary_key=True, autoincrement=False),  # end of the hour
    Column("map_version", Text, primary_key=True),
    Column("step_s", Double, nullable=False),
    Column("turns", Text, nullable=False),  # JSON: sums of onsets and recoveries by step
    Column("samples", LargeBinary, nullable=False),
    Column("error", LargeBinary, nullable=False),
    Column("last_error", LargeBinary, nullable=False),
    Column("usual_samples", LargeBinary, nullable=False),
    Column("error_there", LargeBinary, nullable=False),
    Column("usual_error", LargeBinary, nullable=False),
    Column("inside", LargeBinary, nullable=False),
)
