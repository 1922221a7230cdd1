"""What the detectors report of the day: with noise, gaps, one dead and one stuck."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maker.approaches import ApproachDay
from maker.demand import MINUTES, Floats
from maker.motorway import RoadDay
from maker.traffic import Motorway
from twin.network.model import LinkClass, Sensor, SingleMap

NONE = -1
LOST_SHARE = 0.02
DEAD_SENSOR, DEAD_FROM_MIN = "A1-N-03.92", 575  # silent from 09:35
STUCK_SENSOR, STUCK_MIN = "A1-S-08.07", (690, 960)  # repeats itself 11:30 to 16:00
_LOOP_AND_VEHICLE_M = 6.4  # effective length
_COUNT_SPREAD = 0.6  # variance of a count over its mean; a fluid has none, Poisson has 1


@dataclass(frozen=True, slots=True)
class Measured:
    """One column a sensor, one row a minute; NaN where nothing was measured."""

    sensors: tuple[str, ...]
    count: Floats
    speed_kph: Floats
    occupancy_pct: Floats


def measure(
    network: SingleMap, motorway: Motorway, approaches: ApproachDay, rng: np.random.Generator
) -> Measured:
    """Put every detector over its place, then spoil its values as real detectors do."""
    seen = [_true_values(network, sensor, motorway, approaches) for sensor in network.sensors]
    count, speed, occupancy = (np.stack(columns, axis=1) for columns in zip(*seen, strict=True))
    measured = Measured(
        tuple(sensor.id for sensor in network.sensors),
        _counted(count, network, rng),
        speed * 3.6,
        occupancy * 100.0,
    )
    return _spoil(measured, rng)


def _true_values(
    network: SingleMap, sensor: Sensor, motorway: Motorway, approaches: ApproachDay
) -> tuple[Floats, Floats, Floats]:
    """Return mean count a minute, m/s and occupied share under one detector, (1440,) each."""
    link = network.links[network.link_rows[sensor.link]]
    if link.link_class is LinkClass.MOTORWAY:
        letter = link.road[-1]
        day, cell = (
            motorway.days[letter],
            motorway.roads[letter].cell_at(link.id, sensor.position_m),
        )
        occupied = day.density_vpm[:, cell] / link.lanes * _LOOP_AND_VEHICLE_M
        return day.flow_vps[:, cell] * 60.0, day.speed_mps[:, cell], np.minimum(occupied, 0.98)
    if link.link_class is LinkClass.RAMP:
        return _on_ramp(motorway.days[link.id.split("-")[1]], link.id, link.lanes)
    column = approaches.links.index(link.id)
    return (
        approaches.count[:, column],
        approaches.speed_mps[:, column],
        approaches.occupancy_frac[:, column],
    )


def _on_ramp(day: RoadDay, ramp: str, lanes: int) -> tuple[Floats, Floats, Floats]:
    flow = day.ramp_flow_vps[ramp]
    queue = day.ramp_queue.get(ramp, np.zeros(MINUTES))
    speed = np.where(queue > 15.0, 18.0 / 3.6, 58.0 / 3.6) * (1.0 - 0.1 * np.minimum(flow / 0.5, 1))
    return flow * 60.0, speed, np.minimum(flow / lanes / speed * _LOOP_AND_VEHICLE_M, 0.98)


def _counted(count: Floats, network: SingleMap, rng: np.random.Generator) -> Floats:
    noisy = count + np.sqrt(_COUNT_SPREAD * count) * rng.standard_normal(count.shape)
    whole = np.array([sensor.id.startswith("L-") for sensor in network.sensors])
    return np.maximum(np.round(np.where(whole, count, noisy)), 0.0)  # approaches count whole ones


def _spoil(measured: Measured, rng: np.random.Generator) -> Measured:
    count, speed = measured.count.copy(), measured.speed_kph.copy()
    shape = count.shape
    speed *= 1.0 + rng.standard_normal(shape) * 0.05 / np.sqrt(np.maximum(count, 1.0) / 8.0)
    speed = np.clip(speed, 2.0, 145.0)
    occupancy = measured.occupancy_pct * (1.0 + 0.06 * rng.standard_normal(shape))
    occupancy = np.clip(occupancy + 0.15 * rng.standard_normal(shape), 0.0, 100.0)
    speed[count == 0] = np.nan  # no vehicle, no speed
    lost = rng.random(shape) < LOST_SHARE
    stuck = measured.sensors.index(STUCK_SENSOR)
    for values in (count, speed, occupancy):
        values[STUCK_MIN[0] : STUCK_MIN[1], stuck] = values[STUCK_MIN[0], stuck]
    lost[DEAD_FROM_MIN:, measured.sensors.index(DEAD_SENSOR)] = True
    for values in (count, speed, occupancy):
        values[lost] = np.nan
    return Measured(measured.sensors, count, speed, occupancy)


def packed(values: Floats, factor: float) -> np.ndarray:
    """Return values times `factor` as int16, -1 where there is none."""
    whole = np.where(np.isnan(values), NONE, np.round(np.nan_to_num(values) * factor))
    return np.asarray(whole, dtype=np.int16)
