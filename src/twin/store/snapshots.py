"""Live state to start again from."""

from __future__ import annotations

from twin.store.batches import StoredSnapshot, newest_version
from twin.store.batches import newest_snapshot as newest

__all__ = ["StoredSnapshot", "newest", "newest_version"]
