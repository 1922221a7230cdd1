"""Compares everything that can be compared once a run is over.

The witnesses are independent of each other: the file of events, the senders' own record, the log
as it stands, the database as it stands, the oracle, and the hash that the service itself gave.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
from fault_file import Delivery, read_file
from fault_oracle import replay
from fault_send import read_record
from recount import BROKER, VERDICTS, Recount, differences, query, recount_file

from twin.ingest.sealing import is_sealed_whole, open_whole
from twin.keys import KeyRing, Purpose
from twin.log import open_log
from twin.log.contract import Place
from twin.seal import is_sealed, unseal

_TOPICS: Final = ("reading", "reading.columns", "anpr.read", "incident", "street.status")
_AT_ONCE: Final = 20_000
_SHOWN: Final = 5


@dataclass(frozen=True)
class Scene:
    """Where a run left its traces."""

    events: Path
    record: Path
    map: Path
    keys: KeyRing
    log_url: str
    prefix: str
    database: str

    @property
    def path(self) -> Path | None:
        """The file of the embedded engine."""
        return None if self.database.startswith("postgresql") else Path(self.database)


@dataclass
class Books:
    """What was found. `wrong` is empty when nothing was lost, doubled or changed."""

    wrong: list[str] = field(default_factory=list)
    tallies: dict[str, dict[str, int]] = field(default_factory=dict)
    acknowledged: int = 0
    received: int = 0
    repeated: int = 0
    dead_letters: int = 0
    decisions: int = 0
    windows: int = 0
    oracle_hash: str = ""
    oracle_seconds: float = 0.0

    def check(self, good: bool, words: str) -> None:
        """Keep the words when something is not as it must be."""
        if not good:
            self.wrong.append(words)


Logged = dict[tuple[str, int], list[tuple[str, bytes]]]


def check_books(scene: Scene, hashes: dict[str, str]) -> Books:
    """Compare everything; `hashes` are those of the service, by when it gave them."""
    books = Books()
    on_log = asyncio.run(_log(scene, _TOPICS))
    _opened(on_log, scene.keys)
    _compare_log(books, scene, on_log)
    from_file = recount_file(scene.events, scene.map)
    from_log = Recount(scene.map)
    for (topic, partition), records in on_log.items():
        for source, value in records:
            from_log.take(topic, partition, source, [value])
    same = from_file.readings == from_log.readings and from_file.events == from_log.events
    books.check(same, "the log comes to other verdicts than the file")
    _compare_tallies(books, scene, from_file, from_log)
    books.wrong += differences(from_file, scene.database)[:_SHOWN]
    books.windows = len(from_file.windows())
    truth = replay(scene.events, scene.map, scene.keys)
    books.oracle_hash, books.oracle_seconds = truth.state_hash, truth.seconds
    for moment, found in hashes.items():
        words = f"state {found} {moment}, the oracle has {truth.state_hash}"
        books.check(found == truth.state_hash, words)
    for key, tally in from_file.tallies.items():
        oracle = {name: truth.tallies.get(key, Counter())[name] for name in VERDICTS}
        books.check(
            oracle == {name: tally[name] for name in VERDICTS},
            f"{key}: the oracle counts {oracle}, the recount {dict(tally)}",
        )
    _compare_decisions(books, scene)
    return books


async def _log(scene: Scene, topics: Sequence[str]) -> Logged:
    """Read the log from its beginning: (source, value) by topic and partition."""
    log = open_log(scene.log_url, scene.path, scene.prefix)
    await log.start()
    found: Logged = {}
    try:
        for topic in topics:
            for partition in range(await log.partitions(topic)):
                place = Place(topic, partition)
                end = (await log.end_offsets([place]))[place]
                records = found[topic, partition] = []
                reader = await log.reader({place: 0})
                at = 0
                while at < end:
                    for part in await reader.fetch(max_records=_AT_ONCE, timeout_s=5):
                        headers = part.headers or [{}] * len(part)
                        for value, said in zip(part.values, headers, strict=True):
                            records.append((said.get("source") or BROKER, bytes(value)))
                        at = part.next_offset
                await reader.close()
    finally:
        await log.close()
    return found


def _opened(on_log: Logged, keys: KeyRing) -> None:
    """Put passages back into the form in which the file has them: the plate in clear."""
    records = on_log["anpr.read", 0]
    records[:] = [(source, _clear(value, keys)) for source, value in records]


def _clear(value: bytes, keys: KeyRing) -> bytes:
    item = open_whole(value, keys) if is_sealed_whole(value) else value
    event = msgspec.json.decode(item)
    if is_sealed(event["plate"]):
        key = keys[Purpose.TRANSPORT]
        event["plate"] = unseal(event["plate"], key=key, context=event["id"])
    return json.dumps({name: event[name] for name in _PASSAGE}, separators=(",", ":")).encode()


_PASSAGE: Final = ("id", "gate", "time", "plate", "confidence", "direction", "country")


def _compare_log(books: Books, scene: Scene, on_log: Logged) -> None:
    """Everything acknowledged is on the log, in order, and nothing that was never sent."""
    done, failed = read_record(scene.record)
    sent: dict[tuple[str, int], Counter[bytes]] = defaultdict(Counter)
    again: dict[tuple[str, int], Counter[bytes]] = defaultdict(Counter)
    order: dict[tuple[str, int], dict[bytes, None]] = defaultdict(dict)
    for delivery in read_file(scene.events):
        books.check(delivery.number in done, f"delivery {delivery.number} has no acknowledgement")
        books.acknowledged += delivery.events
        place = (delivery.topic, delivery.partition)
        for value in _as_logged(delivery):
            sent[place][value] += 1
            again[place][value] += failed[delivery.number]
            order[place].setdefault(value)
    for place, records in on_log.items():
        there = Counter(value for _, value in records)
        for value, count in (sent[place] | there).items():
            least, most = sent[place][value], sent[place][value] + again[place][value]
            if not least <= there[value] <= most:
                words = f"{place}: {there[value]} on the log, {least} acknowledged, {most} sent"
                books.wrong.append(f"{words}: {value[:90]!r}")
                break
            books.check(count > 0, "")
        first = list(dict.fromkeys(value for _, value in records))
        books.check(first == list(order[place]), f"{place}: another order than the senders'")


def _as_logged(delivery: Delivery) -> Iterator[bytes]:
    yield from delivery.values


def _compare_tallies(books: Books, scene: Scene, from_file: Recount, from_log: Recount) -> None:
    """received = applied + duplicate + late + rejected, each as the log and the file say."""
    names = ", ".join(VERDICTS)
    rows = query(scene.database, f"SELECT source, topic, {names} FROM tally")
    stored = {(row[0], row[1]): dict(zip(VERDICTS, row[2:], strict=True)) for row in rows}
    letters = query(scene.database, "SELECT source, topic, count(*) FROM dead_letter GROUP BY 1, 2")
    refused = {(source, topic): int(count) for source, topic, count in letters}
    for key in sorted(set(stored) | set(from_log.tallies)):
        counted = {name: from_log.tallies[key][name] for name in VERDICTS}
        found = stored.get(key, dict.fromkeys(VERDICTS, 0))
        books.check(found == counted, f"{key}: stored {found}, on the log {counted}")
        parts = sum(found[name] for name in VERDICTS[1:])
        books.check(found["received"] == parts, f"{key}: {found} does not add up")
        books.check(
            refused.get(key, 0) == found["rejected"],
            f"{key}: {refused.get(key, 0)} dead letters, {found['rejected']} rejected",
        )
        books.tallies["/".join(key)] = found
        books.received += found["received"]
    books.dead_letters = sum(refused.values())
    books.repeated = books.received - books.acknowledged
    extra = sum(t["received"] for t in from_log.tallies.values()) - sum(
        t["received"] for t in from_file.tallies.values()
    )
    rest = books.received - books.acknowledged - extra
    books.check(rest == 0, f"{rest} events are left over between sender and books")


def _compare_decisions(books: Books, scene: Scene) -> None:
    """What was decided was published, and nothing waits."""
    waiting = query(scene.database, "SELECT count(*) FROM outbox")[0][0]
    books.check(waiting == 0, f"{waiting} records still wait in the outbox")
    stored = {(str(one), int(version)) for one, version in query(scene.database, _DECISIONS)}
    published = asyncio.run(_log(scene, ("decision",)))["decision", 0]
    said = [msgspec.json.decode(value) for _, value in published]
    told = {(event["id"], event["version"]) for event in said}
    books.decisions = len(stored)
    books.check(told == stored, f"{len(stored)} versions decided, {len(told)} published")


_DECISIONS: Final = "SELECT id, version FROM decision"
