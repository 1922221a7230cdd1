"""The board of commands: in order, once, only while the lease runs, and never without bound."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from control_city import START_US
from twin.clock import ManualClock, ScaledClock, datetime_from_us
from twin.events import DecisionEvent, DecisionKind, DecisionState
from twin.street.commands import Command, CommandBoard, due, is_command
from twin.units import SECOND_US


def command(
    name: str = "d1",
    *,
    device: str = "J1",
    lease_s: float = 15.0,
    kind: DecisionKind = DecisionKind.SIGNAL_STAGE,
    state: DecisionState = DecisionState.ISSUED,
    checks: tuple[str, ...] = ("known",),
) -> DecisionEvent:
    return DecisionEvent(
        id=name,
        version=2,
        kind=kind,
        state=state,
        target=device,
        time=datetime_from_us(START_US),
        reason="HOLD",
        lease_until=datetime_from_us(START_US) + timedelta(seconds=lease_s),
        checks=checks,
    )


def board(capacity: int = 100) -> tuple[CommandBoard, ManualClock]:
    clock = ManualClock(START_US)
    return CommandBoard(clock, capacity=capacity), clock


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (command(), True),
        (command(kind=DecisionKind.ACCESS, checks=()), True),
        (command(checks=()), False),
        (command(kind=DecisionKind.SIGNAL_CONTROL), False),
        (command(state=DecisionState.DECIDED), False),
        (command(state=DecisionState.ACKNOWLEDGED), False),
    ],
)
def test_what_a_command_is(event: DecisionEvent, expected: bool) -> None:
    assert is_command(event) is expected


async def test_a_device_gets_its_commands_in_order_and_once() -> None:
    made, _ = board()
    events = [command("a"), command("b", device="J2"), command("c"), command("d", device="G1")]
    assert made.publish(events) == 4
    first = await made.wait(["J1", "G1"], 0, 0.0)
    assert [event.id for event in first.commands] == ["a", "c", "d"]
    assert (await made.wait(["J1", "G1"], first.after, 0.0)).commands == ()
    made.publish([command("e")])
    following = await made.wait(["J1", "G1"], first.after, 0.0)
    assert [event.id for event in following.commands] == ["e"]


async def test_the_relay_may_say_a_thing_twice() -> None:
    made, _ = board()
    assert made.publish([command("a"), command("a")]) == 1
    assert made.publish([command("a")]) == 0
    assert len(made) == 1


async def test_past_its_lease_a_command_is_not_handed_out() -> None:
    made, clock = board()
    made.publish([command("a", lease_s=15.0), command("b", lease_s=16.0)])
    clock.advance_to(START_US + 15 * SECOND_US)
    assert [event.id for event in (await made.wait(["J1"], 0, 0.0)).commands] == ["b"]
    made.publish([command("c", lease_s=15.0)])
    assert len(made) == 1


async def test_a_released_command_is_taken_down() -> None:
    made, _ = board()
    made.publish([command("a"), command("b")])
    made.publish([command("a", state=DecisionState.RELEASED)])
    assert [event.id for event in (await made.wait(["J1"], 0, 0.0)).commands] == ["b"]
    both = [command("c"), command("c", state=DecisionState.RELEASED)]
    assert made.publish(both) == 0


async def test_beyond_its_capacity_the_oldest_is_dropped_and_counted() -> None:
    made, _ = board(capacity=3)
    made.publish([command(str(row)) for row in range(5)])
    assert made.dropped == 2
    assert [event.id for event in (await made.wait(["J1"], 0, 0.0)).commands] == ["2", "3", "4"]


async def test_a_waiting_device_is_woken_by_its_command_alone() -> None:
    clock = ScaledClock(START_US, rate=1.0)
    made = CommandBoard(clock)
    waiting = asyncio.create_task(made.wait(["J1"], made.sequence, 60.0))
    await asyncio.sleep(0)
    made.publish([command("other", device="J2")])
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not waiting.done()
    made.publish([command("mine")])
    got = await waiting
    assert [event.id for event in got.commands] == ["mine"]
    assert got.after == made.sequence


async def test_sequences_rise_over_a_restart_and_a_strange_one_misses_nothing() -> None:
    first, clock = board()
    first.publish([command("a")])
    after = first.sequence
    clock.advance_to(START_US + SECOND_US)
    second = CommandBoard(clock)
    second.publish([command("b")])
    assert [event.id for event in (await second.wait(["J1"], after, 0.0)).commands] == ["b"]
    ahead = second.sequence + 10**12
    assert [event.id for event in (await second.wait(["J1"], ahead, 0.0)).commands] == ["b"]


@given(
    rows=st.lists(st.tuples(st.sampled_from("JKG"), st.floats(-20, 20)), max_size=30),
    devices=st.frozensets(st.sampled_from("JKG")),
    after=st.integers(0, 31),
)
@settings(derandomize=True, deadline=None)
def test_due_is_exactly_what_is_new_mine_and_running(
    rows: list[tuple[str, float]], devices: frozenset[str], after: int
) -> None:
    commands = [
        Command(sequence, command(str(sequence), device=device, lease_s=lease_s))
        for sequence, (device, lease_s) in enumerate(rows, 1)
    ]
    got = [int(event.id) for event in due(commands, devices, after=after, now_us=START_US)]
    expected = [
        sequence
        for sequence, (device, lease_s) in enumerate(rows, 1)
        if sequence > after and device in devices and round(lease_s * 1e6) > 0
    ]
    assert got == expected


def test_a_stage_of_another_map_is_not_put_up() -> None:
    made = CommandBoard(ManualClock(START_US), map_version="a")
    ours = replace(command("ours"), map_version="a")
    gate = command("gate", kind=DecisionKind.ACCESS)
    assert made.publish([ours, replace(command("theirs"), map_version="b"), gate]) == 2
    assert made.foreign == 1
