"""A signal status from the future is refused: it would shut out the true ones."""

from __future__ import annotations

import pytest

from ingest_city import START_US, small_city
from twin.events import Topic
from twin.ingest.answer import check_items

STATUS = (
    b'{"id":"s1","junction":"J1","time":"2026-06-16T08:00:%sZ","stage":"1",'
    b'"since":"2026-06-16T08:00:00Z","mode":"own_plan"}'
)


@pytest.mark.parametrize(
    ("second", "reasons"), [(b"00", []), (b"02", []), (b"02.1", ["future"]), (b"20", ["future"])]
)
def test_a_status_may_be_two_seconds_ahead_of_its_arrival(
    second: bytes, reasons: list[str]
) -> None:
    found = check_items(Topic.STATUS, [STATUS % second], network=small_city(), now_us=START_US)
    assert [fault.reason for _, fault in found] == reasons
