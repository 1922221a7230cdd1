"""How long a way took: from the speeds of its links, minute by minute.

Instantaneous: what the links took at that minute, added up; nobody drives all of them in it.
Experienced: what a vehicle took that set out then and met each link when it came there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from twin.columns import Floats, Ints
from twin.perceive.state import Source
from twin.units import SECOND_US

MINUTE_US: Final = 60 * SECOND_US
STILL_US: Final = 3 * MINUTE_US
"""So long the last known minute stands for those that are missing."""
LONGEST_US: Final = 4 * 3600 * SECOND_US
"""A way that takes longer is not told."""


@dataclass(frozen=True, slots=True)
class Journeys:
    """Travel times of one way, (departures,). Seconds, NaN where a speed is not known.

    measured_share   of the length of the way, over the minutes of the departure's period: how much
                     was measured; 0 where no minute is stored
    """

    depart_us: Ints
    instantaneous_s: Floats
    experienced_s: Floats
    measured_share: Floats


def journeys(
    time_us: Ints,
    speed_mps: Floats,
    source: npt.NDArray[np.int64],
    *,
    length_m: Floats,
    depart_us: Ints,
    period_us: int,
) -> Journeys:
    """Return the travel times of vehicles that set out at `depart_us` (rising).

    time_us     (minutes,) ends of the stored minutes, rising
    speed_mps   (minutes, links) in driving order; source: as `perceive.state.Source`
    length_m    (minutes, links): a link may have another length in another version of the map
    period_us   the instantaneous time and the share are means over the minutes of so long
    """
    with np.errstate(divide="ignore"):
        took_s = (length_m / speed_mps).sum(axis=1)
    took_s[~np.isfinite(took_s)] = np.nan
    whole_m = np.maximum(length_m.sum(axis=1), 1e-9)
    measured = (length_m * (source == Source.MEASURED)).sum(axis=1) / whole_m
    count = len(depart_us)
    found = Journeys(depart_us, np.full(count, np.nan), np.full(count, np.nan), np.zeros(count))
    for row, begin_us in enumerate(depart_us.tolist()):
        low, high = np.searchsorted(time_us, [begin_us, begin_us + period_us])
        if low == high:
            continue
        known = took_s[low:high][~np.isnan(took_s[low:high])]
        found.instantaneous_s[row] = known.mean() if len(known) else np.nan
        found.measured_share[row] = measured[low:high].mean()
        found.experienced_s[row] = _driven_s(time_us, speed_mps, length_m, begin_us)
    return found


def _driven_s(time_us: Ints, speed_mps: Floats, length_m: Floats, begin_us: int) -> float:
    """Drive the way from `begin_us` on; NaN when a speed on it is not known in time."""
    now_us = float(begin_us)
    minute = max(int(np.searchsorted(time_us, begin_us, side="right")) - 1, 0)
    if time_us[minute] > begin_us + MINUTE_US:
        return float("nan")
    for link in range(length_m.shape[1]):
        left_m = float(length_m[minute, link])
        while left_m > 0:
            ends_us = float(time_us[minute + 1]) if minute + 1 < len(time_us) else np.inf
            until_us = min(ends_us, float(time_us[minute]) + STILL_US)
            speed = float(speed_mps[minute, link])
            if np.isnan(speed) or np.isnan(left_m) or now_us - begin_us > LONGEST_US:
                return float("nan")
            reached_us = now_us + left_m / speed * SECOND_US if speed > 0 else np.inf
            if reached_us <= until_us:
                now_us, left_m = reached_us, 0.0
            elif until_us < ends_us:
                return float("nan")  # minutes are missing here
            else:
                left_m -= speed * max(until_us - now_us, 0.0) / SECOND_US
                now_us, minute = max(until_us, now_us), minute + 1
    return (now_us - begin_us) / SECOND_US
