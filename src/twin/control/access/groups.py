"""Several reads of one vehicle at one gate are one passage."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from twin.clock import us_from_seconds
from twin.columns import PassageFact

_KEPT_US: Final = us_from_seconds(300)
_MOST_GROUPS: Final = 50_000

_Key = tuple[str, bool, str, str]


@dataclass(slots=True)
class ReadGroup:
    """The reads of one passage: when the first was, and what the most confident one said."""

    first_us: int
    token: str
    confidence: float
    decision: str
    outcome: tuple[str, ...] = ()
    keys: set[_Key] = field(default_factory=set)


class ReadGroups:
    """The passages of the last minutes, found by token or by the gate's track.

    Bounded: groups older than five minutes against the newest read leave, and the oldest beyond
    50,000.
    """

    def __init__(self, within_s: float) -> None:
        self._within_us = us_from_seconds(within_s)
        self._by_key: dict[_Key, list[ReadGroup]] = {}
        self._order: deque[ReadGroup] = deque()
        self._newest_us = 0

    def __len__(self) -> int:
        return len(self._order)

    def find(self, fact: PassageFact) -> ReadGroup | None:
        """Return the group whose first read is near enough, None if this read is the first."""
        for key in _keys(fact):
            for group in self._by_key.get(key, ()):
                if abs(fact.time_us - group.first_us) <= self._within_us:
                    return group
        return None

    def start(self, fact: PassageFact, decision: str) -> ReadGroup:
        """Begin a group with this read as its first."""
        group = ReadGroup(fact.time_us, fact.token, fact.confidence, decision)
        self._order.append(group)
        self.join(group, fact)
        self._newest_us = max(self._newest_us, fact.time_us)
        self._forget()
        return group

    def join(self, group: ReadGroup, fact: PassageFact) -> None:
        """Let later reads find the group by this read's token and track, too."""
        for key in _keys(fact):
            if key not in group.keys:
                group.keys.add(key)
                self._by_key.setdefault(key, []).append(group)

    def _forget(self) -> None:
        while self._order and (
            self._order[0].first_us < self._newest_us - _KEPT_US or len(self._order) > _MOST_GROUPS
        ):
            gone = self._order.popleft()
            for key in gone.keys:
                left = [group for group in self._by_key[key] if group is not gone]
                if left:
                    self._by_key[key] = left
                else:
                    del self._by_key[key]


def _keys(fact: PassageFact) -> list[_Key]:
    keys = []
    if fact.token:
        keys.append((fact.gate, fact.inbound, "token", fact.token))
    if fact.track:
        keys.append((fact.gate, fact.inbound, "track", fact.track))
    return keys
