"""The player: everything that falls due is sent once, in order, however often the service fails."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from twin.clock import ManualClock
from twin.errors import InputError
from twin.keys import Key
from twin.seal import is_sealed
from twin.world.player import Player, PlayerKeys
from twin.world.recording import Recording, open_recording
from twin.world.service import LONGEST_WAIT_S, Service, wait_s
from world_fake import CORRIDOR, EnoughWaitingError, FakeService, Waiting

KEYS = PlayerKeys(integrator="twk_i_1", gate="twk_g_1", access_clerk="twk_a_1")
TEN_MINUTES_US = 600_000_000
STEP_US = 700_000


@pytest.fixture(scope="module")
def recording() -> Recording:
    return open_recording(CORRIDOR)


def player(recording: Recording, service: FakeService, **changes: Any) -> Player:
    clock = ManualClock(recording.demo_start_us)
    options: dict[str, Any] = {
        "client": service.client(),
        "keys": KEYS,
        "clock": clock,
        "pause": Waiting(clock, step_us=STEP_US),
    }
    return Player(recording, **(options | changes))


async def test_all_that_falls_due_is_sent_in_order(recording: Recording) -> None:
    service = FakeService()
    party = player(recording, service)
    from_us = recording.demo_start_us
    to_us = from_us + TEN_MINUTES_US
    await party.run(from_us, to_us)
    due = [json.loads(body) for _, body in recording.readings(from_us, to_us)]
    assert service.items["readings"] == due
    passages = [json.loads(body) for _, body in recording.passages(from_us, to_us)]
    assert service.items["passages"] == passages
    assert len(service.items["authorisations"]) == len(recording.authorisation_rows)
    assert service.keys == {
        "readings": {"Bearer twk_i_1"},
        "passages": {"Bearer twk_g_1"},
        "authorisations": {"Bearer twk_a_1"},
    }
    tally = party.tallies["readings"]
    assert (tally.sent, tally.accepted, tally.rejected) == (len(due), len(due), 0)
    assert tally.batches > 5


async def test_nothing_is_sent_before_its_time(recording: Recording) -> None:
    service = FakeService()
    clock = ManualClock(recording.demo_start_us)
    waiting = Waiting(clock, step_us=STEP_US, most=60)
    party = player(recording, service, clock=clock, pause=waiting)
    with pytest.raises(EnoughWaitingError):
        await party.run(recording.demo_start_us)
    arrived = [
        json.loads(b) for _, b in recording.readings(recording.demo_start_us, clock.now_us())
    ]
    sent = service.items["readings"]
    assert sent == arrived[: len(sent)]
    assert len(sent) > 50


async def test_the_past_is_sent_at_once_in_bounded_batches(recording: Recording) -> None:
    service = FakeService()
    clock = ManualClock(recording.demo_start_us)
    waiting = Waiting(clock, step_us=0)
    party = player(recording, service, clock=clock, pause=waiting)
    await party.run(recording.demo_start_us - 6 * TEN_MINUTES_US, recording.demo_start_us)
    assert len(service.items["readings"]) > 5000
    assert party.tallies["readings"].batches <= len(service.items["readings"]) / 1000 + 1
    assert not waiting.asked_s


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_an_absent_service_loses_nothing(recording: Recording, status: int) -> None:
    service = FakeService(away=7, status=status)
    party = player(recording, service)
    from_us = recording.demo_start_us
    to_us = from_us + TEN_MINUTES_US
    await party.run(from_us, to_us)
    due = [json.loads(body)["id"] for _, body in recording.readings(from_us, to_us)]
    assert [item["id"] for item in service.items["readings"]] == due
    assert sum(tally.retries for tally in party.tallies.values()) == 7


async def test_a_broken_line_is_tried_again(recording: Recording) -> None:
    service = FakeService()
    inner = service.client()
    failures = 3

    async def flaky(request: httpx.Request) -> httpx.Response:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise httpx.ConnectError("refused", request=request)
        return await inner.send(request)

    client = httpx.AsyncClient(transport=httpx.MockTransport(flaky), base_url="http://service")
    party = player(recording, service, client=client, keys=PlayerKeys(integrator="twk_i_1"))
    await party.run(recording.demo_start_us, recording.demo_start_us + TEN_MINUTES_US)
    assert party.tallies["readings"].retries == 3
    assert len(service.items["readings"]) == party.tallies["readings"].sent


async def test_a_refused_batch_is_counted_and_not_sent_again(recording: Recording) -> None:
    service = FakeService(away=1, status=422)
    party = player(recording, service, keys=PlayerKeys(integrator="twk_i_1"))
    await party.run(recording.demo_start_us, recording.demo_start_us + TEN_MINUTES_US)
    tally = party.tallies["readings"]
    assert tally.refused > 0
    assert tally.retries == 0
    assert tally.sent == tally.refused + tally.accepted + tally.rejected


async def test_rejected_items_are_counted(recording: Recording) -> None:
    service = FakeService(rejected=1)
    party = player(recording, service, keys=PlayerKeys(integrator="twk_i_1"))
    await party.run(recording.demo_start_us, recording.demo_start_us + TEN_MINUTES_US)
    tally = party.tallies["readings"]
    assert tally.rejected == tally.batches
    assert tally.accepted == tally.sent - tally.rejected


@pytest.mark.parametrize("status", [401, 403])
async def test_a_wrong_key_stops_the_player(recording: Recording, status: int) -> None:
    service = FakeService(away=1, status=status)
    party = player(recording, service)
    with pytest.raises(InputError, match=str(status)) as caught:
        await party.run()
    assert "twk" not in str(caught.value)


async def test_a_stream_without_key_is_not_played(recording: Recording) -> None:
    service = FakeService()
    party = player(recording, service, keys=PlayerKeys(gate="twk_g_1"))
    await party.run(recording.demo_start_us, recording.demo_start_us + TEN_MINUTES_US)
    assert set(service.items) == {"passages"}


async def test_plates_are_sealed_when_a_key_is_given(recording: Recording) -> None:
    service = FakeService()
    party = player(recording, service, seal_key=Key.fresh("test"))
    await party.run(recording.demo_start_us, recording.demo_start_us + TEN_MINUTES_US)
    plates = [item["plate"] for item in service.items["passages"] if item["plate"]]
    assert plates
    assert all(is_sealed(plate) for plate in plates)


async def test_a_cancel_ends_all_streams(recording: Recording) -> None:
    service = FakeService()
    started = asyncio.Event()

    async def sleep(_: float) -> None:
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(player(recording, service, pause=sleep).run())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_waits_grow_and_are_bounded() -> None:
    waits = [wait_s(attempt) for attempt in range(1, 40)]
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (0.25, LONGEST_WAIT_S)


async def test_a_sender_may_give_up(recording: Recording) -> None:
    service = FakeService(away=100)
    clock = ManualClock(0)
    asking = Service(service.client(), key="k", pause=Waiting(clock, step_us=1))
    assert await asking.send("/readings", [b"{}"], tries=3) is None
    assert service.requests == 3
