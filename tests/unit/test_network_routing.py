"""Fastest ways use permitted movements only; the nearest link is found."""

from __future__ import annotations

import pytest

from network_maps import changed, movement, parts, town
from twin.ids import LinkId, NodeId
from twin.network.model import LinkClass, TurnKind
from twin.network.routing import Router
from twin.network.spatial import LinkTree

W, X, E, N = (NodeId(name) for name in "wxen")


def test_a_way_costs_its_links_and_its_turns() -> None:
    route = Router(town()).between_nodes(W, N)
    assert route is not None
    assert route.links == ("w-x", "x-n")
    assert route.time_s == pytest.approx(840.0 / (50 / 3.6) + 4.5 + 1130.123 / (50 / 3.6))


def test_a_turn_that_is_not_permitted_is_not_driven() -> None:
    network = town(movements=(movement("w-x", "x-e", TurnKind.THRU),), junctions=())
    assert Router(network).between_nodes(W, N) is None
    assert Router(network).between_nodes(X, N) is not None  # a trip may start at the node itself


def test_given_times_take_the_place_of_free_times() -> None:
    route = Router(town(), time_s={"x-e": 1000.0}).between_nodes(X, E)
    assert route is not None
    assert route.time_s == 1000.0


def test_paths_for_walking_are_not_driven() -> None:
    links = changed(parts()["links"], 2, link_class=LinkClass.PATH)
    assert Router(town(links=links)).between_nodes(W, N) is None


def test_from_link_to_link_counts_both() -> None:
    route = Router(town()).between_links(LinkId("n-x"), LinkId("x-e"))
    assert route is not None
    assert route.links == ("n-x", "x-e")
    assert route.time_s == pytest.approx(1130.123 / (50 / 3.6) + 840.0 / (100 / 3.6))


def test_here_to_here_takes_no_time_and_nowhere_is_a_key_error() -> None:
    route = Router(town()).between_nodes(X, X)
    assert route is not None
    assert (route.links, route.time_s) == ((), 0.0)
    with pytest.raises(KeyError):
        Router(town()).between_nodes(X, NodeId("q"))
    with pytest.raises(KeyError):
        Router(town()).between_links(LinkId("q"), LinkId("x-e"))


def test_the_nearest_link_and_the_place_on_it() -> None:
    near = LinkTree(town()).nearest((2.0025, 41.0001))
    assert near is not None
    assert near.link == 0
    assert near.distance_m == pytest.approx(11.1, abs=0.1)
    assert near.position_m == pytest.approx(210.0, abs=1.0)


def test_links_come_nearest_first_then_by_row_and_only_so_near() -> None:
    tree = LinkTree(town())
    assert [one.link for one in tree.near((2.0101, 41.0), within_m=30.0)] == [1, 2, 3, 0]
    assert tree.nearest((2.0, 41.1)) is None
