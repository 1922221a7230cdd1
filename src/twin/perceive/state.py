"""The believed state of the links at one moment, as columns."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag

import numpy as np
import numpy.typing as npt

from twin.columns import Floats

Codes = npt.NDArray[np.uint8]


class Source(IntEnum):
    """Where a link's value comes from."""

    NONE = 0
    MEASURED = 1
    NEIGHBOURS = 2
    PROFILE = 3


class Origin(IntFlag):
    """What went into a link's value: bits, several of them together."""

    SPEEDS = 1  # of the link's own detectors
    COUNTS = 2
    OCCUPANCY = 4  # with the effective vehicle length of the station
    NEIGHBOURS = 8
    USUAL_DAY = 16
    CELLS = 32  # the road was followed cell by cell
    SIGNAL_PLAN = 64  # delay at signals was added
    WEATHER = 128  # a known weather slows the road; no detector of the link said so


class Freshness(IntEnum):
    """How old a value is against its reporting period: 1.5 and 5 periods are the bounds."""

    NO_DATA = 0
    LIVE = 1
    DELAYED = 2
    STALE = 3


@dataclass(frozen=True, slots=True)
class LinkState:
    """Columns over all links of the map, each of shape (links,).

    speed_mps, flow_vps, density_vpm   float64, estimate; NaN where nothing is known
    *_sd                               float64, standard deviation of the estimate in its unit
    age_s                              float64, age of the newest measurement in it; NaN if none
    source                             uint8, `Source`
    freshness                          uint8, `Freshness`
    closed                             uint8, 1 where no vehicle may enter now
    origins                            uint8, bits of `Origin`
    detectors                          uint8, the link's own detectors in it
    """

    time_us: int
    speed_mps: Floats
    speed_sd_mps: Floats
    flow_vps: Floats
    flow_sd_vps: Floats
    density_vpm: Floats
    density_sd_vpm: Floats
    age_s: Floats
    source: Codes
    freshness: Codes
    closed: Codes
    origins: Codes
    detectors: Codes


@dataclass(frozen=True, slots=True)
class Measured:
    """The newest reading of every sensor, exactly as measured: columns of shape (sensors,).

    time_us is -1 where a sensor has never reported; the values are NaN where not measured.
    """

    time_us: npt.NDArray[np.int64]
    period_ms: npt.NDArray[np.int64]
    count: Floats
    speed_mps: Floats
    occupancy_frac: Floats
