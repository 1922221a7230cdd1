"""The report as one HTML file that needs nothing else: pictures, style and numbers inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from twin.scenario.compare import differences
from twin.scenario.report.about import About
from twin.scenario.report.diagrams import (
    curves,
    inside,
    levels,
    network_diagram,
    time_space,
    winners,
)
from twin.scenario.report.difference_map import difference_map
from twin.scenario.report.drawing import Picture, clock
from twin.scenario.report.rows import (
    MeasureRow,
    junction_rows,
    link_rows,
    measure_rows,
    number,
    pair_rows,
    spillback_rows,
)
from twin.scenario.results.service import EDITION
from twin.scenario.results.whole import Results

_HERE = Path(__file__).parent
_ROADS = 2  # time-space diagrams shown: of the roads whose delay changes most
_LEAD = ("delay", "mean_time", "planning_time_index", "spillback")


def report_html(results: Results, about: About, *, touched: frozenset[str] = frozenset()) -> str:
    """Return the report as HTML. `touched` are links that edits name: they are marked on the map.

    The same results give the same bytes.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    template = environment.get_template("report.html.j2")
    return template.render(**_context(results, about, touched))


def write_report(
    results: Results, about: About, path: Path, *, touched: frozenset[str] = frozenset()
) -> None:
    """Write the report into one file. Raises OSError when it cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(report_html(results, about, touched=touched), encoding="utf-8")


def _context(results: Results, about: About, touched: frozenset[str]) -> dict[str, Any]:
    frame, measures = results.frame, measure_rows(results)
    start_h, end_h = (frame.start_s + float(frame.times_s[row]) for row in (0, -1))
    named = {row.key: row for row in measures}
    return {
        "about": about,
        "frame": frame,
        "seeds": ", ".join(map(str, results.seeds)),
        "seed_count": len(results.seeds),
        "horizon": f"{clock(start_h / 3600.0)}–{clock(end_h / 3600.0)}",
        "style": (_HERE / "report.css").read_text(encoding="utf-8"),
        "lead": [named[key] for key in _LEAD if key in named],
        "summary": _summary(results, named),
        "measures": [row for row in measures if not row.key.startswith("emission_")],
        "emissions": [row for row in measures if row.key.startswith("emission_")],
        "emission_mark": results.factors.mark,
        "emission_sources": results.factors.sources,
        "map": difference_map(results, touched),
        "links": link_rows(results),
        "roads": _roads(results),
        "inside": inside(results),
        "network_diagram": network_diagram(results),
        "curves": _most_changed(results),
        "winners": winners(results),
        "classes": _classes(results),
        "one_sided": results.winners,
        "levels": levels(results),
        "edition": EDITION,
        "junctions": junction_rows(results),
        "full": spillback_rows(results),
        "pairs": pair_rows(results),
        "step": _step(results),
    }


def _summary(results: Results, named: dict[str, MeasureRow]) -> str:
    """Say in a sentence or two what came out."""
    parts = []
    if (row := named.get("delay")) is not None:
        if row.tone == "quiet":
            parts.append(f"Total delay: {row.verdict} ({row.base} → {row.edited} veh-h).")
        else:
            way = "rises" if row.tone == "worse" else "falls"
            parts.append(
                f"Total delay {way} from {row.base} to {row.edited} veh-h: {row.difference}, "
                f"95\u202f% interval {row.interval}."
            )
    found = results.winners
    moved = found.winners_share.mean() + found.losers_share.mean()
    if np.isfinite(moved) and moved > 0.0005:
        parts.append(
            f"Of the trips that arrive on both sides {found.losers_share.mean():.1%} are slower "
            f"and {found.winners_share.mean():.1%} faster by more than a minute."
        )
    if (row := named.get("gridlock")) is not None:
        parts.append(
            f"Full links that let nobody out: {row.base} → {row.edited} link-h. Read all "
            "times after that as lower bounds."
        )
    return " ".join(parts)


def _roads(results: Results) -> list[Picture]:
    """Return the time-space diagrams of the roads whose delay changes most."""
    base, edited = results.by_link["delay"]
    change = np.abs(edited.mean(axis=0) - base.mean(axis=0))
    ranked = sorted(results.corridors, key=lambda road: -float(change[road.rows].sum()))
    return [time_space(results, road) for road in ranked[:_ROADS]]


def _most_changed(results: Results) -> Picture:
    """Return the curves of the link whose delay changes most beyond noise."""
    found = differences(*results.by_link["delay"])
    change = np.abs(np.nan_to_num(found.difference))
    beyond = np.where(found.within_noise, 0.0, change)
    return curves(results, int(np.argmax(beyond if beyond.any() else change)))


def _classes(results: Results) -> list[tuple[str, ...]]:
    """Return name, winners, losers and unchanged of each class, per seed."""
    size = max(len(results.seeds), 1)
    return [
        (name, *(number(count / size) for count in counts))
        for name, counts in sorted(results.winners.by_class.items())
    ]


def _step(results: Results) -> str:
    told = results.trips[0][0].step
    return (
        f"Time step {told.step_s:g} s; {len(told.rounded_links)} short links rounded up to a step, "
        f"{told.added_share:.2%} of free travel time"
    )
