"""A tiny town of our own for SUMO, made by netconvert from plain XML: one signalised crossing."""

from __future__ import annotations

import subprocess
from pathlib import Path

from twin.world.sumo.engine import sumo_program

ARM_M = 250
NODES = f"""<nodes>
  <node id="c" x="0" y="0" type="traffic_light"/>
  <node id="n" x="0" y="{ARM_M}"/><node id="s" x="0" y="-{ARM_M}"/>
  <node id="e" x="{ARM_M}" y="0"/><node id="w" x="-{ARM_M}" y="0"/>
</nodes>"""
EDGES = (
    "<edges>"
    + "".join(
        f'<edge id="{arm}c" from="{arm}" to="c" numLanes="2" speed="13.89" type="highway.primary"/>'
        f'<edge id="c{arm}" from="c" to="{arm}" numLanes="2" speed="13.89" type="highway.primary"/>'
        for arm in "nsew"
    )
    + "</edges>"
)


def make_town(
    folder: Path, *, walking: bool = False, seconds: int = 300, vehicles_h: int = 300
) -> Path:
    """Write net, routes and configuration of a crossing with four arms into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "town.nod.xml").write_text(NODES)
    (folder / "town.edg.xml").write_text(EDGES)
    command = [
        sumo_program("netconvert"),
        *("--node-files", str(folder / "town.nod.xml")),
        *("--edge-files", str(folder / "town.edg.xml")),
        *("--output-file", str(folder / "town.net.xml")),
        *("--no-turnarounds", "true"),
    ]
    if walking:
        command += ["--sidewalks.guess", "true", "--crossings.guess", "true"]
    subprocess.run(command, check=True, capture_output=True)
    flows = "".join(
        f'<flow id="{a}{b}" from="{a}c" to="c{b}" begin="0" end="{seconds}" '
        f'vehsPerHour="{vehicles_h}" departLane="best" departSpeed="max"/>'
        for a, b in ("ns", "sn", "ew", "we", "nw", "es")
    )
    (folder / "town.rou.xml").write_text(f"<routes>{flows}</routes>")
    (folder / "town.sumocfg").write_text(
        '<configuration><input><net-file value="town.net.xml"/>'
        '<route-files value="town.rou.xml"/></input>'
        f'<time><begin value="0"/><end value="{seconds}"/></time></configuration>'
    )
    return folder
