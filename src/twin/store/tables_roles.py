"""Tables of a service that runs in several processes: who does what, and how far it came."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, Table, Text

from twin.store.tables import metadata

# How far each partition of `reading.applied` was taken into the live state: it comes at least once.
applied_mark: Final = Table(
    "applied_mark",
    metadata,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("mark", BigInteger, nullable=False),
    Column("part", Integer, nullable=False),
)

# Who may do what only one process may do, and until when by the clock of the database.
lease: Final = Table(
    "lease",
    metadata,
    Column("name", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),  # one more with every new owner
    Column("until_us", BigInteger, nullable=False),
)

# The processes of the service, as each said last; times by the clock of the database.
process: Final = Table(
    "process",
    metadata,
    Column("name", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("problem", Text, nullable=False),
    Column("started_us", BigInteger, nullable=False),
    Column("seen_us", BigInteger, nullable=False),
)
