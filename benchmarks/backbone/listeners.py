"""Many readers of the live stream in one process, which writes down every frame that came.

    python listeners.py URL KEY CLIENTS SECONDS OUT.npz [--keep FRAMES.bin]

Prints `connected N` once every client has its first frame, and ends SECONDS later. OUT holds one
row a frame: client, sequence, event_us, received_us, bytes; and one row a link that a client saw
closed: client, link row, received_us, event_us. `--keep` writes the frames of the first client,
each after its length as a 32-bit number, for a peer to send again.
"""

from __future__ import annotations

import argparse
import asyncio
import struct
import time
from pathlib import Path
from typing import Any

import numpy as np
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from twin.api.classes import CLOSED
from twin.api.frames import FrameKind, decode

LENGTH = struct.Struct("<I")


class Notes:
    """What all clients of the process saw."""

    def __init__(self, clients: int) -> None:
        self.frames: list[tuple[int, int, int, int, int]] = []
        self.closed: list[tuple[int, int, int, int]] = []
        self.kept: list[bytes] = []
        self.waiting = clients
        self.broken = 0
        self.all_here = asyncio.Event()

    def first(self) -> None:
        """Count a client that has its first frame."""
        self.waiting -= 1
        if self.waiting == 0:
            self.all_here.set()


async def listen(number: int, url: str, key: str, notes: Notes, *, keep: bool) -> None:
    """Read frames until the connection ends."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    known: set[int] = set()
    async with connect(
        url, additional_headers=headers, compression=None, max_size=None, open_timeout=60
    ) as socket:
        first = True
        try:
            async for frame in socket:
                now_us = time.time_ns() // 1000
                assert isinstance(frame, bytes)
                if first:
                    notes.first()
                    first = False
                known = _note(number, frame, now_us, notes, known)
                if keep:
                    notes.kept.append(frame)
        except ConnectionClosed:
            notes.broken += 1


def _note(number: int, frame: bytes, now_us: int, notes: Notes, known: set[int]) -> set[int]:
    """Write a frame down; return the links that are closed after it."""
    found = decode(frame)
    stamp = found.stamp
    notes.frames.append((number, stamp.sequence, stamp.event_us, now_us, len(frame)))
    closed = np.flatnonzero(found.codes == CLOSED)
    if found.kind is FrameKind.KEY:
        after = set(closed.tolist())
    else:
        assert found.rows is not None
        after = (known - set(found.rows.tolist())) | set(found.rows[closed].tolist())
    for row in after - known:
        notes.closed.append((number, row, now_us, stamp.event_us))
    return after


async def main(given: argparse.Namespace) -> None:
    """Listen with all clients for the wanted time, then write."""
    notes = Notes(given.clients)
    tasks = [
        asyncio.create_task(
            listen(number, given.url, given.key, notes, keep=bool(given.keep) and number == 0)
        )
        for number in range(given.clients)
    ]
    await asyncio.wait_for(notes.all_here.wait(), 120)
    print(f"connected {given.clients}", flush=True)
    await asyncio.sleep(given.seconds)
    still = sum(not task.done() for task in tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    _write(given, notes, still)


def _write(given: argparse.Namespace, notes: Notes, still: int) -> None:
    out: dict[str, Any] = {
        "frames": np.array(notes.frames, np.int64).reshape(-1, 5),
        "closed": np.array(notes.closed, np.int64).reshape(-1, 4),
        "still": np.array([still, notes.broken]),
    }
    part = Path(f"{given.out}.part.npz")
    np.savez(part, **out)
    if given.keep:
        body = b"".join(LENGTH.pack(len(frame)) + frame for frame in notes.kept)
        Path(given.keep).write_bytes(body)
    part.replace(given.out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("key")
    parser.add_argument("clients", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("out")
    parser.add_argument("--keep", default="")
    asyncio.run(main(parser.parse_args()))
