"""The version of the schema: which one a database has, which one is needed, how to get there."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection


def upgrade(connection: Connection) -> None:
    """Run the migrations that are missing, inside the caller's transaction."""
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def current(connection: Connection) -> str | None:
    """Return the version that the database has; None before the first migration."""
    return MigrationContext.configure(connection).get_current_revision()


def needed() -> str | None:
    """Return the version that this program needs: its newest migration."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def knows(version: str) -> bool:
    """Say whether this program has the migration that leads to a version."""
    scripts = ScriptDirectory.from_config(_config()).walk_revisions()
    return version in {script.revision for script in scripts}


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config
