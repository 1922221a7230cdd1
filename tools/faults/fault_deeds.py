"""What happens to the service: how each kind of fault is done, and what is told of it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from fault_fleet import Fleet
from fault_send import Sender
from fault_servers import Servers, back, ways_to_fail
from fault_service import Service

_FELT_S: Final = 15.0
_FUSE_S: Final = 60.0
_LOOK_S: Final = 0.05

Told = dict[str, Any]
More = Callable[[], Awaitable[None]]
"""Lets the senders go on to where the next fault begins."""


class _Press:
    """Lets one delivery more go out every half second while a fault waits to be felt."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._due_s = time.monotonic() + 1

    async def on(self) -> None:
        if time.monotonic() >= self._due_s:
            self._due_s += 0.5
            await self._sender.allow_more()


async def kill_at(moment: str, number: int, sender: Sender, fleet: Fleet, more: More) -> Told:
    """Let a process kill itself when it comes to a moment for the n-th time.

    When all is sent and worked off, nobody comes to it any more: a process is then killed from
    outside, and the fault is told as of that kind, whatever was planned.
    """
    await asyncio.to_thread(fleet.wait_ready)
    armed = fleet.targets()
    for service in armed:
        service.arm(moment, number)
    await more()  # not before: what was allowed may be worked off before a fuse is laid
    await _first_dead(armed, sender)
    dead = [service for service in armed if not service.alive]
    burnt = [service for service in armed if not service.disarm()]
    for service in burnt:  # one whose fuse is gone is dead, or about to be
        await asyncio.to_thread(service.wait_dead)
    if alone := [service for service in dead if service not in burnt]:
        words = " and ".join(f"{one.name} died by itself ({one.exit_code})" for one in alone)
        raise AssertionError(f"{words}: {fleet.last_words()}")
    if burnt:
        names = " and ".join(service.name for service in burnt)
        return {"how": f"{names} killed itself, {moment}, commit {number}"}
    if sender.acknowledged < sender.total:
        words = fleet.last_words()
        raise AssertionError(f"the fuse '{moment} {number}' did not burn: {words}")
    await asyncio.to_thread(armed[0].kill)
    how = f"{armed[0].name} killed from outside, at the end of the sending"
    return {"kind": "killed", "planned": f"killed_{moment}", "how": how}


async def _first_dead(armed: Sequence[Service], sender: Sender) -> None:
    """Press on until one is dead; give up earlier when all is sent."""
    press = _Press(sender)
    began_s = time.monotonic()
    while all(service.alive for service in armed):
        await asyncio.sleep(_LOOK_S)
        await press.on()
        patience_s = _FUSE_S if sender.acknowledged < sender.total else _FUSE_S / 2
        if time.monotonic() > began_s + patience_s:
            return


async def _kill(rng: random.Random, sender: Sender, fleet: Fleet, servers: Servers) -> Told:
    """Kill a process from outside, at any moment."""
    victim = fleet.any_process(rng)
    await asyncio.sleep(rng.uniform(0, 1))
    await asyncio.to_thread(victim.kill)
    return {"how": f"{victim.name} killed from outside"}


async def _rebalance(rng: random.Random, sender: Sender, fleet: Fleet, servers: Servers) -> Told:
    return {"how": await asyncio.to_thread(fleet.rebalance, rng)}


async def _disk(rng: random.Random, sender: Sender, fleet: Fleet, servers: Servers) -> Told:
    """Fill a disk, wait until it hurts, make room, start what died of it."""
    name = rng.choice(sorted(servers.disks))
    failed = sender.failed.total()
    await asyncio.to_thread(servers.disks[name].fill)
    end_s = time.monotonic() + _FELT_S
    press = _Press(sender)
    felt = ""
    while not felt and time.monotonic() < end_s:
        await asyncio.sleep(0.1)
        await press.on()  # a full disk hurts only who has something to write
        if sender.failed.total() > failed:
            felt = "senders were refused"
        elif not await asyncio.to_thread(fleet.ready):
            felt = "the service was not ready"
    await asyncio.to_thread(servers.disks[name].free)
    revived = await asyncio.to_thread(servers.revive, name)
    started = f", {' and '.join(revived)} started again" if revived else ""
    return {"how": f"{name} full: {felt or 'nobody noticed'}{started}"}


async def _broker(rng: random.Random, sender: Sender, fleet: Fleet, servers: Servers) -> Told:
    return await _away("broker", servers.broker, rng)


async def _database(rng: random.Random, sender: Sender, fleet: Fleet, servers: Servers) -> Told:
    return await _away("database", servers.database, rng)


async def _away(kind: str, server: Any, rng: random.Random) -> Told:
    """Take a server away for a while."""
    way = rng.choice(sorted(ways_to_fail(server)))
    await asyncio.to_thread(ways_to_fail(server)[way])
    await asyncio.sleep(rng.uniform(0.2, 2.0))
    await asyncio.to_thread(back, server, way)
    return {"how": f"{kind} {way}"}


HAPPEN: Final = {
    "killed": _kill,
    "rebalance": _rebalance,
    "disk": _disk,
    "broker": _broker,
    "database": _database,
}
"""Every kind but the fuses."""
