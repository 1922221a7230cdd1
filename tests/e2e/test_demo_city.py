"""A minute of the demo's city from nothing: made, driven alone, driven live, summed up."""

from __future__ import annotations

from pathlib import Path

import pytest

from real_parts import require
from twin.commands import demo_city
from twin.commands.demo_close import CityOrder

pytestmark = pytest.mark.sumo


@pytest.mark.timeout(300)  # it makes a city, and SUMO drives three times
def test_a_city_is_made_driven_and_summed_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    require(demo_city.missing_sumo() or None)
    monkeypatch.setattr(demo_city, "CACHE", tmp_path / "kept")
    monkeypatch.setattr(demo_city, "BEGIN_S", 6.5 * 3600)
    monkeypatch.setattr(demo_city, "START_S", 6.5 * 3600 + 300)
    order = CityOrder(data=tmp_path / "data", port=0, rate=30.0, minutes=0.1)
    assert demo_city.run_city(order) == 0
    kept = list((tmp_path / "kept").glob("city-*/warm/*.state.xml.gz"))
    assert len(kept) == 1, "what SUMO drove alone is kept for the next time"
    words = capsys.readouterr().out
    assert "/api/v1/login?code=" in words
    assert "accounts balance: yes" in words
    assert "accounts agree with what the city sent: yes" in words
    assert "violations: 0" in words
    delays = [line.split() for line in words.splitlines() if line.strip().startswith("vehicles")]
    assert len(delays) == 1
    driven, alone = delays[0][-2:]
    assert int(driven) == int(alone) > 0, "the same trips, with decisions and without"
