"""Recordings: what stands in the files is what goes out, in order, the same every time."""

from __future__ import annotations

import json
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest

from twin.clock import us_from_datetime
from twin.errors import InputError
from twin.events import Incident, Passage, Reading
from twin.keys import Key
from twin.seal import unseal
from twin.world.recording import Recording, SpeedUnit, open_recording
from world_fake import CORRIDOR

LOS_ANGELES = "America/Los_Angeles"
FOREVER_US = 1 << 62


@pytest.fixture(scope="module")
def corridor() -> Recording:
    return open_recording(CORRIDOR)


def week_file(folder: Path, **changes: Any) -> Path:
    speeds = np.array([[64.375, 10.0], [0.0, np.nan], [55.5, 20.25]], dtype=np.float32)
    content: dict[str, Any] = {
        "data": speeds,
        "sensor_id": np.array(["773869", '7"1']),
        "start": np.array("2012-03-01T00:00"),
        "step_min": np.array(5),
    }
    content |= changes
    path = folder / "week.npz"
    np.savez(path, **{name: value for name, value in content.items() if value is not None})
    return path


def test_every_stored_reading_goes_out_once(corridor: Recording) -> None:
    data = np.load(CORRIDOR / "day" / "readings.npz")
    stored = (data["count"] >= 0) | (data["speed_kph10"] >= 0) | (data["occupancy_pct10"] >= 0)
    items = list(corridor.readings(0, FOREVER_US))
    assert len(items) == stored.sum()
    arrivals = [arrival_us for arrival_us, _ in items]
    assert arrivals == sorted(arrivals)
    assert len({json.loads(body)["id"] for _, body in items}) == len(items)


def test_a_reading_says_what_the_file_says(corridor: Recording) -> None:
    data = np.load(CORRIDOR / "day" / "readings.npz")
    column, row = 30, 500
    sensor = str(data["sensor_id"][column])
    end_us = corridor.start_us + (row + 1) * 60_000_000
    found = [
        (arrival_us, msgspec.json.decode(body, type=Reading))
        for arrival_us, body in corridor.readings(end_us, end_us + 60_000_000)
        if json.loads(body)["sensor"] == sensor
    ]
    assert len(found) == 1
    arrival_us, reading = found[0]
    assert us_from_datetime(reading.time) == end_us
    assert 0 < arrival_us - end_us < 6_000_000
    assert reading.period_s == 60.0
    assert reading.count == data["count"][row, column]
    assert reading.speed_kph == data["speed_kph10"][row, column] / 10
    assert reading.occupancy_pct == data["occupancy_pct10"][row, column] / 10


@pytest.mark.parametrize("step_us", [7_000_000, 61_000_000, 1_000_000_000])
def test_windows_together_give_the_whole(corridor: Recording, step_us: int) -> None:
    start_us = corridor.demo_start_us
    end_us = start_us + 3_000_000_000
    whole = list(corridor.readings(start_us, end_us))
    parts = [
        item
        for at_us in range(start_us, end_us, step_us)
        for item in corridor.readings(at_us, min(at_us + step_us, end_us))
    ]
    assert parts == whole
    assert len(whole) > 4000


def test_passages_decode_and_are_the_same_again(corridor: Recording) -> None:
    items = list(corridor.passages(0, FOREVER_US))
    assert items == list(open_recording(CORRIDOR).passages(0, FOREVER_US))
    passages = [msgspec.json.decode(body, type=Passage) for _, body in items]
    assert len({passage.id for passage in passages}) == len(passages) == len(corridor.passage_rows)
    assert all(
        400_000 <= arrival_us - us_from_datetime(passage.time) < 1_200_000
        for (arrival_us, _), passage in zip(items, passages, strict=True)
    )


def test_a_key_seals_every_plate_that_was_read(corridor: Recording) -> None:
    key = Key.fresh("test")
    start_us = corridor.demo_start_us
    clear = list(corridor.passages(start_us, start_us + 3_600_000_000))
    sealed = list(corridor.passages(start_us, start_us + 3_600_000_000, key=key))
    assert len(clear) == len(sealed) > 50
    for (_, before), (_, after) in zip(clear, sealed, strict=True):
        plain, hidden = json.loads(before), json.loads(after)
        if not plain["plate"]:
            assert not hidden["plate"]
            continue
        assert plain["plate"] not in after.decode()
        assert unseal(hidden["plate"], key=key, context=hidden["id"]) == plain["plate"]


def test_plates_do_not_print_themselves(corridor: Recording) -> None:
    shown = repr(corridor.passage_rows[0]) + repr(corridor.authorisation_rows[0]) + repr(corridor)
    assert corridor.passage_rows[0].plate.text not in shown
    assert corridor.authorisation_rows[0].plates[0].text not in shown


def test_incidents_arrive_after_somebody_called(corridor: Recording) -> None:
    ((arrival_us, body),) = corridor.incidents(0, FOREVER_US)
    incident = msgspec.json.decode(body, type=Incident)
    assert arrival_us - us_from_datetime(incident.time) == 90_000_000
    assert incident.until is not None


def test_an_authorisation_has_all_its_plates(corridor: Recording) -> None:
    items = [json.loads(body) for body in corridor.authorisations()]
    names = [item["authorisation"] for item in items]
    assert len(set(names)) == len(names)
    assert {len(item["plates"]) for item in items} == {1, 2}
    assert all(set(plate) == {"country", "plate"} for item in items for plate in item["plates"])


def test_a_week_is_exact_and_in_its_own_time(tmp_path: Path) -> None:
    path = week_file(tmp_path)
    week = open_recording(path, timezone=LOS_ANGELES, speed_unit=SpeedUnit.MPH)
    readings = [msgspec.json.decode(body, type=Reading) for _, body in week.readings(0, FOREVER_US)]
    assert len(readings) == 5  # one of six is not a number; 0 mph is a speed
    by_key = {(reading.sensor, reading.time): reading.speed_kph for reading in readings}
    start = datetime(2012, 3, 1, tzinfo=ZoneInfo(LOS_ANGELES))
    assert by_key["773869", start] == 64.375 * 1.609344
    assert {reading.sensor for reading in readings} == {"773869", '7"1'}
    assert all(reading.count is None and reading.occupancy_pct is None for reading in readings)
    assert week.start_us == us_from_datetime(start)


def test_a_folder_with_one_week_is_that_week(tmp_path: Path) -> None:
    week_file(tmp_path)
    week = open_recording(tmp_path, timezone=LOS_ANGELES)
    first = json.loads(next(week.readings(0, FOREVER_US))[1])
    assert first["speed_kph"] in {64.375, 10}


def test_an_hour_that_does_not_exist_is_left_out(tmp_path: Path) -> None:
    hours = np.full((5, 1), 50.0)
    path = week_file(
        tmp_path,
        data=hours,
        sensor_id=np.array(["a"]),
        start=np.array("2012-03-11T00:00"),
        step_min=np.array(60),
    )
    week = open_recording(path, timezone=LOS_ANGELES)
    hours_utc = [json.loads(body)["time"][11:13] for _, body in week.readings(0, FOREVER_US)]
    assert hours_utc == ["08", "09", "10", "11"]  # 00, 01, 03, 04 local: 02:00 was skipped


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"step_min": None}, "step_min"),
        ({"data": np.ones(4)}, "shape"),
        ({"start": np.array("yesterday")}, "yesterday"),
    ],
)
def test_a_broken_week_is_named(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    path = week_file(tmp_path, **changes)
    with pytest.raises(InputError, match=said) as caught:
        open_recording(path, timezone=LOS_ANGELES)
    assert "week.npz" in str(caught.value)


def test_a_week_needs_its_zone(tmp_path: Path) -> None:
    path = week_file(tmp_path)
    with pytest.raises(InputError, match="--tz"):
        open_recording(path)
    with pytest.raises(InputError, match="Mars/Base"):
        open_recording(path, timezone="Mars/Base")


def test_no_recording_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="0 found"):
        open_recording(tmp_path)
    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"PK not really")
    with pytest.raises(InputError, match=r"broken\.npz"):
        open_recording(broken, timezone="UTC")


def test_a_broken_passage_is_named_without_its_plate(tmp_path: Path) -> None:
    folder = tmp_path / "corridor"
    shutil.copytree(CORRIDOR, folder, ignore=shutil.ignore_patterns("maker", "network"))
    passages = folder / "day" / "passages.csv"
    lines = passages.read_text(encoding="utf-8").splitlines()
    fields = lines[1].split(",")
    fields[5] = "often"
    passages.write_text("\n".join([lines[0], ",".join(fields)]), encoding="utf-8")
    with pytest.raises(InputError, match=r"passages\.csv") as caught:
        open_recording(folder)
    assert fields[0] in str(caught.value)
    assert fields[4] not in str(caught.value)


def test_a_scenario_without_a_word_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "corridor"
    shutil.copytree(CORRIDOR, folder, ignore=shutil.ignore_patterns("maker", "network"))
    about = json.loads((folder / "scenario.json").read_text(encoding="utf-8"))
    del about["demo_start"]
    (folder / "scenario.json").write_text(json.dumps(about), encoding="utf-8")
    with pytest.raises(InputError, match="demo_start"):
        open_recording(folder)
