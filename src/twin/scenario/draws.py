"""Random numbers by name: the same seed, thing and purpose always give the same number.

A number does not depend on how many others were drawn before. An edit that adds vehicles therefore
leaves everybody else's day as it was: that is what "the same random numbers" means here.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

import numpy as np
import numpy.typing as npt

from twin.columns import Floats

Keys = npt.NDArray[np.uint64]

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
_SECOND: Final = np.uint64(0x94D049BB133111EB)


def key_of(*words: object) -> np.uint64:
    """Return a number of 64 bits for words."""
    text = "\x1f".join(str(word) for word in words).encode()
    return np.uint64(int.from_bytes(blake2b(text, digest_size=8).digest(), "little"))


def uniform(keys: Keys, purpose: str, seed: int) -> Floats:
    """Return a number in (0, 1) for each key: splitmix64 (Steele, Lea, Flood 2014), 53 bits."""
    start = np.atleast_1d(key_of(purpose, seed))
    mixed = _mix(_mix(keys + start * _GOLDEN) + start)
    return np.asarray(((mixed >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53, np.float64)


def _mix(keys: Keys) -> Keys:
    bits = keys + _GOLDEN
    bits = (bits ^ (bits >> np.uint64(30))) * _FIRST
    bits = (bits ^ (bits >> np.uint64(27))) * _SECOND
    return np.asarray(bits ^ (bits >> np.uint64(31)), np.uint64)
