"""The same motorway in SUMO's mesoscopic mode: the same roads and trips, its own process."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from motorway import FREE_MPS, HOUR_S, PIECE_M, PIECES, RAMP_M, RAMPS, joins, leaves, trips


def sumo_run(folder: Path, *, until_s: float = HOUR_S) -> Callable[[], None] | None:
    """Return one run of the peer on files in a folder; None where SUMO is not installed.

    Making the network is not in the run; reading it, driving and counts every minute are.
    """
    try:
        import sumo
    except ImportError:
        return None
    programs = Path(sumo.SUMO_HOME) / "bin"
    _write_roads(folder)
    _write_trips(folder)
    subprocess.run(
        [programs / "netconvert", "-n", "nodes.xml", "-e", "edges.xml", "-o", "net.xml",
         "--no-turnarounds", "--no-warnings"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    command = [
        programs / "sumo", "-n", "net.xml", "-r", "trips.xml", "-a", "counts.add.xml",
        "--mesosim", "--meso-junction-control", "--end", f"{until_s:.0f}", "--no-step-log",
        "--no-warnings", "--threads", "1", "--seed", "1",
    ]  # fmt: skip

    def run() -> None:
        subprocess.run(command, cwd=folder, check=True, capture_output=True)

    return run


def _write_roads(folder: Path) -> None:
    nodes = [f'<node id="n{k}" x="{k * PIECE_M}" y="0"/>' for k in range(PIECES + 1)]
    edges = [_edge(f"m{k}", f"n{k}", f"n{k + 1}", 3) for k in range(PIECES)]
    for k in range(RAMPS):
        nodes.append(f'<node id="on{k}" x="{joins(k) * PIECE_M - RAMP_M}" y="60"/>')
        nodes.append(f'<node id="off{k}" x="{leaves(k) * PIECE_M + RAMP_M}" y="-60"/>')
        edges.append(_edge(f"a{k}", f"on{k}", f"n{joins(k)}", 1))
        edges.append(_edge(f"b{k}", f"n{leaves(k)}", f"off{k}", 1))
    (folder / "nodes.xml").write_text(f"<nodes>{''.join(nodes)}</nodes>", encoding="utf-8")
    (folder / "edges.xml").write_text(f"<edges>{''.join(edges)}</edges>", encoding="utf-8")


def _edge(name: str, start: str, end: str, lanes: int) -> str:
    return (
        f'<edge id="{name}" from="{start}" to="{end}" numLanes="{lanes}" speed="{FREE_MPS}" '
        f'priority="{lanes}"/>'
    )


def _write_trips(folder: Path) -> None:
    flows = []
    for number, (ramp, out, vps) in enumerate(trips()):
        start = "m0" if ramp < 0 else f"a{ramp}"
        end = f"m{PIECES - 1}" if out < 0 else f"b{out}"
        flows.append(
            f'<flow id="f{number}" begin="0" end="{HOUR_S}" from="{start}" to="{end}" '
            f'vehsPerHour="{vps * 3600}" departSpeed="max" departLane="best"/>'
        )
    (folder / "trips.xml").write_text(f"<routes>{''.join(flows)}</routes>", encoding="utf-8")
    counts = '<additional><edgeData id="c" freq="60" file="counts.xml"/></additional>'
    (folder / "counts.add.xml").write_text(counts, encoding="utf-8")
