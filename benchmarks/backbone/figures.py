"""Figures out of measurements: percentiles, a slope with its uncertainty, a Markdown table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Slope(NamedTuple):
    """A straight line's rise an hour, and half the width of its 95 % interval."""

    per_hour: float
    half_width: float

    @property
    def flat(self) -> bool:
        """Say whether no rise can be told from none, or it is below 1 a minute."""
        return abs(self.per_hour) <= max(self.half_width, 60.0)


def slope(at_s: Sequence[float], values: Sequence[float], *, blocks: int = 8) -> Slope:
    """Fit a line through the means of `blocks` equal stretches of a series.

    Neighbouring samples of one process's memory are alike; means of long stretches are nearly not,
    so the interval of their line (Student's t, blocks − 2 degrees of freedom) is honest.
    """
    times = np.array([part.mean() for part in np.array_split(np.asarray(at_s, float), blocks)])
    means = np.array([part.mean() for part in np.array_split(np.asarray(values, float), blocks)])
    centred = times - times.mean()
    squares = float(centred @ centred)
    rise = float(centred @ means) / squares
    rest = means - means.mean() - rise * centred
    error = float(np.sqrt(rest @ rest / (blocks - 2) / squares))
    return Slope(rise * 3600, _T95[blocks - 2] * error * 3600)


_T95 = {4: 2.776, 6: 2.447, 8: 2.306, 10: 2.228}


def percentiles_s(micros: npt.NDArray[np.int64], *shares: float) -> list[float]:
    """Return percentiles of microseconds as seconds."""
    return [float(value) / 1e6 for value in np.percentile(micros, shares)]


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write a Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)
