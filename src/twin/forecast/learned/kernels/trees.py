"""Walks flattened regression trees."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Counts = npt.NDArray[np.uint32]

BLOCK = 64  # rows that walk one tree side by side: it stays in the nearest cache meanwhile


@njit(nogil=True, cache=True)
def sum_trees(
    features: Singles,
    column: Counts,
    threshold: Singles,
    child: Counts,
    root: Counts,
    depth: Counts,
    leaf_value: Singles,
    out: Floats,
) -> None:
    """Sum the leaves that every row falls into.

    features   (rows, columns) float32 read, no NaN      out  (rows,) written in full
    column, threshold, leaf_value  (nodes,) read; child (2 nodes,): 2 i for <=, 2 i + 1 for >
    A leaf is its own child, so that all rows of a block take `depth` steps without a branch.
    root, depth  (trees,) read. All places are unsigned: signed ones cost a test for each access.
    Needs: rows x columns < 2^32.
    """
    rows = features.shape[0]
    width = np.uint32(features.shape[1])
    flat = features.reshape(-1)
    node = np.empty(BLOCK, np.uint32)
    start = np.empty(BLOCK, np.uint32)
    total = np.empty(BLOCK)
    one = np.uint32(1)
    for first in range(0, rows, BLOCK):
        size = min(BLOCK, rows - first)
        for lane in range(size):
            start[lane] = np.uint32(first + lane) * width
            total[lane] = 0.0
        for tree in range(len(root)):
            top = root[tree]
            for lane in range(size):
                node[lane] = top
            for _ in range(depth[tree]):
                for lane in range(size):
                    here = node[lane]
                    value = flat[np.uint32(start[lane] + column[here])]
                    right = np.uint32(value > threshold[here])
                    node[lane] = child[np.uint32(np.uint32(here << one) | right)]
            for lane in range(size):
                total[lane] += leaf_value[node[lane]]
        for lane in range(size):
            out[first + lane] = total[lane]
