"""Text that can be stored and shown: no control characters, which PostgreSQL does not take."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from twin.errors import Fault
from twin.events import Reading

CONTROL_RULE: Final = "must not hold control characters"
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_CONTROL_BUT_BREAKS: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LINES: Final = frozenset({"reason"})
"""Fields that people write in a box of several lines: line breaks and tabs are text there."""
_SHOWN_CHARACTERS: Final = 80


def has_control(text: str) -> bool:
    """Say whether a text holds a control character (C0 or DEL)."""
    return _CONTROL.search(text) is not None


def text_faults(event: msgspec.Struct, *, shown: str | None = None) -> Iterator[Fault]:
    """Find the text fields of an event that hold control characters.

    shown   what a fault says stood there; None quotes the text, its control characters replaced
    """
    for name in event.__struct_fields__:
        for text in _texts(getattr(event, name)):
            if (_CONTROL_BUT_BREAKS if name in _LINES else _CONTROL).search(text):
                yield Fault(name, _cut(text) if shown is None else shown, CONTROL_RULE)
                break


def rows_with_control(events: Sequence[Reading]) -> list[int]:
    """Return the rows whose id, sensor, source or classes hold a control character."""
    if not has_control("".join([event.id + event.sensor + event.source for event in events])):
        rows = [row for row, event in enumerate(events) if event.classes]
    else:
        rows = list(range(len(events)))
    return [row for row in rows if any(text_faults(events[row]))]


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, dict | tuple):
        return tuple(text for text in value if isinstance(text, str))
    return ()


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"
