"""Regions: the partitions of a map. One worker keeps the state of one region."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from twin.network.model import SingleMap


def regions(network: SingleMap) -> tuple[str, ...]:
    """Return the names of the regions in a fixed order; a map without names is one region.

    A region is a name on sensors (`Sensor.region`); the order is that of the alphabet, so that it
    does not depend on the order of rows in a file. At least one region comes back, perhaps "".
    """
    names = {sensor.region for sensor in network.sensors}
    return tuple(sorted(names)) or ("",)


def region_of_sensor(network: SingleMap) -> npt.NDArray[np.int64]:
    """Return the row of each sensor's region in `regions(network)`: (sensors,) int64."""
    row_of = {name: row for row, name in enumerate(regions(network))}
    return np.array([row_of[sensor.region] for sensor in network.sensors], dtype=np.int64)
