"""Random small towns become sound maps that survive a round trip; broken files never surprise."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from osm_towns import Town, market_town
from twin.errors import MapError
from twin.network.gmns import read_gmns, write_gmns
from twin.network.osm import read_osm
from twin.network.problems import problems

TAGS = st.fixed_dictionaries(
    {"highway": st.sampled_from(["motorway", "primary", "residential", "motorway_link", "road"])},
    optional={
        "oneway": st.sampled_from(["yes", "-1", "no", "reversible"]),
        "lanes": st.sampled_from(["1", "2", "3", "5", "0", "many", "2;4"]),
        "lanes:forward": st.sampled_from(["1", "2", "9"]),
        "lanes:bus": st.sampled_from(["1", "2"]),
        "maxspeed": st.sampled_from(["50", "30 mph", "none", "walk", "ES:urban", "999", "?"]),
        "ref": st.sampled_from(["A-1", "M-30", "A-1;E-5"]),
        "name": st.text(max_size=8),
        "junction": st.sampled_from(["roundabout"]),
        "access": st.sampled_from(["private", "destination"]),
    },
)
NODE_TAGS = st.sampled_from(
    [
        {},
        {},
        {"highway": "traffic_signals"},
        {"highway": "crossing"},
        {"highway": "crossing", "crossing": "traffic_signals"},
        {"railway": "level_crossing"},
        {"barrier": "bollard"},
    ]
)
KINDS = st.sampled_from(["no_left_turn", "only_straight_on", "no_u_turn", "no_entry"])


@st.composite
def towns(draw: st.DrawFn) -> Town:
    """Draw a grid with up to 5 x 5 nodes, some of them at one place, and ways wandering over it."""
    town = Town()
    size = draw(st.integers(2, 5))
    spots = [(x, y) for x in range(size) for y in range(size)]
    for number, (x, y) in enumerate(spots, start=1):
        shift = draw(st.sampled_from([0, 0, 0, 40]))
        town.node(number, x * 40 + shift, y * 40)
        town.node_tags[number] = draw(NODE_TAGS)
    numbers = st.integers(1, len(spots) + 1)  # the last one is not in the file
    for way in range(1, draw(st.integers(1, 8)) + 1):
        town.ways[way] = (draw(st.lists(numbers, min_size=2, max_size=7)), draw(TAGS))
    ways = st.integers(1, len(town.ways))
    for rule in range(1, draw(st.integers(0, 3)) + 1):
        town.rule(rule, draw(KINDS), draw(ways), draw(numbers), draw(ways))
    return town


@given(towns(), st.sampled_from(["nwr", "rwn", "wnr"]))
@settings(max_examples=120, deadline=None)
def test_a_random_town_is_a_sound_map_and_survives_gmns(town: Town, order: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = "".join(sign for sign in town.xml() if sign in "\t\n" or sign.isprintable())
        (folder / "town.osm").write_text(text, encoding="utf-8")
        try:
            network, _ = read_osm(folder / "town.osm")
        except MapError as error:
            assert "no road for cars" in str(error)  # noqa: PT017 (the only reason there may be)
            return
        assert not list(problems(network))
        assert all(link.from_node != link.to_node for link in network.links)
        for movement in network.movements:
            before = network.links[network.link_rows[movement.from_link]]
            assert movement.node == before.to_node
        write_gmns(network, folder / "map")
        assert read_gmns(folder / "map")[0].version == network.version
        again = town.xml(order=order)
        kept = "".join(sign for sign in again if sign in "\t\n" or sign.isprintable())
        (folder / "town.osm").write_text(kept, encoding="utf-8")
        assert read_osm(folder / "town.osm")[0].version == network.version


@st.composite
def damages(draw: st.DrawFn) -> tuple[str, int, int, int]:
    """Draw a format, where it is hurt, with which byte, and after how many bytes it ends."""
    kind = draw(st.sampled_from(["osm", "osm.pbf"]))
    return (
        kind,
        draw(st.integers(0, 9_999)),
        draw(st.integers(0, 255)),
        draw(st.integers(1, 10_000)),
    )


def _whole() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as name:
        pbf = market_town().write_pbf(Path(name) / "town.osm.pbf").read_bytes()
    return {"osm": market_town().xml().encode(), "osm.pbf": pbf}


WHOLE = _whole()


@given(damages())
@settings(max_examples=150, deadline=None)
def test_a_damaged_file_is_a_map_or_a_map_error(damage: tuple[str, int, int, int]) -> None:
    kind, place, byte, length = damage
    content = bytearray(WHOLE[kind])
    content[place * len(content) // 10_000] = byte
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / f"town.{kind}"
        path.write_bytes(content[: length * len(content) // 10_000])
        try:
            network, _ = read_osm(path)
        except MapError as error:
            assert path.name in str(error) or "map" in str(error)  # noqa: PT017
            return
        assert not list(problems(network))
