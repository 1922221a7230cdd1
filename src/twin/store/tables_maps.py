"""The tables of the map beside its content: which version was activated when, by whom."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, Table, Text

from twin.store.tables import metadata

# One row an asked change of the map, in the order of asking. The newest one that is `done` names
# the version in use.
map_change: Final = Table(
    "map_change",
    metadata,
    Column("number", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True),
    Column("id", Text, nullable=False, unique=True),  # of the act that asked
    Column("version", Text, nullable=False),
    Column("before", Text, nullable=False),  # version in use until then, "" while asked
    Column("person", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("asked_us", BigInteger, nullable=False),
    Column("state", Text, nullable=False),  # asked, done, refused
    Column("settled_us", BigInteger),
    Column("report", Text, nullable=False),  # JSON: what was carried and dropped, or why refused
)
