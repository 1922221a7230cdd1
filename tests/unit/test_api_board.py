"""The board: newest only, encoded once, nothing that grows."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest
from msgspec.structs import replace as version_of

from api_house import NOW_US, access, picture, proposal
from ingest_city import small_city
from twin.api.board import DECISIONS_KEPT, KEY_EVERY, Board
from twin.api.classes import SpeedClass, link_classes, link_codes
from twin.api.frames import FrameKind, decode
from twin.api.slots import ALERT_PLACES
from twin.clock import ManualClock
from twin.events import DecisionState
from twin.ids import LinkId
from twin.network.model import SingleMap
from twin.perceive.state import Freshness, LinkState


def long_city(links: int = 40) -> SingleMap:
    city = small_city()
    one = city.links[0]
    return replace(city, links=tuple(replace(one, id=LinkId(f"L{row}")) for row in range(links)))


def ratios(city: SingleMap, *, changed: int, value: float) -> list[float]:
    return [value if row < changed else 0.9 for row in range(len(city.links))]


CITY = long_city()


@pytest.fixture
def board() -> Board:
    return Board(CITY, ManualClock(NOW_US))


async def test_a_client_gets_a_key_frame_and_then_deltas(board: Board) -> None:
    with board.stream() as slot:
        board.publish(picture(CITY, sequence=1))
        first = decode(await slot.next_frame())
        board.publish(picture(CITY, sequence=2, ratio=ratios(CITY, changed=2, value=0.3)))
        second = decode(await slot.next_frame())
    assert (first.kind, first.stamp.sequence) == (FrameKind.KEY, 1)
    assert (second.kind, second.stamp.sequence, second.base_sequence) == (FrameKind.DELTA, 2, 1)
    assert second.rows is not None
    assert second.rows.tolist() == [0, 1]
    assert second.codes.tolist() == [60, 60]


async def test_a_slow_client_gets_the_newest_key_frame_and_nothing_in_between(board: Board) -> None:
    with board.stream() as slot:
        board.publish(picture(CITY, sequence=1))
        await slot.next_frame()
        for sequence in (2, 3, 4):
            board.publish(picture(CITY, sequence=sequence, ratio=0.1 * sequence))
        frame = decode(await slot.next_frame())
        assert (frame.kind, frame.stamp.sequence) == (FrameKind.KEY, 4)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await slot.next_frame()


async def test_all_clients_share_one_encoding(board: Board) -> None:
    with board.stream() as one, board.stream() as other:
        board.publish(picture(CITY, sequence=1))
        assert await one.next_frame() is await other.next_frame()
        board.publish(picture(CITY, sequence=2, ratio=ratios(CITY, changed=1, value=0.5)))
        assert await one.next_frame() is await other.next_frame()
    assert board.stream_clients == 0


async def test_a_client_that_asks_gets_a_key_frame_again(board: Board) -> None:
    with board.stream() as slot:
        board.publish(picture(CITY, sequence=1))
        await slot.next_frame()
        slot.ask_key()
        again = decode(await slot.next_frame())
    assert (again.kind, again.stamp.sequence) == (FrameKind.KEY, 1)


async def test_a_key_frame_comes_now_and_then_anyway(board: Board) -> None:
    kinds = []
    with board.stream() as slot:
        for sequence in range(2 * KEY_EVERY + 1):
            changed = ratios(CITY, changed=1, value=0.4 + 0.1 * (sequence % 2))
            board.publish(picture(CITY, sequence=sequence, ratio=changed))
            kinds.append(decode(await slot.next_frame()).kind)
    assert kinds.count(FrameKind.KEY) == 3


async def test_alerts_keep_only_the_newest_version(board: Board) -> None:
    with board.alerts() as slot:
        first = proposal()
        board.publish_decisions([first])
        board.publish_decisions([version_of(first, version=2, state=DecisionState.APPROVED)])
        taken = await slot.take(0.0)
        assert [(event.id, event.version) for event in taken] == [("p-1", 2)]
        assert await slot.take(0.0) == []


async def test_alerts_are_bounded_and_say_what_was_dropped(board: Board) -> None:
    with board.alerts() as slot:
        board.publish_decisions([proposal(f"p-{row}") for row in range(ALERT_PLACES + 3)])
        assert slot.dropped == 3
        assert len(await slot.take(0.0)) == ALERT_PLACES


async def test_an_old_version_is_passed_over_and_memory_is_bounded(board: Board) -> None:
    newer = version_of(proposal(), version=3)
    board.publish_decisions([newer, proposal()])
    assert board.decision("p-1") is newer
    board.publish_decisions([proposal(f"x-{row}") for row in range(DECISIONS_KEPT)])
    assert board.decision("p-1") is None


async def test_waiting_for_a_decision_ends_with_its_next_version(board: Board) -> None:
    first = proposal()
    board.publish_decisions([first])
    waiting = asyncio.create_task(board.wait_decision("p-1", beyond=1, timeout_s=5))
    await asyncio.sleep(0)
    assert not waiting.done()
    board.publish_decisions([version_of(first, version=2, state=DecisionState.REJECTED)])
    found = await waiting
    assert found is not None
    assert found.state is DecisionState.REJECTED
    assert await board.wait_decision("p-1", beyond=2, timeout_s=0) is None


async def test_gates_are_counted_once_a_passage_and_by_local_day(board: Board) -> None:
    decided = access()
    issued = version_of(decided, version=2, state=DecisionState.ISSUED)
    better = access("a-2", predecessor="a-1")
    board.publish_decisions([decided, issued, better])
    now = decided.time
    counts = board.gates.of("G1", now)
    assert (counts.entries, counts.exits, counts.admitted) == (1, 0, 1)
    tomorrow = board.gates.of("G1", now.replace(day=now.day + 1))
    assert (tomorrow.entries, tomorrow.last_us) == (0, counts.last_us)


def state_of(ratio: list[float]) -> LinkState:
    return picture(long_city(len(ratio)), ratio=ratio).links


def test_classes_follow_the_scale_and_its_bounds() -> None:
    ratio = [0.86, 0.85, 0.67, 0.5, 0.4, 0.3, 0.0, 1.4, 0.3001]
    found = link_classes(state_of(ratio), np.full(9, 25.0))
    assert found == list("ABCDEFFAE")


def test_a_link_without_fresh_data_keeps_no_colour() -> None:
    links = state_of([0.9] * 5)
    links.freshness[0] = Freshness.STALE
    links.freshness[1] = Freshness.NO_DATA
    links.speed_mps[2] = np.nan
    links.closed[3] = 1
    links.freshness[3] = Freshness.STALE
    free = np.full(5, 25.0)
    assert link_codes(links, free).tolist() == [251, 252, 252, 253, 180]
    wanted = [SpeedClass.STALE, SpeedClass.NO_DATA, SpeedClass.NO_DATA, SpeedClass.CLOSED]
    assert link_classes(links, free) == [*wanted, SpeedClass.A]


def test_the_byte_is_clipped() -> None:
    assert link_codes(state_of([1.25, 1.3, 0.005]), np.full(3, 25.0)).tolist() == [250, 250, 1]
