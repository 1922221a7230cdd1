"""The kernels of the learned forecast against their plain peers."""

from __future__ import annotations

import lightgbm
import numpy as np
import pytest

from twin.forecast.learned import trees as forest
from twin.forecast.learned.features import NAMES
from twin.forecast.learned.kernels.silent import FEW, remember_together, speak_for


@pytest.mark.parametrize("rows", [1, 63, 64, 65, 300])
def test_trees_walk_as_the_library_does(rows: int) -> None:
    draw = np.random.default_rng(rows)
    table = draw.normal(size=(max(rows, 300), len(NAMES))).astype(np.float32)
    truth = table[:, 0] * (table[:, 1] > 0) + 0.1 * draw.normal(size=len(table))
    options = {**forest.OPTIONS, "min_data_in_leaf": 5}
    grown = lightgbm.train(options, lightgbm.Dataset(table, truth), 12)
    ours = forest.predict(forest.flatten(grown.dump_model()), table[:rows])
    theirs = grown.predict(table[:rows], num_threads=1)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_a_split_at_a_value_itself_sends_it_left() -> None:
    leaf = {"leaf_value": 1.0}, {"leaf_value": 2.0}
    edge = float(np.float32(0.1))
    for threshold, wanted in ((edge, 1.0), (np.nextafter(edge, 0.0), 2.0)):
        node = {"split_feature": 0, "threshold": threshold, "left_child": leaf[0]}
        dumped = {"tree_info": [{"tree_structure": {**node, "right_child": leaf[1]}}]}
        table = np.zeros((1, len(NAMES)), np.float32)
        table[0, 0] = np.float32(0.1)
        assert forest.predict(forest.flatten(dumped), table)[0] == wanted


def _ridge(others: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return the weights of a regression that doubts each variance as if ten rows were missing."""
    products = others.T @ others / len(own)
    doubt = np.diag(np.diag(products)) * FEW / len(own)
    return np.linalg.solve(products + doubt, others.T @ own / len(own))


def test_a_silent_station_is_spoken_for_by_regression() -> None:
    draw = np.random.default_rng(4)
    common = draw.normal(size=(400, 3))
    values = np.column_stack([common @ [1.0, -2.0, 0.5], common])
    beside = np.array([[1, 2, 3], [0, -1, -1], [0, -1, -1], [0, -1, -1]], np.int32)
    sums = np.zeros((4, 4, 4, 2))
    for row in values:
        remember_together(row, beside, 1.0, sums)
    now = np.array([np.nan, 0.3, -0.2, 0.9])
    out, left = now.copy(), np.zeros(4)
    speak_for(now, beside, sums, 1e-9, out, left)
    assert out[0] == pytest.approx(_ridge(values[:, 1:], values[:, 0]) @ now[1:], abs=1e-3)
    assert out[0] == pytest.approx(0.3 + 0.4 + 0.45, rel=0.03)
    now[2] = np.nan  # one of those beside falls silent, too: the others carry what they can
    out, left = now.copy(), np.zeros(4)
    speak_for(now, beside, sums, 1e-9, out, left)
    wanted = _ridge(values[:, [1, 3]], values[:, 0]) @ now[[1, 3]]
    assert out[0] == pytest.approx(wanted, abs=1e-3)
    assert left[0] > 1.0


def test_nobody_speaks_for_a_station_that_was_never_heard() -> None:
    beside = np.array([[1], [0]], np.int32)
    out, left = np.array([np.nan, 1.0]), np.zeros(2)
    speak_for(out.copy(), beside, np.zeros((2, 2, 2, 2)), 0.05, out, left)
    assert np.isnan(out[0])
