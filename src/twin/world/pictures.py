"""What the service showed: its live picture, looked at once a minute as any client could."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
import numpy.typing as npt

from twin.clock import Clock, us_from_datetime
from twin.errors import Fault as Reason
from twin.errors import InputError
from twin.units import KM_M, SECOND_US, mps_from_kph, vps_from_vph
from twin.world.service import API, Pause

_MINUTE_S: Final = 60.0
AFTER_MINUTE_S: Final = 20.0  # by then the readings of the minute before have come
SOURCES: Final = ("none", "measured", "neighbours", "profile")


def _vpm(density_vpkm: float) -> float:
    return density_vpkm / KM_M


_COLUMNS: Final[tuple[tuple[str, str, Callable[[float], float]], ...]] = (
    ("speed_mps", "speed_kph", mps_from_kph),
    ("speed_sd_mps", "speed_sd_kph", mps_from_kph),
    ("flow_vps", "flow_vph", vps_from_vph),
    ("density_vpm", "density_vpkm", _vpm),
    ("density_sd_vpm", "density_sd_vpkm", _vpm),
)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Pictures:
    """Pictures of all links: arrays (pictures, links), NaN where the service knew nothing.

    time_us (pictures,) int64 is the picture's own moment, in a run's file since SUMO's zero;
    source is an index into `SOURCES`.
    """

    links: tuple[str, ...]
    time_us: npt.NDArray[np.int64]
    speed_mps: Floats
    speed_sd_mps: Floats
    flow_vps: Floats
    density_vpm: Floats
    density_sd_vpm: Floats
    source: npt.NDArray[np.uint8]

    def since(self, zero_us: int) -> Pictures:
        """Return the same with times counted from a moment."""
        return replace(self, time_us=self.time_us - zero_us)

    def rows(self, chosen: npt.NDArray[np.bool_]) -> Pictures:
        """Return some of the pictures."""
        arrays = {name: getattr(self, name)[chosen] for name in _ARRAYS}
        return Pictures(self.links, **arrays)

    def save(self, path: Path) -> None:
        """Write all arrays into one compressed file."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        np.savez_compressed(path, links=np.array(self.links), **arrays)


_ARRAYS: Final = tuple(one.name for one in fields(Pictures) if one.name != "links")


def load_pictures(path: Path) -> Pictures:
    """Read what `save` wrote. Raises InputError for another file."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in _ARRAYS}
            return Pictures(tuple(map(str, file["links"])), **arrays)
    except (OSError, KeyError, ValueError) as error:
        rule = f"holds no pictures ({type(error).__name__}: {error})"
        raise InputError(Reason("pictures", str(path), rule)) from error


@dataclass
class PictureWatch:
    """Looks at the live picture once a minute. `missed` counts looks without an answer."""

    client: httpx.AsyncClient
    key: str
    clock: Clock
    links: Sequence[str]
    pause: Pause = asyncio.sleep
    missed: int = 0
    _times_us: list[int] = field(default_factory=list)
    _tables: list[Floats] = field(default_factory=list)

    async def run(self) -> None:
        """Look until cancelled, 20 s after each full minute of the service's clock."""
        minute_us = int(_MINUTE_S * SECOND_US)
        after_us = int(AFTER_MINUTE_S * SECOND_US)
        due_us = self.clock.now_us() // minute_us * minute_us + minute_us + after_us
        while True:
            left_us = due_us - self.clock.now_us()
            if left_us > 0:
                await self.pause(max(self.clock.wall_seconds(left_us / SECOND_US), 0.005))
                continue
            await self.look()
            while due_us <= self.clock.now_us():
                due_us += minute_us

    async def look(self) -> None:
        """Take one picture."""
        headers = {"Authorization": f"Bearer {self.key}"}
        try:
            response = await self.client.get(f"{API}/picture", headers=headers)
            said: dict[str, Any] = response.raise_for_status().json()
        except httpx.HTTPError:
            self.missed += 1
            return
        time_us = us_from_datetime(datetime.fromisoformat(said["time"]))
        if not self._times_us or time_us > self._times_us[-1]:
            self._times_us.append(time_us)
            self._tables.append(_table(self.links, said["links"]))

    def pictures(self) -> Pictures:
        """Return all that was seen so far."""
        empty = np.empty((0, len(self.links), len(_COLUMNS) + 1))
        whole = np.array(self._tables) if self._tables else empty
        columns = {name: whole[:, :, at] for at, (name, _, _) in enumerate(_COLUMNS)}
        return Pictures(
            links=tuple(self.links),
            time_us=np.array(self._times_us, np.int64),
            source=whole[:, :, -1].astype(np.uint8),
            **columns,
        )


def _table(links: Sequence[str], shown: Sequence[dict[str, Any]]) -> Floats:
    row_of = {link: row for row, link in enumerate(links)}
    table = np.full((len(links), len(_COLUMNS) + 1), np.nan)
    table[:, -1] = 0.0
    for one in shown:
        row = row_of.get(one["id"])
        if row is None:
            continue
        for at, (_, name, convert) in enumerate(_COLUMNS):
            if (value := one.get(name)) is not None:
                table[row, at] = convert(float(value))
        table[row, -1] = SOURCES.index(one["source"])
    return table
