"""What a run says about itself: edits in words, assumptions, versions, warnings, summary."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from twin import __version__
from twin.errors import Fault, InputError
from twin.scenario.compare import CONFIDENCE
from twin.scenario.edits.form import AnyEdit
from twin.scenario.edits.shown import shape, told
from twin.scenario.form import RouteKind, Scenario
from twin.scenario.project import Project
from twin.scenario.report.about import About, EditTold
from twin.scenario.results.tables import measure_differences
from twin.scenario.results.whole import Results
from twin.scenario.run import Plan
from twin.scenario.words import clock_of

ABOUT: Final = "run.json"
FEW_SEEDS: Final = 3


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept beside the runs, so that a report can be made again."""

    about: About
    touched: tuple[str, ...]
    edits: tuple[dict[str, Any], ...]


def told_of(project: Project, plan: Plan) -> Told:
    """Return what a report needs beside the numbers."""
    scenario = project.scenario
    about = About(
        title=scenario.name,
        description=scenario.description,
        learn=scenario.learn,
        date=scenario.date,
        edits=tuple(_edit(done.edit, project) for done in project.done),
        assumptions=tuple(_assumptions(project, plan)),
        versions=_versions(project),
        warnings=tuple(_warnings(scenario, plan.seeds)),
    )
    return Told(about=about, touched=touched(project), edits=edit_features(project))


def touched(project: Project) -> tuple[str, ...]:
    """Return the links that edits name, in the order of the file."""
    names: dict[str, None] = {}
    rows = project.edited.network.link_rows
    for done in project.done:
        found = list(getattr(done.edit, "links", ()))
        for field in ("link", "from_link", "to_link", "id"):
            found += [getattr(done.edit, field)] if hasattr(done.edit, field) else []
        names.update(dict.fromkeys(name for name in found if name in rows))
    return tuple(names)


def edit_features(project: Project) -> tuple[dict[str, Any], ...]:
    """Return the edits as GeoJSON features, in the order of the file."""
    return tuple(
        {
            "type": "Feature",
            "id": number,
            "geometry": shape(done.edit, project.edited),
            "properties": {
                "edit": done.edit.__struct_config__.tag,
                "text": told(done.edit, project.edited.network),
            },
        }
        for number, done in enumerate(project.done)
    )


def _edit(edit: AnyEdit, project: Project) -> EditTold:
    whole = f"{clock_of(project.start_s)}–{clock_of(project.end_s)}"
    when = whole
    if edit.from_ or edit.until:
        when = f"{edit.from_ or clock_of(project.start_s)}–{edit.until or clock_of(project.end_s)}"
    bare = msgspec.structs.replace(edit, note="", from_=None, until=None)
    return EditTold(when, told(bare, project.edited.network), edit.note)


def _assumptions(project: Project, plan: Plan) -> list[tuple[str, str]]:
    scenario = project.scenario
    side = plan.sides["edited"]
    trips = sum(one.trips for one in project.base.streams)
    rows = [
        (
            "Demand",
            f"{trips:,.0f} trips on average; each seed draws its own day from these means "
            f"(Poisson), the same one for base and edited. {project.inside_zone:,.0f} trips that "
            "end where they begin are not simulated.",
        ),
        ("Routes", _routes(scenario)),
        ("Seeds", ", ".join(map(str, plan.seeds))),
        (
            "Intervals",
            f"{CONFIDENCE:.0%}, Student's t over the differences of paired seeds; "
            "within noise when the interval holds 0.",
        ),
        ("Step", f"{side.step_s:g} s; reports every {scenario.engine.report_s:g} s"),
        ("Signals", _signals(project, plan)),
    ]
    if scenario.weather is not None:
        weather = scenario.weather
        rows.append(
            (
                "Weather",
                f"{weather.name}: capacity times {weather.capacity_factor:g}, free speed times "
                f"{weather.speed_factor:g}. Source: {weather.source}",
            )
        )
    network = project.base.network
    rows += [("Calibration", told(edit, network)) for edit in scenario.calibration]
    rows += [("Zone", _zone(rule.zone, rule.authorised)) for rule in project.base.zones]
    return rows


def _routes(scenario: Scenario) -> str:
    if scenario.routes.kind is RouteKind.FIXED:
        return "Everybody takes the quickest path at free speed; who finds it closed looks anew."
    routes = scenario.routes
    return (
        f"{routes.compliant_share:.0%} follow the travel times of the moment, looked up every "
        f"{routes.interval_s:g} s; the others take the quickest path at free speed. Who finds a "
        "link closed looks anew."
    )


def _signals(project: Project, plan: Plan) -> str:
    count = len(project.base.network.junctions)
    if not count:
        return "The map has no signal plans."
    signals = plan.sides["edited"].signals
    return (
        f"{count} junctions run fixed plans, the first of the map where no edit says otherwise: "
        f"green and red at {len(signals.staged)}, at {len(signals.averaged)} the mean capacity of "
        "their greens for turns of one link that are not green together."
    )


def _zone(zone: str, authorised: Sequence[tuple[str, float]]) -> str:
    shares = ", ".join(f"{share:.0%} of {name}" for name, share in authorised)
    return f"{zone} is restricted in the base to {shares or 'nobody'}"


def _versions(project: Project) -> tuple[tuple[str, str], ...]:
    base, edited = project.base.network, project.edited.network
    rows = [("twin", __version__), (f"Map {base.name}", base.version)]
    if edited.version != base.version:
        rows.append(("Edited map", edited.version))
    return (*rows, ("numpy", np.__version__))


def _warnings(scenario: Scenario, seeds: Sequence[int]) -> list[str]:
    found = []
    if len(seeds) < 2:
        found.append("One seed: there are no intervals, so no difference can be told from noise.")
    elif len(seeds) < FEW_SEEDS:
        found.append("Two seeds: the intervals are very wide. Take five or more.")
    if not scenario.map.version:
        found.append("The file names no map version: nobody checked that the map is the one meant.")
    if not scenario.edits:
        found.append("There are no edits: base and edited are the same.")
    return found


def write_told(folder: Path, told_: Told) -> None:
    """Keep it beside the runs."""
    text = msgspec.json.format(msgspec.json.encode(told_), indent=2)
    (folder / ABOUT).write_bytes(text + b"\n")


def read_told(folder: Path) -> Told:
    """Read what was kept. Raises InputError."""
    try:
        return msgspec.json.decode((folder / ABOUT).read_bytes(), type=Told)
    except FileNotFoundError as error:
        fault = Fault("DIR", str(folder), "is a folder that `twin scenario run` wrote")
        raise InputError(fault) from error
    except msgspec.MsgspecError as error:
        raise InputError(Fault(ABOUT, str(folder), str(error))) from error


def summary_of(results: Results, told_: Told) -> dict[str, Any]:
    """Return the outcome in short, for programs: each measure with its interval and its word."""
    found = measure_differences(results)
    frame = results.frame
    rows = [
        {
            "key": one.kind.key,
            "name": one.kind.words,
            "unit": one.kind.unit,
            "base": _number(found.base[row]),
            "edited": _number(found.edited[row]),
            "difference": _number(found.difference[row]),
            "low": _number(found.low[row]),
            "high": _number(found.high[row]),
            "day_to_day": _number(found.day_to_day[row]),
            "verdict": str(found.verdict(row)),
        }
        for row, one in enumerate(results.measures)
    ]
    return {
        "name": frame.name,
        "map": frame.map_name,
        "map_version": frame.map_version,
        "starts": clock_of(frame.start_s),
        "ends": clock_of(frame.start_s + float(frame.times_s[-1])),
        "seeds": list(results.seeds),
        "confidence": CONFIDENCE,
        "edits": list(told_.edits),
        "measures": rows,
        "assumptions": [list(row) for row in told_.about.assumptions],
        "warnings": list(told_.about.warnings),
    }


def _number(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None
