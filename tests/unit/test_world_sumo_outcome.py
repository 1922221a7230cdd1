"""The street's own record: leases, cycles, what was sent, and whether the accounts agree."""

from __future__ import annotations

import json

import httpx
import pytest

from twin.clock import ManualClock, datetime_from_us
from twin.commands.serve import _clock
from twin.errors import InputError
from twin.events import Reading
from twin.units import SECOND_US
from twin.world.faults import Timed
from twin.world.service import Service
from twin.world.sumo.outcome import Accounts, cycles_hit, read_accounts
from twin.world.sumo.sender import Sender
from twin.world.sumo.street import Ledger
from world_fake import FakeService


def test_spells_without_a_lease_are_told_apart() -> None:
    ledger = Ledger()
    for second, leased in enumerate((False, False, True, True, False, True, False, False, False)):
        ledger.simulated_s += 1
        ledger.note_lease("J", second, leased=leased)
    assert ledger.spells == [("J", 0, 2), ("J", 4, 5)]
    assert ledger.alone_since == {"J": 6}
    assert ledger.longest_alone_s == 3
    assert ledger.lease_share == pytest.approx(3 / 9)


@pytest.mark.parametrize(
    ("changes_s", "from_s", "until_s", "expected"),
    [
        ((), 0.0, 95.0, (3, 0)),
        ((12.0, 20.0, 41.0, 72.0), 0.0, 95.0, (3, 3)),  # cycles 5-35, 35-65, 65-95
        ((12.0, 20.0, 34.9), 0.0, 95.0, (3, 1)),
        ((3.0, 94.9, 95.0), 0.0, 120.0, (3, 1)),  # what lies before and after does not count
        ((36.0,), 6.0, 94.0, (1, 1)),  # taken over in the first, cut off in the last
        ((36.0,), 40.0, 60.0, (0, 0)),
    ],
)
def test_cycles_of_the_own_plan_in_which_a_change_lies(
    changes_s: tuple[float, ...], from_s: float, until_s: float, expected: tuple[int, int]
) -> None:
    for begins_s in (5.0, 5.0 - 30.0 * 1000):
        found = cycles_hit(
            changes_s, cycle_s=30.0, begins_s=begins_s, from_s=from_s, until_s=until_s
        )
        assert found == expected


@pytest.mark.parametrize(
    ("sent", "again", "received", "balanced", "agree"),
    [
        (10, 0, 10, True, True),
        (10, 0, 9, True, False),
        (10, 0, 11, True, False),
        (10, 3, 12, True, True),
        (10, 3, 14, True, False),
        (10, 0, 10, False, False),
    ],
)
def test_accounts_agree_when_nothing_is_missing_or_invented(
    sent: int, again: int, received: int, balanced: bool, agree: bool
) -> None:
    assert Accounts(sent, again, received, balanced, {}).agree is agree


async def test_the_accounts_of_readings_are_read_and_what_was_before_is_taken_off() -> None:
    document = {
        "balanced": True,
        "sources": [
            {"topic": "reading", "received": 30, "applied": 28, "rejected": 2,
             "reasons": {"invalid": 2}},
            {"topic": "street.status", "received": 99, "applied": 99},
        ],
    }  # fmt: skip

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == "Bearer k"
        return httpx.Response(200, content=json.dumps(document))

    transport = httpx.MockTransport(answer)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        accounts = await read_accounts(client, key="k", sent=20, before=10)
    assert accounts is not None
    assert accounts.agree
    assert accounts.parts["rejected: invalid"] == 2


def reading(number: int, arrival_us: int) -> Timed:
    event = Reading(id=f"r{number}", sensor="s", time=datetime_from_us(0), period_s=5.0, count=1.0)
    return Timed(arrival_us, event)


async def test_the_sender_keeps_items_until_they_are_due_and_counts_what_it_sent_again() -> None:
    fake, clock = FakeService(away=2), ManualClock(0)

    async def pause(_: float) -> None:
        return None

    async with fake.client() as client:
        sender = Sender(Service(client, key="k", pause=pause), clock)
        sender.put([reading(2, 9 * SECOND_US), reading(0, SECOND_US), reading(1, 2 * SECOND_US)])
        await sender.flush(2 * SECOND_US)
        assert [item["id"] for item in fake.items["readings"]] == ["r0", "r1"]
        assert len(sender) == 1
        sender.end()
        await sender.run()
    assert len(sender) == 0
    assert (sender.counts["posted"], sender.counts["sent_again"]) == (3, 4)


async def test_the_sender_lags_only_while_an_answer_is_out() -> None:
    lags = []

    async with FakeService(away=2).client() as client:

        async def pause(_: float) -> None:
            lags.append(sender.lag_s)

        sender = Sender(Service(client, key="k", pause=pause), ManualClock(0))
        assert sender.lag_s == 0
        sender.put([reading(0, SECOND_US)])
        await sender.flush(2 * SECOND_US)
        assert 0 < lags[0] < lags[1], "the second try waits since the first"
        assert sender.lag_s == 0, "what was answered lags no more"


def test_a_practice_clock_is_read_or_refused() -> None:
    clock = _clock("2026-06-16T06:00:00Z,5,1000")
    assert clock.wall_seconds(10.0) == 2.0
    assert _clock("").wall_seconds(10.0) == 10.0
    for wrong in ("2026-06-16T06:00:00,5", "now,5", "2026-06-16T06:00:00Z", "2026-06-16T06:00Z,x"):
        with pytest.raises(InputError):
            _clock(wrong)
