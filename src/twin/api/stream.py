"""The live stream: binary frames over a WebSocket, the newest and never a queue."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from twin.api.auth import served_of
from twin.api.routes import Endpoint
from twin.api.slots import FrameSlot

MOST_CLIENTS: Final = 256
SEND_S: Final = 20.0
_TRY_AGAIN: Final = 1013
_TOO_SLOW: Final = 1008
KEY_REQUEST: Final = "key"


async def stream(socket: WebSocket) -> None:
    """Send a key frame, then deltas; a client that asks `key` or fell behind gets a key frame."""
    board = served_of(socket).board
    if board.stream_clients >= MOST_CLIENTS:
        await socket.close(_TRY_AGAIN)
        return
    await socket.accept()
    with board.stream() as slot, suppress(WebSocketDisconnect):
        sender = asyncio.create_task(_send(socket, slot))
        try:
            await _listen(socket, slot, sender)
        finally:
            sender.cancel()
            with suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
                await sender


async def _listen(socket: WebSocket, slot: FrameSlot, sender: asyncio.Task[None]) -> None:
    while not sender.done():
        receiver = asyncio.create_task(socket.receive())
        try:
            await asyncio.wait({receiver, sender}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not receiver.done():
                receiver.cancel()
        if not receiver.done() or receiver.cancelled():
            return
        message = receiver.result()
        if message["type"] == "websocket.disconnect":
            return
        if message.get("text") == KEY_REQUEST:
            slot.ask_key()


async def _send(socket: WebSocket, slot: FrameSlot) -> None:
    """Send the newest frame as fast as the client takes them; give up on one that takes none."""
    while True:
        frame = await slot.next_frame()
        try:
            async with asyncio.timeout(SEND_S):
                await socket.send_bytes(frame)
        except TimeoutError:
            await socket.close(_TOO_SLOW)
            return


ENDPOINTS: Final = (
    Endpoint(method="WS", path="/stream", handler=stream, summary="The live stream", tag="stream"),
)
