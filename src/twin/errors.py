"""What can go wrong, sorted by what the catcher does about it.

TwinError
├── InputError        the sender is wrong: 422, or a dead letter
│   └── SettingsError the person who started the process is wrong: one line, exit 2
├── MapError          the map file is wrong: nothing is imported
├── SimulationError   ours: stop and look
├── UnsafePlan        a signal request broke a safety rule: it does not leave the process
├── FencedError       another worker owns this partition now: stop writing
├── StalledError      ours: the consumer stands still and cannot be helped; the process ends
├── StoreError        ours: the database refuses what was said; trying again changes nothing
└── BackendError      a server is away or refused: wait and try again
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_PICTURES: Final = {code: 0x2400 + code for code in range(0x20)} | {0x7F: 0x2421}


class TwinError(Exception):
    """Root of every error that this package raises on purpose."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One reason why one input is refused: which field, what stood there, which rule it broke.

    A control character in a text is replaced by its picture (NUL by U+2400): faults are stored
    and shown.
    """

    field: str
    value: str
    rule: str
    reason: str = "invalid"

    def __post_init__(self) -> None:
        """Make the texts fit for a database and a terminal."""
        for name in ("field", "value", "rule"):
            text = getattr(self, name)
            if not text.isprintable():
                object.__setattr__(self, name, text.translate(_PICTURES))

    def __str__(self) -> str:
        return f"{self.field} = {self.value}: {self.rule}"


class InputError(TwinError):
    """The sender is wrong. Carries every fault that was found, at least one."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(str(fault) for fault in faults))
        self.faults = faults


class SettingsError(InputError):
    """A setting is missing, unknown or out of range; the start stops with its name."""


class MapError(TwinError):
    """A map file cannot be imported. Nothing of it was kept."""


class SimulationError(TwinError):
    """A kernel was asked for something that it cannot do, or broke one of its own laws."""


class UnsafePlan(TwinError):
    """A request to the street broke a safety rule: which, where, what it was, what it may be.

    `junction` is the id of whatever was asked; `what` says that it is a ramp meter, a sign …
    """

    def __init__(
        self, rule: str, junction: str, value: str, limit: str, *, what: str = "junction"
    ) -> None:
        super().__init__(f"{rule}: {what} {junction}: {value}, allowed: {limit}")
        self.rule = rule
        self.junction = junction
        self.value = value
        self.limit = limit


class FencedError(TwinError):
    """A write carried an old epoch: somebody else owns the partition by now."""


class StalledError(TwinError):
    """The log's reader stands still while records arrive, and another one does too."""


class StoreError(TwinError):
    """The database refuses a statement for what it says: its data, its keys or its words."""


class BackendError(TwinError):
    """A server (broker, database) is away or refused. Retrying may help."""
