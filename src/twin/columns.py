"""Batches: what crosses the boundary between rooms once JSON has been decoded.

A batch of readings is a set of equally long arrays, one row a reading, in the order of the log.
`sensor` is a row number in the map's sensors, never an id. NaN means "not measured".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Self

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ReadingBatch:
    """Readings as columns, all of shape (n,).

    sensor          int32    row in `SingleMap.sensors`
    time_us         int64    end of the period, microseconds UTC
    period_ms       int64    length of the period, milliseconds
    count           float64  vehicles in the period, NaN where not measured
    speed_mps       float64  mean speed, NaN where not measured
    occupancy_frac  float64  share of time occupied, NaN where not measured
    """

    sensor: Rows
    time_us: Ints
    period_ms: Ints
    count: Floats
    speed_mps: Floats
    occupancy_frac: Floats

    def __len__(self) -> int:
        return len(self.sensor)

    def take(self, rows: Ints | Bools) -> Self:
        """Return the chosen rows (indices or a mask) as a new batch."""
        return type(self)(*(getattr(self, field.name)[rows] for field in fields(self)))

    @classmethod
    def empty(cls) -> Self:
        """Return a batch without rows."""
        nothing = np.empty(0)
        return cls(
            sensor=np.empty(0, np.int32),
            time_us=np.empty(0, np.int64),
            period_ms=np.empty(0, np.int64),
            count=nothing,
            speed_mps=nothing,
            occupancy_frac=nothing,
        )

    @classmethod
    def concatenate(cls, batches: Sequence[Self]) -> Self:
        """Put batches one after the other."""
        if not batches:
            return cls.empty()
        return cls(
            *(
                np.concatenate([getattr(batch, field.name) for batch in batches])
                for field in fields(cls)
            )
        )


@dataclass(frozen=True, slots=True)
class PassageFact:
    """One passage after sealing: the plate is a token, `sealed` can be opened by few.

    `token` is empty when nothing was read. `candidates` are the tokens of the same string under
    every country that it may belong to, when the gate does not say which. `quality` says how the
    read became a plate: `exact`, `repaired`, `unusual`, `unread` (`control/access/identity.py`).
    `vehicle` is its number of the day for travel times, 0 for none: never stored, never shown.
    """

    id: str
    gate: str
    time_us: int
    inbound: bool
    token: str
    candidates: tuple[str, ...]
    country: str
    confidence: float
    track: str
    sealed: str
    payload_hash: str
    quality: str = "exact"
    vehicle: int = field(default=0, compare=False, repr=False)
