"""The version follows the content of a map, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from network_maps import changed, parts, town
from twin.network.model import Stage, Table
from twin.network.version import content_version


def test_the_order_of_rows_changes_nothing() -> None:
    turned = {
        name: tuple(value)[::-1] for name, value in parts().items() if isinstance(value, tuple)
    }
    assert town(**turned).version == town().version


def test_the_order_inside_a_junction_and_a_zone_changes_nothing() -> None:
    base = parts()
    one = base["junctions"][0]
    turned = replace(
        one,
        groups=one.groups[::-1],
        stages=tuple(replace(stage, groups=stage.groups[::-1]) for stage in one.stages[::-1]),
        intergreen_s=one.intergreen_s[::-1],
    )
    zones = changed(base["zones"], 1, links=base["zones"][1].links[::-1])
    assert town(junctions=(turned,), zones=zones).version == town().version


def test_the_spelling_of_numbers_changes_nothing() -> None:
    links = changed(parts()["links"], 0, length_m=840, lanes=2.0, free_speed_mps=13.8888888889)
    assert town(links=links).version == town().version


def test_the_order_of_columns_of_a_kept_table_changes_nothing() -> None:
    table = Table("toll_plan", ("b", "a"), (('say "no"', ""), ("x, y", "1")))
    assert town(tables=(table,)).version == town().version


def changes() -> dict[str, dict[str, Any]]:
    base = parts()
    one = base["junctions"][0]
    plan = replace(one.plans[0], steps=one.plans[0].steps[::-1])
    return {
        "name": {"name": "Other town"},
        "timezone": {"timezone": "Europe/Lisbon"},
        "meta": {"meta": ()},
        "a line": {"links": changed(base["links"], 2, line=base["links"][2].line[::-1])},
        "a length": {"links": changed(base["links"], 0, length_m=840.01)},
        "a guess": {"links": changed(base["links"], 0, guessed=())},
        "an extra": {"links": changed(base["links"], 2, extra=())},
        "a share": {"movements": changed(base["movements"], 0, share=0.69)},
        "no share": {"movements": changed(base["movements"], 0, share=None)},
        "steps": {"junctions": (replace(one, plans=(plan,)),)},
        "a stage": {"junctions": (replace(one, stages=(*one.stages, Stage("3", ()))),)},  # type: ignore[arg-type]
        "a sensor": {"sensors": base["sensors"][:1]},
        "a gate": {"gates": changed(base["gates"], 0, inbound=False)},
        "a zone": {"zones": changed(base["zones"], 1, kind="trips")},
        "a feature": {"features": changed(base["features"], 0, valid_to_us=1)},
        "a table": {"tables": ()},
    }


@pytest.mark.parametrize("case", sorted(changes()))
def test_every_change_of_content_changes_the_version(case: str) -> None:
    assert town(**changes()[case]).version != town().version


def test_all_changes_differ_from_each_other() -> None:
    versions = {town(**change).version for change in changes().values()}
    assert len(versions) == len(changes())


def test_a_minus_before_zero_says_nothing() -> None:
    assert content_version({"a": [-0.0]}) == content_version({"a": [0.0]})


def test_neighbouring_items_cannot_run_together() -> None:
    assert content_version({"a": ["x", "y"]}) != content_version({"a": ["xy"]})
    assert content_version({"a": ["x"], "b": []}) != content_version({"a": [], "b": ["x"]})
