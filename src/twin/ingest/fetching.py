"""Fetching from the watched reader, with patience for a log that is away."""

from __future__ import annotations

import asyncio

from twin.errors import BackendError
from twin.ingest.patience import Patience
from twin.ingest.watchdog import WatchedReader
from twin.log.contract import Records


async def fetch_or_rest(
    reader: WatchedReader, patience: Patience, max_records: int, timeout_s: float
) -> list[Records]:
    """Fetch once; while the log is away, rest within `timeout_s` (wall time) and give nothing."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + timeout_s
    try:
        fetched = await reader.fetch(max_records=max_records, timeout_s=timeout_s)
    except BackendError as error:
        patience.failed(error)
        await patience.rest(at_most_s=max(end_s - loop.time(), 0.001))
        return []
    patience.went_well()
    return fetched
