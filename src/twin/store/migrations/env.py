"""Where Alembic starts: the connection is given by `store/schema.py`, in its transaction."""

from __future__ import annotations

from alembic import context

from twin.store.tables import metadata
from twin.store.tables_maps import map_change
from twin.store.tables_roles import lease
from twin.store.tables_scores import forecast_score
from twin.store.tables_steps import step

assert map_change.metadata is metadata  # the tables of a topic of their own are in it

assert lease.metadata is metadata

assert forecast_score.metadata is metadata

assert step.metadata is metadata  # importing the tables of steps has put them in

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
context.run_migrations()
