"""A finished forecast."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from twin.columns import Floats


class Method(IntEnum):
    """How a link's forecast was made."""

    NONE = 0
    PHYSICS = 1
    FADE_TO_PROFILE = 2
    LAST_VALUE = 3
    BLEND = 4


@dataclass(frozen=True, slots=True)
class Forecast:
    """The next hour of every link.

    speed_mps, speed_lo_mps, speed_hi_mps, flow_vps, density_vpm
             (steps, links) float64, NaN = none
    method   (links,) uint8, `Method`
    weights  (links, experts) float32: shares of `learned.blend.Expert` in a blended link's hour, 0
             elsewhere; no rows where nothing was blended
    physics_mps   (steps, links) float32, what the physics alone said; no rows without a blend
    learned_us    end of the newest five minutes that the blend knows, -1 = none
    Row k is the mean over ((k) step_s, (k + 1) step_s] after `made_us`; lo and hi bound 80 %.
    """

    id: str
    made_us: int
    map_version: str
    step_s: float
    speed_mps: Floats
    speed_lo_mps: Floats
    speed_hi_mps: Floats
    flow_vps: Floats
    density_vpm: Floats
    method: npt.NDArray[np.uint8]
    weights: npt.NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0), np.float32))
    physics_mps: npt.NDArray[np.float32] = field(
        default_factory=lambda: np.empty((0, 0), np.float32)
    )
    learned_us: int = -1
