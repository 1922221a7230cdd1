"""Counting verdicts by source, and keeping what was refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from twin.columns import Bools, Ints
from twin.errors import Fault
from twin.ids import derived_id
from twin.ingest.order import Verdict, Verdicts
from twin.ingest.texts import has_control
from twin.log.contract import Records
from twin.store.records import DeadLetter, Tally

SOURCE: Final = "source"
"""Name of the header in which the API puts the sender's key."""
BROKER_SOURCE: Final = "kafka"
"""Stands for every sender that wrote to the broker itself, without the header."""
_KINDS: Final = len(Verdict)


def sources_of(fetched: Sequence[Records]) -> list[str]:
    """Name the sender of every record: the header that the API wrote, else `kafka`.

    Never the event's own field `source`: it is free text, and may be a plate.
    """
    named: list[str] = []
    for records in fetched:
        if records.headers:
            named.extend(_plain(headers.get(SOURCE, "")) for headers in records.headers)
        else:
            named.extend([""] * len(records))
    return [name or BROKER_SOURCE for name in named]


def _plain(word: str) -> str:
    """Drop a name that no database would store; what else it says is in the dead letter."""
    return "" if has_control(word) else word


def count_verdicts(
    topic: str,
    sources: Sequence[str],
    verdicts: Verdicts,
    *,
    revised: Bools,
    reasons: Mapping[int, str],
    record: Ints | None = None,
) -> list[Tally]:
    """Count (n,) verdicts by source; `reasons` names the rule by row for the refused ones.

    sources   by record; `record` (n,) says which of them each row came with (None: its own)
    For each source: received = applied + duplicate + late + rejected.
    """
    names: dict[str, int] = {}
    codes = np.array([names.setdefault(source, len(names)) for source in sources], np.int64)
    record = np.arange(len(codes)) if record is None else record
    codes = codes[record]
    table = np.bincount(codes * _KINDS + verdicts, minlength=len(names) * _KINDS)
    counts = table.reshape(len(names), _KINDS)
    again = np.bincount(codes[revised], minlength=len(names))
    why: dict[str, Counter[str]] = {}
    for row, reason in reasons.items():
        why.setdefault(sources[int(record[row])], Counter())[reason] += 1
    return [
        Tally(
            source=source,
            topic=topic,
            received=int(counts[code].sum()),
            applied=int(counts[code, Verdict.APPLIED]),
            revised=int(again[code]),
            duplicate=int(counts[code, Verdict.DUPLICATE]),
            late=int(counts[code, Verdict.LATE]),
            rejected=int(counts[code, Verdict.REJECTED] + counts[code, Verdict.CONFLICT]),
            reasons=dict(why.get(source, {})),
        )
        for source, code in names.items()
        if counts[code].any()
    ]


def dead_letter(
    records: Records,
    row: int,
    *,
    source: str,
    faults: Sequence[Fault],
    payload: bytes | None,
    within: int | None = None,
) -> DeadLetter:
    """Keep one refused record under an id that its place on the log gives.

    within   the row in a record of many, when it is refused alone
    """
    offset = int(records.offsets[row])
    place = (records.place.topic, records.place.partition, offset)
    return DeadLetter(
        id=derived_id(*place) if within is None else derived_id(*place, within),
        place=records.place,
        offset=offset,
        arrival_us=int(records.arrival_us[row]),
        source=source,
        reason=faults[0].reason,
        faults=tuple((fault.field, fault.value, fault.rule) for fault in faults),
        payload=payload,
    )
