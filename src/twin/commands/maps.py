"""`twin map import|export|check`: networks in and out, with what the import had to guess."""

from __future__ import annotations

import csv
import io
import math
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import typer

from twin.commands import map_versions
from twin.commands.console import ERR, OUT, plain_errors, print_json
from twin.errors import MapError
from twin.network.gmns import read_gmns, write_gmns
from twin.network.model import SingleMap
from twin.network.osm import is_osm, read_osm
from twin.network.osm.extract import Box
from twin.network.osm.roads import CLASSES
from twin.network.quality import QualityReport
from twin.network.stations import Station, map_from_stations
from twin.network.sumo import is_sumo, read_sumo_net
from twin.network.sumo.plain import CONFIG_FILE, write_sumo_plain

maps = typer.Typer(no_args_is_help=True, help="Import, export and check road networks.")
map_versions.register(maps)

Json = Annotated[bool, typer.Option("--json", help="For a program to read.")]
Additional = Annotated[
    list[Path] | None,
    typer.Option("--additional", help="SUMO: file with loops, bus stops or signal programs."),
]
OutFolder = Annotated[Path, typer.Option("--out", help="Folder to write; must not exist yet.")]


class MapForm(StrEnum):
    """In which form a map is written."""

    GMNS = "gmns"
    SUMO = "sumo"


@maps.command("check")
def check(
    folder: Annotated[
        Path, typer.Argument(help="GMNS folder (0.94 to 0.96), an .osm file, or a .net.xml.")
    ],
    *,
    additional: Additional = None,
    as_json: Json = False,
) -> None:
    """Read a GMNS folder, an OpenStreetMap file or a net of SUMO; say what is in it and doubtful.

    Exit code 0 when it can be imported, warnings or not; 2 when it cannot, with the reason.
    """
    with plain_errors():
        if is_sumo(folder):
            network, quality = read_sumo_net(folder, additional=additional or ())
        else:
            network, quality = _read_osm(folder) if is_osm(folder) else _read(folder)
    _report(network, quality, as_json=as_json)


@maps.command("import")
def import_map(
    source: Annotated[
        Path,
        typer.Argument(help="GMNS folder, OpenStreetMap file, SUMO's .net.xml, list of stations."),
    ],
    *,
    out: OutFolder,
    stations: Annotated[
        bool,
        typer.Option(
            "--stations",
            help="The source is a CSV (id, lat, lon, road) or NPZ of detector stations, or a "
            "folder with one such file; "
            "one link a station is made along its road, marked as guessed.",
        ),
    ] = False,
    osm: Annotated[
        bool,
        typer.Option(
            "--osm",
            help="The source is an OpenStreetMap extract, PBF or XML; "
            "not needed where its name ends in .osm.pbf, .osm or .osm.xml.",
        ),
    ] = False,
    bbox: Annotated[
        str | None,
        typer.Option("--bbox", metavar="W,S,E,N", help="OpenStreetMap: only what is in this box."),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            "--classes",
            metavar="CLASS,…",
            help="OpenStreetMap: only these values of highway, ramps included "
            "(motorway,trunk,primary,secondary …).",
        ),
    ] = None,
    additional: Additional = None,
    timezone: Annotated[
        str | None, typer.Option("--tz", help="IANA time zone of the city; UTC if nobody says.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Turn a source into a clean GMNS 0.96 folder that TWIN_MAP can name."""
    with plain_errors():
        is_extract = osm or (is_osm(source) and not stations)
        _refuse_mixed(
            stations=stations and osm, alone=not is_extract and bool(bbox or classes), source=source
        )
        if is_sumo(source):
            _refuse_full(out)
            network, quality = read_sumo_net(
                source, additional=additional or (), timezone=timezone or "UTC"
            )
        elif is_extract:
            _refuse_full(out)
            network, quality = _read_osm(source, timezone=timezone, bbox=bbox, classes=classes)
        elif stations:
            found = read_stations(source)
            network, quality = map_from_stations(
                found, name=source.stem, timezone=timezone or "UTC"
            )
        else:
            network, quality = _read(source, timezone=timezone)
        _write(network, out)
    _report(network, quality, as_json=as_json)
    ERR.print(f"written: {out}")


@maps.command("export")
def export_map(
    folder: Annotated[Path, typer.Argument(help="GMNS folder as TWIN_MAP names it.")],
    *,
    out: OutFolder,
    form: Annotated[
        MapForm, typer.Option("--format", help="gmns, or sumo: plain files for netconvert.")
    ] = MapForm.GMNS,
    plan: Annotated[
        int, typer.Option(min=1, help="SUMO: which signal plan runs, counted from 1.")
    ] = 1,
) -> None:
    """Write a network as GMNS 0.96, which gives the same version again, or as files of SUMO."""
    with plain_errors():
        network, _ = _read(folder)
        if form is MapForm.SUMO:
            _refuse_full(out)
            write_sumo_plain(network, out, plan=plan - 1)
        else:
            _write(network, out)
    ERR.print(f"version {network.version} written: {out}")
    if form is MapForm.SUMO:
        ERR.print(f"next: cd {out} && netconvert -c {CONFIG_FILE}")


def read_stations(path: Path) -> tuple[Station, ...]:
    """Read detector stations from a CSV or NPZ, or from a folder with one of them in it.

    Raises MapError naming file, row and field.
    """
    if path.is_dir():
        path = _only_list(path)
    if path.suffix == ".npz":
        return _stations_of_npz(path)
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    except UnicodeDecodeError as error:
        message = f"{path.name}: not UTF-8 text"
        raise MapError(message) from error
    if not rows:
        message = f"{path.name}: no stations in it"
        raise MapError(message)
    found = tuple(_station(path, number, row) for number, row in enumerate(rows, start=2))
    _refuse_twice(path, found)
    return found


def _only_list(folder: Path) -> Path:
    lists = sorted(one for one in folder.iterdir() if one.suffix.lower() in (".csv", ".npz"))
    if len(lists) != 1:
        names = ", ".join(one.name for one in lists) or "none"
        message = f"{folder}: name the list of stations; .csv and .npz files in it: {names}"
        raise MapError(message)
    return lists[0]


def _refuse_twice(path: Path, stations: tuple[Station, ...]) -> None:
    lines: dict[str, int] = {}
    for number, station in enumerate(stations, start=2):
        if station.id in lines:
            first = lines[station.id]
            message = f"{path.name}, line {number}: id {station.id!r} stands in line {first} too"
            raise MapError(message)
        lines[station.id] = number


def _station(path: Path, number: int, row: dict[str, str | None]) -> Station:
    return Station(
        id=_cell(path, number, row, "id", "sensor_id"),
        lat=_degrees(path, number, row, "lat", "latitude"),
        lon=_degrees(path, number, row, "lon", "longitude"),
        road=row.get("road") or "-".join(filter(None, (row.get("Fwy"), row.get("Dir")))),
    )


def _cell(path: Path, number: int, row: dict[str, str | None], *names: str) -> str:
    """Return the cell of the column that has one of these names."""
    name = next((name for name in names if name in row), None)
    if name is None:
        message = f"{path.name}: column {names[0]} is missing (id, lat, lon, road)"
        raise MapError(message)
    cell = (row[name] or "").strip()
    if not cell:
        message = f"{path.name}, line {number}: {name} = '': must not be empty"
        raise MapError(message)
    return cell


def _degrees(path: Path, number: int, row: dict[str, str | None], *names: str) -> float:
    cell = _cell(path, number, row, *names)
    try:
        degrees = float(cell)
    except ValueError:
        degrees = math.nan
    if not abs(degrees) <= (90.0 if names[0] == "lat" else 180.0):
        message = f"{path.name}, line {number}: {names[0]} = {cell!r}: must be degrees (WGS 84)"
        raise MapError(message)
    return degrees


def _stations_of_npz(path: Path) -> tuple[Station, ...]:
    try:
        with np.load(path, allow_pickle=False) as file:
            columns = [file[name] for name in ("sensor_id", "lat", "lon")]
            road = file["road"] if "road" in file else np.full(len(columns[0]), "")
    except (KeyError, ValueError) as error:
        message = f"{path.name}: needs the arrays sensor_id, lat, lon (and road): {error}"
        raise MapError(message) from error
    return tuple(
        Station(id=str(name), lat=float(lat), lon=float(lon), road=str(way))
        for name, lat, lon, way in zip(*columns, road, strict=True)
    )


def _read(folder: Path, *, timezone: str | None = None) -> tuple[SingleMap, QualityReport]:
    with ERR.status(f"reading {folder}"):
        return read_gmns(folder, timezone=timezone)


def _refuse_mixed(*, stations: bool, alone: bool, source: Path) -> None:
    if stations:
        message = "--stations and --osm name two kinds of source; give one"
        raise MapError(message)
    if alone:
        message = f"--bbox and --classes are for OpenStreetMap files; is {source} one (--osm)?"
        raise MapError(message)


def _read_osm(
    path: Path, *, timezone: str | None = None, bbox: str | None = None, classes: str | None = None
) -> tuple[SingleMap, QualityReport]:
    box = None if bbox is None else _box(bbox)
    wanted = CLASSES if classes is None else [word.strip() for word in classes.split(",")]
    with ERR.status(f"reading {path}") as status:
        return read_osm(
            path,
            timezone=timezone,
            box=box,
            classes=wanted,
            tell=lambda what, done: status.update(f"reading {path}: {done:,} {what}"),
        )


def _box(text: str) -> Box:
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError as error:
        message = (
            f"--bbox {text}: must be four numbers W,S,E,N in degrees, as -3.72,40.40,-3.66,40.44"
        )
        raise MapError(message) from error
    return west, south, east, north


def _refuse_full(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        message = f"{out} exists and is not empty; name another folder"
        raise MapError(message)


def _write(network: SingleMap, out: Path) -> None:
    _refuse_full(out)
    write_gmns(network, out)


def _report(network: SingleMap, quality: QualityReport, *, as_json: bool) -> None:
    if as_json:
        document = msgspec.json.decode(quality.to_json())
        print_json({"name": network.name, "version": network.version, **document})
        return
    OUT.print(f"{network.name or 'unnamed'}  version {network.version}", highlight=False)
    OUT.print(quality.to_text(), highlight=False, markup=False)
