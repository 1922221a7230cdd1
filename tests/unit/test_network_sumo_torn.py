"""Odd and broken nets of SUMO: read as far as they can be trusted, else refused in words."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from twin.errors import MapError
from twin.network.sumo import read_sumo_net
from twin.network.sumo.net import read_net

NET = """<net>
 <location netOffset="0.00,0.00" projParameter="!"/>
 <edge id="wm" from="w" to="m"><lane id="wm_0" index="0" speed="13.9" length="90.0"
   shape="-95,0 -5,0"/></edge>
 <edge id="me" from="m" to="e"><lane id="me_0" index="0" speed="13.9" length="90.0"
   shape="5,0 95,0"/></edge>
 <edge id="sm" from="s" to="m"><lane id="sm_0" index="0" speed="13.9" length="90.0"
   shape="0,-95 0,-5"/></edge>
 <edge id="mn" from="m" to="n"><lane id="mn_0" index="0" speed="13.9" length="90.0"
   shape="0,5 0,95"/></edge>
 <edge id="b1" from="p" to="q"><lane id="b1_0" index="0" allow="bicycle" speed="5" length="50"
   shape="300,0 350,0"/></edge>
 <edge id="b2" from="q" to="r"><lane id="b2_0" index="0" allow="bicycle" speed="5" length="50"
   shape="350,0 400,0"/></edge>
 <tlLogic id="m" type="static" programID="0" offset="0">
  <phase duration="30" state="Gr"/><phase duration="3" state="yr"/>
  <phase duration="30" state="rG"/><phase duration="3" state="ry"/>
 </tlLogic>
 <tlLogic id="q" type="static" programID="0" offset="0">
  <phase duration="30" state="G"/><phase duration="30" state="r"/>
 </tlLogic>
 <junction id="w" type="dead_end" x="-100" y="0"/>
 <junction id="e" type="dead_end" x="100" y="0"/>
 <junction id="s" type="dead_end" x="0" y="-100"/>
 <junction id="n" type="dead_end" x="0" y="100"/>
 <junction id="m" type="traffic_light" x="0" y="0" incLanes="wm_0 sm_0" intLanes="">
  <request index="0" response="10" foes="10"/><request index="1" response="01" foes="01"/>
 </junction>
 <junction id="p" type="dead_end" x="300" y="0"/>
 <junction id="q" type="traffic_light" x="350" y="0" incLanes="b1_0" intLanes="">
  <request index="0" response="0" foes="0"/>
 </junction>
 <junction id="r" type="dead_end" x="400" y="0"/>
 <connection from="wm" to="me" fromLane="0" toLane="0" tl="m" linkIndex="0" dir="s"/>
 <connection from="sm" to="mn" fromLane="0" toLane="0" tl="m" linkIndex="1" dir="s"/>
 <connection from="b1" to="b2" fromLane="0" toLane="0" tl="q" linkIndex="0" dir="s"/>
</net>
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "small.net.xml"
    path.write_text(text, encoding="utf-8")
    return path


def codes(path: Path) -> dict[str, tuple[str, ...]]:
    _, report = read_sumo_net(path)
    return {one.code: tuple(one.ids) for one in report.entries}


def test_a_light_that_no_car_passes_does_not_stop_the_import(tmp_path: Path) -> None:
    network, report = read_sumo_net(write(tmp_path, NET))
    assert [str(one.id) for one in network.junctions] == ["m"]
    found = {one.code: tuple(one.ids) for one in report.entries}
    assert found["signals_not_stages"] == ("q",)


@pytest.mark.parametrize("lost", ['<request index="1" response="01" foes="01"/>', "all"])
def test_a_light_without_foes_keeps_its_own_program(lost: str, tmp_path: Path) -> None:
    text = NET.replace(lost, "")
    if lost == "all":
        text = "\n".join(line for line in NET.splitlines() if "<request" not in line)
    path = write(tmp_path, text)
    network, _ = read_sumo_net(path)
    assert not network.junctions
    assert "m" in codes(path)["signals_not_stages"]


def test_a_program_that_counts_from_the_begin_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, NET.replace('offset="0"', 'offset="begin"', 1))
    assert codes(path)["offset_guessed"] == ("m",)
    assert "offset_guessed" not in codes(write(tmp_path, NET))


def test_connections_between_inner_edges_may_be_left_over(tmp_path: Path) -> None:
    left = '<connection from=":m_0" to="me" fromLane="0" toLane="0" dir="s"/></net>'
    network, _ = read_sumo_net(write(tmp_path, NET.replace("</net>", left)))
    assert len(network.movements) == 2


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ('<connection from="wm"', '<connection from="nowhere"', "'nowhere'"),
        ('linkIndex="1"', 'linkIndex="7"', "no light for its link 7"),
        ('state="yr"', 'state="yrr"', "differ in length"),
        ('duration="3" state="ry"', 'duration="0" state="ry"', "no length"),
        ('netOffset="0.00,0.00"', 'netOffset=""', "not a network"),
        ('shape="-95,0 -5,0"', 'shape="-95 -5"', "not a network"),
        ('length="90.0"', 'length="0"', "above 0"),
    ],
)
def test_a_net_that_cannot_be_is_refused_in_words(
    old: str, new: str, word: str, tmp_path: Path
) -> None:
    assert old in NET
    path = write(tmp_path, NET.replace(old, new))
    with pytest.raises(MapError, match=word):
        read_sumo_net(path)


def test_a_net_without_roads_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, NET.replace('index="0" speed', 'index="0" allow="bicycle" speed'))
    with pytest.raises(MapError, match="no edge is for motor vehicles"):
        read_sumo_net(path)


def test_a_packed_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    packed = gzip.compress(NET.encode())
    path = tmp_path / "small.net.xml.gz"
    path.write_bytes(packed)
    assert len(read_net(path).edges) == 6
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(MapError, match="EOFError"):
        read_net(path)


def test_a_packed_additional_file_is_read(tmp_path: Path) -> None:
    beside = tmp_path / "loops.add.xml.gz"
    text = (
        '<additional><inductionLoop id="D" lane="wm_0" pos="50" period="30" file="x"/></additional>'
    )
    beside.write_bytes(gzip.compress(text.encode()))
    network, _ = read_sumo_net(write(tmp_path, NET), additional=[beside])
    assert [(str(one.id), one.position_m) for one in network.sensors] == [("D", 50.0)]
