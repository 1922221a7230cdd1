"""The world's books beside the service's: by source and topic, item for item.

Two sums must come to zero. Inside the world: what its devices made, less what its faults took,
plus what they added, is what was posted. Between both: what was posted is what the service says it
received, and every verdict is the one that follows from the published rules.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from twin.world.faults import PASSAGE, READING, Distorter
from twin.world.service import API
from twin.world.wiretap import VERDICTS, Account, Wiretap

Key = tuple[str, str]
Pause = Callable[[float], Awaitable[None]]
_COLUMNS: Final = ("received", *VERDICTS)
_TRIES: Final = 120
_LOOK_AGAIN_S: Final = 0.5
_TAKEN: Final = ("dead", "lost", "missing_exit")
_ADDED: Final = ("cloned", "duplicated")
_TOPIC_OF: Final = {READING: "reading", PASSAGE: "anpr.read"}


@dataclass(frozen=True)
class Line:
    """One source and topic: what the world expects, and what the service says, by verdict."""

    source: str
    topic: str
    expected: Mapping[str, int]
    said: Mapping[str, int]
    in_doubt: int

    @property
    def differences(self) -> dict[str, int]:
        """Return said less expected, of each verdict that differs."""
        both = ((name, self.said.get(name, 0) - self.expected.get(name, 0)) for name in _COLUMNS)
        return {name: by for name, by in both if by}

    @property
    def agrees(self) -> bool:
        """Nothing differs, but for items in doubt: some of them may have come, each one once."""
        off = self.differences
        more = off.pop("received", 0)
        return 0 <= more == sum(off.values()) <= self.in_doubt and min(off.values(), default=0) >= 0


@dataclass(frozen=True)
class DeviceSum:
    """One kind of item inside the world: what was made, what faults did, what was posted."""

    kind: str
    faults: Mapping[str, int]
    posted: int

    @property
    def sent(self) -> int:
        """What must have been posted: made, less what was taken, plus what was added."""
        count = self.faults.get
        return (
            count("made", 0)
            - sum(count(name, 0) for name in _TAKEN)
            + sum(count(name, 0) for name in _ADDED)
        )


@dataclass(frozen=True)
class Books:
    """The whole comparison."""

    lines: tuple[Line, ...]
    devices: tuple[DeviceSum, ...]

    @property
    def difference(self) -> int:
        """Items that are not accounted for, all together; 0 is what we want."""
        return sum(
            abs(by) for line in self.lines if not line.agrees for by in line.differences.values()
        ) + sum(abs(one.posted - one.sent) for one in self.devices)

    def save(self, path: Path) -> None:
        """Write everything as JSON: counts only, no plate and no key."""
        document = {
            "difference": self.difference,
            "lines": [{**asdict(line), "differences": line.differences} for line in self.lines],
            "devices": [{**asdict(one), "must_be": one.sent} for one in self.devices],
        }
        path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


async def tell(client: httpx.AsyncClient, key: str) -> dict[Key, Counter[str]]:
    """Ask the service for its accounting; empty when it does not tell.

    Returns received, applied, duplicate, late and rejected by (source, topic).
    """
    try:
        response = await client.get(f"{API}/accounting", headers={"Authorization": f"Bearer {key}"})
        entries: list[dict[str, Any]] = response.raise_for_status().json()["sources"]
    except (httpx.HTTPError, ValueError, KeyError):
        return {}
    return {
        (one["source"], one["topic"]): Counter({name: int(one[name]) for name in _COLUMNS})
        for one in entries
    }


async def compare(
    tap: Wiretap,
    distorter: Distorter,
    client: httpx.AsyncClient,
    *,
    key: str,
    before: Mapping[Key, Counter[str]],
    pause: Pause = asyncio.sleep,
) -> Books:
    """Hold the world's record beside the service's, once all that was posted has its verdict.

    `before` is what the service said before the run. Waits for a minute at most.
    """
    said: dict[Key, Counter[str]] = {}
    for _ in range(_TRIES):
        said = await tell(client, key)
        if all(_received(said, before, at) >= one.posted for at, one in tap.accounts.items()):
            break
        await pause(_LOOK_AGAIN_S)
    lines = tuple(
        _line(at, account, said.get(at, Counter()), before.get(at, Counter()))
        for at, account in sorted(tap.accounts.items())
    )
    return Books(lines, tuple(_devices(distorter, tap.accounts)))


def _received(said: Mapping[Key, Counter[str]], before: Mapping[Key, Counter[str]], at: Key) -> int:
    return said.get(at, Counter())["received"] - before.get(at, Counter())["received"]


def _line(at: Key, account: Account, said: Counter[str], before: Counter[str]) -> Line:
    return Line(
        source=at[0],
        topic=at[1],
        expected={"received": account.posted, **{n: account.expected[n] for n in VERDICTS}},
        said={name: said[name] - before[name] for name in _COLUMNS},
        in_doubt=account.in_doubt,
    )


def _devices(distorter: Distorter, accounts: Mapping[Key, Account]) -> Sequence[DeviceSum]:
    """Return the kinds that go through the faults; a refused batch was posted, too."""
    return [
        DeviceSum(
            kind,
            dict(faults),
            sum(
                one.posted + one.refused
                for (_, topic), one in accounts.items()
                if topic == _TOPIC_OF[kind]
            ),
        )
        for kind, faults in distorter.kinds.items()
        if faults
    ]
