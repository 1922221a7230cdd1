"""The forecast and the live picture in the practice city, held against SUMO's own state.

`python benchmarks/forecast/city.py RUNS` scores what `city_runs.py RUNS` drove; `--report` writes
docs/reports/forecast_city.md with its plot from all that was scored. No service runs: readings are
handed to the live state minute by minute, as fast as the machine goes.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from city_feed import beats, incidents, new_live
from city_runs import PERIOD_S, SCENARIO, SEEDS, Morning, jammed, load_minutes, mornings

from twin.forecast.first import make_forecast
from twin.live import Live
from twin.network.gmns import read_gmns
from twin.network.model import LinkClass, SingleMap
from twin.units import KM_M
from twin.world.faults import ALL, Faults
from twin.world.truth import LinkMinutes, load_link_minutes

STEPS: Final = 12
STEP_MIN: Final = 5
HORIZONS_MIN: Final = (15, 30, 60)
SETTLED_MIN: Final = 20  # after the first reading: nothing is scored before
SLOWEST_MPS: Final = 1.0
HEAD: Final = "A10-N-25"  # before the viaduct: where the morning jams
CONGESTED: Final = 0.6  # of free speed
ASKED_MIN: Final = 10
LOOK_MIN: Final = 5  # the picture is looked at so often; a forecast is made every minute


@dataclass(frozen=True, slots=True)
class Shown:
    """What was shown of a morning: arrays over minutes (m), steps ahead (12) and links.

    minute_s (m,) SUMO's seconds
    density_vpm, speed_mps  (m, links) the picture, NaN in minutes in which nobody looked
    measured_mps  (m, links) what detectors say, without delays at signals
    ahead_mps, ahead_low, ahead_high, ahead_vpm  (m, 12, links) the forecast
    forecast_s    CPU seconds of one
    """

    minute_s: np.ndarray
    density_vpm: np.ndarray
    speed_mps: np.ndarray
    measured_mps: np.ndarray
    ahead_mps: np.ndarray
    ahead_low: np.ndarray
    ahead_high: np.ndarray
    ahead_vpm: np.ndarray
    forecast_s: float


def remember_days(live: Live, network: SingleMap, runs: Path, seed: int) -> None:
    """Let the other seeds be the working days before."""
    others = [one for one in SEEDS if one != seed]
    for days_before, other in zip((6, 5, 4, 1), others, strict=True):
        minutes = load_minutes(runs / jammed(other).name)
        for beat in beats(network, minutes, None, days_before=days_before):
            live.observe(beat.batch)
            forecast(live, beat.now_us, every_min=STEP_MIN)


def forecast(live: Live, now_us: int, *, every_min: int = 1) -> float:
    """Make a forecast if it is due, hand it to the live state; return the CPU seconds."""
    begin_s = time.process_time()
    if now_us // 60_000_000 % every_min == 0:
        live.take_forecast(make_forecast(live.forecast_input(now_us)), now_us)
    return time.process_time() - begin_s


def watch(
    network: SingleMap, runs: Path, morning: Morning, faults: Faults | None, *, history: bool
) -> Shown:
    """Hand a morning to a live state and keep everything that it shows."""
    live = new_live(network)
    if history:
        remember_days(live, network, runs, morning.seed)
    minutes = load_minutes(runs / morning.name)
    told = incidents() if morning.crash else ()
    rows: list[tuple[np.ndarray, ...]] = []
    nothing = np.full(len(network.links), np.nan)
    spent_s = 0.0
    for at, beat in enumerate(beats(network, minutes, faults, told)):
        live.observe(beat.batch)
        spent_s += forecast(live, beat.now_us)
        ahead = live.forecast
        assert ahead is not None
        seen = live.picture(beat.now_us).links if at % LOOK_MIN == 0 else None
        columns = (
            nothing if seen is None else seen.density_vpm,
            nothing if seen is None else seen.speed_mps,
            live.link_state(beat.now_us).speed_mps,
            ahead.speed_mps,
            ahead.speed_lo_mps,
            ahead.speed_hi_mps,
            ahead.density_vpm,
        )
        rows.append(tuple(column.astype(np.float32) for column in columns))
    return Shown(minutes.end_s, *map(np.array, zip(*rows, strict=True)), spent_s / len(rows))


def truth_means(truth: LinkMinutes, from_s: float, minutes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return SUMO's density and space mean speed over some minutes, (links,); NaN = unknown."""
    wanted = (truth.start_s >= from_s) & (truth.start_s < from_s + PERIOD_S * minutes)
    if wanted.sum() < minutes:
        nothing = np.full(len(truth.links), np.nan)
        return nothing, nothing
    density = np.nan_to_num(truth.density_vpm[wanted])
    driven = (density * np.nan_to_num(truth.speed_mps[wanted])).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return density.mean(axis=0), driven / density.sum(axis=0)


def errors(shown: Shown, truth: LinkMinutes, network: SingleMap) -> list[dict[str, Any]]:
    """Return mean absolute errors of density (veh/km) and travel time (s/km), by class of road."""
    motorway = np.array([link.link_class is LinkClass.MOTORWAY for link in network.links])
    samples: dict[tuple[str, str, int], list[tuple[np.ndarray, np.ndarray]]] = {}
    for at in range(SETTLED_MIN, len(shown.minute_s), LOOK_MIN):
        now_s = float(shown.minute_s[at])
        minute = truth_means(truth, now_s, 1)
        _note(samples, "picture", 0, (shown.density_vpm[at], shown.speed_mps[at]), minute)
        for ahead_min in HORIZONS_MIN:
            step = ahead_min // STEP_MIN - 1
            true = truth_means(truth, now_s + PERIOD_S * STEP_MIN * step, STEP_MIN)
            said = (shown.ahead_vpm[at, step], shown.ahead_mps[at, step])
            _note(samples, "forecast", ahead_min, said, true)
            last = (shown.density_vpm[at], shown.speed_mps[at])
            _note(samples, "last value", ahead_min, last, true)
    found = []
    for (who, what, ahead_min), parts in samples.items():
        off = np.array([np.abs(said - true) for said, true in parts])
        for name, chosen in (("motorway", motorway), ("streets", ~motorway)):
            there = np.isfinite(off[:, chosen])
            mean = float(off[:, chosen][there].mean()) if there.any() else float("nan")
            found.append(
                {"who": who, "what": what, "ahead_min": ahead_min, "road": name}
                | {"mae": mean, "samples": int(there.sum())}
            )
    return found


def _note(
    samples: dict[tuple[str, str, int], list[tuple[np.ndarray, np.ndarray]]],
    who: str,
    ahead_min: int,
    said: tuple[np.ndarray, np.ndarray],
    true: tuple[np.ndarray, np.ndarray],
) -> None:
    density = (KM_M * said[0], KM_M * true[0])
    pace = tuple(KM_M / np.maximum(speed, SLOWEST_MPS) for speed in (said[1], true[1]))
    samples.setdefault((who, "density", ahead_min), []).append(density)
    samples.setdefault((who, "travel time", ahead_min), []).append((pace[0], pace[1]))


def onset(shown: Shown, truth: LinkMinutes, network: SingleMap) -> dict[str, Any]:
    """Say when the jam came to its head, and since when each forecast had it in the next hour.

    The jam is there when SUMO's mean over five minutes is below 0.6 of free speed, and stays so
    for ten. A forecast warns from the first minute from which on every forecast, until the jam is
    there, has the link below that speed somewhere in its hour.
    """
    row = network.link_rows[HEAD]
    border = CONGESTED * network.links[row].free_speed_mps
    slow = np.array(
        [
            truth_means(truth, float(now_s) - STEP_MIN * PERIOD_S, STEP_MIN)[1][row] < border
            for now_s in shown.minute_s
        ]
    )
    there = [at for at in range(len(slow) - ASKED_MIN) if slow[at : at + ASKED_MIN].all()]
    if not there:
        return {"came_s": None}
    came = there[0]
    said = {
        "forecast": (shown.ahead_mps[:, :, row] < border).any(axis=1),
        "last value": shown.measured_mps[:, row] < border,
    }
    found: dict[str, Any] = {"came_s": float(shown.minute_s[came])}
    for who, warns in said.items():
        silent = np.flatnonzero(~warns[:came])
        since = int(silent[-1]) + 1 if len(silent) else 0
        found[who] = {
            "lead_min": came - since,
            "warned_early": int(warns[SETTLED_MIN : max(came - 60, SETTLED_MIN)].sum()),
            "minutes_before": max(came - 60 - SETTLED_MIN, 0),
            "said_at_30_min_mps": _at(shown, came - 30, row) if who == "forecast" else None,
        }
    return found


def _at(shown: Shown, at: int, row: int) -> list[float]:
    return [round(float(one), 1) for one in shown.ahead_mps[max(at, 0), :, row]]


def score(network: SingleMap, runs: Path, case: Case) -> None:
    """Score one case and keep its figures, and what the plot needs."""
    folder = runs / case.morning.name
    faults = ALL if case.faults else None
    shown = watch(network, runs, case.morning, faults, history=case.history)
    truth = load_link_minutes(folder / "truth.npz")
    document = {
        "case": asdict(case),
        "errors": errors(shown, truth, network),
        "onset": onset(shown, truth, network),
        "forecast_cpu_s": round(shown.forecast_s, 4),
    }
    case.file(runs).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    row = network.link_rows[HEAD]
    np.savez_compressed(
        case.file(runs).with_suffix(".npz"),
        minute_s=shown.minute_s,
        truth_mps=truth.speed_mps[:, row],
        truth_s=truth.start_s,
        shown_mps=shown.speed_mps[:, row],
        ahead_mps=shown.ahead_mps[:, :, row],
        ahead_low=shown.ahead_low[:, :, row],
        ahead_high=shown.ahead_high[:, :, row],
    )


@dataclass(frozen=True, slots=True)
class Case:
    """One morning as the live state sees it: with faults or not, knowing days before or not."""

    morning: Morning
    faults: bool = False
    history: bool = False

    def file(self, runs: Path) -> Path:
        """Return where its figures lie."""
        words = ["score", "faults" if self.faults else "clean"] + ["history"] * self.history
        return runs / self.morning.name / f"{'-'.join(words)}.json"


def cases() -> list[Case]:
    """Return all cases of the report."""
    seeds = [Case(jammed(seed), history=history) for history in (False, True) for seed in SEEDS]
    levels = [one for one in mornings() if one.seed not in SEEDS]
    return seeds + [Case(one, faults=faults) for faults in (False, True) for one in levels]


def main() -> None:
    """Score what was driven and not scored yet, or write the report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("runs", type=Path)
    parser.add_argument("--most", type=int, default=1000, help="so many cases at once")
    parser.add_argument("--report", action="store_true", help="write the report instead")
    chosen = parser.parse_args()
    if chosen.report:
        from city_report import write_report

        write_report(chosen.runs, [one.file(chosen.runs) for one in cases()])
        return
    network, _ = read_gmns(SCENARIO / "network")
    left = [one for one in cases() if not one.file(chosen.runs).is_file()]
    ready = [one for one in left if _driven(chosen.runs, one)]
    for case in ready[: chosen.most]:
        score(network, chosen.runs, case)
        print(case.file(chosen.runs).relative_to(chosen.runs), flush=True)


def _driven(runs: Path, case: Case) -> bool:
    needed = [case.morning] + ([jammed(seed) for seed in SEEDS] if case.history else [])
    return all((runs / one.name / "readings.npz").is_file() for one in needed)


if __name__ == "__main__":
    main()
