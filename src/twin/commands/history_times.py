"""`twin history times`: travel times of a way on an exported day."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from twin.api.history import MINUTE_US, lengths_of
from twin.api.history_times import PERIOD_US, csv_of, first_chain
from twin.commands.console import plain_errors
from twin.errors import Fault, InputError
from twin.network.corridors import corridors
from twin.network.model import SingleMap
from twin.perceive.journeys import LONGEST_US, Journeys, journeys
from twin.store import archive, maps
from twin.store.days import DAY_US
from twin.store.history import first_us
from twin.store.minutes_folder import minutes_in_folder


def times_command(
    folder: Annotated[Path, typer.Argument(help="Folder of the exported days.", exists=True)],
    day: Annotated[str, typer.Option("--day", help="One UTC day, YYYY-MM-DD.")],
    road: Annotated[str, typer.Option(help="A corridor by its road.")] = "",
    link: Annotated[
        list[str] | None, typer.Option(help="Links in driving order, in place of --road.")
    ] = None,
) -> None:
    """Write travel times of a way as CSV: a departure every five minutes of an exported day."""
    with plain_errors():
        if bool(road) == bool(link):
            raise InputError(Fault("--road", road, "name one road, or links in driving order"))
        try:
            begin_us = first_us(date.fromisoformat(day))
        except ValueError as error:
            raise InputError(Fault("--day", day, "must be a day, YYYY-MM-DD")) from error
        archive.read_manifest(folder, date.fromisoformat(day))
        way = list(link or []) or _way(folder, road)
        typer.echo(csv_of(_times(folder, way, begin_us)), nl=False)


def _times(folder: Path, way: list[str], begin_us: int) -> Journeys:
    minutes, networks = minutes_in_folder(folder, begin_us, begin_us + DAY_US + LONGEST_US, way)
    if unknown := [
        name for name in way if not any(name in one.link_rows for one in networks.values())
    ]:
        raise InputError(
            Fault("--link", unknown[0], "is no link of the map of that day", "unknown")
        )
    lengths = {version: lengths_of(one, way) for version, one in networks.items()}
    length_m = np.array([lengths[version] for version in minutes.map_version], np.float64)
    return journeys(
        np.array(minutes.time_us, np.int64),
        minutes.speed_mps,
        minutes.source,
        length_m=length_m.reshape(minutes.speed_mps.shape),
        depart_us=np.arange(begin_us, begin_us + DAY_US - MINUTE_US, PERIOD_US, dtype=np.int64),
        period_us=PERIOD_US,
    )


def _way(folder: Path, road: str) -> list[str]:
    """Return the links of a corridor on the newest map of the folder that has it."""
    files = sorted((folder / "maps").glob("*.map"), key=lambda path: path.stat().st_mtime)
    for path in reversed(files):
        network: SingleMap = maps.unpacked(path.read_bytes())
        for one in corridors(network):
            if one.road == road:
                return first_chain(network, [str(name) for name in one.links])
    raise InputError(Fault("--road", road, "is a road of no map of this folder", "unknown"))
