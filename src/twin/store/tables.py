"""All tables, the same on PostgreSQL and SQLite.

Times are `*_us`: microseconds since 1970 UTC. Sensors and gates are named by their ids: the row
numbers of a map version never come here. Vehicles are named by tokens. What a table promises
beside its columns stands above it.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

from twin.store.geometry import Geometry, spatial_index

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows by itself only where the type is exactly INTEGER.
_Number = BigInteger().with_variant(Integer(), "sqlite")

# Map versions: whole as `body` to be loaded again, and as rows to be asked by place.
map_version: Final = Table(
    "map_version",
    metadata,
    Column("version", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("timezone", Text, nullable=False),
    Column("stored_us", BigInteger, nullable=False),
    Column("counts", Text, nullable=False),  # JSON: rows a table
    Column("body", LargeBinary, nullable=False),
)
map_node: Final = Table(
    "map_node",
    metadata,
    Column("version", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("geom", Geometry("POINT"), nullable=False),
    spatial_index("ix_map_node_geom", "geom"),
)
map_link: Final = Table(
    "map_link",
    metadata,
    Column("version", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("from_node", Text, nullable=False),
    Column("to_node", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("road", Text, nullable=False),
    Column("link_class", Text, nullable=False),
    Column("authority", Text, nullable=False),
    Column("lanes", Integer, nullable=False),
    Column("length_m", Double, nullable=False),
    Column("free_speed_mps", Double, nullable=False),
    Column("capacity_vps", Double, nullable=False),
    Column("valid_from_us", BigInteger),
    Column("valid_to_us", BigInteger),
    Column("geom", Geometry("LINESTRING"), nullable=False),
    spatial_index("ix_map_link_geom", "geom"),
)
map_point: Final = Table(  # sensors and gates
    "map_point",
    metadata,
    Column("version", Text, primary_key=True),
    Column("kind", Text, primary_key=True),  # sensor, gate
    Column("id", Text, primary_key=True),
    Column("link", Text, nullable=False),
    Column("position_m", Double, nullable=False),
    Column("geom", Geometry("POINT"), nullable=False),
    spatial_index("ix_map_point_geom", "geom"),
)

# The history of readings. One row a natural key, never changed. PostgreSQL keeps a part a UTC day
# (`store/days.py` makes them). A value that was not measured is NULL.
observation: Final = Table(
    "observation",
    metadata,
    Column("sensor", Text, primary_key=True),
    Column("time_us", BigInteger, primary_key=True, autoincrement=False),
    Column("period_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("count", Double),
    Column("speed_mps", Double),
    Column("occupancy_frac", Double),
    Column("event_id", Text, nullable=False),
    Column("late", Boolean, nullable=False),
    Column("content", BigInteger, nullable=False),
    Column("batch", BigInteger, nullable=False),
    Column("origin", BigInteger),  # where it stood on the log (`store/origins.py`)
    Index("ix_observation_time_us", "time_us", postgresql_using="brin"),
    Index("ix_observation_batch", "batch", postgresql_using="brin"),
    postgresql_partition_by="RANGE (time_us)",
    sqlite_with_rowid=False,
)

# Rule 1: where each partition of the log is to be read on, and who may write for it.
partition_offset: Final = Table(
    "partition_offset",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("next_offset", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("owner", Text, nullable=False),
)

# How far event time has come in each partition: late is judged against it.
watermark: Final = Table(
    "watermark",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("time_us", BigInteger, nullable=False),
)

# Natural keys of accepted events that are no readings: a second one is a duplicate or a conflict.
event_key: Final = Table(
    "event_key",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("content", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Numbers of the commits, rising; old rows are removed.
batch: Final = Table("batch", metadata, Column("id", _Number, primary_key=True))

# What is still to be published, in the order of `id`. `key` names the content: written once.
outbox: Final = Table(
    "outbox",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("key", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("arrival_us", BigInteger, nullable=False),
    Column("value", LargeBinary, nullable=False),
    UniqueConstraint("key"),
)

# Every version of every decision. `newest` stands at exactly one version of an id.
decision: Final = Table(
    "decision",
    metadata,
    Column("id", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("time_us", BigInteger, nullable=False),
    Column("until_us", BigInteger),  # the later of lease and expiry; NULL has neither
    Column("newest", Boolean, nullable=False),
    Column("body", Text, nullable=False),
    Index("ix_decision_newest_state_time_us", "newest", "state", "time_us"),
    Index("ix_decision_time_us", "time_us"),
    Index("ix_decision_kind_time_us", "kind", "time_us"),
)

# Vehicles at gates, by tokens; rows are removed when their time is over.
passage: Final = Table(
    "passage",
    metadata,
    Column("gate", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("time_us", BigInteger, nullable=False),
    Column("inbound", Boolean, nullable=False),
    Column("token", Text, nullable=False),
    Column("candidates", Text, nullable=False),  # JSON list of tokens
    Column("country", Text, nullable=False),
    Column("confidence", Double, nullable=False),
    Column("track", Text, nullable=False),
    Column("sealed", Text, nullable=False),
    Column("payload_hash", Text, nullable=False),
    Index("ix_passage_time_us", "time_us"),
)

# Every version of every right to enter, in the order of the log.
authorisation: Final = Table(
    "authorisation",
    metadata,
    Column("number", _Number, primary_key=True),
    Column("event_id", Text, nullable=False),
    Column("authorisation", Text, nullable=False),
    Column("time_us", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    UniqueConstraint("event_id"),
    Index("ix_authorisation_authorisation_number", "authorisation", "number"),
)

# Refused records. state: open, mended, replayed, expired.
dead_letter: Final = Table(
    "dead_letter",
    metadata,
    Column("id", Text, primary_key=True),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("log_offset", BigInteger, nullable=False),
    Column("arrival_us", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("faults", Text, nullable=False),  # JSON list of [field, value, rule]
    Column("payload", LargeBinary),
    Column("state", Text, nullable=False),
    Column("mended", LargeBinary),
    Column("changed_us", BigInteger),
    Column("changed_by", Text, nullable=False),
    Index("ix_dead_letter_reason_arrival_us", "reason", "arrival_us"),
    Index("ix_dead_letter_arrival_us", "arrival_us"),
)

# The accounting: received = applied + duplicate + late + rejected; revised is a part of applied.
tally: Final = Table(
    "tally",
    metadata,
    Column("source", Text, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("received", BigInteger, nullable=False),
    Column("applied", BigInteger, nullable=False),
    Column("revised", BigInteger, nullable=False),
    Column("duplicate", BigInteger, nullable=False),
    Column("late", BigInteger, nullable=False),
    Column("rejected", BigInteger, nullable=False),
)
tally_reason: Final = Table(
    "tally_reason",
    metadata,
    Column("source", Text, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("reason", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
)

# The live state as bytes with the positions it stands at; only the newest few are kept.
snapshot: Final = Table(
    "snapshot",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("map_version", Text, nullable=False),
    Column("time_us", BigInteger, nullable=False),
    Column("state_hash", Text, nullable=False),
    Column("batch", BigInteger, nullable=False),
    Column("positions", Text, nullable=False),  # JSON: [[topic, partition, next offset], …]
    Column("body", LargeBinary, nullable=False),
)

# The estimate of each minute: float32 columns over the links of the map version, packed.
minute_picture: Final = Table(
    "minute_picture",
    metadata,
    Column("time_us", BigInteger, primary_key=True, autoincrement=False),
    Column("map_version", Text, primary_key=True),
    Column("speed_mps", LargeBinary, nullable=False),
    Column("flow_vps", LargeBinary, nullable=False),
    Column("density_vpm", LargeBinary, nullable=False),
    Column("source", LargeBinary, nullable=False),
)

# What a replay has fed so far, so that a killed one goes on where it was.
replay_run: Final = Table(
    "replay_run",
    metadata,
    Column("source_hash", Text, primary_key=True),
    Column("round", Integer, primary_key=True, autoincrement=False),
    Column("base_offsets", Text, nullable=False),  # JSON: [[topic, partition, offset], …]
    Column("fed", BigInteger, nullable=False),
    Column("done", Boolean, nullable=False),
)

# Who may come in. Secrets are never kept, only their SHA-256.
api_key: Final = Table(
    "api_key",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("secret_hash", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger),
    Column("revoked_us", BigInteger),
)
session: Final = Table(
    "session",
    metadata,
    Column("secret_hash", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
)
login_link: Final = Table(
    "login_link",
    metadata,
    Column("secret_hash", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("used_us", BigInteger),
)

# Who did what. Each row's hash covers its content and the hash before it (`store/audit.py`).
audit: Final = Table(
    "audit",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("time_us", BigInteger, nullable=False),
    Column("person", Text, nullable=False),
    Column("act", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("previous_hash", Text, nullable=False),
    Column("row_hash", Text, nullable=False),
)
