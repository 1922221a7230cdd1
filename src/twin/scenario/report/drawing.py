"""How pictures of the report look, and how they get into the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MultipleLocator

from twin.columns import Floats

BASE, EDITED = "#4d4d4d", "#0072b2"  # told apart in grey print, too
BETTER, WORSE, NOISE = "#2166ac", "#b2470a", "#c9cdd2"
INK, FAINT = "#1f2933", "#7b8794"
WIDTH_IN: Final = 7.1  # 180 mm: an A4 page between its margins
_STYLE: Final[Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.edgecolor": "#9aa5b1",
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "grid.color": "#e4e7eb",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "svg.fonttype": "path",
    "svg.hashsalt": "twin",
    "path.simplify": True,
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture for the page: its address (data URI), its words for those who do not see it."""

    source: str
    words: str
    caption: str = ""


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the style of the report, whatever the surroundings have set."""
    with mpl.rc_context(_STYLE):
        yield


def figure(height_in: float, *, rows: int = 1, columns: int = 1, **more: Any) -> tuple[Figure, Any]:
    """Return a figure of the page's width and its axes, (rows, columns) unsqueezed."""
    made = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
    axes = made.subplots(rows, columns, squeeze=False, **more)
    return made, axes


def picture(made: Figure, words: str, caption: str = "") -> Picture:
    """Turn a figure into SVG inside a data URI; the same figure gives the same bytes."""
    file = io.BytesIO()
    made.savefig(file, format="svg", dpi=170, metadata={"Date": None, "Creator": None})
    text = base64.b64encode(file.getvalue()).decode("ascii")
    return Picture(f"data:image/svg+xml;base64,{text}", words, caption)


def clock_axis(axes: Axes, start_s: float, times_s: Floats, *, most: int = 5) -> None:
    """Write at most so many clock times along the x axis, which is in hours of the day."""
    span_h = float(times_s[-1] - times_s[0]) / 3600.0
    steps = (0.25, 0.5, 1.0, 2.0, 3.0, 6.0)
    step = next((one for one in steps if span_h / one <= most), 12.0)
    axes.xaxis.set_major_locator(MultipleLocator(step))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda hour, _: clock(hour)))
    axes.set_xlim(hours(start_s, times_s[:1])[0], hours(start_s, times_s[-1:])[0])


def hours(start_s: float, times_s: Floats) -> Floats:
    """Return hours of the day."""
    return np.asarray((start_s + times_s) / 3600.0, np.float64)


def clock(hour: float) -> str:
    """Write hours of the day as HH:MM."""
    minutes = round(hour * 60.0)
    return f"{minutes // 60 % 24:02d}:{minutes % 60:02d}"
