"""Any list of edits, undone, gives exactly the base; each says what it does and where it is."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.errors import InputError
from twin.scenario.edits.change import changed
from twin.scenario.edits.form import AnyEdit
from twin.scenario.edits.place import Here
from twin.scenario.edits.shown import shape, told
from twin.scenario.study import undo
from what_if_town import project

BASE = project().base
HERE = Here(BASE, 7 * 3600.0, 7 * 3600.0 + 2400.0, ("car", "truck"), "")

LINK = st.sampled_from(["WA", "AN", "NE", "AS", "SE", "EF"])
LINKS = st.lists(LINK, min_size=1, max_size=3)
TURN = st.sampled_from([("WA", "AN"), ("WA", "AS"), ("AN", "NE"), ("NE", "EF")])
CLASSES = st.lists(st.sampled_from(["car", "truck"]), max_size=2)
PLACE = st.sampled_from(["W", "E", "F"])
SHARE = st.floats(0, 1)
HOURS = st.sampled_from(
    [{}, {"from": "07:10"}, {"until": "07:20"}, {"from": "07:05", "until": "7:06"}]
)


def edit(kind: str, /, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Make edits of one kind, with or without hours."""
    whole = st.fixed_dictionaries({"edit": st.just(kind), **fields})
    return st.tuples(whole, HOURS).map(lambda parts: parts[0] | parts[1])


def turned(kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Make edits of a turn."""
    both = st.tuples(edit(kind, **fields), TURN)
    return both.map(lambda p: p[0] | {"from_link": p[1][0], "to_link": p[1][1]})


EDITS = st.one_of(
    edit("close_link", links=LINKS, classes=CLASSES),
    edit("close_lanes", link=st.sampled_from(["WA", "EF"]), lanes=st.integers(1, 2)),
    turned("close_turn", classes=CLASSES),
    edit("capacity", links=LINKS, factor=SHARE),
    edit("free_speed", links=LINKS, kph=st.floats(5, 130)),
    edit(
        "new_link",
        id=st.sampled_from(["X1", "X2", "X3"]),
        from_node=PLACE,
        to_node=st.sampled_from(["N", "S"]),
        free_speed_kph=st.floats(20, 120),
        capacity_vph=st.floats(300, 4000),
    ),
    edit(
        "signal_plan",
        junction=st.just("JE"),
        stages=st.lists(
            st.fixed_dictionaries(
                {"stage": st.sampled_from(["1", "2"]), "seconds": st.floats(5, 60)}
            ),
            min_size=1,
            max_size=3,
        ),
    ),
    edit("ramp_meter", link=LINK, vph=st.floats(0, 2000)),
    edit("zone_hours", zone=st.just("OLD"), authorised=st.dictionaries(st.just("car"), SHARE)),
    edit("demand_factor", factor=st.floats(0, 3), origins=st.lists(PLACE, max_size=1)),
    edit("demand_trips", origin=PLACE, destination=PLACE, trips=st.floats(0, 500)),
    edit("demand_shift", minutes=st.floats(-30, 30), share=SHARE),
    edit("incident", link=LINK, capacity_share=SHARE),
    edit("work_zone", links=LINKS, lanes_closed=st.integers(0, 1), open_lane_factor=st.just(0.9)),
    edit(
        "weather",
        name=st.just("rain"),
        capacity_factor=st.floats(0.5, 1),
        speed_factor=st.floats(0.5, 1),
        source=st.just("a source of eight"),
    ),
    turned("split", divert_share=SHARE),
)


@settings(max_examples=120)
@given(st.lists(EDITS, max_size=5))
def test_undone_in_reverse_the_edits_leave_the_base(listed: list[dict[str, Any]]) -> None:
    edits = msgspec.convert(listed, tuple[AnyEdit, ...])
    try:
        study, done = changed(edits, HERE)
    except InputError:  # two new links of one id, or hours for what has none
        return
    for one in done:
        assert told(one.edit, study.network).endswith(".")
        place = shape(one.edit, study)
        assert place is None or place["coordinates"]
    for one in reversed(done):
        study = undo(study, one.swaps)
    assert study == BASE
    assert study.network.version == BASE.network.version
