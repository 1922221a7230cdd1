"""The peer of the live stream: `websockets` sending the same frames to everybody, nothing else.

    python peer.py FRAMES.bin      prints its URL, then sends one frame a second, in turn, for ever

No person, no state, no slow client is looked after. It writes the moment into each frame, as the
service does, so that both are measured alike.
"""

from __future__ import annotations

import asyncio
import struct
import sys
import time
from pathlib import Path

from websockets.asyncio.server import ServerConnection, broadcast, serve

EVENT_TIME = struct.Struct("<q")
EVENT_TIME_AT = 32
SEQUENCE = struct.Struct("<II")
SEQUENCE_AT = 8
LENGTH = struct.Struct("<I")


def frames_of(body: bytes) -> list[bytearray]:
    """Cut what a listener kept into frames."""
    found = []
    at = 0
    while at < len(body):
        (length,) = LENGTH.unpack_from(body, at)
        found.append(bytearray(body[at + 4 : at + 4 + length]))
        at += 4 + length
    return found


async def main(frames: list[bytearray]) -> None:
    """Serve until killed."""
    clients: set[ServerConnection] = set()
    first = frames[0]

    async def welcome(socket: ServerConnection) -> None:
        await socket.send(bytes(first))
        clients.add(socket)
        try:
            await socket.wait_closed()
        finally:
            clients.discard(socket)

    async with serve(welcome, "127.0.0.1", 0, compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        print(f"ws://127.0.0.1:{port}", flush=True)
        sequence = 0
        while True:
            await asyncio.sleep(1.0 - time.time() % 1.0)
            sequence += 1
            frame = frames[sequence % len(frames)]
            SEQUENCE.pack_into(frame, SEQUENCE_AT, sequence, sequence - 1)
            EVENT_TIME.pack_into(frame, EVENT_TIME_AT, time.time_ns() // 1000)
            broadcast(clients, bytes(frame))


if __name__ == "__main__":
    asyncio.run(main(frames_of(Path(sys.argv[1]).read_bytes())))
