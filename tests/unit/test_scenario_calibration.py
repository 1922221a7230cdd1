"""Calibration holds on both sides; another weather is an edit of every link."""

from __future__ import annotations

from pathlib import Path

import pytest

from twin.errors import InputError
from twin.scenario.edits.shown import told
from twin.scenario.project import Project, open_project
from twin.scenario.read import read_scenario
from twin.scenario.study import undo

WHAT_IFS = Path(__file__).resolve().parents[2] / "scenarios" / "what_ifs"
_FILE = """
format: 1
name: calibrated
map: {folder: ../city/network}
starts: "07:00"
ends: "08:00"
demand: {trips: [{origin: AVE, destination: MS00000, trips: 10, from: "07:00", until: "08:00"}]}
calibration: [{edit: capacity, links: [A10-N-27], vph: 3000}]
edits: [{edit: weather, name: rain, capacity_factor: 0.8, speed_factor: 0.9, source: invented}]
"""


def opened(text: str) -> Project:
    return open_project(read_scenario(text.encode()), WHAT_IFS)


def test_calibration_is_in_base_and_edited_and_rain_on_top() -> None:
    project = opened(_FILE)
    base, edited = project.base.network, project.edited.network
    row = base.link_rows["A10-N-27"]
    assert base.links[row].capacity_vps == pytest.approx(3000 / 3600)
    for dry, wet in zip(base.links, edited.links, strict=True):
        assert wet.capacity_vps == pytest.approx(0.8 * dry.capacity_vps, abs=1e-8)
        assert wet.free_speed_mps == pytest.approx(0.9 * dry.free_speed_mps, abs=1e-8)
    (done,) = project.done
    assert undo(project.edited, done.swaps) == project.base
    assert "times 0.8" in told(done.edit, edited)


def test_a_wrong_calibration_names_its_place() -> None:
    with pytest.raises(InputError, match=r"calibration\[0\].links = A10-N-99"):
        opened(_FILE.replace("A10-N-27", "A10-N-99"))


def test_the_weather_has_no_hours() -> None:
    with pytest.raises(InputError, match=r"edits\[0\].from"):
        opened(_FILE.replace("source: invented", 'source: invented, from: "07:30"'))
