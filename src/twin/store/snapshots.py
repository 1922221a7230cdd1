"""Live state to start again from."""

from __future__ import annotations

from twin.store.batches import StoredSnapshot
from twin.store.batches import newest_snapshot as newest
from twin.store.batches import newest_version

__all__ = ["StoredSnapshot", "newest", "newest_version"]
