"""Speed classes A to F, and the one byte a link that the live stream carries."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from twin.columns import Floats
from twin.perceive.state import Codes, Freshness, LinkState

STALE: Final = 251
NO_DATA: Final = 252
CLOSED: Final = 253
RATIO_SCALE: Final = 200.0
RATIO_TOP: Final = 250

_BOUNDS: Final = np.array([0.30, 0.40, 0.50, 0.67, 0.85])
"""Upper ends of F, E, D, C, B; a ratio on the bound belongs to the slower class."""


class SpeedClass(StrEnum):
    """What colour a link has: A (free) to F, or why it has none."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"
    E = "E"
    F = "F"
    STALE = "stale"
    NO_DATA = "no_data"
    CLOSED = "closed"


_SLOW_TO_FAST: Final = tuple("FEDCBA")


def speed_ratio(speed_mps: Floats, free_speed_mps: Floats) -> Floats:
    """Return speed over free speed, NaN where either is unknown or the free speed is not positive.

    Both arrays are (links,) m/s.
    """
    known = np.isfinite(speed_mps) & np.isfinite(free_speed_mps) & (free_speed_mps > 0.0)
    ratio = np.full(speed_mps.shape, np.nan)
    np.divide(speed_mps, free_speed_mps, out=ratio, where=known)
    return ratio


def link_codes(links: LinkState, free_speed_mps: Floats) -> Codes:
    """Return the byte of every link, (links,) uint8: ratio x 200 in 0..250, or 251, 252, 253.

    Closed wins over everything, no data over stale, stale over a value.
    """
    ratio = speed_ratio(links.speed_mps, free_speed_mps)
    unknown = np.isnan(ratio) | (links.freshness == Freshness.NO_DATA)
    scaled = np.rint(np.nan_to_num(ratio) * RATIO_SCALE)
    codes = np.clip(scaled, 0, RATIO_TOP).astype(np.uint8)
    codes[links.freshness == Freshness.STALE] = STALE
    codes[unknown] = NO_DATA
    codes[links.closed != 0] = CLOSED
    return codes


def link_classes(links: LinkState, free_speed_mps: Floats) -> list[SpeedClass]:
    """Return the speed class of every link, from the exact ratio, not from the rounded byte."""
    codes = link_codes(links, free_speed_mps)
    ratio = speed_ratio(links.speed_mps, free_speed_mps)
    steps: npt.NDArray[np.int64] = np.searchsorted(_BOUNDS, np.nan_to_num(ratio), side="left")
    special = {STALE: SpeedClass.STALE, NO_DATA: SpeedClass.NO_DATA, CLOSED: SpeedClass.CLOSED}
    return [
        special.get(code) or SpeedClass(_SLOW_TO_FAST[step])
        for code, step in zip(codes.tolist(), steps.tolist(), strict=True)
    ]
