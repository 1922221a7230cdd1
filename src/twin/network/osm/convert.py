"""An OpenStreetMap file as a map, with what had to be guessed or left out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from twin.errors import MapError
from twin.network.build import build_map
from twin.network.model import Link, SingleMap
from twin.network.osm.beside import features_of
from twin.network.osm.carriageways import name_carriageways
from twin.network.osm.chains import Chain, chain_up
from twin.network.osm.connected import report_connection
from twin.network.osm.extract import Box, Extract, Tell, read_extract
from twin.network.osm.links import Drawn, bus_lanes, draw_links
from twin.network.osm.nodes import (
    Signals,
    blocked_rows,
    map_nodes,
    place_signals,
    report_nodes,
)
from twin.network.osm.pieces import Run, cut_into_pieces, runs_of
from twin.network.osm.roads import CLASSES, LEFT_OUT_TEXT
from twin.network.osm.turns import movements_of
from twin.network.quality import Findings, QualityReport, Severity

ATTRIBUTION: Final = "© OpenStreetMap contributors, ODbL 1.0"
_SUFFIXES: Final = (".osm.pbf", ".osm", ".osm.xml", ".osm.gz", ".osm.bz2", ".pbf")


def is_osm(path: Path) -> bool:
    """Say whether a name looks like an OpenStreetMap file (`town.osm.pbf`, `.osm`, `.osm.xml`)."""
    return path.name.lower().endswith(_SUFFIXES)


def read_osm(
    path: Path,
    *,
    timezone: str | None = None,
    box: Box | None = None,
    classes: Iterable[str] = CLASSES,
    tell: Tell = lambda what, done: None,
) -> tuple[SingleMap, QualityReport]:
    """Read the roads of an OpenStreetMap file (PBF or XML, packed or not) as a map.

    `box` (west, south, east, north in degrees) keeps what lies in it; `classes` are values of
    highway, ramps included. `tell` hears what is being done. The order of the objects in the file
    changes nothing. MapError names the file and why nothing was imported.
    """
    wanted = _checked_classes(classes)
    _check_box(box)
    extract = read_extract(path, box=box, classes=wanted, tell=tell)
    findings = Findings()
    _report_read(findings, extract, timezone)
    runs = runs_of(extract, findings, classes=wanted)
    _refuse_empty(path, runs, box)
    tell("roads cut at junctions", len(runs))
    chains, signals, blocked = _lay(extract, runs)
    report_nodes(findings, extract, chains, blocked)
    drawn = draw_links(extract, chains, findings)
    tell("links drawn", len(drawn))
    links = _on_their_roads(drawn)
    movements = movements_of(extract, drawn, blocked, findings)
    tell("turns made", len(movements))
    report_connection(links, movements, findings)
    network = build_map(
        name=_name(path),
        timezone=timezone or "UTC",
        nodes=map_nodes(extract, chains, signals, blocked),
        links=links,
        lanes=bus_lanes(drawn),
        movements=movements,
        features=features_of(extract, box, findings),
        meta=(("source", "OpenStreetMap"), ("attribution", ATTRIBUTION)),
    )
    return network, findings.report(network)


def _refuse_empty(path: Path, runs: Sequence[Run], box: Box | None) -> None:
    if not runs:
        message = f"{path.name}: no road for cars in it" + (" and in the box" if box else "")
        raise MapError(message)


def _on_their_roads(drawn: Sequence[Drawn]) -> list[Link]:
    roads = name_carriageways(drawn)
    return [replace(one.link, road=roads.get(one.link.id, "")) for one in drawn]


def _lay(extract: Extract, runs: list[Run]) -> tuple[list[Chain], Signals, frozenset[int]]:
    """Return the chains, cut also where a signal or a barrier stands between junctions."""
    size = len(extract.node_ids)
    blocked = blocked_rows(extract)
    chains = chain_up(cut_into_pieces(runs, size, kept=blocked), kept=blocked)
    signals = place_signals(extract, chains)
    if signals.apart:
        kept = blocked | signals.apart
        chains = chain_up(cut_into_pieces(runs, size, kept=kept), kept=kept)
    return chains, signals, blocked


def _name(path: Path) -> str:
    name = path.name
    suffix = next((end for end in _SUFFIXES if name.lower().endswith(end)), path.suffix)
    return name[: len(name) - len(suffix)] or name


def _checked_classes(classes: Iterable[str]) -> frozenset[str]:
    wanted = frozenset(classes)
    unknown = sorted(wanted - set(CLASSES))
    if unknown or not wanted:
        message = f"classes: {', '.join(unknown) or 'none given'}; known are {', '.join(CLASSES)}"
        raise MapError(message)
    return wanted


def _check_box(box: Box | None) -> None:
    if box is None:
        return
    west, south, east, north = box
    is_number = all(math.isfinite(value) for value in box)
    if not (is_number and -180.0 <= west < east <= 180.0 and -90.0 <= south < north <= 90.0):
        message = f"box {box}: must be west,south,east,north in degrees, west < east, south < north"
        raise MapError(message)


def _report_read(findings: Findings, extract: Extract, timezone: str | None) -> None:
    for reason, ways in sorted(extract.left_out.items()):
        text = LEFT_OUT_TEXT[reason]
        ids = [f"w{way}" for way in sorted(ways)]
        findings.add(reason.value, "way", text, severity=Severity.INFO, ids=ids)
    findings.add(
        "stands_twice",
        "way",
        "the way stands in the file more than once: its highest version is taken",
        severity=Severity.WARNING,
        ids=[f"w{way}" for way in sorted(set(extract.twice))],
    )
    if timezone is None:
        findings.add(
            "timezone_unknown",
            "map",
            "OpenStreetMap does not say the time zone: taken as UTC (--tz says another)",
            severity=Severity.WARNING,
        )
