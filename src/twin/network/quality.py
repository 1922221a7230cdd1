"""What an import found out about a map: counts, and findings with the ids that they concern."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import msgspec

from twin.network.model import SingleMap

_SHOWN: Final = 8  # ids that the plain text spells out; the JSON has them all


class Severity(StrEnum):
    """How bad a finding is. None of them stops an import; what stops it is a MapError."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of trouble in one table. `count` may exceed the number of ids (rows without id)."""

    code: str
    severity: Severity
    table: str
    ids: tuple[str, ...]
    count: int
    text: str


@dataclass(frozen=True, slots=True)
class QualityReport:
    """Everything that an import has to say about a map that it accepted."""

    entries: tuple[Finding, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """Return the report as UTF-8 JSON: counts, totals by severity, findings with all ids."""
        document = {
            "counts": self.counts,
            "severities": {
                level.value: sum(entry.severity is level for entry in self.entries)
                for level in Severity
            },
            "findings": self.entries,
        }
        return msgspec.json.encode(document)

    def to_text(self) -> str:
        """Return the report as plain text for a person: counts, then findings, worst first."""
        lines = ["  ".join(f"{count} {table}" for table, count in self.counts.items() if count)]
        order = list(Severity)
        for entry in sorted(self.entries, key=lambda one: -order.index(one.severity)):
            lines.append(f"{entry.severity.upper():<8}{entry.code}  {entry.table}: {entry.text}")
            if entry.ids:
                more = f" … ({entry.count} in all)" if entry.count > _SHOWN else ""
                lines.append("        " + ", ".join(entry.ids[:_SHOWN]) + more)
        if not self.entries:
            lines.append("nothing to report")
        return "\n".join(lines)

    def find(self, code: str) -> Finding | None:
        """Return the first finding with a code, None when there is none."""
        return next((entry for entry in self.entries if entry.code == code), None)


class Findings:
    """Collects findings while a map is read; the same code and table are one finding."""

    def __init__(self) -> None:
        """Start with nothing found."""
        self._ids: dict[tuple[str, Severity, str, str], list[str]] = {}

    def add(
        self, code: str, table: str, text: str, *, severity: Severity, ids: Iterable[str] = ("",)
    ) -> None:
        """Note that some rows have a trouble; no rows, no finding. An id may be "" (the table)."""
        found = list(ids)
        if found:
            self._ids.setdefault((code, severity, table, text), []).extend(found)

    def report(self, network: SingleMap) -> QualityReport:
        """Return what was found, with what can be seen on the finished map itself."""
        self._look_at(network)
        entries = tuple(
            Finding(code, severity, table, tuple(one for one in ids if one), len(ids), text)
            for (code, severity, table, text), ids in self._ids.items()
        )
        return QualityReport(entries, counts_of(network))

    def _look_at(self, network: SingleMap) -> None:
        fields = sorted({name for link in network.links for name in link.guessed})
        for name in fields:
            self.add(
                f"filled_{name}",
                "link",
                f"{name} was not in the source and is filled in",
                severity=Severity.WARNING,
                ids=[link.id for link in network.links if name in link.guessed],
            )
        self.add(
            "no_way_on",
            "link",
            "traffic can enter but no movement leads on, although links leave the node",
            severity=Severity.WARNING,
            ids=_dead_ends(network),
        )


def _dead_ends(network: SingleMap) -> list[str]:
    leads_on = {movement.from_link for movement in network.movements}
    starts = {link.from_node for link in network.links}
    return [link.id for link in network.links if link.to_node in starts and link.id not in leads_on]


def counts_of(network: SingleMap) -> dict[str, int]:
    """Return how many rows each part of a map has."""
    return {
        "nodes": len(network.nodes),
        "links": len(network.links),
        "lanes": len(network.lanes),
        "movements": len(network.movements),
        "junctions": len(network.junctions),
        "sensors": len(network.sensors),
        "gates": len(network.gates),
        "zones": len(network.zones),
        "features": len(network.features),
        "tables": len(network.tables),
    }


def check_map(network: SingleMap) -> QualityReport:
    """Return what can be said about a map that was not just imported."""
    return Findings().report(network)
