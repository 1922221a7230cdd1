"""Orders that stand at devices, each until its lease ends: then the device's own programme runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from twin.clock import us_from_datetime, us_from_seconds
from twin.events import DecisionEvent, DecisionState

LONGEST_LEASE_S: Final = 300.0
_NOTHING: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class _Standing:
    decision: str
    version: int
    command: Mapping[str, str]
    until_us: int


class Orders:
    """What some devices were told last. A device checks no traffic rule, only what it can do."""

    def __init__(self, words: Mapping[str, Iterable[str]]) -> None:
        """Know the devices, and by device the names that a command to it may have."""
        self._words = {name: frozenset(allowed) for name, allowed in words.items()}
        self._standing: dict[str, _Standing] = {}

    def take(self, command: DecisionEvent, now_us: int) -> str | None:
        """Take a command; return why not (empty: taken), or None when there is nothing to answer.

        A released command ends at once, and so does one that another replaces.
        """
        device, known = command.target, self._standing.get(command.target)
        if command.state is DecisionState.RELEASED:
            if known is not None and known.decision == command.id:
                del self._standing[device]
            return None
        if known is not None and (known.decision, known.version) == (command.id, command.version):
            return ""
        until_us = us_from_datetime(command.lease_until) if command.lease_until else 0
        if until_us <= now_us:
            return "lease is over"
        if until_us - now_us > us_from_seconds(LONGEST_LEASE_S):
            return "lease is too long"
        if not set(command.command) & self._words.get(device, frozenset()):
            return f"cannot do {', '.join(sorted(command.command)) or 'nothing'}"
        self._standing[device] = _Standing(
            command.id, command.version, dict(command.command), until_us
        )
        return ""

    def of(self, device: str, now_us: int) -> Mapping[str, str]:
        """Return the command that stands at a device; empty: its own programme runs."""
        standing = self._standing.get(device)
        if standing is None or standing.until_us <= now_us:
            return _NOTHING
        return standing.command
