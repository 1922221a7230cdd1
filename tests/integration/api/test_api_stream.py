"""The live stream and the alerts, driven message by message over ASGI."""

from __future__ import annotations

import asyncio
import json

import pytest
from msgspec.structs import replace

from api_house import House, Line, access, picture, proposal, scope_of
from twin.api import stream
from twin.api.frames import FrameKind, apply, decode
from twin.api.roles import Role
from twin.events import DecisionState

STREAM = "/api/v1/stream"
ALERTS = "/api/v1/alerts/stream"


def publish(house: House, sequence: int, ratio: float | list[float] = 0.9) -> None:
    house.served.board.publish(picture(house.served.network, sequence=sequence, ratio=ratio))


async def connected(house: House) -> Line:
    headers = {"host": "twin.test", "authorization": f"Bearer {house.keys[Role.VIEWER]}"}
    line = Line(house.app, scope_of(STREAM, headers=headers))
    await line.send(type="websocket.connect")
    assert (await line.receive())["type"] == "websocket.accept"
    return line


async def settle() -> None:
    """Let the tasks run until nothing is left to do."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_the_first_frame_is_a_key_frame_of_the_newest_picture(house: House) -> None:
    publish(house, 1)
    publish(house, 2, [0.5, 0.6, 0.7])
    line = await connected(house)
    frame = decode((await line.receive())["bytes"])
    assert (frame.kind, frame.stamp.sequence) == (FrameKind.KEY, 2)
    assert frame.codes.tolist() == [100, 120, 140]
    assert frame.stamp.map_version == house.served.network.version
    await line.close()


async def test_a_client_that_came_first_waits_for_the_first_picture(house: House) -> None:
    line = await connected(house)
    await settle()
    assert line.waiting() == 0
    publish(house, 1)
    assert decode((await line.receive())["bytes"]).stamp.sequence == 1
    await line.close()


async def test_a_slow_client_gets_the_newest_and_no_queue(house: House) -> None:
    publish(house, 1)
    line = await connected(house)
    first = decode((await line.receive())["bytes"])
    line.gate.clear()  # the next send hangs
    for sequence in range(2, 8):
        publish(house, sequence, 0.1 * sequence)
        await settle()
    line.gate.set()
    second = decode((await line.receive())["bytes"])
    third = decode((await line.receive())["bytes"])
    await settle()
    assert line.waiting() == 0
    assert [frame.stamp.sequence for frame in (first, second, third)] == [1, 2, 7]
    assert third.kind is FrameKind.KEY
    await line.close()


async def test_a_client_that_asks_gets_a_key_frame(house: House) -> None:
    publish(house, 1)
    line = await connected(house)
    held = apply(decode((await line.receive())["bytes"]), None, 0)
    await line.send(type="websocket.receive", text="key")
    again = decode((await line.receive())["bytes"])
    assert (again.kind, again.codes.tolist()) == (FrameKind.KEY, held.tolist())
    await line.send(type="websocket.receive", text="nonsense")
    await line.send(type="websocket.receive", bytes=b"\x00")
    await settle()
    assert line.waiting() == 0
    await line.close()


async def test_hanging_up_leaves_nothing_behind(house: House) -> None:
    lines = [await connected(house) for _ in range(3)]
    assert house.served.board.stream_clients == 3
    for line in lines:
        await line.close()
    assert house.served.board.stream_clients == 0


async def test_a_client_that_takes_nothing_at_all_is_let_go(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "SEND_S", 0.0)
    line = await connected(house)
    line.gate.clear()
    publish(house, 1)
    assert (await line.receive())["type"] == "websocket.close"
    await line.close()
    assert house.served.board.stream_clients == 0


async def test_too_many_clients_are_refused(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MOST_CLIENTS", 1)
    first = await connected(house)
    headers = {"host": "twin.test", "authorization": f"Bearer {house.keys[Role.VIEWER]}"}
    second = Line(house.app, scope_of(STREAM, headers=headers))
    await second.send(type="websocket.connect")
    assert (await second.receive())["type"] == "websocket.close"
    await second.close()
    await first.close()


async def alerts(house: House, role: Role) -> Line:
    headers = {"host": "twin.test", "authorization": f"Bearer {house.keys[role]}"}
    line = Line(house.app, scope_of(ALERTS, kind="http", headers=headers))
    await line.send(type="http.request", body=b"", more_body=False)
    start = await line.receive()
    assert start["status"] == 200
    assert dict(start["headers"])[b"content-type"].startswith(b"text/event-stream")
    return line


async def told(line: Line) -> tuple[str, dict[str, object]]:
    lines = (await line.receive())["body"].decode().splitlines()
    assert lines[2:] == [""]
    return lines[0].removeprefix("event: "), json.loads(lines[1].removeprefix("data: "))


async def test_alerts_tell_clock_decisions_and_gates(house: House) -> None:
    line = await alerts(house, Role.OPERATOR)
    kind, clock = await told(line)
    assert (kind, clock["now"]) == ("clock", "2026-06-16T08:00:00Z")
    house.served.board.publish_decisions([proposal()])
    kind, view = await told(line)
    assert (kind, view["id"], view["can_approve"]) == ("decision", "p-1", True)
    house.served.board.publish_decisions([access()])
    kind, event = await told(line)
    assert (kind, event["gate"], event["vehicle"]) == ("gate", "G1", "v·7F3A")
    later = replace(access(), version=2, state=DecisionState.ISSUED)
    house.served.board.publish_decisions([later, proposal("p-2")])
    kind, view = await told(line)
    assert (kind, view["id"]) == ("decision", "p-2")
    house.served.board.close()
    await line.send(type="http.disconnect")
    await line.close()


async def test_a_viewer_is_not_told_of_single_vehicles(house: House) -> None:
    line = await alerts(house, Role.VIEWER)
    assert (await told(line))[0] == "clock"
    house.served.board.publish_decisions([access(), proposal()])
    assert (await told(line))[0] == "decision"
    house.served.board.close()
    await line.send(type="http.disconnect")
    await line.close()
