"""The demand of a network: trips from zone to zone, in demand.csv beside the GMNS tables."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from twin.network.gmns.sheets import Sheet, number, read_sheet

_COLUMNS: Final = (("orig_taz", "dest_taz", "total"), ("o_zone_id", "d_zone_id", "volume"))


class Trips(NamedTuple):
    """How many trips go from one zone to another; a zone id is text as the file writes it."""

    origin: str
    destination: str
    trips: float


def read_demand(path: Path) -> list[Trips]:
    """Return the trips of a file, or of demand.csv in a folder; MapError names the wrong cell.

    Columns: orig_taz, dest_taz, total (or o_zone_id, d_zone_id, volume).
    """
    sheet = read_sheet(path / "demand.csv" if path.is_dir() else path)
    names = next((names for names in _COLUMNS if set(names) <= set(sheet.columns)), _COLUMNS[0])
    columns = zip(sheet.ids(names[0]), sheet.ids(names[1]), sheet.ids(names[2]), strict=True)
    return [
        Trips(origin, destination, _trips(sheet, row, names[2], word))
        for row, (origin, destination, word) in enumerate(columns)
    ]


def _trips(sheet: Sheet, row: int, column: str, word: str) -> float:
    trips = sheet.value(row, column, word, number)
    if trips < 0.0:
        raise sheet.fault(row, column, word, "must be 0 or more")
    return trips
