"""What a run of a case says: rows for the tables, and a summary."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from twin.columns import Floats, Ints
from twin.simulate.case.form import NodeCase
from twin.simulate.case.roads import refuse
from twin.simulate.case.run import Record
from twin.simulate.gridlock import gridlocked
from twin.simulate.node import node_flows
from twin.units import kph_from_mps, vpkm_from_vpm

Row = tuple[str | float, ...]
FULL_SHARE = 0.99  # of a link's storage: it stands full

CURVES = ("time_s", "link_id", "entered", "left", "vehicles", "virtual_arrivals", "queue_veh")
QUEUES = ("time_s", "link_id", "tail_m", "queue_m")
ORIGINS = ("time_s", "origin_id", "appeared", "waiting")
DELAYS = (
    "link_id", "left", "free_s", "delay_veh_h", "mean_delay_s", "longest_wait_s",
    "longest_queue_veh", "capacity_drop_s",
)  # fmt: skip
NODE_FLOWS = ("from_s", "until_s", "node_id", "approach_id", "link_id", "flow_vph", "vehicles")
CELLS = ("time_s", "link_id", "from_m", "until_m", "density_vpkm", "speed_kph")


def reported(record: Record) -> Ints:
    """Return the moments to report: every `report_s` as near as steps allow, and the last."""
    every = max(round(record.wired.case.report_s / record.step_s), 1)
    last = len(record.time_s) - 1
    return np.unique(np.append(np.arange(0, last + 1, every), last)).astype(np.int64)


def arrivals(record: Record) -> Floats:
    """Return the virtual arrivals at the end of every link, (moments, links)."""
    entered, left = record.curves.columns()
    moments = record.time_s
    columns = []
    for link, free_s in enumerate(record.wired.roads.free_s.tolist()):
        back_s = moments - free_s
        stood = entered[0, link] - left[0, link]
        past = stood * np.clip(-back_s / free_s, 0.0, 1.0)
        columns.append(np.interp(back_s, moments, entered[:, link]) - past)
    return np.array(columns).T


def curve_rows(record: Record, arrived: Floats) -> Iterator[Row]:
    """Yield the cumulative counts of every link."""
    entered, left = record.curves.columns()
    for moment in reported(record).tolist():
        for link, name in enumerate(_links(record)):
            count_in, count_out = float(entered[moment, link]), float(left[moment, link])
            came = float(arrived[moment, link])
            yield (
                float(record.time_s[moment]), name, count_in, count_out, count_in - count_out,
                came, max(came - count_out, 0.0),
            )  # fmt: skip


def queue_rows(record: Record) -> Iterator[Row]:
    """Yield where the queue that stands at the end of each link begins."""
    for moment in reported(record).tolist():
        time_s = float(record.time_s[moment])
        for link, name in enumerate(_links(record)):
            tail_m = record.tail_m(link, moment)
            yield time_s, name, tail_m, float(record.wired.roads.length_m[link]) - tail_m


def origin_rows(record: Record) -> Iterator[Row]:
    """Yield the point queue of every origin."""
    names = [origin.id for origin in record.wired.case.origins]
    for moment in reported(record).tolist():
        for row, name in enumerate(names):
            yield (
                float(record.time_s[moment]), name,
                float(record.appeared[moment, row]), float(record.waiting[moment, row]),
            )  # fmt: skip


def delay_rows(record: Record, arrived: Floats) -> Iterator[Row]:
    """Yield the waiting before the end of every link, over the whole run."""
    left = record.curves.columns()[1]
    queue = np.maximum(arrived - left, 0.0)
    for link, name in enumerate(_links(record)):
        delay_s = float(np.trapezoid(queue[:, link], record.time_s))
        gone = float(left[-1, link])
        yield (
            name, gone, float(record.wired.roads.free_s[link]), delay_s / 3600.0,
            delay_s / gone if gone > 0 else 0.0, record.curves.longest_wait_s(link),
            float(queue[:, link].max()), float(record.dropped_s[link]),
        )  # fmt: skip


def node_rows(record: Record) -> Iterator[Row]:
    """Yield the flow of every turn between the moments reported; an empty link is an exit."""
    wired, moments = record.wired, reported(record).tolist()
    ends = np.concatenate([wired.roads.to_node, wired.turns.origin_node])
    places = [
        (wired.node_ids[ends[approach]], wired.approach_ids[approach], wired.approach_ids[link])
        for approach, link in zip(wired.turns.approach, wired.turns.link, strict=True)
    ]
    exits = [(wired.node_ids[ends[row]], name, "") for row, name in enumerate(wired.approach_ids)]
    counts = np.concatenate([record.turned, record.ended], axis=1)
    for start, end in itertools.pairwise(moments):
        from_s, until_s = float(record.time_s[start]), float(record.time_s[end])
        for column, place in enumerate(places + exits):
            vehicles = float(counts[end, column] - counts[start, column])
            if vehicles > 0 or column < len(places):
                yield from_s, until_s, *place, vehicles * 3600.0 / (until_s - from_s), vehicles


def cell_rows(record: Record) -> Iterator[Row]:
    """Yield the density and speed of every cell; nothing for the link model."""
    if record.cells is None:
        return
    names = _links(record)
    for moment in reported(record).tolist():
        time_s = float(record.time_s[moment])
        for link, from_m, until_m, density_vpm, speed_mps in record.cells.rows(time_s):
            density_vpkm, speed_kph = vpkm_from_vpm(density_vpm), kph_from_mps(speed_mps)
            yield time_s, names[link], from_m, until_m, density_vpkm, speed_kph


def summary(record: Record, arrived: Floats) -> dict[str, object]:
    """Return everything about the run as a whole."""
    entered, left = record.curves.columns()
    names, storage = _links(record), record.wired.roads.jam_vpm * record.wired.roads.length_m
    inside = entered[-1] - left[-1]
    half = len(record.time_s) // 2
    full = inside >= FULL_SHARE * storage
    still = full & (left[-1] - left[half] < 1e-9)
    wired = record.wired
    shares = wired.shares.at(float(record.time_s[-1]))[: len(wired.turns.link)]
    at_start = float(entered[0].sum())
    appeared, waiting = float(record.appeared[-1].sum()), float(record.waiting[-1].sum())
    arrived_all = float(record.ended[-1].sum())
    queue_s = np.trapezoid(np.maximum(arrived - left, 0.0), record.time_s, axis=0)
    return {
        "case": record.wired.case.name,
        "kernel": record.wired.case.kernel.value,
        "step_s": record.step_s,
        "horizon_s": float(record.time_s[-1]),
        "at_start": at_start,
        "appeared": appeared,
        "waiting": waiting,
        "inside": float(inside.sum()),
        "arrived": arrived_all,
        "missing": at_start + appeared - waiting - float(inside.sum()) - arrived_all,
        "delay_on_links_veh_h": float(queue_s.sum()) / 3600.0,
        "delay_at_origins_veh_h": float(
            np.trapezoid(record.waiting, record.time_s, axis=0).sum() / 3600.0
        ),
        "rounded_links": [
            {"link_id": name, "added_s": added_s} for name, added_s in record.rounded()
        ],
        "full_links": [names[row] for row in np.flatnonzero(full).tolist()],
        "still_links": [names[row] for row in np.flatnonzero(still).tolist()],
        "gridlock_links": [names[row] for row in gridlocked(wired.turns, shares, still).tolist()],
    }


def node_case_rows(case: NodeCase) -> list[Row]:
    """Return (approach, exit, veh/h) of a node on its own; an empty exit sums an approach up.

    Raises InputError naming a turn that does not fit.
    """
    ways_in = {approach.id: row for row, approach in enumerate(case.approaches)}
    ways_out = {way.id: row for row, way in enumerate(case.exits)}
    share = np.zeros((len(ways_in), len(ways_out)))
    for row, turn in enumerate(case.turns):
        if turn.approach not in ways_in:
            refuse(f"turns[{row}].approach", turn.approach, "no such approach")
        if turn.exit not in ways_out:
            refuse(f"turns[{row}].exit", turn.exit, "no such exit")
        share[ways_in[turn.approach], ways_out[turn.exit]] += turn.share
    demand = np.array([approach.demand_vph for approach in case.approaches])
    priority = np.array([approach.priority for approach in case.approaches])
    flows = node_flows(demand, priority, share, np.array([way.supply_vph for way in case.exits]))
    rows: list[Row] = []
    for name, row in ways_in.items():
        rows.extend((name, other, float(flows[row, to])) for other, to in ways_out.items())
        rows.append((name, "", float(flows[row].sum())))
    rows.extend(("", name, float(flows[:, to].sum())) for name, to in ways_out.items())
    return rows


def _links(record: Record) -> list[str]:
    return [link.id for link in record.wired.case.links]
