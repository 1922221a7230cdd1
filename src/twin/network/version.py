"""The version of a map: a hash of what it says, not of how a file writes it.

The order of rows, the order of columns, the spelling of numbers and the order of members in a set
(links of a zone, groups of a stage) change nothing. Everything else does.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from hashlib import blake2b
from operator import attrgetter
from typing import Any, Final, cast

from twin.network.model import Table

_SETS: Final = frozenset(
    {"movements", "groups", "stages", "intergreen_s", "plans", "zones", "links", "guessed", "extra"}
)


def content_version(parts: Mapping[str, Iterable[object]]) -> str:
    """Return 32 hex digits for the parts of a map: name of the part -> its items, in any order."""
    whole = blake2b(digest_size=16)
    for name in sorted(parts):
        whole.update(name.encode() + b"\n")
        for text in sorted(_text(item) for item in parts[name]):
            encoded = text.encode("utf-8", "surrogatepass")
            whole.update(len(encoded).to_bytes(8, "big"))
            whole.update(encoded)
    return whole.hexdigest()


def _text(value: Any) -> str:
    """Write a value so that equal values, and only they, have equal text."""
    kind = type(value)
    if kind is str:
        return repr(value)
    if kind is tuple:
        return "(" + ",".join([_text(item) for item in value]) + ")"
    if kind is float:
        return repr(value + 0.0)  # -0.0 and 0.0 are one number
    if kind is Table:
        return _table_text(value)
    if is_dataclass(value):
        return _record_text(value)
    return repr(str(value)) if isinstance(value, str) else repr(value)


def _record_text(record: Any) -> str:
    names, values_of = _fields_of(cast("Hashable", type(record)))
    texts = [
        "{" + ",".join(sorted(_text(item) for item in cast("tuple[object, ...]", value))) + "}"
        if name in _SETS
        else _text(value)
        for name, value in zip(names, values_of(record), strict=True)
    ]
    return "[" + ",".join(texts) + "]"


@cache
def _fields_of(kind: Any) -> tuple[tuple[str, ...], Callable[[object], tuple[object, ...]]]:
    names = tuple(field.name for field in fields(kind))
    return names, attrgetter(*names)


def _table_text(table: Table) -> str:
    order = sorted(range(len(table.columns)), key=lambda column: table.columns[column])
    rows = sorted(repr([row[column] for column in order]) for row in table.rows)
    columns = [table.columns[column] for column in order]
    return repr((table.name, columns)) + "\n".join(rows)
