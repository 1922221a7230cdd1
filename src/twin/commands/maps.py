"""`twin map import|export|check`: networks in and out, with what the import had to guess."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import typer

from twin.commands.console import ERR, OUT, plain_errors, print_json
from twin.errors import MapError
from twin.network.gmns import read_gmns, write_gmns
from twin.network.model import SingleMap
from twin.network.quality import QualityReport
from twin.network.stations import Station, map_from_stations

maps = typer.Typer(no_args_is_help=True, help="Import, export and check road networks.")

Json = Annotated[bool, typer.Option("--json", help="For a program to read.")]
OutFolder = Annotated[Path, typer.Option("--out", help="Folder to write; must not exist yet.")]


@maps.command("check")
def check(
    folder: Annotated[Path, typer.Argument(help="GMNS folder (0.94 to 0.96).")],
    *,
    as_json: Json = False,
) -> None:
    """Read a GMNS folder and say what is in it and what is doubtful.

    Exit code 0 when it can be imported, warnings or not; 2 when it cannot, with the reason.
    """
    with plain_errors():
        network, quality = _read(folder)
    _report(network, quality, as_json=as_json)


@maps.command("import")
def import_map(
    source: Annotated[Path, typer.Argument(help="GMNS folder, or a list of stations.")],
    *,
    out: OutFolder,
    stations: Annotated[
        bool,
        typer.Option(
            "--stations",
            help="The source is a CSV (id, lat, lon, road) or NPZ of detector stations; "
            "one link a station is made along its road, marked as guessed.",
        ),
    ] = False,
    timezone: Annotated[
        str | None, typer.Option("--tz", help="IANA time zone of the city; UTC if nobody says.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Turn a source into a clean GMNS 0.96 folder that TWIN_MAP can name."""
    with plain_errors():
        if stations:
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
) -> None:
    """Write a network as GMNS 0.96; importing that again gives the same version."""
    with plain_errors():
        network, _ = _read(folder)
        _write(network, out)
    ERR.print(f"version {network.version} written: {out}")


def read_stations(path: Path) -> tuple[Station, ...]:
    """Read detector stations from a CSV or NPZ. Raises MapError naming file, row and field."""
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
    return tuple(_station(path, number, row) for number, row in enumerate(rows, start=2))


def _station(path: Path, number: int, row: dict[str, str]) -> Station:
    try:
        return Station(
            id=row.get("id") or row["sensor_id"],
            lat=float(row.get("lat") or row["latitude"]),
            lon=float(row.get("lon") or row["longitude"]),
            road=row.get("road") or "-".join(filter(None, (row.get("Fwy"), row.get("Dir")))),
        )
    except KeyError as error:
        message = f"{path.name}: column {error.args[0]} is missing (id, lat, lon, road)"
        raise MapError(message) from error
    except ValueError as error:
        message = f"{path.name}, line {number}: {error}"
        raise MapError(message) from error


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


def _write(network: SingleMap, out: Path) -> None:
    if out.exists() and any(out.iterdir()):
        message = f"{out} exists and is not empty; name another folder"
        raise MapError(message)
    write_gmns(network, out)


def _report(network: SingleMap, quality: QualityReport, *, as_json: bool) -> None:
    if as_json:
        document = msgspec.json.decode(quality.to_json())
        print_json({"name": network.name, "version": network.version, **document})
        return
    OUT.print(f"{network.name or 'unnamed'}  version {network.version}", highlight=False)
    OUT.print(quality.to_text(), highlight=False, markup=False)
