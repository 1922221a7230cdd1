"""Columns of floats into lists that JSON can carry: rounded, and null where nothing is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def shown(values: npt.NDArray[np.float64], decimals: int) -> list[float | None]:
    """Round a (n,) column and put None where it is NaN or infinite."""
    rounded = np.round(values, decimals)
    known = np.isfinite(rounded)
    if known.all():
        whole: list[float | None] = rounded.tolist()
        return whole
    return [value if there else None for value, there in zip(rounded.tolist(), known, strict=True)]


def shown_rows(values: npt.NDArray[np.float64], decimals: int) -> list[list[float | None]]:
    """Do the same with every row of a (rows, n) table."""
    return [shown(row, decimals) for row in values]


def picked(values: list[Any], rows: list[int] | None) -> list[Any]:
    """Return the chosen rows of a list, all when no rows are given."""
    return values if rows is None else [values[row] for row in rows]
