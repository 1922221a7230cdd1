"""The counts that each link remembers, and where they stand in memory."""

from __future__ import annotations

import numpy as np

from twin.columns import Floats, Ints
from twin.simulate.kernels.arrays import Ring

WHOLE = 1e-9  # steps


def ring_of(time_s: Floats, step_s: float) -> Ring:
    """Return rings for travel times (links,), rounded up to a step where they are shorter."""
    steps = np.maximum(time_s / step_s, 1.0)
    steps = np.where(np.abs(steps - np.round(steps)) < WHOLE, np.round(steps), steps)
    slots = (np.ceil(steps) + 1).astype(np.int64)
    counts = np.bincount(slots)
    sizes = np.flatnonzero(counts)
    group, stride = (np.cumsum(counts > 0) - 1)[slots], counts[sizes]
    first = np.concatenate([[0], np.cumsum(sizes * stride)])[:-1]
    row = np.empty(len(steps), np.int64)  # of the link in its group
    row[np.argsort(group, kind="stable")] = np.arange(len(steps)) - np.repeat(
        np.cumsum(stride) - stride, stride
    )
    return Ring(
        steps=steps,
        lag=np.ceil(steps) - steps,
        place=(first[group] + row).astype(np.uint32),
        group=group.astype(np.uint32),
        size=sizes.astype(np.uint32),
        stride=stride.astype(np.uint32),
    )


def places(ring: Ring) -> int:
    """Return how many counts the rings hold together."""
    return int((ring.size.astype(np.int64) * ring.stride).sum())


def history_of(ring: Ring, now: Floats, rise: Floats) -> Floats:
    """Return the past of counts that rose evenly by `rise` in the travel time, up to `now`."""
    history = np.zeros(places(ring))
    if not now.any() and not rise.any():
        return history
    sizes, stride = _by_link(ring)
    for back in range(int(sizes.max(initial=0))):
        rows = np.flatnonzero(back < sizes)
        slot = (-back) % sizes[rows]
        history[ring.place[rows] + slot * stride[rows]] = (
            now[rows] - rise[rows] * back / ring.steps[rows]
        )
    return history


def steps_ago(ring: Ring, history: Floats, *, step: int, links: Ints, back: Floats) -> Floats:
    """Return counts of links so many steps before `step`, straight between steps.

    history   whose slot of this step has been written
    """
    sizes, stride = (column[links] for column in _by_link(ring))
    whole = np.floor(back).astype(np.int64)
    earlier = np.minimum(whole + 1, sizes - 1)
    near = history[ring.place[links] + (step - whole) % sizes * stride]
    far = history[ring.place[links] + (step - earlier) % sizes * stride]
    return np.asarray(near + (far - near) * (back - whole), np.float64)


def write_now(ring: Ring, history: Floats, *, step: int, now: Floats) -> None:
    """Write the counts of this step into the rings, as the kernel does when it goes on."""
    sizes, stride = _by_link(ring)
    history[ring.place + step % sizes * stride] = now


def _by_link(ring: Ring) -> tuple[Ints, Ints]:
    """Return how many slots each link's ring has, and how far apart they are."""
    return ring.size[ring.group].astype(np.int64), ring.stride[ring.group].astype(np.int64)
