"""A GMNS folder that is being read: its tables, its units, and what was found on the way."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from twin.errors import MapError
from twin.network.gmns.measures import LENGTH_M, SPEED_MPS, Measures, transformer_to_wgs84, unit
from twin.network.gmns.schema import SCHEMA
from twin.network.gmns.sheets import Sheet, number, read_sheet
from twin.network.model import Extra
from twin.network.quality import Findings, Severity

_VERSIONS: Final = (0.94, 0.95, 0.96)


@dataclass(frozen=True)
class Source:
    """All tables of a folder with the units in which they are written."""

    folder: Path
    sheets: dict[str, Sheet]
    measures: Measures
    findings: Findings

    def sheet(self, name: str) -> Sheet:
        """Return a table; one without columns and rows when the folder lacks it."""
        return self.sheets.get(name) or Sheet(name, (), (), ())

    def keyed(self, name: str, key: str) -> tuple[Sheet, list[str]]:
        """Return a table without repeated rows, and its key column.

        A row that stands twice word for word is left out and reported; two different rows with one
        key are a MapError, because nobody can tell which of them is meant.
        """
        sheet = self.sheet(name)
        if not sheet.columns:
            return sheet, []
        ids = sheet.ids(key)
        first: dict[str, int] = {}
        repeated = []
        for row, identity in enumerate(ids):
            earlier = first.setdefault(identity, row)
            if earlier == row:
                continue
            if sheet.rows[earlier] != sheet.rows[row]:
                rule = f"stands already on line {sheet.lines[earlier]}, with other content"
                raise sheet.fault(row, key, identity, rule)
            repeated.append(row)
        self.report("duplicate_row", sheet, "the row stands twice", repeated, ids)
        return _without(sheet, set(repeated)), list(first)

    def report(
        self,
        code: str,
        sheet: Sheet,
        text: str,
        rows: Iterable[int],
        ids: list[str],
        *,
        severity: Severity = Severity.WARNING,
    ) -> None:
        """Note a finding about some rows of a table."""
        self.findings.add(code, sheet.name, text, severity=severity, ids=[ids[row] for row in rows])

    def known_only(
        self, sheet: Sheet, ids: list[str], references: dict[str, Container[str]]
    ) -> tuple[Sheet, list[str]]:
        """Leave out the rows that refer to something that does not exist; report them."""
        dangling: set[int] = set()
        if not sheet.columns:
            return sheet, ids
        for column, known in references.items():
            rows = [row for row, word in enumerate(sheet.ids(column)) if word not in known]
            text = f"{column} refers to nothing in the map: the row is left out"
            self.report("dangling_reference", sheet, text, rows, ids, severity=Severity.ERROR)
            dangling.update(rows)
        kept = [identity for row, identity in enumerate(ids) if row not in dangling]
        return _without(sheet, dangling), kept

    def known_or_blank(
        self, sheet: Sheet, column: str, ids: list[str], known: Container[str]
    ) -> list[str]:
        """Return an optional reference of each row; one to nothing is blanked and reported."""
        words = sheet.words(column)
        lost = [row for row, word in enumerate(words) if word and word not in known]
        text = f"{column} refers to nothing in the map: the reference is dropped"
        self.report("dangling_reference", sheet, text, lost, ids)
        for row in lost:
            words[row] = ""
        return words

    def extras(self, sheet: Sheet, modelled: Collection[str]) -> list[Extra]:
        """Return for each row the columns that the model has no field for, in SI where it is known.

        Empty cells are left out. A cell that breaks its column's kind is a MapError.
        """
        schema = SCHEMA.get(sheet.name)
        kinds = schema.columns if schema else {}
        fields: list[list[tuple[str, str]]] = [[] for _ in sheet.rows]
        for column in sheet.columns:
            if column in modelled:
                continue
            cell = self._cell(kinds.get(column, "t"))
            for row, text in enumerate(sheet.texts(column)):
                if text:
                    fields[row].append((column, sheet.value(row, column, text, cell)))
        return [tuple(row) for row in fields]

    def _cell(self, kind: str) -> Callable[[str], str]:
        if kind == "t":
            return str
        return lambda text: self.measures.cell(kind, text.strip()) if text.strip() else ""


def _without(sheet: Sheet, left_out: set[int]) -> Sheet:
    if not left_out:
        return sheet
    kept = [row for row in range(len(sheet.rows)) if row not in left_out]
    return replace(
        sheet,
        rows=tuple(sheet.rows[row] for row in kept),
        lines=tuple(sheet.lines[row] for row in kept),
    )


def open_source(folder: Path) -> Source:
    """Read every CSV file of a folder; MapError when it is none or lacks nodes or links."""
    if not folder.is_dir():
        message = f"{folder}: there is no such folder"
        raise MapError(message)
    sheets = {path.stem: read_sheet(path) for path in sorted(folder.glob("*.csv"))}
    for name in ("node", "link"):
        if name not in sheets:
            message = f"{folder}: {name}.csv is missing"
            raise MapError(message)
        if sheets[name].columns and not sheets[name].rows:
            message = f"{name}.csv line 1: there is no {name} below the column names"
            raise MapError(message)
    findings = Findings()
    for sheet in sheets.values():
        if not sheet.whole_end:
            findings.add(
                "no_line_end",
                sheet.name,
                "the file does not end with a line end: it may have been cut off",
                severity=Severity.INFO,
            )
    return Source(folder, sheets, _measures(sheets.get("config"), findings), findings)


def _measures(config: Sheet | None, findings: Findings) -> Measures:
    sheet = config or Sheet("config", (), (), ())
    if len(sheet.rows) > 1:
        raise sheet.fault(1, sheet.columns[0], sheet.rows[1][0], "config has one row only")
    words = {column: sheet.words(column)[0] for column in sheet.columns if sheet.rows}

    def word(column: str, default: str) -> str:
        if not words.get(column):
            findings.add(
                "config_default",
                "config",
                f"{column} is not stated: taken as {default}",
                severity=Severity.WARNING,
            )
        return words.get(column) or default

    _check_format(sheet, words, findings)
    crs = word("crs", "EPSG:4326")
    try:
        transformer, grid_m = transformer_to_wgs84(crs)
    except ValueError as error:
        raise sheet.fault(0, "crs", crs, str(error)) from None
    if transformer is not None:
        findings.add(
            "crs",
            "config",
            f"coordinates are in {crs}: turned into WGS84",
            severity=Severity.INFO,
        )
    return Measures(
        short_m=unit(sheet, "short_length", LENGTH_M, word("short_length", "meter")),
        long_m=unit(sheet, "long_length", LENGTH_M, word("long_length", "kilometer")),
        speed_mps=unit(sheet, "speed", SPEED_MPS, word("speed", "kph")),
        transformer=transformer,
        grid_m=grid_m,
    )


def _check_format(sheet: Sheet, words: dict[str, str], findings: Findings) -> None:
    version = words.get("version_number", "")
    if version and sheet.value(0, "version_number", version, number) not in _VERSIONS:
        findings.add(
            "version",
            "config",
            f"GMNS version {version} is not one of 0.94, 0.95, 0.96: read as 0.96",
            severity=Severity.WARNING,
        )
    form = words.get("geometry_field_format", "")
    if form and form.lower() != "wkt":
        raise sheet.fault(0, "geometry_field_format", form, "must be wkt")
