"""How a run went: delay, violations, lease, changes, accounts, and whether that is good."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from twin.units import SECOND_US
from twin.world.books import Books
from twin.world.service import API
from twin.world.sumo.street import Ledger, Street
from twin.world.truth import Delay

_PATIENCE_S: Final = 60.0
_LOOK_AGAIN_S: Final = 0.5
READINGS: Final = "reading"


@dataclass(frozen=True)
class Accounts:
    """What the service says it received of readings, beside what the street says it sent.

    `again` items were sent another time because no answer came; the service may have them or not.
    """

    sent: int
    again: int
    received: int
    balanced: bool
    parts: Mapping[str, int]

    @property
    def agree(self) -> bool:
        """Nothing is missing, nothing was invented, and the service's own sum is right."""
        return self.balanced and self.sent <= self.received <= self.sent + self.again


@dataclass(frozen=True)
class Outcome:
    """Everything that the summary says."""

    delay: Delay
    baseline: Delay | None
    ledger: Ledger
    violations: Counter[str]
    accounts: Accounts | None
    cycles: Mapping[str, tuple[int, int]]
    faults: Counter[str]
    lowest_rate: float
    first_violations: tuple[str, ...]
    books: Books | None = None

    @property
    def good(self) -> bool:
        """No violation, and the accounts agree, item for item where the books were compared."""
        accounts_agree = self.accounts is not None and self.accounts.agree
        nothing_missing = self.books is None or self.books.difference == 0
        return sum(self.violations.values()) == 0 and accounts_agree and nothing_missing


def cycles_with_changes(street: Street) -> dict[str, tuple[int, int]]:
    """Return for each junction its whole cycles, and in how many a change was accepted.

    Cycles are those of the junction's own first plan, where they would lie if it ran; those that
    had begun before the service first held the junction, and the last if cut off, do not count.
    """
    found = {}
    for name, cabinet in street.controllers.cabinets.items():
        plan = cabinet.junction.plans[0]
        found[name] = cycles_hit(
            street.ledger.changes.get(name, ()),
            cycle_s=plan.cycle_s,
            begins_s=plan.offset_s - street.plan.start_us / SECOND_US,
            from_s=_taken_over_s(street.ledger, name),
            until_s=street.ledger.simulated_s,
        )
    return found


def cycles_hit(
    changes_s: Iterable[float], *, cycle_s: float, begins_s: float, from_s: float, until_s: float
) -> tuple[int, int]:
    """Return the whole cycles in a stretch of time, and in how many of them a change lies.

    `begins_s` is the beginning of any one cycle.
    """
    first = math.ceil((from_s - begins_s) / cycle_s)
    end = math.floor((until_s - begins_s) / cycle_s)
    hit = {math.floor((moment_s - begins_s) / cycle_s) for moment_s in changes_s}
    return max(end - first, 0), sum(first <= number < end for number in hit)


def _taken_over_s(ledger: Ledger, junction: str) -> int:
    """Return the first second under the service's lease, the end of the run if there is none."""
    if ledger.alone_since.get(junction) == 0:
        return ledger.simulated_s
    return next((to for name, since, to in ledger.spells if (name, since) == (junction, 0)), 0)


async def read_accounts(
    client: httpx.AsyncClient, *, key: str, sent: int, again: int = 0, before: int = 0
) -> Accounts | None:
    """Ask the service for its accounts until all that was sent has its verdict, a minute at most.

    None when the service does not tell. `before` is what it had received before the run.
    """
    accounts = None
    for _ in range(int(_PATIENCE_S / _LOOK_AGAIN_S)):
        try:
            response = await client.get(
                f"{API}/accounting", headers={"Authorization": f"Bearer {key}"}
            )
            accounts = (
                _accounts(response.json(), sent, again, before) if response.is_success else None
            )
        except httpx.TransportError:
            accounts = None
        if accounts is not None and accounts.received >= sent:
            return accounts
        await asyncio.sleep(_LOOK_AGAIN_S)
    return accounts


def _accounts(said: Mapping[str, Any], sent: int, again: int, before: int) -> Accounts:
    parts: Counter[str] = Counter()
    for entry in said.get("sources", ()):
        if entry.get("topic") == READINGS:
            for name in ("received", "applied", "revised", "duplicate", "late", "rejected"):
                parts[name] += int(entry.get(name, 0))
            for reason, count in entry.get("reasons", {}).items():
                parts[f"rejected: {reason}"] += int(count)
    return Accounts(sent, again, parts["received"] - before, bool(said.get("balanced")), parts)
