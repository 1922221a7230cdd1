"""Another free speed on links while vehicles drive on them."""

from __future__ import annotations

import numpy as np

from twin.columns import Floats, Ints
from twin.errors import SimulationError
from twin.simulate.kernels.records import Records
from twin.simulate.roads import Roads


def carried_vps(roads: Roads, here: Records, step_s: float) -> Floats:
    """Return what links can carry at the speeds that hold now, (links,).

    Places stay as they are; a link that got so slow that they no longer let its capacity pass
    carries what they do.
    """
    most = here["room"] / (here["free_s"] + step_s)
    changed = here["plain_s"] != roads.free_s
    return np.where(changed, np.minimum(most, roads.capacity_vps), roads.capacity_vps)


def respeed(
    roads: Roads, here: Records, ring_s: Floats, free_speed_mps: Floats, now_s: float, step_s: float
) -> Ints:
    """Write free and wave times of other free speeds from now on; return the rows that changed.

    here     (links,) records of links; ring_s: the times of their places, written
    Who is on a link has driven the same part of it as before: its time of entry is moved.
    Raises SimulationError for a speed that is no positive number.
    """
    if not (np.isfinite(free_speed_mps) & (free_speed_mps > 0)).all():
        message = "a free speed must be a positive number"
        raise SimulationError(message)
    plain_s = roads.length_m / free_speed_mps
    rows = np.flatnonzero(plain_s != here["plain_s"]).astype(np.int64)
    free_s = np.maximum(plain_s, step_s)
    for row in rows.tolist():
        link = here[row]
        room, base = int(link["room"]), int(link["stop"] - link["room"])
        inside = np.arange(int(link["entered"] - link["left"]))
        place = base + (int(link["first"]) - base + inside) % room
        ring_s[place] = now_s - (now_s - ring_s[place]) * (free_s[row] / link["free_s"])
    here["free_s"][rows], here["plain_s"][rows] = free_s[rows], plain_s[rows]
    wave_s = here["room"] / carried_vps(roads, here, step_s) - here["free_s"]
    here["wave_s"][rows] = np.maximum(wave_s, step_s)[rows]
    return rows
