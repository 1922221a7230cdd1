"""Whatever comes, in whatever batches: one verdict a record, the same ones, and sums that hold."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest_city import START_US, incident, passage, reading, small_city
from twin.columns import Bools, Ints, ReadingBatch
from twin.events import Topic
from twin.ingest.check import Checker
from twin.ingest.happenings import EventStage
from twin.ingest.readings import JudgedReadings, ReadingStage
from twin.ingest.sealing import seal_items
from twin.keys import KeyRing
from twin.live import Live, LiveBatch
from twin.log.contract import Place, Records
from twin.store.records import Tally
from twin.units import SECOND_US

CITY = small_city()
CHECKER = Checker(CITY)
KEYS = KeyRing.fresh("test")
LATENESS_US = 300 * SECOND_US
ARRIVAL_US = START_US + 1200 * SECOND_US

MINUTES = st.integers(0, 21)  # up to a minute ahead of the arrival: the last ones are refused
GOOD = st.builds(
    lambda sensor, minute, count: reading(sensor, at_s=60.0 * minute, count=count),
    st.sampled_from(("S1", "S2", "S3")),
    MINUTES,
    st.integers(0, 2),
)
DEEP = b'{"id":"q","x":' + b"[" * 20_000 + b"]" * 20_000 + b"}"
NUL = reading(id="a\x00b", source="x\x00")
BAD = st.sampled_from(
    (b"{", b"", reading("S9"), reading(speed_kph=-3), reading(time="soon"), DEEP, NUL)
)
FEED = st.lists(
    st.tuples(st.sampled_from(("one", "two")), st.integers(0, 1), GOOD | BAD), max_size=40
)
CUTS = st.lists(st.integers(1, 9), min_size=1, max_size=9)
Sent = tuple[str, int, bytes]


@dataclass
class History:
    """Keeps keys as the store does."""

    kept: dict[tuple[int, int, int], int] = field(default_factory=dict)

    async def lookup(self, batch: ReadingBatch) -> tuple[Bools, Ints]:
        """Answer like `store.observations.known_keys`."""
        keys = self.keys(batch)
        known = np.array([key in self.kept for key in keys], np.bool_)
        return known, np.array([self.kept.get(key, 0) for key in keys], np.int64)

    def keep(self, judged: JudgedReadings) -> None:
        """Keep what a commit would."""
        if judged.observations is not None:
            entries = judged.observations
            self.kept |= dict(
                zip(self.keys(entries.readings), entries.content.tolist(), strict=True)
            )

    @staticmethod
    def keys(batch: ReadingBatch) -> list[tuple[int, int, int]]:
        """Return (sensor, time, period) of each row."""
        columns = (batch.sensor, batch.time_us, batch.period_ms)
        return list(zip(*(column.tolist() for column in columns), strict=True))


def records_of(topic: str, rows: Sequence[Sent], start: int = 0) -> list[Records]:
    """Put rows into one `Records` a partition, as a fetch does."""
    found = []
    for partition in sorted({partition for _, partition, _ in rows}):
        mine = [row for row in rows if row[1] == partition]
        found.append(
            Records(
                place=Place(topic, partition),
                offsets=np.arange(start, start + len(mine), dtype=np.int64),
                arrival_us=np.full(len(mine), ARRIVAL_US, np.int64),
                values=[value for _, _, value in mine],
                next_offset=start + len(mine),
                headers=[{"source": source} for source, _, _ in mine],
            )
        )
    return found


def in_batches(rows: Sequence[Sent], cuts: Sequence[int]) -> list[list[Sent]]:
    batches: list[list[Sent]] = []
    start = 0
    while start < len(rows):
        size = cuts[len(batches) % len(cuts)]
        batches.append(list(rows[start : start + size]))
        start += size
    return batches


def added(tallies: Sequence[Tally]) -> dict[str, Counter[str]]:
    """Add up tallies by source."""
    total: dict[str, Counter[str]] = {}
    for tally in tallies:
        counts = total.setdefault(tally.source, Counter())
        counts.update(
            {name: value for name, value in tally._asdict().items() if isinstance(value, int)}
        )
        counts.update({f"reason {name}": count for name, count in tally.reasons.items()})
    return total


def judge_all(
    rows: Sequence[Sent], cuts: Sequence[int], restart_at: int = -1
) -> tuple[dict[str, Counter[str]], str, History]:
    """Judge a feed in batches; with `restart_at`, by a new stage from that batch on."""

    async def work() -> tuple[list[Tally], str, History]:
        history, tallies = History(), list[Tally]()
        live = Live(CITY, rules=None, automatic=frozenset(), lease_s=15.0, timezone="UTC")
        stage = ReadingStage(CHECKER, lateness_us=LATENESS_US, lookup=history.lookup)
        watermarks: dict[Place, int] = {}
        newest_us = np.full(len(CITY.sensors), -1, np.int64)
        for number, batch in enumerate(in_batches(rows, cuts)):
            if number == restart_at:
                stage = ReadingStage(CHECKER, lateness_us=LATENESS_US, lookup=history.lookup)
                stage.resume(watermarks, newest_us)
            judged = await stage.judge(records_of("reading", batch))
            history.keep(judged)
            watermarks |= judged.watermarks
            np.maximum.at(newest_us, judged.applied.sensor, judged.applied.time_us)
            tallies += judged.tallies
            live.observe(LiveBatch(ARRIVAL_US, readings=judged.applied))
        return tallies, live.state_hash(), history

    tallies, state_hash, history = asyncio.run(work())
    return added(tallies), state_hash, history


def holds(rows: Sequence[Sent], total: dict[str, Counter[str]]) -> None:
    """Compare with the sender's own record."""
    sent = Counter(source for source, _, _ in rows)
    assert {source: counts["received"] for source, counts in total.items()} == sent
    for counts in total.values():
        parts = ("applied", "duplicate", "late", "rejected")
        assert counts["received"] == sum(counts[part] for part in parts)
        reasons = sum(count for name, count in counts.items() if name.startswith("reason "))
        assert counts["rejected"] == reasons
        assert counts["revised"] <= counts["applied"]


@given(FEED)
def test_every_record_has_one_verdict(rows: list[Sent]) -> None:
    total, _, history = judge_all(rows, [7])
    holds(rows, total)
    kept = sum(counts["applied"] + counts["late"] for counts in total.values())
    assert kept == len(history.kept)


@given(FEED.map(lambda rows: [(source, 0, value) for source, _, value in rows]), CUTS)
def test_cuts_change_no_verdict(rows: list[Sent], cuts: list[int]) -> None:
    assert judge_all(rows, cuts)[:2] == judge_all(rows, [1])[:2]


@given(FEED, CUTS, st.integers(0, 6))
def test_a_restart_changes_no_verdict(rows: list[Sent], cuts: list[int], restart_at: int) -> None:
    assert judge_all(rows, cuts, restart_at)[:2] == judge_all(rows, cuts)[:2]


@given(FEED)
def test_a_second_time_everything_accepted_is_a_duplicate(rows: list[Sent]) -> None:
    once, state_hash, _ = judge_all(rows, [6])
    twice, again_hash, _ = judge_all([*rows, *rows], [6])
    assert again_hash == state_hash
    for source, counts in once.items():
        assert twice[source]["applied"] == counts["applied"]
        assert twice[source]["late"] == counts["late"]
        assert twice[source]["rejected"] == 2 * counts["rejected"]


# --- the other topics ----------------------------------------------------------------------------

PASSAGES = st.builds(
    lambda plate, second, confidence: passage(plate, at_s=second, confidence=confidence),
    st.sampled_from(("1234BCD", "AB123CD", "")),
    st.integers(0, 12) | st.integers(600, 604),
    st.sampled_from((0.5, 1.5)),
)
INCIDENTS = st.builds(
    lambda number, link: incident(id=f"I{number}", link=link),
    st.integers(0, 5),
    st.sampled_from(("L1", "L2", "L9")),
)


def judge_events(
    topic: Topic, values: Sequence[bytes], cuts: Sequence[int]
) -> dict[str, Counter[str]]:
    async def work() -> list[Tally]:
        kept: dict[str, int] = {}

        async def known(_: str, keys: Sequence[str]) -> dict[str, int]:
            return {key: kept[key] for key in keys if key in kept}

        stage = EventStage(CHECKER, keys=KEYS, lateness_us=LATENESS_US, known=known)
        tallies = list[Tally]()
        for batch in in_batches([("gate", 0, value) for value in values], cuts):
            (records,) = records_of(topic, batch)
            judged = await stage.judge(topic, records)
            assert not {key.key for key in judged.keys} & kept.keys()
            kept.update({key.key: key.content for key in judged.keys})
            tallies += judged.tallies
        return tallies

    return added(asyncio.run(work()))


def check_events(
    topic: Topic, values: list[bytes], cuts: list[int], seal: Callable[[list[bytes]], list[bytes]]
) -> None:
    sent = seal(values)
    total = judge_events(topic, sent, cuts)
    holds([("gate", 0, value) for value in sent], total)
    assert total == judge_events(topic, sent, [1])


@settings(max_examples=50)
@given(st.lists(PASSAGES | BAD, max_size=15), CUTS)
def test_passages_have_one_verdict_however_they_are_cut(
    values: list[bytes], cuts: list[int]
) -> None:
    check_events(Topic.ANPR_READ, values, cuts, lambda items: seal_items(items, KEYS))


@given(st.lists(INCIDENTS | BAD, max_size=15), CUTS)
def test_incidents_have_one_verdict_however_they_are_cut(
    values: list[bytes], cuts: list[int]
) -> None:
    check_events(Topic.INCIDENT, values, cuts, list)
