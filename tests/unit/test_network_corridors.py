"""Corridors are driven in order; regions are the partitions of a map."""

from __future__ import annotations

import pytest

from network_maps import changed, link, node, parts, town
from twin.network.build import build_map
from twin.network.corridors import corridors
from twin.network.model import Link, SingleMap
from twin.network.regions import region_of_sensor, regions


def network_of(*links: Link) -> SingleMap:
    nodes = [node(name) for name in "wxen"]
    return build_map(name="m", timezone="UTC", nodes=nodes, links=links)


def test_a_corridor_chains_the_links_of_its_road() -> None:
    network = network_of(
        link("x", "e", road="M", name="Main", length_m=500.0),
        link("e", "n", road="M", name="Main", length_m=700.0),
        link("w", "x", road="M", name="Bridge", length_m=300.0),
        link("n", "x", road="", name="Side"),
    )
    (one,) = corridors(network)
    assert (one.road, one.name, one.length_m) == ("M", "Main", 1500.0)
    assert one.links == ("w-x", "x-e", "e-n")
    assert one.start_m == (0.0, 300.0, 800.0)


def test_a_road_with_a_gap_is_one_corridor_longest_part_first() -> None:
    network = network_of(
        link("w", "x", road="M", length_m=100.0), link("e", "n", road="M", length_m=200.0)
    )
    assert corridors(network)[0].links == ("e-n", "w-x")


def test_a_ring_and_a_fork_hold_every_link_once() -> None:
    ring = network_of(*(link(a, b, road="R") for a, b in ("wx", "xe", "ew")))
    assert sorted(corridors(ring)[0].links) == ["e-w", "w-x", "x-e"]
    fork = network_of(*(link(a, b, road="F") for a, b in ("wx", "xe", "xn")))
    assert corridors(fork)[0].links == ("w-x", "x-e", "x-n")
    assert corridors(fork)[0].name == "F"


def test_roads_come_in_the_order_of_their_names() -> None:
    network = network_of(link("w", "x", road="B"), link("x", "w", road="A"))
    assert [one.road for one in corridors(network)] == ["A", "B"]


def test_regions_do_not_depend_on_the_order_of_sensors() -> None:
    sensors = parts()["sensors"]
    assert regions(town()) == regions(town(sensors=sensors[::-1])) == ("a", "b")
    assert region_of_sensor(town(sensors=sensors[::-1])).tolist() == [1, 0]


@pytest.mark.parametrize("count", [0, 2])
def test_a_map_without_region_names_is_one_region(count: int) -> None:
    sensors = parts()["sensors"][:count]
    for row in range(count):
        sensors = changed(sensors, row, region="")
    assert regions(town(sensors=sensors)) == ("",)
    assert region_of_sensor(town(sensors=sensors)).tolist() == [0] * count
