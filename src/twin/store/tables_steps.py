"""Tables of what the worker did, step by step: from them a past day is replayed.

A step is a batch that was observed, a beat of the control loop, or a start of the process. Their
times rise strictly, so that they are their own order; `now_us` is the time that was worked with.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Table, Text

from twin.store.tables import metadata

# What happened in a step, and the hashes of what was made of it. `body` holds everything that was
# taken in besides readings and vehicles: readings stand in `observation` with their `origin`.
step: Final = Table(
    "step",
    metadata,
    Column("time_us", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),  # start, batch, tick
    Column("now_us", BigInteger, nullable=False),
    Column("map_version", Text, nullable=False),
    Column("picture", Text, nullable=False),  # hash of a tick's picture, else empty
    Column("decided", Text, nullable=False),  # hash of the decisions made, empty for none
    Column("forecast", Text, nullable=False),  # hash of the forecast taken in, empty for none
    Column("taken", Text, nullable=False),  # id of the forecast taken in
    Column("dropped", Text, nullable=False),  # id of the forecast that came too late
    Column("begun", Integer, nullable=False),  # 1: a forecast was begun after this tick
    Column("body", LargeBinary, nullable=False),  # deflated JSON
)

# The whole live state after a step: once a UTC day, at each start and at each change of the map.
opening: Final = Table(
    "opening",
    metadata,
    Column("time_us", BigInteger, primary_key=True, autoincrement=False),
    Column("map_version", Text, nullable=False),
    Column("state_hash", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

# Which vehicles and rights a step took in, as references to their rows, and a hash of what was
# decided of them; goes with the vehicles.
access_step: Final = Table(
    "access_step",
    metadata,
    Column("time_us", BigInteger, primary_key=True, autoincrement=False),
    Column("decided", Text, nullable=False),
    Column("body", Text, nullable=False),  # JSON
)

# Vehicles by gate, UTC hour, way and profile; never a number that is too small to be told.
access_count: Final = Table(
    "access_count",
    metadata,
    Column("time_us", BigInteger, primary_key=True, autoincrement=False),  # begin of the hour
    Column("gate", Text, primary_key=True),
    Column("direction", Text, primary_key=True),
    Column("profile", Text, primary_key=True),
    Column("vehicles", Integer, nullable=False),
)
