"""Reading a recording from its files: a scenario's folder, or one file with a detector week."""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt

from twin.clock import us_from_datetime
from twin.errors import Fault, InputError
from twin.seal import Plate
from twin.units import SECOND_US, kph_from_mph, kph_from_mps
from twin.world.tape import (
    AuthorisationRow,
    IncidentRow,
    Item,
    PassageRow,
    ReadingTable,
    Recording,
)

__all__ = ["Item", "ReadingTable", "Recording", "SpeedUnit", "open_recording", "open_script"]

_NONE: Final = -1
_WEEK_RATE: Final = 60.0
_SECONDS_A_MINUTE: Final = 60


class SpeedUnit(StrEnum):
    """In what a file counts its speeds."""

    KPH = "kph"
    MPH = "mph"
    MPS = "mps"


def open_recording(
    path: Path, *, timezone: str | None = None, speed_unit: SpeedUnit = SpeedUnit.KPH
) -> Recording:
    """Read a recording.

    `path` is a scenario folder (with `scenario.json`), a `.npz` file with a detector week, or a
    folder that holds one such file. `timezone` and `speed_unit` are for the detector week alone:
    its times are wall times of that zone. InputError names the file and what is wrong with it.
    """
    if (path / "scenario.json").is_file():
        return _open_scenario(path)
    weeks = [path] if path.is_file() else sorted(path.glob("*.npz"))
    if len(weeks) != 1:
        rule = f"neither a scenario folder nor one .npz file ({len(weeks)} found)"
        raise InputError(Fault("recording", str(path), rule))
    if timezone is None:
        rule = "its times are wall times; say in which zone (--tz Area/City)"
        raise InputError(Fault("timezone", str(weeks[0]), rule, "missing"))
    return _open_week(weeks[0], timezone=_zone(timezone), unit=speed_unit)


# --- a scenario's folder -----------------------------------------------------------------------


def open_script(folder: Path) -> Recording:
    """Read what is known of a scenario beforehand: people and incidents, no readings.

    Raises InputError naming the file that cannot be read.
    """
    nothing = ReadingTable((), np.empty(0, dtype=np.int64), 1.0, None, None, None)
    return _open_scenario(folder, nothing)


def _open_scenario(folder: Path, table: ReadingTable | None = None) -> Recording:
    about = _json(folder / "scenario.json")
    day = folder / "day"
    try:
        start_us, end_us, demo_us = (
            us_from_datetime(datetime.fromisoformat(about[key]))
            for key in ("start", "end", "demo_start")
        )
        return Recording(
            name=f"{folder.resolve().name}-{about['start'][:10]}",
            timezone=_zone(about["timezone"]).key,
            start_us=start_us,
            end_us=end_us,
            demo_start_us=demo_us,
            demo_rate=float(about["demo_rate"]),
            description=str(about["description"]),
            table=_day_table(day / "readings.npz") if table is None else table,
            passage_rows=tuple(_passage(row, day) for row in _rows(day / "passages.csv")),
            authorisation_rows=_authorisations(day / "authorisations.csv"),
            incident_rows=_incidents(day / "incidents.json"),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(_unreadable(folder, error)) from error


def _day_table(path: Path) -> ReadingTable:
    data = _arrays(path, ("sensor_id", "start", "step_s", "count", "speed_kph10"))
    sensors = tuple(str(sensor) for sensor in data["sensor_id"])
    step_s = int(data["step_s"])
    start_us = us_from_datetime(datetime.fromisoformat(str(data["start"])))
    periods = len(data["count"])
    table = ReadingTable(
        sensors=sensors,
        end_us=start_us + np.arange(1, periods + 1, dtype=np.int64) * step_s * SECOND_US,
        period_s=float(step_s),
        count=_unpacked(data["count"], 1.0),
        speed_kph=_unpacked(data["speed_kph10"], 10.0),
        occupancy_pct=_unpacked(data["occupancy_pct10"], 10.0),
    )
    for name in ("count", "speed_kph10", "occupancy_pct10"):
        if data[name].shape != (periods, len(sensors)):
            rule = f"{name} has shape {data[name].shape}, not ({periods}, {len(sensors)})"
            raise InputError(Fault("readings", str(path), rule))
    return table


def _unpacked(values: npt.NDArray[Any], divisor: float) -> npt.NDArray[np.float64]:
    return np.where(values == _NONE, np.nan, values / divisor)


def _passage(row: Mapping[str, str], day: Path) -> PassageRow:
    try:
        return PassageRow(
            time_us=us_from_datetime(datetime.fromisoformat(row["time"])),
            gate=row["gate"],
            direction=row["direction"],
            plate=Plate(row["country"], row["plate"]),
            confidence=float(row["confidence"]),
            track=row["track"],
        )
    except (KeyError, TypeError, ValueError) as error:
        # The row holds a plate: the message must not quote it.
        rule = f"a row at {row.get('time')} cannot be read ({type(error).__name__})"
        raise InputError(Fault("passages", str(day / "passages.csv"), rule)) from None


def _authorisations(path: Path) -> tuple[AuthorisationRow, ...]:
    plates: dict[str, list[Plate]] = {}
    heads: dict[str, dict[str, str]] = {}
    for row in _rows(path):
        name = row["authorisation"]
        heads.setdefault(name, row)
        plates.setdefault(name, []).append(Plate(row["country"], row["plate"]))
    return tuple(
        AuthorisationRow(
            authorisation=name,
            profile=head["profile"],
            zone=head["zone"],
            plates=tuple(plates[name]),
            valid_from=head["valid_from"],
            valid_to=head["valid_to"],
        )
        for name, head in heads.items()
    )


def _incidents(path: Path) -> tuple[IncidentRow, ...]:
    if not path.is_file():
        return ()
    return tuple(
        IncidentRow(
            time_us=us_from_datetime(datetime.fromisoformat(one["time"])),
            link=one["link"],
            body=json.dumps(one, ensure_ascii=False).encode(),
        )
        for one in _json(path)
    )


# --- a detector week: speeds of stations in one file -------------------------------------------


def _open_week(path: Path, *, timezone: ZoneInfo, unit: SpeedUnit) -> Recording:
    data = _arrays(path, ("data", "sensor_id", "start", "step_min"))
    try:
        start = datetime.fromisoformat(str(data["start"]))
        step_s = int(data["step_min"]) * _SECONDS_A_MINUTE
        values = np.asarray(data["data"], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(_unreadable(path, error)) from error
    sensors = tuple(str(sensor) for sensor in data["sensor_id"])
    if values.ndim != 2 or values.shape[1] != len(sensors) or not len(values):
        rule = f"data has shape {values.shape}, with {len(sensors)} stations"
        raise InputError(Fault("data", str(path), rule))
    end_us, rows = _instants(start, step_s, len(values), timezone)
    return Recording(
        name=path.stem,
        timezone=timezone.key,
        start_us=int(end_us[0]),
        end_us=int(end_us[-1]) + step_s * SECOND_US,
        demo_start_us=int(end_us[0]),
        demo_rate=_WEEK_RATE,
        description=f"{len(sensors)} stations, speeds every {step_s} s, from {path.name}",
        table=ReadingTable(
            sensors=sensors,
            end_us=end_us,
            period_s=float(step_s),
            count=None,
            speed_kph=_kph(values[rows], unit),
            occupancy_pct=None,
        ),
    )


def _kph(values: npt.NDArray[np.float64], unit: SpeedUnit) -> npt.NDArray[np.float64]:
    if unit is SpeedUnit.MPH:
        return kph_from_mph(values)
    return kph_from_mps(values) if unit is SpeedUnit.MPS else values


def _instants(
    start: datetime, step_s: int, periods: int, zone: ZoneInfo
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the instants of the file's wall times, and the rows that have one.

    The time that stands beside a row is taken as the time of its readings. A wall time that does
    not exist (clocks put forward) has no instant: its row is left out. One that exists twice is
    taken as the first.
    """
    instants, rows = [], []
    for row in range(periods):
        wall = start.replace(tzinfo=None) + timedelta(seconds=row * step_s)
        instant_us = us_from_datetime(wall.replace(tzinfo=zone))
        back = datetime.fromtimestamp(instant_us / SECOND_US, zone).replace(tzinfo=None)
        if back == wall:
            instants.append(instant_us)
            rows.append(row)
    return np.array(instants, dtype=np.int64), np.array(rows, dtype=np.int64)


# --- files -------------------------------------------------------------------------------------


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError(Fault("timezone", name, "not a time zone (Area/City)")) from error


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(_unreadable(path, error)) from error


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _arrays(path: Path, needed: tuple[str, ...]) -> dict[str, npt.NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            data = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(_unreadable(path, error)) from error
    missing = [name for name in needed if name not in data]
    if missing:
        raise InputError(Fault("recording", str(path), f"has no {', '.join(missing)}", "missing"))
    return data


def _unreadable(path: Path, error: Exception) -> Fault:
    return Fault("recording", str(path), f"cannot be read ({type(error).__name__}: {error})")
