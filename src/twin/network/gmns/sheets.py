"""One CSV file in memory, read strictly: whatever is wrong with it is a MapError with its line."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, TypeVar

from twin.errors import MapError

_LARGEST_CELL: Final = 16 * 2**20  # a zone boundary with a quarter of a million points
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}
_LARGEST: Final = 1e15  # beyond it neighbouring whole numbers fall together

Value = TypeVar("Value")


@dataclass(frozen=True)
class Sheet:
    """The cells of one table. `lines[row]` is where the row starts in its file, from 1."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]
    whole_end: bool = True  # the file ends with a line end: it was not cut off in its last cell

    @cached_property
    def places(self) -> dict[str, int]:
        """Position of each column."""
        return {column: place for place, column in enumerate(self.columns)}

    def fault(self, row: int, column: str, value: str, rule: str) -> MapError:
        """Return the error that names the cell and the rule that it broke."""
        return MapError(f"{self.name}.csv line {self.lines[row]}: {column} = {value!r}: {rule}")

    def need(self, *columns: str) -> None:
        """Raise MapError unless all the columns are there."""
        for column in columns:
            if column not in self.places:
                message = f"{self.name}.csv line 1: column {column} is missing"
                raise MapError(message)

    def texts(self, column: str) -> list[str]:
        """Return a column as it stands; empty text everywhere when there is no such column."""
        place = self.places.get(column)
        if place is None:
            return [""] * len(self.rows)
        return [row[place] for row in self.rows]

    def words(self, column: str) -> list[str]:
        """Return a column without blanks at the ends of its cells."""
        return [text.strip() for text in self.texts(column)]

    def ids(self, column: str) -> list[str]:
        """Return a column of identifiers; an empty one is a MapError."""
        self.need(column)
        words = self.words(column)
        for row, word in enumerate(words):
            if not word:
                raise self.fault(row, column, word, "must not be empty")
        return words

    def numbers(self, column: str) -> list[float | None]:
        """Return a column of numbers, None where a cell is empty."""
        return self._parsed(column, number)

    def wholes(self, column: str) -> list[int | None]:
        """Return a column of whole numbers, None where a cell is empty."""
        return self._parsed(column, whole)

    def booleans(self, column: str) -> list[bool | None]:
        """Return a column of truths (true, false, 1, 0), None where a cell is empty."""
        return self._parsed(column, boolean)

    def _parsed(self, column: str, parse: Callable[[str], Value]) -> list[Value | None]:
        return [
            self.value(row, column, word, parse) if word else None
            for row, word in enumerate(self.words(column))
        ]

    def value(self, row: int, column: str, word: str, parse: Callable[[str], Value]) -> Value:
        """Parse one cell; what the parser refuses becomes a MapError that names the cell."""
        try:
            return parse(word)
        except ValueError as error:
            raise self.fault(row, column, word, str(error)) from None


def number(word: str) -> float:
    """Read a plain decimal number; ValueError says what it must be."""
    value = float(word) if _NUMBER.fullmatch(word) else float("nan")
    if not abs(value) <= _LARGEST:
        message = "must be a number"
        raise ValueError(message)
    return value


def whole(word: str) -> int:
    """Read a whole number; `2.0` is one."""
    value = float(word) if _NUMBER.fullmatch(word) else float("nan")
    if not (abs(value) <= _LARGEST and value.is_integer()):
        message = "must be a whole number"
        raise ValueError(message)
    return int(value)


def boolean(word: str) -> bool:
    """Read true, false, 1 or 0."""
    try:
        return _BOOLEANS[word.lower()]
    except KeyError:
        message = "must be true, false, 1 or 0"
        raise ValueError(message) from None


def number_text(value: float) -> str:
    """Write a number in the one way in which equal numbers look equal."""
    return str(int(value)) if value.is_integer() and abs(value) < _LARGEST else repr(value)


def read_sheet(path: Path) -> Sheet:
    """Read one CSV file (UTF-8, with or without BOM, any line end); MapError when it is broken."""
    text = _decoded(path)
    csv.field_size_limit(_LARGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[tuple[str, ...]] = []
    lines: list[int] = []
    line = 1
    try:
        header = next(reader, None)
        columns = _columns(path, header)
        line = reader.line_num + 1
        for cells in reader:
            if cells:
                rows.append(_row(path, line, cells, columns))
                lines.append(line)
            line = reader.line_num + 1
    except csv.Error as error:
        message = f"{path.name} line {line}: not readable as CSV: {error}"
        raise MapError(message) from None
    return Sheet(path.stem, columns, tuple(rows), tuple(lines), text.endswith(("\n", "\r")))


def _decoded(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        message = f"{path.name}: cannot be read: {error.strerror}"
        raise MapError(message) from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"{path.name} line {line}: byte {content[error.start]:#04x} is not UTF-8"
        raise MapError(message) from None
    control = _CONTROL.search(text)
    if control:
        line = text.count("\n", 0, control.start()) + 1
        message = f"{path.name} line {line}: control character {control[0]!r}: not a text file"
        raise MapError(message)
    return text


def _columns(path: Path, header: list[str] | None) -> tuple[str, ...]:
    columns = tuple(column.strip() for column in header or ())
    if not any(columns):
        message = f"{path.name} line 1: the line with the column names is missing"
        raise MapError(message)
    for column in columns:
        printable = column.isprintable()
        if not column or not printable or columns.count(column) > 1:
            fault = "stands twice" if printable else "is no name that can be printed"
            fault = fault if column else "has no name"
            message = f"{path.name} line 1: column {column!r} {fault}"
            raise MapError(message)
    return columns


def _row(path: Path, line: int, cells: list[str], columns: Sequence[str]) -> tuple[str, ...]:
    if len(cells) != len(columns):
        message = f"{path.name} line {line}: {len(cells)} cells, but {len(columns)} columns"
        raise MapError(message)
    return tuple(["" if cell == "NaN" else cell for cell in cells])


def sheet_text(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> str:
    """Write a table as CSV text; a row may lack columns, never have others."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def extra_cells(
    table: str, identity: str, extra: Iterable[tuple[str, str]], fields: Container[str]
) -> dict[str, str]:
    """Return extra fields as cells; MapError for one that would stand in a column of the model."""
    cells = dict(extra)
    for name in cells:
        if name in fields or not name.isprintable() or name != name.strip():
            message = f"{table} {identity!r}: an extra field cannot be called {name!r}"
            raise MapError(message)
    return cells


def split_list(text: str) -> tuple[str, ...]:
    """Read a cell that holds a list: `a;b;c`, with `\\;` for a semicolon inside a member."""
    parts = [""]
    letters = iter(text)
    for letter in letters:
        if letter == ";":
            parts.append("")
        else:
            parts[-1] += next(letters, "") if letter == "\\" else letter
    return tuple(parts) if text else ()


def join_list(parts: Iterable[str]) -> str:
    """Write a list into one cell, so that `split_list` reads it back."""
    return ";".join(part.replace("\\", "\\\\").replace(";", "\\;") for part in parts)
