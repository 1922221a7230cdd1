"""Speed over place and time: the truth and what was made of it."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

from twin.columns import Floats
from twin.perceive.corridor.reports import Grid


def plot_fields(fields: dict[str, Floats], grid: Grid, rows: list[int], path: Path) -> None:
    """Draw fields in km/h one below the other; dashed lines are the detectors."""
    most = max(float(field.max()) for field in fields.values())
    size = (9.0, 1.75 * len(fields))
    figure, axes = plt.subplots(len(fields), 1, figsize=size, sharex=True, layout="constrained")
    extent = (0.0, grid.columns * grid.step_s / 60.0, 0.0, grid.cells * grid.cell_m)
    for axis, (name, field) in zip(axes, fields.items(), strict=True):
        image = axis.imshow(
            field,
            origin="lower",
            aspect="auto",
            extent=extent,
            cmap="RdYlGn",
            vmin=0,
            vmax=most,
            interpolation="nearest",
        )
        for row in rows:
            axis.axhline((row + 0.5) * grid.cell_m, color="black", lw=0.7, ls="--")
        axis.set_title(name, fontsize=9, loc="left")
        axis.set_ylabel("m", fontsize=8)
        axis.tick_params(labelsize=8)
    axes[-1].set_xlabel("minutes", fontsize=8)
    figure.colorbar(image, ax=axes, label="km/h", shrink=0.6)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
