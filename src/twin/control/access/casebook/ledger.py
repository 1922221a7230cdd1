"""What was told so far: a new version only where something changed, nothing ever overwritten."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from twin.control.access.casebook.reasons import Because
from twin.control.access.casebook.rights import Ledger
from twin.control.access.casebook.rows import CaseRow, DecisionRow, QuotaRow, Row, SessionRow

_Versioned = DecisionRow | SessionRow | QuotaRow | CaseRow
_Id = tuple[str, ...]


class Told:
    """The rows that were told, in order, and the last version of each thing."""

    def __init__(self) -> None:
        self.now_us = 0
        self._rows: list[tuple[int, _Id, Row]] = []
        self._last: dict[_Id, _Versioned] = {}

    def add(self, name: _Id, row: Row) -> None:
        """Tell a row that has no versions."""
        self._rows.append((self.now_us, name, row))

    def versioned(self, name: _Id, row: _Versioned) -> Row | None:
        """Tell a row as the next version unless it says what the last one said; return it."""
        last = self._last.get(name)
        if last is not None and _content(last) == _content(row):
            return None
        version = 1 if last is None else last.version + 1
        row = msgspec.structs.replace(row, version=version)
        if isinstance(row, DecisionRow):
            row = msgspec.structs.replace(row, predecessor=version - 1)
        self._last[name] = row
        self._rows.append((self.now_us, name, row))
        return row

    def decision(self, row: DecisionRow) -> bool:
        """Tell a decision; say whether it is the first about its passage."""
        name = ("decision", row.passage)
        first = name not in self._last
        self.versioned(name, row)
        return first

    def decisions(self) -> Iterator[DecisionRow]:
        """Yield every version of every decision."""
        for _, _, row in self._rows:
            if isinstance(row, DecisionRow):
                yield row

    def merge(self, read: str, passage: str, known_at: str) -> None:
        """Tell that what was decided as a passage is a second read of another."""
        last = self._last.get(("decision", read))
        if isinstance(last, DecisionRow) and last.merged_into != passage:
            row = msgspec.structs.replace(
                last, merged_into=passage, reason=str(Because.DUPLICATE), known_at=known_at
            )
            self.versioned(("decision", read), row)

    def sessions(self, rows: Iterable[SessionRow], known_at: str) -> None:
        """Tell the stays; one that is no more is told as replaced."""
        seen = set()
        for row in rows:
            seen.add(("session", row.session))
            self.versioned(("session", row.session), row)
        for name, last in list(self._last.items()):
            if isinstance(last, SessionRow) and name not in seen:
                gone = msgspec.structs.replace(last, state="REPLACED", known_at=known_at)
                self.versioned(name, gone)

    def quotas(self, rows: Iterable[QuotaRow], ledger: Ledger, known_at: str) -> None:
        """Tell what is used; what was given back is told, too."""
        seen: set[_Id] = set()
        for row in rows:
            name: _Id = ("quota", row.authorisation, row.month)
            seen.add(name)
            self.versioned(name, row)
        for place, last in list(self._last.items()):
            if isinstance(last, QuotaRow) and place not in seen:
                back = msgspec.structs.replace(
                    last,
                    passages=(),
                    month_used=ledger.count(last.authorisation, last.month),
                    year_used=ledger.count(last.authorisation, last.month[:4]),
                    known_at=known_at,
                )
                self.versioned(place, back)

    def rows(self) -> list[tuple[int, Row]]:
        """Return all rows and when they were told, the last version of each marked as final."""
        return [
            (
                now_us,
                msgspec.structs.replace(row, final=True) if self._last.get(name) is row else row,
            )
            for now_us, name, row in self._rows
        ]


def _content(row: _Versioned) -> _Versioned:
    same = msgspec.structs.replace(row, version=0, known_at="")
    return msgspec.structs.replace(same, predecessor=0) if isinstance(same, DecisionRow) else same
