"""The world's own record of what it sent: every request that left, as it stood on the wire.

It hangs on the HTTP client, not on the senders, so that nothing is counted that was not sent and
nothing is sent that is not counted. What the service must make of every item follows from the
published rules of the accounting (docs/explanation/accounting.md) and is worked out here apart
from the service's code.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import httpx
import msgspec

from twin.clock import us_from_datetime, us_from_seconds
from twin.network.model import SingleMap

TOPICS: Final = {
    "readings": "reading",
    "passages": "anpr.read",
    "incidents": "incident",
    "street/status": "street.status",
    "street/acknowledgements": "street.ack",
    "authorisations": "authorisation",
}
"""The topic in the service's accounting of each path that items are posted to."""
READING_LATE_S: Final = 600.0
PASSAGE_LATE_S: Final = 120.0
VERDICTS: Final = ("applied", "duplicate", "late", "rejected")


class _Item(msgspec.Struct):
    """What of an item decides its fate."""

    id: str = ""
    time: datetime | None = None
    sensor: str = ""
    period_s: float = 0.0
    count: float | None = None
    speed_kph: float | None = None
    occupancy_pct: float | None = None
    gate: str = ""


_RAW: Final = msgspec.json.Decoder(list[msgspec.Raw])
_ITEM: Final = msgspec.json.Decoder(_Item)


@dataclass
class Account:
    """What one source sent to one topic, in items.

    posted      answered with a 2xx, so on the log
    refused     in batches answered with a 4xx, so not on the log
    in_doubt    in attempts without an answer, or answered with a 5xx: the service may have them
    expected    verdicts that the posted ones must get
    told        items that the service's answers called rejected
    """

    posted: int = 0
    refused: int = 0
    in_doubt: int = 0
    told: int = 0
    expected: Counter[str] = field(default_factory=Counter)


class Wiretap:
    """Records what the world sends. `accounts` is by (source, topic)."""

    def __init__(
        self,
        network: SingleMap,
        sources: Mapping[str, str],
        *,
        reading_late_s: float = READING_LATE_S,
        passage_late_s: float = PASSAGE_LATE_S,
    ) -> None:
        """Know who has which API key (`sources`: key, name), and how late is late."""
        self.accounts: dict[tuple[str, str], Account] = {}
        self._sources = dict(sources)
        self._region = {str(sensor.id): sensor.region for sensor in network.sensors}
        self._late_us = {
            "reading": us_from_seconds(reading_late_s),
            "anpr.read": us_from_seconds(passage_late_s),
        }
        self._seen: dict[tuple[object, ...], tuple[object, ...]] = {}
        self._furthest_us: dict[tuple[str, str], int] = {}

    def attach(self, client: httpx.AsyncClient) -> None:
        """Listen to everything that a client sends from now on."""
        client.event_hooks["request"].append(self._leaves)
        client.event_hooks["response"].append(self._answered)

    async def _leaves(self, request: httpx.Request) -> None:
        if found := self._account(request):
            found[0].in_doubt += len(found[1])

    async def _answered(self, response: httpx.Response) -> None:
        found = self._account(response.request)
        if found is None or response.is_server_error:
            return
        account, items, topic = found
        account.in_doubt -= len(items)
        if response.is_error:
            account.refused += len(items)
            return
        account.posted += len(items)
        for item in items:
            account.expected[self._verdict(topic, bytes(item))] += 1
        await response.aread()  # the sender may be cancelled here: all else is noted before
        account.told += _told(response)

    def _account(self, request: httpx.Request) -> tuple[Account, list[msgspec.Raw], str] | None:
        path = request.url.path.partition("/api/v1/")[2]
        if request.method != "POST" or path not in TOPICS:
            return None
        _, _, key = request.headers.get("Authorization", "").partition(" ")
        source = self._sources.get(key, "unknown")
        account = self.accounts.setdefault((source, TOPICS[path]), Account())
        return account, _RAW.decode(request.content), TOPICS[path]

    def _verdict(self, topic: str, body: bytes) -> str:
        """Say what must become of an item: known before, too late, or applied."""
        if topic == "authorisation":
            return "applied"  # it has no id of its own: the service gives it one
        item = _ITEM.decode(body)
        time_us = us_from_datetime(item.time) if item.time else 0
        key, said = _natural_key(topic, item, time_us)
        if key in self._seen:
            return "duplicate" if self._seen[key] == said else "rejected"
        self._seen[key] = said
        if topic not in self._late_us:
            return "applied"
        place = (topic, self._region.get(item.sensor, ""))
        furthest_us = self._furthest_us.get(place, time_us)
        self._furthest_us[place] = max(furthest_us, time_us)
        return "late" if time_us < furthest_us - self._late_us[topic] else "applied"


def _natural_key(
    topic: str, item: _Item, time_us: int
) -> tuple[tuple[object, ...], tuple[object, ...]]:
    """Return the key of an item and what it says; the world never says two things of one id."""
    if topic == "reading":
        key = (topic, item.sensor, time_us, item.period_s)
        return key, (item.count, item.speed_kph, item.occupancy_pct)
    return (topic, item.gate, item.id), ()


def _told(response: httpx.Response) -> int:
    try:
        said: Any = response.json()
        return int(said.get("rejected", 0))
    except (ValueError, TypeError, AttributeError):
        return 0
