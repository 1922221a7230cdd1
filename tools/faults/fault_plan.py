"""The plan: which fault comes when, from a seed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

KINDS: Final = {
    "killed_written": "kill −9 between write and commit",
    "killed_committed": "kill −9 between commit and publish",
    "killed_published": "kill −9 between publish and taking it out of the outbox",
    "killed": "kill −9 at a random moment",
    "broker": "broker killed, stopped or frozen, and back",
    "database": "database killed or stopped, and back",
    "rebalance": "a worker leaves, joins or is killed: partitions move",
    "disk": "disk full, then room again",
    "duplicate": "deliveries repeated by the sender",
    "shuffle": "four minutes in any order, within the lateness",
    "late_5min": "readings five minutes late",
}
IN_FILE: Final = ("duplicate", "shuffle", "late_5min")
"""Kinds that are in the file of events."""
WEIGHTS: Final = {
    "embedded": {
        "killed_written": 6,
        "killed_committed": 5,
        "killed_published": 4,
        "killed": 6,
        "disk": 7,
    },
    "servers": {
        "killed_written": 6,
        "killed_committed": 5,
        "killed_published": 4,
        "killed": 5,
        "broker": 9,
        "database": 9,
        "disk": 6,
    },
    "workers": {
        "rebalance": 12,
        "killed_written": 3,
        "killed_committed": 3,
        "killed_published": 3,
        "killed": 3,
        "broker": 3,
        "database": 3,
        "disk": 2,
    },
}
"""How many of each kind a whole run of an engine has."""


@dataclass(frozen=True)
class Fault:
    """One fault: it begins when `at` events are acknowledged; `draw` decides its details."""

    number: int
    kind: str
    at: int
    draw: int

    def rng(self) -> random.Random:
        """Return the random numbers of this fault."""
        return random.Random(self.draw)

    def document(self) -> dict[str, Any]:
        """Return it for the record."""
        return asdict(self)


def kinds_of(engine: str, kinds: Sequence[str], *, disks: bool) -> dict[str, int]:
    """Return how many of each of `kinds` a whole run has; no full disk without `disks` to fill."""
    wanted = {kind for kind in kinds if disks or kind != "disk"}
    return {kind: n for kind, n in WEIGHTS[engine].items() if kind in wanted}


def make_plan(
    engine: str, weights: dict[str, int], events: int, faults: int | None, seed: int
) -> list[Fault]:
    """Spread faults over the sending; `faults` None takes all of `weights`.

    Fewer than that keep at least one of each kind as far as there are as many faults as kinds.
    """
    rng = random.Random(f"{seed} plan {engine}")
    counts = Counter(weights)
    if faults is not None:
        counts = Counter(list(weights)[:faults])
        more = faults - counts.total()
        if more > 0:
            counts.update(rng.choices(list(weights), list(weights.values()), k=more))
    kinds = list(counts.elements())
    rng.shuffle(kinds)
    gap = events * 0.94 / max(len(kinds), 1)
    return [
        Fault(
            number=number,
            kind=kind,
            at=round(events * 0.03 + gap * (number + rng.uniform(0, 0.5))),
            draw=rng.getrandbits(32),
        )
        for number, kind in enumerate(kinds)
    ]
