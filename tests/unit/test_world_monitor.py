"""Every check of the watch fires on a planted violation, and on nothing lawful."""

from __future__ import annotations

import pytest

from twin.network.sumo.net import (
    NetConnection,
    NetEdge,
    NetFile,
    NetJunction,
    NetLane,
    NetPhase,
    NetProgram,
)
from twin.world.monitor import Monitor, rules_of_net

# Links: 0 straight from the west, 1 left from the west (yields), 2 straight from the north,
# 3 a crossing over the west arm. Foes: 0-2, 1-2, 0-3, and 1 against the oncoming 4.
PROGRAM = (
    (20.0, "GgrrG"),
    (3.0, "yyrry"),
    (2.0, "rrrrr"),
    (20.0, "rrGGr"),
    (3.0, "rryGr"),
    (8.0, "rrrrr"),
)
FOES = {0: {2, 3}, 1: {2, 4, 3}, 2: {0, 1, 4}, 3: {0, 1}, 4: {1, 2}}


def edge(name: str, function: str = "", length_m: float = 100.0) -> NetEdge:
    lane = NetLane(f"{name}_0", 0, 13.9, length_m, ((0.0, 0.0), (length_m, 0.0)), motor=True)
    return NetEdge(name, name, "c", function, "", "", lane.shape, (lane,))


def crossing() -> NetFile:
    net = NetFile()
    ways = [("w", "o"), ("w", "n2"), ("n", "o2"), ("walk", ":c_c0"), ("e", "o3")]
    for name in {one for way in ways for one in way} - {":c_c0", "walk"}:
        net.edges[name] = edge(name)
    net.edges["walk"] = edge("walk", "walkingarea")
    net.edges[":c_c0"] = edge(":c_c0", "crossing", 10.0)
    order = [0, 1, 2, 4, 3]  # rows of the request matrix: roads first, then the crossing
    row_of = {link: row for row, link in enumerate(order)}
    net.junctions["c"] = NetJunction(
        "c",
        "traffic_light",
        (0.0, 0.0),
        tuple(frozenset(row_of[foe] for foe in FOES[link]) for link in order),
        ("w_0", "n_0", "e_0"),
        (":c_c0_0",),
    )
    net.connections = [
        NetConnection(a, b, 0, 0, "", "c", at, "s") for at, (a, b) in enumerate(ways)
    ]
    phases = tuple(NetPhase(seconds, state) for seconds, state in PROGRAM)
    net.programs["c"] = NetProgram("c", "0", "static", 0.0, phases)
    return net


def shown(*parts: tuple[float, str]) -> list[str]:
    return [state for seconds, state in parts for _ in range(int(seconds))]


def watched(states: list[str]) -> Monitor:
    monitor = Monitor(rules_of_net(crossing()))
    for second, state in enumerate(states):
        monitor.watch(float(second), {"c": state})
    return monitor


def test_the_foes_are_read_from_the_matrix() -> None:
    pairs = crossing().foe_pairs("c")
    assert {(a, b) for a, b in pairs if a < b} == {(0, 2), (1, 2), (0, 3), (1, 3), (1, 4), (2, 4)}


def test_the_program_itself_is_lawful() -> None:
    monitor = watched(shown(*PROGRAM) * 4)
    assert monitor.counts == {}
    assert monitor.seconds == 4 * 56


LAWFUL = ((20.0, "GgrrG"), (3.0, "yyrry"), (2.0, "rrrrr"), (20.0, "rrGGr"))


@pytest.mark.parametrize(
    ("rule", "parts"),
    [
        ("conflicting greens", ((10.0, "GgrrG"), (1.0, "GgGrG"))),
        ("conflicting greens", ((10.0, "GgrrG"), (1.0, "GGrrG"))),
        ("short intergreen", ((20.0, "GgrrG"), (3.0, "yyrry"), (20.0, "rrGrr"))),
        ("yellow too short", ((20.0, "GgrrG"), (2.0, "yyrry"), (6.0, "rrrrr"))),
        ("yellow too short", ((20.0, "GgrrG"), (9.0, "rrrrr"))),
        ("minimum green", (*LAWFUL[:3], (3.0, "rrGrr"), (3.0, "rryrr"), (9.0, "rrrrr"))),
        ("overlong red", ((125.0, "rrGrr"),)),
        (
            "pedestrian clearance",
            (*LAWFUL, (3.0, "rryGr"), (6.0, "rrrGr"), (3.0, "rrrrr"), (5.0, "Ggrrr")),
        ),
        ("unknown state", ((1.0, "Gg"),)),
    ],
)
def test_a_planted_violation_is_seen(rule: str, parts: tuple[tuple[float, str], ...]) -> None:
    monitor = watched(shown(*parts))
    assert set(monitor.counts) == {rule}
    assert rule in str(monitor.violations[0])


def test_a_link_may_yield_beside_its_foe_but_gets_priority_only_after_it() -> None:
    held = shown((20.0, "GgrrG"), (3.0, "ygrry"), (9.0, "rGrrr"))
    assert watched(held).counts == {}, "the program never gives link 1 priority: nothing to measure"
    both = shown((20.0, "rgrrG"), (5.0, "rGrrG"))
    assert set(watched(both).counts) == {"conflicting greens"}


def test_lights_without_rules_are_passed_by_and_red_is_told_once() -> None:
    monitor = Monitor(rules_of_net(crossing()))
    for second in range(400):
        monitor.watch(float(second), {"c": "rrGrr", "elsewhere": "GGGG"})
    assert monitor.counts["overlong red"] == 4, "links 0, 1, 3 and 4, once each"
