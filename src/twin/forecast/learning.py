"""The learned forecast of the live state: takes a row in when five minutes of event time are over.

What it remembers changes at two moments alone: when a forecast is begun after such a row
(`advance`), and when a finished one is taken in (`complete`). A replay of the day does both again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from twin.columns import Floats, Ints
from twin.forecast.blended import shifted
from twin.forecast.learned import memory_bytes
from twin.forecast.learned.blend import Expert, most_weight
from twin.forecast.learned.calendar import STEP_MIN
from twin.forecast.learned.city import ROW_US, CityCalendar, near_on_map
from twin.forecast.learned.engine import Engine
from twin.forecast.learned.memory import STEPS
from twin.forecast.learned.model import unfitted
from twin.forecast.learned.model_file import SavedModel, fitted_to
from twin.forecast.learned.standing import Standing, answer, standing_of
from twin.forecast.result import Forecast
from twin.network.model import SingleMap
from twin.perceive.estimate import Perception
from twin.units import SECOND_US

MOST_STATIONS: Final = 3000  # links with detectors; more would make each snapshot too large
CLOSED_US: Final = 20 * SECOND_US  # after its end: by then a row's readings are there
MOST_MISSED: Final = 288  # rows: after a longer silence the last hours mean nothing
MINUTE_US: Final = 60 * SECOND_US


@dataclass(frozen=True, slots=True)
class Given:
    """What a city tells the learned forecast: days like a weekend, and a model that was fitted."""

    holidays: frozenset[date] = frozenset()
    model: SavedModel | None = None

    @property
    def model_hash(self) -> str:
        """Name the model's content; "" for none."""
        return self.model.hash if self.model is not None else ""


NOTHING_GIVEN: Final = Given()


class Learning:
    """The engine over the links with detectors of one map."""

    def __init__(self, network: SingleMap, *, timezone: str, given: Given = NOTHING_GIVEN) -> None:
        """Know nothing yet but the map and what is given."""
        self.station = stations_of(network)
        self._calendar = CityCalendar(
            holidays=given.holidays, zone=ZoneInfo(timezone or network.timezone)
        )
        self._model = unfitted(near_on_map(network, self.station))
        if given.model is not None:
            links = tuple(str(network.links[row].id) for row in self.station.tolist())
            self._model = fitted_to(given.model, links, self._model.near)
        self._engine = self._fresh()
        self._row = -1  # the newest, counted from 1970
        self._rows = 0
        self._spoken = -1  # the row for which the physics has spoken

    def _fresh(self) -> Engine:
        engine = Engine.start(self._calendar, self._model, len(self.station))
        engine.install(self._model)
        return engine

    def advance(self, now_us: int, perception: Perception) -> Standing | None:
        """Take in every row that is over by `now_us`; return what a forecast needs of it all."""
        newest = (now_us - CLOSED_US) // ROW_US
        if len(self.station) and newest > self._row:
            self._take_rows(newest, perception)
        return self.standing()

    def _take_rows(self, newest: int, perception: Perception) -> None:
        if self._row < 0 or newest - self._row > MOST_MISSED:
            self._begin(newest - 1)
        for row in range(self._row + 1, newest + 1):
            minute = row * ROW_US // MINUTE_US
            values = perception.measured_speed(minute, minutes=STEP_MIN)[self.station]
            self._engine.step(values.astype(np.float32).astype(np.float64))
            self._row = row
            self._rows += bool(np.isfinite(values).any())
            memory_bytes.settle(self._engine)

    def _begin(self, row: int) -> None:
        """Stand after `row`; what was learned for good stays, the last hours are forgotten."""
        before = self._engine
        self._engine = self._fresh()
        self._engine.blend, self._engine.intervals = before.blend, before.intervals
        self._engine.memory.profile = before.memory.profile
        self._engine.memory.together = before.memory.together
        self._engine.memory.high = before.memory.high
        self._engine.memory.row = self._row = row

    def standing(self) -> Standing | None:
        """Return what a forecast needs of it; None before the first row."""
        if self._row < 0 or not self._rows:
            return None
        most = most_weight(self._rows)
        return standing_of(self._engine, self.station, self._row * ROW_US, most)

    def take(self, forecast: Forecast) -> None:
        """Take in what the physics said in a finished forecast."""
        if forecast.learned_us >= 0:
            late = (forecast.made_us - forecast.learned_us) / (forecast.step_s * SECOND_US)
            alone = forecast.physics_mps[:, self.station].astype(np.float64)
            self.complete(forecast.learned_us, shifted(alone, -late))

    def complete(self, row_us: int, physics_mps: Floats) -> None:
        """Remember what the physics said of the hour after `row_us`, to be scored with the others.

        physics_mps   (STEPS, stations), NaN = nothing; the first one of a row counts
        """
        standing = self.standing()
        if standing is None or row_us != standing.row_us or self._spoken == self._row:
            return
        said, pending = answer(standing, physics_mps), self._engine.pending
        place = self._engine.memory.row % STEPS
        pending.experts[place, :, :, Expert.PHYSICS] = physics_mps
        pending.mixed[place], pending.cell[place] = said.value, said.cell
        pending.regime[place] = said.regime
        self._spoken = self._row
        memory_bytes.settle(self._engine)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Return everything that was learned as arrays; equal states give equal arrays."""
        if self._row < 0:
            return {}
        counts = np.array([self._row, self._rows, self._spoken], np.int64)
        return memory_bytes.arrays_of(self._engine, counts)

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on from `state`; one of other stations, or from before there was any, is left."""
        self._engine, self._row, self._rows, self._spoken = self._fresh(), -1, 0, -1
        counts = memory_bytes.restore(self._engine, state)
        if counts is not None:
            self._row, self._rows, self._spoken = (int(one) for one in counts)

    def carry(self, before: Learning, network: SingleMap, other: SingleMap) -> None:
        """Take over from another map what was learned of the links that are on this one."""
        rows = {str(other.links[row].id): at for at, row in enumerate(before.station.tolist())}
        mine = [str(network.links[row].id) for row in self.station.tolist()]
        here = np.array([at for at, name in enumerate(mine) if name in rows], np.int64)
        there = np.array([rows[mine[at]] for at in here.tolist()], np.int64)
        memory_bytes.carry(self._engine, before._engine, here, there)
        self._row, self._rows, self._spoken = before._row, before._rows, before._spoken


def stations_of(network: SingleMap) -> Ints:
    """Return the rows of the links with detectors, ascending; none where there are too many."""
    rows = {network.link_rows[sensor.link] for sensor in network.sensors}
    return np.array(sorted(rows) if len(rows) <= MOST_STATIONS else [], np.int64)
