"""Conversions between what operators say and what the code computes with.

Inside: metres, seconds, vehicles. At the edge: km/h, vehicles per hour, per cent.
Every function takes and returns a float or a numpy array of floats.
"""

from __future__ import annotations

from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

Amount = TypeVar("Amount", float, npt.NDArray[np.float64])

KM_M: Final = 1000.0
MILE_M: Final = 1609.344
FOOT_M: Final = 0.3048
HOUR_S: Final = 3600.0
SECOND_US: Final = 1_000_000


def mps_from_kph(speed_kph: Amount) -> Amount:
    """Turn km/h into m/s."""
    return speed_kph / 3.6


def kph_from_mps(speed_mps: Amount) -> Amount:
    """Turn m/s into km/h."""
    return speed_mps * 3.6


def kph_from_mph(speed_mph: Amount) -> Amount:
    """Turn miles per hour into km/h."""
    return speed_mph * (MILE_M / KM_M)


def vps_from_vph(flow_vph: Amount) -> Amount:
    """Turn vehicles per hour into vehicles per second."""
    return flow_vph / HOUR_S


def vph_from_vps(flow_vps: Amount) -> Amount:
    """Turn vehicles per second into vehicles per hour."""
    return flow_vps * HOUR_S


def vpkm_from_vpm(density_vpm: Amount) -> Amount:
    """Turn vehicles per metre into vehicles per kilometre."""
    return density_vpm * KM_M


def frac_from_pct(share_pct: Amount) -> Amount:
    """Turn per cent into a fraction."""
    return share_pct / 100.0


def pct_from_frac(share_frac: Amount) -> Amount:
    """Turn a fraction into per cent."""
    return share_frac * 100.0
