"""How many incidents the alerts find, how soon, and how many alerts are about nothing.

Labelled runs are fed to perception in this process, a minute at a time, as the live service is fed;
what is scored is what an operator would have seen. An alert is true when it stands on the road of a
labelled incident, at most `REACH_M` before it or behind it, while it lasts or shortly after.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from twin.clock import us_from_datetime
from twin.columns import ReadingBatch
from twin.errors import Fault, InputError
from twin.network.corridors import corridors
from twin.network.gmns import read_gmns
from twin.network.model import SingleMap
from twin.perceive.alerting import WAIT_US, Alerting
from twin.perceive.estimate import Perception
from twin.perceive.incident_watch import IncidentAlert
from twin.units import SECOND_US, frac_from_pct, mps_from_kph

REACH_M: Final = 2000.0
AFTER_S: Final = 600.0  # a queue that dissolves is still the incident's
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Label:
    """One incident as it was: seconds since the start of the run."""

    link: str
    position_m: float
    begin_s: float
    end_s: float
    lanes: int


@dataclass(frozen=True, slots=True)
class Run:
    """One labelled run: (periods, sensors) in the order of the map's sensors."""

    name: str
    start_us: int
    period_s: float
    count: Floats
    speed_mps: Floats
    occupancy_frac: Floats
    labels: tuple[Label, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """One incident and when it was seen: seconds after it began, None never."""

    run: str
    label: Label
    after_s: float | None


@dataclass(frozen=True, slots=True)
class Result:
    """The score of some runs. `false` alerts as (run, alert), `hours` of operation.

    detector_hours   hours times detectors that saw any vehicle in that run
    """

    found: tuple[Found, ...]
    false: tuple[tuple[str, IncidentAlert], ...]
    hours: float
    detector_hours: float

    @property
    def detected_share(self) -> float:
        """Share of the incidents that were seen, NaN without any."""
        return sum(one.after_s is not None for one in self.found) / max(len(self.found), 1)

    @property
    def mean_s(self) -> float:
        """Mean time to see one, s; NaN when none was seen."""
        times = [one.after_s for one in self.found if one.after_s is not None]
        return sum(times) / len(times) if times else float("nan")

    @property
    def false_rate(self) -> float:
        """False alerts an hour of operation and 100 detectors."""
        return 100.0 * len(self.false) / max(self.detector_hours, 1e-9)


def open_runs(folder: Path) -> tuple[SingleMap, tuple[Run, ...]]:
    """Read `network/` and every `run-*.npz`. Raises InputError naming what cannot be read."""
    network, _ = read_gmns(folder / "network")
    paths = sorted(folder.glob("run-*.npz"))
    if not paths:
        raise InputError(Fault("runs", str(folder), "no run-*.npz is there", "missing"))
    return network, tuple(_open(path, network) for path in paths)


def _open(path: Path, network: SingleMap) -> Run:
    try:
        with np.load(path, allow_pickle=False) as file:
            data = {name: file[name] for name in file.files}
        columns = {str(name): row for row, name in enumerate(data["sensor_id"])}
        order = [columns[str(sensor.id)] for sensor in network.sensors]
        return Run(
            name=path.stem,
            start_us=us_from_datetime(datetime.fromisoformat(str(data["start"]))),
            period_s=float(data["step_s"]),
            count=data["count"][:, order].astype(np.float64),
            speed_mps=mps_from_kph(data["speed_kph"][:, order].astype(np.float64)),
            occupancy_frac=frac_from_pct(data["occupancy_pct"][:, order].astype(np.float64)),
            labels=tuple(Label(**one) for one in json.loads(str(data["labels"]))),
        )
    except (OSError, KeyError, ValueError, TypeError) as error:
        rule = f"cannot be read as a labelled run ({type(error).__name__}: {error})"
        raise InputError(Fault("run", str(path), rule)) from error


def watch_run(network: SingleMap, run: Run) -> tuple[tuple[float, IncidentAlert], ...]:
    """Feed a run and return every alert with the second in which it was first seen."""
    perception = Perception(network)
    alerting = Alerting(network, perception)
    seen: dict[str, tuple[float, IncidentAlert]] = {}
    for row in range(len(run.count)):
        end_us = run.start_us + round((row + 1) * run.period_s * SECOND_US)
        perception.observe(_readings(run, row, end_us))
        alerting.advance(end_us + WAIT_US)
        for alert in alerting.alerts().incidents:
            at_s = (end_us + WAIT_US - run.start_us) / SECOND_US
            seen.setdefault(alert.id, (at_s, alert))
    return tuple(seen.values())


def _readings(run: Run, row: int, end_us: int) -> ReadingBatch:
    sensors = run.count.shape[1]
    return ReadingBatch(
        sensor=np.arange(sensors, dtype=np.int32),
        time_us=np.full(sensors, end_us, np.int64),
        period_ms=np.full(sensors, round(run.period_s * 1000.0), np.int64),
        count=run.count[row],
        speed_mps=run.speed_mps[row],
        occupancy_frac=run.occupancy_frac[row],
    )


def score(network: SingleMap, runs: Sequence[Run]) -> Result:
    """Watch every run and hold its alerts against the labels."""
    places = _places(network)
    found: list[Found] = []
    false: list[tuple[str, IncidentAlert]] = []
    for run in runs:
        alerts = watch_run(network, run)
        true: set[str] = set()
        for label in run.labels:
            hits = [
                (at_s, alert)
                for at_s, alert in alerts
                if _belongs(places, label, alert) and label.begin_s <= at_s <= label.end_s + AFTER_S
            ]
            true.update(alert.id for _, alert in hits)
            times = [at_s - label.begin_s for at_s, _ in hits if at_s <= label.end_s]
            found.append(Found(run.name, label, min(times, default=None)))
        false += [(run.name, alert) for _, alert in alerts if alert.id not in true]
    hours = [len(run.count) * run.period_s / 3600.0 for run in runs]
    used = [int(np.count_nonzero(np.nansum(run.count, axis=0))) for run in runs]
    watched = sum(length * sensors for length, sensors in zip(hours, used, strict=True))
    return Result(tuple(found), tuple(false), sum(hours), watched)


def _places(network: SingleMap) -> dict[str, tuple[str, float]]:
    """Return the road of each link and where on it the link starts, m."""
    return {
        link: (road.road, start_m)
        for road in corridors(network)
        for link, start_m in zip(road.links, road.start_m, strict=True)
    }


def _belongs(places: dict[str, tuple[str, float]], label: Label, alert: IncidentAlert) -> bool:
    road, start_m = places[label.link]
    on, alert_start_m = places[alert.link]
    gap_m = alert_start_m + alert.position_m - start_m - label.position_m
    return on == road and abs(gap_m) <= REACH_M


def as_document(result: Result) -> dict[str, Any]:
    """Return a result as plain values for JSON."""
    return {
        "incidents": len(result.found),
        "detected_share": round(result.detected_share, 3),
        "mean_s": None if np.isnan(result.mean_s) else round(result.mean_s, 1),
        "false_alerts": len(result.false),
        "false_an_hour_and_100_detectors": round(result.false_rate, 3),
        "hours": round(result.hours, 2),
        "detector_hours": round(result.detector_hours, 1),
        "found": [asdict(one) for one in result.found],
        "false": [{"run": run} | asdict(alert) for run, alert in result.false],
    }
