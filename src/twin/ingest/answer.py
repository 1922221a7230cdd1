"""What a sender is told at once: which items will be refused, and why.

The same decoding and the same checks as the worker's, but only for the answer: the worker judges
again against the log, and it alone knows duplicates and lateness.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from twin.errors import Fault
from twin.events import Topic
from twin.ingest.check import FUTURE_S, Checker
from twin.ingest.decode import Decoded, decode, decode_readings
from twin.network.model import SingleMap


def check_items(
    topic: Topic,
    items: Sequence[bytes],
    *,
    network: SingleMap,
    now_us: int,
    future_s: float = FUTURE_S,
) -> list[tuple[int, Fault]]:
    """Return (index of the item, fault) for every fault, in the order of the items.

    `now_us` is the arrival that the log will record. Passages are given as they were sent,
    before sealing; no fault quotes a plate.
    """
    checker = Checker(network, future_s)
    if topic is Topic.READING:
        decoded = decode_readings(items, network.sensor_rows)
        faults = checker.readings(decoded, np.full(len(items), now_us, np.int64))
    else:
        events: Decoded[Any] = decode(topic, items)
        faults = {row: list(found) for row, found in events.faults.items()}
        for row, event in enumerate(events.events):
            if event is not None and (found := checker.event(topic, event, now_us)):
                faults[row] = found
    return [(row, fault) for row in sorted(faults) for fault in faults[row]]


def item_ids(topic: Topic, items: Sequence[bytes]) -> list[str]:
    """Return the event id of every item, empty where it cannot be decoded."""
    return [event.id if event is not None else "" for event in decode(topic, items).events]
