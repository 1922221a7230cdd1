"""Tables that the model has no words for: kept whole, in SI, so that an export loses nothing."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Final

from twin.network.gmns.measures import read_points
from twin.network.gmns.schema import MODELLED, SCHEMA, TableSchema
from twin.network.gmns.sheets import Sheet
from twin.network.gmns.source import Source
from twin.network.model import Table
from twin.network.quality import Severity

OWN_PREFIX: Final = "twin_"


def read_kept(source: Source, known: Mapping[str, Container[str]]) -> list[Table]:
    """Return every table that is neither modelled nor ours.

    A table of GMNS is put into metres, km/h and WGS84, its numbers are written in one way, and its
    references are checked; columns without any content are left out. Another table (demand, types
    of links) is kept word for word.
    """
    names = [
        name for name in source.sheets if name not in MODELLED and not name.startswith(OWN_PREFIX)
    ]
    tables = []
    for name in names:
        sheet, schema = source.sheets[name], SCHEMA.get(name)
        if schema is None:
            tables.append(Table(name, sheet.columns, sheet.rows))
        else:
            tables.append(_in_si(source, sheet, schema))
            _report_dangling(source, sheet, schema, known=known)
    return tables


def _in_si(source: Source, sheet: Sheet, schema: TableSchema) -> Table:
    columns: dict[str, list[str]] = {}
    for column in sheet.columns:
        kind = schema.columns.get(column, "t")
        cells = sheet.texts(column)
        columns[column] = [
            sheet.value(row, column, text.strip(), _Cell(source, kind)) if text.strip() else text
            for row, text in enumerate(cells)
        ]
    _place_points(source, sheet, columns)
    filled = [column for column, cells in columns.items() if any(cells)]
    rows = zip(*(columns[column] for column in filled), strict=True)
    return Table(sheet.name, tuple(filled), tuple(rows))


class _Cell:
    """Reads a cell of one kind; text stays as it is."""

    def __init__(self, source: Source, kind: str) -> None:
        self._measures = source.measures
        self._kind = kind

    def __call__(self, word: str) -> str:
        return self._measures.cell(self._kind, word)


def _place_points(source: Source, sheet: Sheet, columns: dict[str, list[str]]) -> None:
    """Turn the points of a table into WGS84; a table may have none, or none in some rows."""
    if "x_coord" not in columns or "y_coord" not in columns:
        return
    rows = [
        row for row in range(len(sheet.rows)) if columns["x_coord"][row] and columns["y_coord"][row]
    ]
    placed = Sheet(
        sheet.name,
        sheet.columns,
        tuple(sheet.rows[row] for row in rows),
        tuple(sheet.lines[row] for row in rows),
    )
    for row, (lon, lat) in zip(rows, read_points(placed, source.measures), strict=True):
        columns["x_coord"][row], columns["y_coord"][row] = repr(lon), repr(lat)


def _report_dangling(
    source: Source, sheet: Sheet, schema: TableSchema, *, known: Mapping[str, Container[str]]
) -> None:
    ids = sheet.words(schema.key)
    for column, table in schema.references.items():
        there = known.get(table) or _ids_of(source, table)
        lost = [row for row, word in enumerate(sheet.words(column)) if word and word not in there]
        text = f"{column} refers to nothing in table {table}: the row is kept as it is"
        source.report("dangling_reference", sheet, text, lost, ids, severity=Severity.WARNING)
    _report_repeated(source, sheet, ids)


def _ids_of(source: Source, table: str) -> set[str]:
    schema = SCHEMA.get(table)
    return set(source.sheet(table).words(schema.key)) if schema else set()


def _report_repeated(source: Source, sheet: Sheet, ids: list[str]) -> None:
    seen: set[str] = set()
    repeated = []
    for row, identity in enumerate(ids):
        if identity in seen:
            repeated.append(row)
        seen.add(identity)
    text = "the key stands more than once: the rows are kept as they are"
    source.report("duplicate_id", sheet, text, repeated, ids)
