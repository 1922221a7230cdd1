"""Clients that take nothing, over real sockets: they cost the others nothing and are cut off."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import psutil
import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect

from api_house import House, Template, open_house, picture, proposal
from ingest_city import small_city
from twin.api.connections import Cut, patient_protocols
from twin.api.frames import decode
from twin.api.roles import Role
from twin.ids import LinkId
from twin.network.model import SingleMap

LINKS = 20_000
LIMIT_S = 0.3
MEGABYTE = 1 << 20
MOST = 5000
"""So often a publisher tries to fill a buffer before the test gives up."""
STREAM = "/api/v1/stream"


def large_city() -> SingleMap:
    """So many links that a few hundred frames fill every buffer on the way."""
    city = small_city()
    links = tuple(replace(city.links[0], id=LinkId(f"L{row}")) for row in range(LINKS))
    return replace(city, links=links)


@pytest.fixture
async def house(tmp_path: Path, house_template: Template) -> AsyncIterator[House]:
    """Give a served house with a large map."""
    async with open_house(tmp_path, house_template, network=large_city()) as opened:
        yield opened


@asynccontextmanager
async def served(house: House, cut: Cut) -> AsyncIterator[int]:
    """Serve on a port, as the service does."""
    http, ws = patient_protocols(cut)
    config = uvicorn.Config(
        house.app,
        port=0,
        log_config=None,
        http=http,
        ws=ws,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield int(listener.getsockname()[1])
    finally:
        house.served.board.close()
        server.should_exit = True
        await task


def dead_client(port: int, path: str, key: str, *, upgrade: bool = False) -> socket.socket:
    """Ask for something, and never read an answer."""
    words = [f"GET {path} HTTP/1.1", "Host: twin", f"Authorization: Bearer {key}"]
    if upgrade:
        words += ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
        words += ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.connect(("127.0.0.1", port))
    made.sendall(("\r\n".join(words) + "\r\n\r\n").encode())
    return made


@asynccontextmanager
async def listener(house: House, port: int) -> AsyncIterator[ClientConnection]:
    """Listen to the stream as everybody does."""
    headers = {"Authorization": f"Bearer {house.keys[Role.VIEWER]}"}
    url = f"ws://127.0.0.1:{port}{STREAM}"
    async with connect(url, additional_headers=headers, compression=None) as opened:
        yield opened


async def when(house: House, clients: int) -> None:
    """Let the server work until so many clients read the stream."""
    while house.served.board.stream_clients != clients:  # noqa: ASYNC110 - there is no bell
        await asyncio.sleep(0.005)


async def test_dead_reader_of_the_stream_costs_the_others_nothing(house: House) -> None:
    """Everybody else gets every frame while it stands; then it is cut off, and nothing is kept."""
    board, cut = house.served.board, Cut(LIMIT_S)
    ratios = np.random.default_rng(7).uniform(0.1, 1.0, (2, LINKS))
    frames = [picture(house.served.network, ratio=row.tolist()) for row in ratios]
    async with (
        served(house, cut) as port,
        listener(house, port) as one,
        listener(house, port) as two,
    ):
        dead = dead_client(port, STREAM, house.keys[Role.VIEWER], upgrade=True)
        await when(house, 3)
        process, held = psutil.Process(), list[int]()
        sequence = 0
        while cut.count == 0:
            sequence += 1
            assert sequence < MOST, "the dead reader is never cut off"
            board.publish(replace(frames[sequence % 2], sequence=sequence))
            for client in (one, two):
                frame = decode(await client.recv(decode=False))
                assert frame.stamp.sequence == sequence
            held.append(process.memory_info().rss)
        await when(house, 2)
        assert sequence * LINKS > 4 * MEGABYTE, "it stood while more was sent than it could hold"
        assert max(held) - held[len(held) // 4] < 16 * MEGABYTE
        dead.close()


@pytest.mark.parametrize("path", ["/api/v1/alerts/stream", "/api/v1/picture"])
async def test_dead_reader_of_anything_is_cut_off(house: House, path: str) -> None:
    """Alerts that nobody takes are dropped beyond a bound; a long answer is not waited for."""
    board, cut = house.served.board, Cut(LIMIT_S)
    board.publish(picture(house.served.network, sequence=1))
    async with served(house, cut) as port:
        dead = dead_client(port, path, house.keys[Role.OPERATOR])
        number = 0
        while cut.count == 0:
            number += 1
            assert number < MOST, "the dead reader is never cut off"
            event = proposal()
            board.publish_decisions(
                [msgspec.structs.replace(event, id=f"d{number}-{row}") for row in range(64)]
            )
            await asyncio.sleep(0.002)
            assert all(len(slot._waiting) <= 256 for slot in board._alerts)
        while board._alerts:  # noqa: ASYNC110 - there is no bell
            await asyncio.sleep(0.005)
        dead.close()


async def test_slow_reader_is_not_cut_off(house: House) -> None:
    """Who takes something now and then stays, and gets the newest."""
    board, cut = house.served.board, Cut(2.0)
    async with served(house, cut) as port, listener(house, port) as slow:
        await when(house, 1)
        for sequence in range(1, 400):
            board.publish(picture(house.served.network, sequence=sequence))
            if sequence % 40 == 0:
                await slow.recv()
            await asyncio.sleep(0)
        while decode(await slow.recv(decode=False)).stamp.sequence < 399:
            pass
    assert cut.count == 0
