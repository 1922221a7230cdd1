"""Whatever is requested and whenever, a signal controller keeps its own law."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from twin.clock import datetime_from_us
from twin.events import DecisionEvent, DecisionKind, DecisionState
from twin.ids import GroupId
from twin.network.model import Junction
from twin.world.cabinet import Aspect, Cabinet
from twin.world.patience import BEAT_US
from world_fake import crossing

START_US = 1_781_600_000_000_000
SECOND = 1_000_000


@dataclass(frozen=True)
class Asked:
    """After `wait_s`, somebody asks for a stage for `lease_s`."""

    wait_s: float
    stage: str
    lease_s: float


asked = st.builds(
    Asked,
    st.floats(0, 40).map(lambda value: round(value, 3)),
    st.sampled_from(["1", "2", "3", "4"]),
    st.floats(-5, 310),
)


@st.composite
def junctions(draw: st.DrawFn) -> Junction:
    """Draw a junction with other seconds, and perhaps half of its matrix missing."""
    seconds = st.floats(0, 12).map(lambda value: round(value, 1))
    sound = crossing()
    groups = tuple(
        replace(
            group,
            min_green_s=draw(seconds),
            yellow_s=draw(st.sampled_from([0.0, 3.0, 5.0])),
            max_red_s=draw(st.sampled_from([40.0, 120.0])),
        )
        for group in sound.groups
    )
    pairs = [(a, b, draw(seconds)) for a, b, _ in sound.intergreen_s]
    one_way = draw(st.booleans())
    matrix = tuple(pair for pair in pairs if not one_way or pair[0] < pair[1])
    return replace(sound, groups=groups, intergreen_s=matrix)


def request(asking: Asked, now_us: int) -> DecisionEvent:
    return DecisionEvent(
        id="d",
        version=1,
        kind=DecisionKind.SIGNAL_STAGE,
        state=DecisionState.ISSUED,
        target="J",
        time=datetime_from_us(now_us),
        reason="test",
        command={"stage": asking.stage},
        lease_until=datetime_from_us(now_us + round(asking.lease_s * SECOND)),
    )


class Watchman:
    """Looks at every beat and knows the law from the map alone."""

    def __init__(self, junction: Junction) -> None:
        given_s = {(a, b): seconds for a, b, seconds in junction.intergreen_s}
        self.between_s = {(b, a): seconds for (a, b), seconds in given_s.items()} | given_s
        self.groups = {group.id: group for group in junction.groups}
        self.began: dict[GroupId, int] = {}
        self.ended: dict[GroupId, int] = {}
        self.green: set[GroupId] = set()
        self.turns = 0

    def look(self, cabinet: Cabinet, now_us: int) -> None:
        aspects = cabinet.aspects()
        green = {group for group in self.groups if aspects[group] is Aspect.GREEN}
        for group in green - self.green:
            self.began[group] = now_us
            self.turns += 1
        for group in self.green - green:
            self.ended[group] = now_us
            shown_s = (now_us - self.began[group]) / SECOND
            assert shown_s >= self.groups[group].min_green_s
        for group in self.green - green:
            yellow = self.groups[group].yellow_s > 0
            assert aspects[group] is (Aspect.YELLOW if yellow else Aspect.RED)
        for starting in green - self.green:
            if starting in self.ended:
                dark_s = (now_us - self.ended[starting]) / SECOND
                assert dark_s >= self.groups[starting].yellow_s
            for ending, ended_us in self.ended.items():
                needed_s = self.between_s.get((ending, starting))
                if needed_s is not None:
                    assert (now_us - ended_us) / SECOND >= needed_s
        assert not any((a, b) in self.between_s for a in green for b in green)
        self.green = green


@given(junction=junctions(), story=st.lists(asked, max_size=12))
@settings(max_examples=60, deadline=None)
def test_no_command_breaks_the_law(junction: Junction, story: list[Asked]) -> None:
    cabinet = Cabinet(junction, timezone="Europe/Madrid", now_us=START_US)
    watchman = Watchman(junction)
    now_us = cabinet_us = START_US - START_US % BEAT_US
    for asking in [*story, Asked(200.0, "4", 0.0)]:
        now_us += round(asking.wait_s * SECOND)
        while cabinet_us + BEAT_US <= now_us:
            cabinet_us += BEAT_US
            cabinet.advance(cabinet_us)
            watchman.look(cabinet, cabinet_us)
        cabinet.take(request(asking, now_us), now_us)
        watchman.look(cabinet, cabinet_us)
    assert watchman.turns > 0


@given(story=st.lists(asked, max_size=8), cuts=st.lists(st.floats(0, 1), max_size=8))
@settings(max_examples=30, deadline=None)
def test_how_often_it_is_driven_changes_nothing(story: list[Asked], cuts: list[float]) -> None:
    smooth = Cabinet(crossing(), timezone="UTC", now_us=START_US)
    choppy = Cabinet(crossing(), timezone="UTC", now_us=START_US)
    now_us = START_US
    for asking in story:
        begin_us, now_us = now_us, now_us + round(asking.wait_s * SECOND)
        for cut in sorted(cuts):
            choppy.advance(begin_us + int((now_us - begin_us) * cut))
        for cabinet in (smooth, choppy):
            cabinet.advance(now_us)
            cabinet.take(request(asking, now_us), now_us)
        assert smooth.shown == choppy.shown
        assert smooth.aspects() == choppy.aspects()
