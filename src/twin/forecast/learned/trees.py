"""Gradient-boosted trees over all stations and steps: LightGBM grows them, a kernel walks them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from twin.columns import Floats
from twin.forecast.learned.features import Singles
from twin.forecast.learned.kernels.trees import Counts, sum_trees

ROUNDS: Final = 60
OPTIONS: Final[dict[str, Any]] = {
    "objective": "l1",
    "num_leaves": 63,
    "max_depth": 8,
    "learning_rate": 0.15,
    "min_data_in_leaf": 200,
    "feature_fraction": 0.5,
    "lambda_l2": 1.0,
    "max_bin": 63,
    "num_threads": 1,
    "seed": 3,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
}
SILENT_ROUNDS: Final = 100
SILENT_OPTIONS: Final[dict[str, Any]] = {
    **OPTIONS,
    "num_leaves": 31,
    "learning_rate": 0.08,
    "min_data_in_leaf": 400,
    "bagging_fraction": 0.6,
    "bagging_freq": 1,
}
"""Few outages are seen: smaller steps and larger leaves hold on to less of each."""


@dataclass(frozen=True, slots=True)
class Trees:
    """Flattened trees, as `kernels.trees.sum_trees` reads them."""

    column: Counts
    threshold: Singles
    child: Counts
    root: Counts
    depth: Counts
    leaf_value: Singles


def predict(trees: Trees, table: Singles) -> Floats:
    """Return what every row of features adds to its damped usual day, (rows,)."""
    out = np.empty(len(table))
    sum_trees(
        table,
        trees.column,
        trees.threshold,
        trees.child,
        trees.root,
        trees.depth,
        trees.leaf_value,
        out,
    )
    return out


def grow(
    table: Singles,
    target: Floats,
    weight: Floats,
    rounds: int,
    options: dict[str, Any] | None = None,
) -> Trees:
    """Fit trees by absolute error to (rows, columns) features without NaN and (rows,) targets.

    The target is what came true minus the damped usual day. Same rows, same trees, bit by bit.
    """
    return flatten(train(table, target, weight, rounds, options).dump_model())


def train(
    table: Singles,
    target: Floats,
    weight: Floats,
    rounds: int,
    options: dict[str, Any] | None = None,
) -> Any:
    """Return LightGBM's own model of the same trees."""
    import lightgbm  # costs a second: only who fits pays it

    wanted = OPTIONS if options is None else options
    least = min(wanted["min_data_in_leaf"], max(20, len(table) // 50))
    chosen = {**wanted, "min_data_in_leaf": least}
    data = lightgbm.Dataset(table, target, weight=weight, params=chosen)
    return lightgbm.train(chosen, data, rounds)


def flatten(dumped: dict[str, Any]) -> Trees:
    """Lay the trees of a dumped LightGBM model into arrays."""
    nodes: list[tuple[int, float, int, int, float]] = []
    roots, depths = [], []
    for tree in dumped["tree_info"]:
        root, depth = _lay(tree["tree_structure"], nodes)
        roots.append(root)
        depths.append(depth)
    column, threshold, left, right, value = (list(part) for part in zip(*nodes, strict=True))
    child = np.stack([left, right], axis=1).astype(np.uint32).ravel()
    return Trees(
        column=np.asarray(column, np.uint32),
        threshold=_rounded_down(np.asarray(threshold, np.float64)),
        child=child,
        root=np.asarray(roots, np.uint32),
        depth=np.asarray(depths, np.uint32),
        leaf_value=np.asarray(value, np.float32),
    )


def _lay(node: dict[str, Any], nodes: list[tuple[int, float, int, int, float]]) -> tuple[int, int]:
    """Append a node and all below it; return its place and its depth."""
    place = len(nodes)
    nodes.append((0, 0.0, place, place, float(node.get("leaf_value", 0.0))))
    if "split_feature" not in node:
        return place, 0
    left, left_depth = _lay(node["left_child"], nodes)
    right, right_depth = _lay(node["right_child"], nodes)
    nodes[place] = (int(node["split_feature"]), float(node["threshold"]), left, right, 0.0)
    return place, 1 + max(left_depth, right_depth)


def _rounded_down(threshold: Floats) -> Singles:
    """Return the greatest float32 not above each: the same rows go left."""
    single: npt.NDArray[np.float32] = threshold.astype(np.float32)
    above = single.astype(np.float64) > threshold
    return np.where(above, np.nextafter(single, np.float32(-np.inf)), single).astype(np.float32)


def options_text() -> str:
    """Return the options as one line, for reports."""
    return json.dumps({**OPTIONS, "rounds": ROUNDS}, sort_keys=True)
