"""Past days as a replay asks for them, straight from the folder of exported days."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow.compute as pa_compute
import pyarrow.dataset as pa_dataset

from twin.columns import ReadingBatch
from twin.errors import Fault, InputError, MapError
from twin.events import DecisionEvent
from twin.network.model import SingleMap
from twin.store import archive, maps
from twin.store.history import SHAPES, Kind, day_of
from twin.store.parquet import read_rows
from twin.store.past import Readings, Versions
from twin.store.records import AccessCount, Opening, Step

_DECISIONS: Final = msgspec.json.Decoder(DecisionEvent)
_AT_ONCE: Final = 500


class FolderDays:
    """The days of a folder that `twin history export` wrote."""

    def __init__(self, folder: Path) -> None:
        """Read FOLDER. Raises InputError when no day was exported there."""
        self._folder = folder
        self._days = [manifest.day for manifest in archive.list_days(folder)]
        if not self._days:
            rule = "holds no exported days; `twin history export` writes them"
            raise InputError(Fault("SOURCE", str(folder), rule, "unknown"))

    async def opening_before(self, time_us: int) -> Opening | None:
        """See `Past`."""
        for day in reversed([day for day in self._days if day <= day_of(time_us)]):
            found = [one for one in self._openings(day) if one.time_us <= time_us]
            if found:
                return found[-1]
        return None

    async def opening_after(self, time_us: int) -> Opening | None:
        """See `Past`."""
        for day in [day for day in self._days if day >= day_of(time_us)]:
            for one in self._openings(day):
                if one.time_us > time_us:
                    return one
        return None

    async def steps(self, after_us: int, to_us: int) -> AsyncIterator[list[Step]]:
        """See `Past`."""
        found: list[Step] = []
        for row in self._rows(Kind.STEP, after_us + 1, to_us):
            values = dict(zip(SHAPES[Kind.STEP].columns, row, strict=True))
            found.append(Step(**(values | {"begun": bool(values["begun"])})))
            if len(found) == _AT_ONCE:
                yield found
                found = []
        if found:
            yield found

    async def readings(self, network: SingleMap, first_us: int, last_us: int) -> Readings:
        """See `Past`."""
        field = pa_compute.field
        wanted = (field("time_us") >= first_us) & (field("time_us") <= last_us) & ~field("late")
        tables = [
            pa_dataset.dataset(path).to_table(filter=wanted)
            for path in self._files(Kind.OBSERVATION, first_us, last_us)
        ]
        parts = [_readings(network, table) for table in tables if table.num_rows]
        if not parts:
            return ReadingBatch.empty(), np.empty(0, np.int64)
        return (
            ReadingBatch.concatenate([batch for batch, _ in parts]),
            np.concatenate([origin for _, origin in parts]),
        )

    async def decisions(self, first_us: int, last_us: int) -> Versions:
        """See `Past`."""
        rows = self._rows(Kind.DECISION, first_us, last_us)
        events = (_DECISIONS.decode(row[-1]) for row in rows)
        return {(event.id, event.version): event for event in events}

    async def counts(self, from_us: int, to_us: int) -> Sequence[AccessCount]:
        """See `Past`."""
        return sorted(AccessCount(*row) for row in self._rows(Kind.COUNT, from_us, to_us))

    async def network(self, version: str) -> SingleMap:
        """See `Past`."""
        path = archive.map_path(self._folder, version)
        try:
            return maps.unpacked(path.read_bytes())
        except (OSError, MapError) as error:
            message = f"the folder has no map version {version}: {error}"
            raise MapError(message) from error

    def _openings(self, day: Any) -> list[Opening]:
        path = archive.rows_path(self._folder, Kind.OPENING, day)
        if not path.exists():
            return []
        return [Opening(*row) for rows in read_rows(path, Kind.OPENING) for row in rows]

    def _rows(self, kind: Kind, first_us: int, last_us: int) -> Iterator[tuple[Any, ...]]:
        """Give the rows of a kind with first <= time <= last, in order."""
        for path in self._files(kind, first_us, last_us):
            for rows in read_rows(path, kind):
                if rows[-1][0] < first_us:
                    continue
                if rows[0][0] > last_us:
                    break
                yield from (row for row in rows if first_us <= row[0] <= last_us)

    def _files(self, kind: Kind, first_us: int, last_us: int) -> Iterator[Path]:
        first, last = day_of(max(first_us, 0)), day_of(min(last_us, 2**55))
        for day in self._days:
            if first <= day <= last:
                path = archive.rows_path(self._folder, kind, day)
                if path.exists():
                    yield path


def _readings(network: SingleMap, table: Any) -> Readings:
    sensors = network.sensor_rows
    row_of = np.array([sensors.get(name, -1) for name in table.column("sensor").to_pylist()])
    known = np.flatnonzero(row_of >= 0)

    def floats(name: str) -> Any:
        return table.column(name).to_numpy(zero_copy_only=False).astype(np.float64)[known]

    def whole(name: str) -> Any:
        filled = pa_compute.fill_null(table.column(name), -1)
        return filled.to_numpy(zero_copy_only=False).astype(np.int64)[known]

    batch = ReadingBatch(
        sensor=row_of[known].astype(np.int32),
        time_us=whole("time_us"),
        period_ms=whole("period_ms"),
        count=floats("count"),
        speed_mps=floats("speed_mps"),
        occupancy_frac=floats("occupancy_frac"),
    )
    stood = whole("origin") if "origin" in table.schema.names else np.full(len(known), -1, np.int64)
    return batch, stood
