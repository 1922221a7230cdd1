"""Walks flattened regression trees."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int32]

BLOCK = 16  # rows that walk one tree side by side: the processor overlaps their steps


@njit(nogil=True, cache=True)
def sum_trees(
    features: Singles,
    column: Rows,
    threshold: Singles,
    child: Rows,
    root: Rows,
    depth: Rows,
    leaf_value: Singles,
    out: Floats,
) -> None:
    """Sum the leaves that every row falls into.

    features   (rows, columns) float32 read, no NaN      out  (rows,) written in full
    column, threshold, leaf_value  (nodes,) read; child (2 nodes,): 2 i for <=, 2 i + 1 for >
    A leaf is its own child, so that all rows of a block take `depth` steps without a branch.
    root, depth  (trees,) read
    """
    rows = features.shape[0]
    trees = len(root)
    node = np.empty(BLOCK, np.int64)
    total = np.empty(BLOCK)
    for first in range(0, rows, BLOCK):
        size = min(BLOCK, rows - first)
        total[:] = 0.0
        for tree in range(trees):
            for lane in range(size):
                node[lane] = root[tree]
            for _ in range(depth[tree]):
                for lane in range(size):
                    here = node[lane]
                    right = features[first + lane, column[here]] > threshold[here]
                    node[lane] = child[2 * here + right]
            for lane in range(size):
                total[lane] += leaf_value[node[lane]]
        for lane in range(size):
            out[first + lane] = total[lane]
