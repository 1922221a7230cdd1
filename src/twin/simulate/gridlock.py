"""Rings of vehicles that wait for each other."""

from __future__ import annotations

import numpy as np

from twin.columns import Bools, Floats, Ints
from twin.simulate.roads import Turns


def gridlocked(turns: Turns, turn_share: Floats, still: Bools) -> Ints:
    """Return the rows of links that can never move again unless somebody acts.

    still   (links,) full, and nobody has left of late
    Of those that stand still, each of these waits for another of these; so there is a ring among
    them. A link that stands before a red light or a closed road is not one of them.
    """
    links = len(still)
    wanted = (turns.approach < links) & (turn_share > 0)
    before, after = turns.approach[wanted], turns.link[wanted]
    caught = still.copy()
    while True:
        waits = np.zeros(links, np.bool_)
        waits[before[caught[before] & caught[after]]] = True
        if (waits == caught).all():
            return np.flatnonzero(caught).astype(np.int64)
        caught &= waits
