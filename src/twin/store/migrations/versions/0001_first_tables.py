"""The first tables: the log's positions, history, decisions, maps, people."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from twin.store.geometry import Geometry

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make every table and index, with the parts that only PostgreSQL has."""
    if _postgresql():
        op.execute("CREATE EXTENSION IF NOT EXISTS postgis")
    _make_api_key()
    _make_audit()
    _make_authorisation()
    _make_batch()
    _make_dead_letter()
    _make_decision()
    _make_event_key()
    _make_login_link()
    _make_map_link()
    _make_map_node()
    _make_map_point()
    _make_map_version()
    _make_minute_picture()
    _make_observation()
    _make_outbox()
    _make_partition_offset()
    _make_passage()
    _make_replay_run()
    _make_session()
    _make_snapshot()
    _make_tally()
    _make_tally_reason()
    _make_watermark()


def _postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def _make_api_key() -> None:
    op.create_table(
        "api_key",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=True),
        sa.Column("revoked_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_key"),
    )


def _make_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("time_us", sa.BigInteger(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("previous_hash", sa.Text(), nullable=False),
        sa.Column("row_hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_audit"),
    )


def _make_authorisation() -> None:
    op.create_table(
        "authorisation",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("authorisation", sa.Text(), nullable=False),
        sa.Column("time_us", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_authorisation"),
        sa.UniqueConstraint("event_id", name="uq_authorisation_event_id"),
    )
    op.create_index(
        "ix_authorisation_authorisation_number", "authorisation", ["authorisation", "number"]
    )


def _make_batch() -> None:
    op.create_table(
        "batch",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_batch"),
    )


def _make_dead_letter() -> None:
    op.create_table(
        "dead_letter",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("log_offset", sa.BigInteger(), nullable=False),
        sa.Column("arrival_us", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("faults", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("mended", sa.LargeBinary(), nullable=True),
        sa.Column("changed_us", sa.BigInteger(), nullable=True),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_dead_letter"),
    )
    op.create_index("ix_dead_letter_arrival_us", "dead_letter", ["arrival_us"])
    op.create_index("ix_dead_letter_reason_arrival_us", "dead_letter", ["reason", "arrival_us"])


def _make_decision() -> None:
    op.create_table(
        "decision",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("time_us", sa.BigInteger(), nullable=False),
        sa.Column("until_us", sa.BigInteger(), nullable=True),
        sa.Column("newest", sa.Boolean(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", "version", name="pk_decision"),
    )
    op.create_index("ix_decision_newest_state_time_us", "decision", ["newest", "state", "time_us"])
    op.create_index("ix_decision_time_us", "decision", ["time_us"])


def _make_event_key() -> None:
    op.create_table(
        "event_key",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("content", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("topic", "key", name="pk_event_key"),
        sqlite_with_rowid=False,
    )


def _make_login_link() -> None:
    op.create_table(
        "login_link",
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.Column("used_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("secret_hash", name="pk_login_link"),
    )


def _make_map_link() -> None:
    op.create_table(
        "map_link",
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("from_node", sa.Text(), nullable=False),
        sa.Column("to_node", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("road", sa.Text(), nullable=False),
        sa.Column("link_class", sa.Text(), nullable=False),
        sa.Column("authority", sa.Text(), nullable=False),
        sa.Column("lanes", sa.Integer(), nullable=False),
        sa.Column("length_m", sa.Double(), nullable=False),
        sa.Column("free_speed_mps", sa.Double(), nullable=False),
        sa.Column("capacity_vps", sa.Double(), nullable=False),
        sa.Column("valid_from_us", sa.BigInteger(), nullable=True),
        sa.Column("valid_to_us", sa.BigInteger(), nullable=True),
        sa.Column("geom", Geometry("LINESTRING"), nullable=False),
        sa.PrimaryKeyConstraint("version", "id", name="pk_map_link"),
    )
    if _postgresql():
        op.create_index("ix_map_link_geom", "map_link", ["geom"], postgresql_using="gist")


def _make_map_node() -> None:
    op.create_table(
        "map_node",
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("geom", Geometry("POINT"), nullable=False),
        sa.PrimaryKeyConstraint("version", "id", name="pk_map_node"),
    )
    if _postgresql():
        op.create_index("ix_map_node_geom", "map_node", ["geom"], postgresql_using="gist")


def _make_map_point() -> None:
    op.create_table(
        "map_point",
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("link", sa.Text(), nullable=False),
        sa.Column("position_m", sa.Double(), nullable=False),
        sa.Column("geom", Geometry("POINT"), nullable=False),
        sa.PrimaryKeyConstraint("version", "kind", "id", name="pk_map_point"),
    )
    if _postgresql():
        op.create_index("ix_map_point_geom", "map_point", ["geom"], postgresql_using="gist")


def _make_map_version() -> None:
    op.create_table(
        "map_version",
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("stored_us", sa.BigInteger(), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_map_version"),
    )


def _make_minute_picture() -> None:
    op.create_table(
        "minute_picture",
        sa.Column("time_us", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("map_version", sa.Text(), nullable=False),
        sa.Column("speed_mps", sa.LargeBinary(), nullable=False),
        sa.Column("flow_vps", sa.LargeBinary(), nullable=False),
        sa.Column("density_vpm", sa.LargeBinary(), nullable=False),
        sa.Column("source", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("time_us", "map_version", name="pk_minute_picture"),
    )


def _make_observation() -> None:
    op.create_table(
        "observation",
        sa.Column("sensor", sa.Text(), nullable=False),
        sa.Column("time_us", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("period_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("count", sa.Double(), nullable=True),
        sa.Column("speed_mps", sa.Double(), nullable=True),
        sa.Column("occupancy_frac", sa.Double(), nullable=True),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("content", sa.BigInteger(), nullable=False),
        sa.Column("batch", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sensor", "time_us", "period_ms", name="pk_observation"),
        postgresql_partition_by="RANGE (time_us)",
        sqlite_with_rowid=False,
    )
    op.create_index("ix_observation_batch", "observation", ["batch"], postgresql_using="brin")
    op.create_index("ix_observation_time_us", "observation", ["time_us"], postgresql_using="brin")


def _make_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("arrival_us", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.UniqueConstraint("key", name="uq_outbox_key"),
    )


def _make_partition_offset() -> None:
    op.create_table(
        "partition_offset",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", name="pk_partition_offset"),
    )


def _make_passage() -> None:
    op.create_table(
        "passage",
        sa.Column("gate", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("time_us", sa.BigInteger(), nullable=False),
        sa.Column("inbound", sa.Boolean(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("candidates", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("track", sa.Text(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("payload_hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("gate", "id", name="pk_passage"),
    )
    op.create_index("ix_passage_time_us", "passage", ["time_us"])


def _make_replay_run() -> None:
    op.create_table(
        "replay_run",
        sa.Column("source_hash", sa.Text(), nullable=False),
        sa.Column("round", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("base_offsets", sa.Text(), nullable=False),
        sa.Column("fed", sa.BigInteger(), nullable=False),
        sa.Column("done", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("source_hash", "round", name="pk_replay_run"),
    )


def _make_session() -> None:
    op.create_table(
        "session",
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("secret_hash", name="pk_session"),
    )


def _make_snapshot() -> None:
    op.create_table(
        "snapshot",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("map_version", sa.Text(), nullable=False),
        sa.Column("time_us", sa.BigInteger(), nullable=False),
        sa.Column("state_hash", sa.Text(), nullable=False),
        sa.Column("batch", sa.BigInteger(), nullable=False),
        sa.Column("positions", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_snapshot"),
    )


def _make_tally() -> None:
    op.create_table(
        "tally",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("applied", sa.BigInteger(), nullable=False),
        sa.Column("revised", sa.BigInteger(), nullable=False),
        sa.Column("duplicate", sa.BigInteger(), nullable=False),
        sa.Column("late", sa.BigInteger(), nullable=False),
        sa.Column("rejected", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "topic", name="pk_tally"),
    )


def _make_tally_reason() -> None:
    op.create_table(
        "tally_reason",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "topic", "reason", name="pk_tally_reason"),
    )


def _make_watermark() -> None:
    op.create_table(
        "watermark",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("time_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", name="pk_watermark"),
    )
