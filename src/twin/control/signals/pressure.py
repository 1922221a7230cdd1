"""Max-pressure counted by movement (Varaiya 2013): who waits, less who stands behind."""

from __future__ import annotations

import numpy as np

from twin.columns import Floats
from twin.control.signals.layout import JunctionLayout


def vehicle_counts(density_vpm: Floats, length_m: Floats) -> Floats:
    """Return the vehicles on each link, (links,) float64; NaN where the density is unknown."""
    return density_vpm * length_m


def stage_pressures(layout: JunctionLayout, count: Floats, factor: Floats) -> Floats:
    """Return the pressure of every stage, (stages,) float64 in vehicles^2 a second.

    count    (links,) vehicles, NaN unknown    factor   (links,) `layout.downstream_factor`
    A movement weighs saturation flow x (count before x share - count behind x factor). A negative
    weight counts as 0: nobody is made to go where it is full, and nobody is kept waiting for it.
    An unknown count before makes the stage NaN; an unknown count behind is taken as empty.
    """
    behind = np.nan_to_num(count[layout.to_link], nan=0.0) * factor[layout.to_link]
    waiting = count[layout.from_link] * layout.share_frac
    weight = layout.saturation_vps * np.maximum(waiting - behind, 0.0)
    return np.array([float(weight[moves].sum()) for moves in layout.stage_moves])
