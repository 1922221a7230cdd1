"""The columns of a map for kernels."""

from __future__ import annotations

import numpy as np
import pytest

from network_maps import link, movement, node, parts, town
from twin.network.arrays import CLASS_CODES, JAM_VPM_PER_LANE, network_arrays
from twin.network.build import build_map
from twin.network.model import LinkClass, Movement, TurnKind


def test_columns_follow_the_rows_of_the_map() -> None:
    arrays = network_arrays(town())
    assert arrays.from_node.tolist() == [0, 1, 1, 3]
    assert arrays.to_node.tolist() == [1, 2, 3, 1]
    assert arrays.length_m.tolist() == [840.0, 840.0, 1130.123, 1130.123]
    assert arrays.lanes.tolist() == [2, 3, 2, 2]
    assert arrays.jam_vpm.tolist() == [JAM_VPM_PER_LANE * lanes for lanes in (2, 3, 2, 2)]
    assert arrays.free_speed_mps[1] == pytest.approx(27.777777778)
    assert arrays.link_class[3] == CLASS_CODES[LinkClass.LOCAL]
    assert arrays.movement_from.tolist() == [0, 0, 3, 3]
    assert arrays.movement_to.tolist() == [1, 2, 1, 2]
    assert arrays.movement_capacity_vps.tolist() == [np.inf, 0.2, np.inf, np.inf]
    assert arrays.movement_penalty_s.tolist() == [0.0, 4.5, 0.0, 0.0]
    assert arrays.sensor_link.tolist() == [0, 1]
    assert arrays.sensor_position_m.tolist() == [400.0, 0.0]
    assert arrays.gate_link.tolist() == [2]
    assert arrays.zone_node.tolist() == [0, -1]


def test_lists_name_the_members_of_each_row() -> None:
    arrays = network_arrays(town())
    assert arrays.links_out.of(1).tolist() == [1, 2]
    assert arrays.links_in.of(1).tolist() == [0, 3]
    assert arrays.links_in.of(0).tolist() == []
    assert arrays.movements_at.of(1).tolist() == [0, 1, 2, 3]
    assert arrays.movements_from.of(3).tolist() == [2, 3]
    assert arrays.movements_to.of(2).tolist() == [1, 3]
    assert arrays.links_out.start[-1] == len(arrays.links_out.members)


def test_nobody_can_write_into_the_columns() -> None:
    arrays = network_arrays(town())
    for column in (arrays.length_m, arrays.jam_vpm, arrays.movement_share, arrays.links_in.members):
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 1


def shares(*movements: Movement) -> list[float]:
    links = (
        link("w", "x"),
        link("x", "e", capacity_vps=0.6),
        link("x", "n", capacity_vps=0.2),
        link("x", "w"),
    )
    nodes = [node(name) for name in "wxen"]
    network = build_map(name="m", timezone="UTC", nodes=nodes, links=links, movements=movements)
    result: list[float] = network_arrays(network).movement_share.tolist()
    return result


def thru(share: float | None = None) -> Movement:
    return movement("w-x", "x-e", TurnKind.THRU, share=share)


def left(share: float | None = None) -> Movement:
    return movement("w-x", "x-n", TurnKind.LEFT, share=share)


def back(share: float | None = None) -> Movement:
    return movement("w-x", "x-w", TurnKind.UTURN, share=share)


def test_open_shares_follow_the_capacity_ahead() -> None:
    assert shares(thru(), left(), back()) == pytest.approx([0.75, 0.25, 0.0])


def test_a_u_turn_is_taken_only_where_nothing_else_is_there() -> None:
    assert shares(back()) == [1.0]
    assert shares(thru(), back()) == [1.0, 0.0]


def test_open_shares_take_what_the_stated_ones_leave() -> None:
    assert shares(thru(0.6), left(), back(0.1)) == pytest.approx([0.6, 0.3, 0.1])


def test_stated_shares_are_scaled_to_one_when_nothing_takes_the_rest() -> None:
    assert shares(thru(0.3), left(0.1)) == pytest.approx([0.75, 0.25])


def test_stated_zeros_leave_the_open_ones_everything() -> None:
    assert shares(thru(0.0), left()) == pytest.approx([0.0, 1.0])


def test_a_map_without_movements_has_empty_columns() -> None:
    network = town(movements=(), junctions=())
    arrays = network_arrays(network)
    assert arrays.movement_share.shape == (0,)
    assert arrays.movements_at.of(1).tolist() == []


def test_a_zone_starts_in_the_node_with_its_name_before_one_that_names_it() -> None:
    nodes = (node("w", zone="e"), node("x"), node("e"), node("n"))
    zones = [
        type(zone)("e" if zone.id == "Z1" else zone.id, zone.kind) for zone in parts()["zones"]
    ]
    arrays = network_arrays(town(nodes=nodes, zones=zones))
    assert arrays.zone_node.tolist() == [2, -1]
