"""Orders to devices through the heart: taken, sent, renewed, and what a restart does to them."""

from __future__ import annotations

from msgspec.structs import replace

from device_road import START_US, device_road, order
from twin.clock import datetime_from_us
from twin.events import Acknowledgement, DecisionEvent, DecisionState
from twin.live import Live, LiveBatch
from twin.units import SECOND_US

ROAD = device_road()


def fresh() -> Live:
    return Live(ROAD, rules=None, automatic=frozenset(), lease_s=30.0, timezone="UTC")


def taken(event: DecisionEvent, now_us: int) -> LiveBatch:
    answer = Acknowledgement(
        id=f"k{event.version}",
        decision=event.id,
        device=event.target,
        time=datetime_from_us(now_us),
        accepted=True,
    )
    return LiveBatch(now_us, acknowledgements=(answer,))


def in_force(live: Live) -> DecisionEvent:
    slow = order("sign", "S2", {"limit_kph": "80"})
    live.observe(LiveBatch(START_US, acts=(slow,)))
    (issued,) = live.decide(START_US + SECOND_US, offsets={"act/0": 1})
    (acknowledged,) = live.observe(taken(issued, START_US + 2 * SECOND_US))
    return acknowledged


def test_an_order_is_made_sent_and_shown_and_a_replay_makes_the_same() -> None:
    first, again = in_force(fresh()), in_force(fresh())
    assert first.state is DecisionState.ACKNOWLEDGED
    assert first == again
    live = fresh()
    standing = in_force(live)
    assert live.picture(START_US + 3 * SECOND_US).decisions == (standing,)


def test_the_same_order_twice_makes_one_decision_after_another() -> None:
    live = fresh()
    slow = order("sign", "S2", {"limit_kph": "80"})
    (approved,) = live.observe(LiveBatch(START_US, acts=(slow,)))
    ended, following = live.observe(
        LiveBatch(START_US, acts=(replace(slow, id="another", person="ben"),))
    )
    assert (ended.id, ended.state) == (approved.id, DecisionState.RELEASED)
    assert (following.by, following.predecessor) == ("ben", approved.id)


def test_an_unsafe_order_makes_nothing_and_is_counted() -> None:
    live = fresh()
    assert (
        live.observe(LiveBatch(START_US, acts=(order("sign", "S2", {"limit_kph": "130"}),))) == ()
    )
    assert live.devices.unsafe_count == 1
    assert live.decide(START_US + SECOND_US, offsets={}) == ()


def test_after_a_restart_what_the_gate_let_out_goes_on_and_nothing_else() -> None:
    standing = in_force(fresh())
    renewal_us = START_US + 70 * SECOND_US
    live = fresh()
    live.restore_decisions([standing])
    (renewed,) = live.decide(renewal_us, offsets={})
    assert (renewed.id, renewed.state) == (standing.id, DecisionState.ISSUED)
    for changes in ({"checks": ()}, {"checks": ("known",)}, {"map_version": "another"}):
        live = fresh()
        live.restore_decisions([replace(standing, **changes)])
        assert live.book.dropped == 1
        assert live.decide(renewal_us, offsets={}) == ()


def test_a_service_that_was_away_for_longer_than_the_lease_does_not_go_on() -> None:
    live = fresh()
    live.restore_decisions([in_force(fresh())])
    (over,) = live.decide(START_US + 200 * SECOND_US, offsets={})
    assert over.state is DecisionState.EXPIRED
    assert live.decide(START_US + 201 * SECOND_US, offsets={}) == ()
