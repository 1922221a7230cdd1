"""Minutes of chosen links from a folder of exported days."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from twin.network.model import SingleMap
from twin.store import archive, maps
from twin.store.history import Kind, day_of
from twin.store.minutes import LinkMinutes
from twin.store.parquet import read_rows


def minutes_in_folder(
    folder: Path, from_us: int, to_us: int, links: list[str]
) -> tuple[LinkMinutes, dict[str, SingleMap]]:
    """Return the minutes with from <= time <= to of chosen links, and the maps they stand on.

    Minutes whose map the folder does not have are left out.
    """
    networks: dict[str, SingleMap] = {}
    found: list[tuple[Any, ...]] = []
    for row in _rows(folder, from_us, to_us):
        network = _network(folder, row[1], networks)
        if network is None:
            continue
        rows = np.array([network.link_rows.get(name, -1) for name in links], np.int64)
        speed, flow = (np.frombuffer(row[at], np.float32)[rows] for at in (2, 3))
        source = np.frombuffer(row[5], np.uint8)[rows]
        there = rows >= 0
        found.append(
            (
                *row[:2],
                np.where(there, speed, np.nan),
                np.where(there, flow, np.nan),
                np.where(there, source, 0),
            )
        )
    shape = (len(found), len(links))
    return (
        LinkMinutes(
            [one[0] for one in found],
            [one[1] for one in found],
            np.array([one[2] for one in found], np.float64).reshape(shape),
            np.array([one[3] for one in found], np.float64).reshape(shape),
            np.array([one[4] for one in found], np.int64).reshape(shape),
        ),
        networks,
    )


def _rows(folder: Path, from_us: int, to_us: int) -> Iterator[tuple[Any, ...]]:
    for manifest in archive.list_days(folder):
        path = archive.rows_path(folder, Kind.MINUTE, manifest.day)
        if day_of(from_us) <= manifest.day <= day_of(to_us) and path.exists():
            for rows in read_rows(path, Kind.MINUTE):
                yield from (row for row in rows if from_us <= row[0] <= to_us)


def _network(folder: Path, version: str, known: dict[str, SingleMap]) -> SingleMap | None:
    path = archive.map_path(folder, version)
    if version not in known and path.exists():
        known[version] = maps.unpacked(path.read_bytes())
    return known.get(version)
