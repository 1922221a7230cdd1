"""The engine's memory as arrays that a snapshot keeps: half the size, and nothing is lost by it.

The live engine rounds what it remembers to these sizes after every row (`settle`), so that what is
restored is what went on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from twin.columns import Ints
from twin.forecast.learned.engine import Engine
from twin.forecast.learned.memory import STEPS

_PREFIX: Final = "learned_"
_MEMORY: Final = (
    "raw", "filled", "deviation", "last", "age", "fast", "slow", "level", "high", "seen", "doubt",
    "together",
)  # fmt: skip
_LAST: Final = {"raw": 1, "filled": 1, "deviation": 1}
"""Which axis is the stations', where it is not the first."""


def _parts(engine: Engine) -> Iterator[tuple[Any, str, int, type]]:
    """Yield owner, name, axis of the stations (-1: none) and type kept of every array."""
    for name in _MEMORY:
        kept = np.int32 if name in {"age", "seen"} else np.float32
        yield engine.memory, name, _LAST.get(name, 0), kept
    yield engine.memory.profile, "sums", 3, np.float32
    yield engine.blend, "shared", -1, np.float32
    yield engine.blend, "own", 1, np.float32
    yield engine.blend, "scale", -1, np.float32
    for name in ("quantile", "updates", "tail", "size"):
        yield engine.intervals, name, -1, np.float32
    yield engine.intervals, "own", 0, np.float32
    yield engine.pending, "experts", 2, np.float16
    yield engine.pending, "mixed", 2, np.float16
    yield engine.pending, "cell", 2, np.int8
    yield engine.pending, "regime", 1, np.int8


def _key(owner: Any, name: str) -> str:
    return f"{_PREFIX}{type(owner).__name__.lower()}_{name}"


def settle(engine: Engine) -> None:
    """Round everything that the last row may have changed to the size in which it is kept."""
    recent = engine.memory.row % STEPS
    for owner, name, _, kept in _parts(engine):
        array = getattr(owner, name)
        if name == "raw" or array.dtype.kind != "f":
            continue  # readings are rounded before they enter
        part = array[recent] if owner is engine.pending else array
        part[...] = part.astype(kept)


def arrays_of(engine: Engine, counts: Ints) -> dict[str, npt.NDArray[Any]]:
    """Return all arrays, and `counts` beside them."""
    found = {
        _key(owner, name): getattr(owner, name).astype(kept)
        for owner, name, _, kept in _parts(engine)
    }
    sums = found.pop(_key(engine.memory.profile, "sums"))
    flat = sums.reshape(-1, *sums.shape[2:])
    filled = np.flatnonzero(flat.any(axis=(1, 2)))
    return found | {
        f"{_PREFIX}profile_slot": filled,
        f"{_PREFIX}profile_sums": flat[filled],
        f"{_PREFIX}counts": counts,
    }


def restore(engine: Engine, state: Mapping[str, npt.NDArray[Any]]) -> Ints | None:
    """Write the arrays of `state` into a fresh engine; return the counts, None when none fit."""
    counts = state.get(f"{_PREFIX}counts")
    key = _key(engine.pending, "experts")
    if counts is None or state[key].shape != engine.pending.experts.shape:
        return None
    for owner, name, _, _ in _parts(engine):
        if name != "sums":
            getattr(owner, name)[...] = state[_key(owner, name)]
    sums = engine.memory.profile.sums
    slots = sums.reshape(-1, *sums.shape[2:])
    slots[state[f"{_PREFIX}profile_slot"]] = state[f"{_PREFIX}profile_sums"]
    engine.memory.row = int(counts[0])
    return np.asarray(counts, np.int64)


def carry(engine: Engine, before: Engine, here: Ints, there: Ints) -> None:
    """Take over what an engine over other stations learned of the same ones.

    here, there   (m,) rows of the same stations in `engine` and in `before`
    Products of deviations are about stations beside, who are others on another map: they begin
    anew.
    """
    for (owner, name, axis, _), (theirs, _, _, _) in zip(
        _parts(engine), _parts(before), strict=True
    ):
        mine, old = getattr(owner, name), getattr(theirs, name)
        if axis < 0:
            mine[...] = old
        elif name != "together":
            np.moveaxis(mine, axis, 0)[here] = np.moveaxis(old, axis, 0)[there]
    engine.memory.row = before.memory.row
