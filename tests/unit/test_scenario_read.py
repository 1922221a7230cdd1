"""A scenario file that is wrong is refused with the field, the value, the rule and the line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from twin.errors import InputError
from twin.scenario.form import scenario_schema
from twin.scenario.project import opened
from twin.scenario.read import read_scenario
from what_if_town import HEAD, town

SCHEMA = Path(__file__).parents[2] / "docs" / "reference" / "scenario.schema.json"


def refused(text: str) -> str:
    """Return what is said of a file on the map of the town."""
    with pytest.raises(InputError) as caught:
        opened(text.encode(), Path(), network=town())
    return str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("format: 1", "format: 2", "format = 2: Expected `int` <= 1 (line 2)"),
        ("name: town", "nam: town", "nam = : Object contains unknown field `nam` (line 3)"),
        ("name: town\n", "", "missing required field `name`"),
        ('starts: "07:00"', "starts: 7am", "starts = 7am: "),
        ("name: town", "name: town\nname: town", "stands there twice (line 4)"),
        ('ends: "07:40"', 'ends: "06:00"', "ends = 06:00: is after `starts`"),
        ("seeds: [1, 2]", "seeds: [1, 1]", "names each seed once (line 7)"),
        ("seeds: [1, 2]", "seeds: [1, -2]", "seeds[1] = -2: Expected `int` >= 0 (line 7)"),
        ("origin: W", "origin: Q", "demand.trips[0].origin = Q: is a node of the map"),
        ("map: {folder: net}", "map: {version: 00000000}", "map.version = 00000000: is the ver"),
        ("map: {folder: net}", "map: [net", "is YAML or JSON in UTF-8"),
        ("trips: 250", "trips: 2e6", "trips = 2e6: Expected `float` <= 1000000.0"),
        ("seeds: [1, 2]", "routes: {interval_s: 0.001}", "interval_s = 0.001: Expected"),
        ("seeds: [1, 2]", "engine: {report_s: inf}", "report_s = inf: Expected"),
    ],
)
def test_a_wrong_field_is_named_with_its_line(old: str, new: str, said: str) -> None:
    assert said in refused(HEAD.replace(old, new, 1))


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ("{edit: close_lonk, links: [AN]}", "edits[0].edit = close_lonk: Invalid value"),
        ("{edit: close_link, links: [XX]}", "edits[0].links = XX: is no link of the map (line"),
        ("{edit: close_link, links: [AN], classes: [bike]}", "is one of the classes car, truck"),
        ("{edit: close_link, links: [AN], from: 08:00}", "is before the end of the scenario"),
        ("{edit: close_link, links: [AN], until: 06:00}", "until = 06:00: is after `from`"),
        ("{edit: close_link, links: [AN], from: 05:00, until: 06:00}", "until = 06:00: is after"),
        ("{edit: ramp_meter, link: AN, vph: inf}", "vph = inf: Expected `float` <= 1000000"),
        ("{edit: free_speed, links: [AN], kph: 0.001}", "kph = 0.001: Expected `float` >= 1"),
        ("{edit: demand_shift, minutes: nan}", "minutes = nan: Expected"),
        ("{edit: demand_factor, factor: 1e5}", "demand = 25,000,000: has at most 1,000,000 trips"),
        (
            "{edit: signal_plan, junction: JE, stages: [{stage: 1, seconds: 0.001}]}",
            "seconds = 0.001: Expected `float` >= 1",
        ),
        ("{edit: close_lanes, link: AN, lanes: 2}", "lanes = 2: is at most 1, the lanes of AN"),
        ("{edit: close_turn, from_link: WA, to_link: NE}", "begins where WA ends, at A"),
        ("{edit: capacity, links: [AN]}", "vph = None: is given, or `factor`"),
        ("{edit: free_speed, links: [AN], from: 07:10}", "kph = None: is given, or `factor`"),
        ("{edit: signal_plan, junction: JX, stages: [{stage: 1, seconds: 9}]}", "is no junction"),
        ("{edit: ramp_meter, link: WA, vph: -1}", "vph = -1: Expected `float` >= 0"),
        ("{edit: zone_hours, zone: NEW}", "zone = NEW: is a zone of links: OLD"),
        (
            "{edit: new_link, id: AN, from_node: W, to_node: E, free_speed_kph: 50,"
            " capacity_vph: 900}",
            "id = AN: is the id of no link that the map has",
        ),
    ],
)
def test_a_wrong_edit_is_named(edit: str, said: str) -> None:
    assert said in refused(f"{HEAD}\nedits:\n  - {edit}\n")


def test_the_words_of_yaml_mean_what_json_means() -> None:
    text = HEAD.replace('"07:00"', "07:00").replace('"07:40"', "17:40").replace("town", "yes")
    scenario = read_scenario(text.encode())
    assert (scenario.starts, scenario.ends, scenario.name) == ("07:00", "17:40", "yes")
    as_json = {
        "format": 1,
        "name": "j",
        "map": {},
        "starts": "07:00",
        "ends": "08:00",
        "demand": {},
    }
    assert read_scenario(json.dumps(as_json).encode()).seeds == (1, 2, 3, 4, 5)


def test_a_bomb_is_not_unfolded() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{k}: &a{k} [*a{k - 1}, *a{k - 1}, *a{k - 1}, *a{k - 1}]" for k in range(1, 40)]
    with pytest.raises(InputError):
        read_scenario("\n".join(lines).encode())
    with pytest.raises(InputError, match="too deep"):
        read_scenario(b"[" * 100 + b"]" * 100)
    with pytest.raises(InputError, match="at most"):
        read_scenario(b"#" * 1_000_001)


def test_the_schema_of_the_docs_is_that_of_the_code() -> None:
    assert json.loads(SCHEMA.read_text()) == json.loads(json.dumps(scenario_schema()))
