"""From the mean over passing vehicles to the mean over the road.

A detector that averages the speeds of those who pass it reports a time mean; density is flow over
the space mean, which is lower: v_space = v_time - var_time / v_time (Rakha and Zhang 2005, after
Wardrop 1952). A map says so of a sensor in two extra columns: `speed_mean` (`time` or `space`) and,
where known, `speed_cv`, the standard deviation of single speeds over their mean. Without the
columns a reading is taken as it is: nobody said what it is a mean of, and the difference is about
1.5 % in free traffic.
"""

from __future__ import annotations

import math
from typing import Final

from twin.errors import MapError
from twin.network.model import Sensor

USUAL_CV: Final = 0.12
MOST_CV: Final = 0.5


def space_share(sensor: Sensor) -> float:
    """Return space mean over reported mean speed of a sensor, 0.75 to 1.

    Raises MapError for other words or a `speed_cv` outside 0 to 0.5.
    """
    extra = dict(sensor.extra)
    mean = extra.get("speed_mean") or "space"
    if mean not in {"time", "space"}:
        raise MapError(f"sensor {sensor.id}: speed_mean is {mean!r}; it must be time or space")
    if mean == "space":
        return 1.0
    try:
        spread = float(extra.get("speed_cv") or USUAL_CV)
    except ValueError:
        spread = math.nan
    if not 0.0 <= spread <= MOST_CV:
        raise MapError(f"sensor {sensor.id}: speed_cv must be a number from 0 to {MOST_CV}")
    return 1.0 - spread * spread
