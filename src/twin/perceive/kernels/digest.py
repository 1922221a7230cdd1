"""A 128-bit digest of an array, as quick as memory is read. It tells equal from different; it is
no seal against somebody who forges."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Words = npt.NDArray[np.uint64]

_PRIME_1 = np.uint64(0x9E3779B185EBCA87)
_PRIME_2 = np.uint64(0xC2B2AE3D27D4EB4F)
_PRIME_3 = np.uint64(0x165667B19E3779F9)
_LANES = 4


@njit(cache=True, nogil=True)
def mix_words(words: Words, mixed: Words) -> None:
    """Mix (n,) words into `mixed` (4,): every word and its place count."""
    one, two, three, four = mixed[0], mixed[1], mixed[2], mixed[3]
    whole = len(words) - len(words) % _LANES
    for at in range(0, whole, _LANES):
        one = (one ^ words[at]) * _PRIME_1
        two = (two ^ words[at + 1]) * _PRIME_2
        three = (three ^ words[at + 2]) * _PRIME_3
        four = (four ^ words[at + 3]) * _PRIME_1
        one ^= one >> np.uint64(29)
        two ^= two >> np.uint64(31)
        three ^= three >> np.uint64(30)
        four ^= four >> np.uint64(32)
    for at in range(whole, len(words)):
        one = ((one ^ words[at]) * _PRIME_2) ^ (one >> np.uint64(27))
    mixed[0], mixed[1], mixed[2], mixed[3] = one, two, three, four
