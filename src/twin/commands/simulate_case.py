"""A bare case from a file to tables: what `twin simulate CASE.json` does."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from twin.commands.console import ERR, plain_errors, print_json
from twin.simulate.case import results
from twin.simulate.case.form import NetworkCase, NodeCase, read_case
from twin.simulate.case.run import run_case
from twin.simulate.case.wiring import wire_case

NODE_COLUMNS = ("approach_id", "exit_id", "flow_vph")


def show_case(source: Path, out: Path | None, *, as_json: bool) -> None:
    """Run a case; print its summary when no folder is named or a program reads."""
    with plain_errors():
        report = run_case_file(source, out)
    if as_json or out is None:
        print_json(report)


def run_case_file(source: Path, out: Path | None) -> dict[str, object]:
    """Run a case, write its tables if a folder is named, and return its summary.

    Raises InputError naming the field that is wrong, SimulationError when it cannot run, OSError.
    """
    case = read_case(source.read_bytes())
    report = _node(case, out) if isinstance(case, NodeCase) else _network(case, out)
    if out is not None:
        text = msgspec.json.format(msgspec.json.encode(report), indent=2)
        (out / "summary.json").write_bytes(text + b"\n")
        ERR.print(f"written: {out}", highlight=False)
    return report


def _network(case: NetworkCase, out: Path | None) -> dict[str, object]:
    record = run_case(wire_case(case))
    arrived = results.arrivals(record)
    if out is not None:
        _write(out, "curves.csv", results.CURVES, results.curve_rows(record, arrived))
        _write(out, "queues.csv", results.QUEUES, results.queue_rows(record))
        _write(out, "origins.csv", results.ORIGINS, results.origin_rows(record))
        _write(out, "delays.csv", results.DELAYS, results.delay_rows(record, arrived))
        _write(out, "node_flows.csv", results.NODE_FLOWS, results.node_rows(record))
        if record.cells is not None:
            _write(out, "cells.csv", results.CELLS, results.cell_rows(record))
    return results.summary(record, arrived)


def _node(case: NodeCase, out: Path | None) -> dict[str, object]:
    rows = results.node_case_rows(case)
    if out is not None:
        _write(out, "node_flows.csv", NODE_COLUMNS, rows)
    flows = [dict(zip(NODE_COLUMNS, row, strict=True)) for row in rows]
    return {"case": case.name, "flows": flows}


def _write(
    out: Path, name: str, columns: Sequence[str], rows: Iterable[Sequence[str | float]]
) -> None:
    """Write one table; numbers have ten digits. Raises OSError."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(
            [f"{value:.10g}" if isinstance(value, float) else value for value in row]
            for row in rows
        )
