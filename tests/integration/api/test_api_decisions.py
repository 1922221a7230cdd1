"""A person's answer to a decision: checked, on the log, and told when it took effect."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import msgspec
import pytest
from msgspec.structs import replace

from api_house import NOW_US, House, access, picture, proposal
from twin.api.roles import Role
from twin.clock import datetime_from_us
from twin.events import Act, DecisionEvent, DecisionState, Fact, OperatorAct
from twin.log.contract import Place
from twin.store import audit
from twin.store.commit import assign, write_commit
from twin.store.records import Commit
from twin.units import SECOND_US

REASON = "the queue reaches the motorway"


async def keep(house: House, *events: DecisionEvent) -> None:
    """Store decisions as the worker does."""
    place = Place("test", 0)
    _, epochs = await assign(house.served.database, [place], "test")
    await write_commit(house.served.database, Commit(epochs=epochs, decisions=events))


def show(house: House, *events: DecisionEvent) -> None:
    house.served.board.publish(picture(house.served.network, decisions=events))


async def act(house: House, verb: str, **body: Any) -> httpx.Response:
    body = {"reason": REASON, "seen_version": 1, **body}
    async with house.client(Role.OPERATOR) as client:
        return await client.post(f"/api/v1/decisions/p-1/{verb}", json=body)


async def worker(house: House, event: DecisionEvent) -> OperatorAct:
    """Wait for the act on the log, then publish what the worker makes of it."""
    reader = await house.served.log.reader({Place("act", 0): 0})
    (records,) = await reader.fetch(max_records=1, timeout_s=5.0)
    await reader.close()
    house.served.board.publish_decisions([event])
    return msgspec.json.decode(records.values[0], type=OperatorAct)


async def worker_of(house: House, event: DecisionEvent, *, acts: int) -> None:
    """Wait until so many acts are on the log, then publish what the worker makes of them."""
    reader = await house.served.log.reader({Place("act", 0): 0})
    taken = 0
    while taken < acts:
        taken += sum(map(len, await reader.fetch(max_records=acts, timeout_s=5.0)))
    await reader.close()
    house.served.board.publish_decisions([event])


@pytest.mark.parametrize(
    ("verb", "state"),
    [
        ("approve", DecisionState.APPROVED),
        ("reject", DecisionState.REJECTED),
        ("release", DecisionState.RELEASED),
    ],
)
async def test_an_act_goes_on_the_log_and_answers_when_it_took_effect(
    house: House, verb: str, state: DecisionState
) -> None:
    granted = verb == "release"
    before = proposal(state=DecisionState.APPROVED) if granted else proposal()
    show(house, before)
    house.served.approve_wait_s = 5.0
    after = replace(before, version=2, state=state, by="the operator", note=REASON)
    answer, done = await asyncio.gather(act(house, verb), worker(house, after))
    assert answer.status_code == 200, answer.text
    view = answer.json()
    assert (view["version"], view["state"], view["can_approve"]) == (2, str(state), False)
    assert (done.act, done.target, done.person) == (Act(verb), "p-1", "the operator")
    assert (done.seen_version, done.reason) == (1, REASON)
    (row,) = await audit.list_entries(house.served.database)
    assert (row.person, row.act, row.target) == ("the operator", f"decision.{verb}", "p-1")


async def test_an_act_that_has_not_taken_effect_yet_is_202(house: House) -> None:
    show(house, proposal())
    answer = await act(house, "approve")
    assert answer.status_code == 202
    assert answer.json()["version"] == 1
    assert len(await house.records("act")) == 1


async def test_another_version_than_the_person_saw_is_a_conflict(house: House) -> None:
    moved = replace(proposal(), version=2, state=DecisionState.APPROVED, by="somebody")
    show(house, moved)
    answer = await act(house, "approve")
    assert answer.status_code == 409
    (error,) = answer.json()["errors"]
    assert (error["field"], error["value"]) == ("seen_version", "1")
    assert "version 2" in error["rule"]
    assert "somebody" in error["rule"]
    assert await house.records("act") == []


async def test_of_several_acts_on_one_version_one_made_it_and_the_others_are_conflicts(
    house: House,
) -> None:
    show(house, proposal())
    house.served.approve_wait_s = 5.0
    after = replace(
        proposal(), version=2, state=DecisionState.APPROVED, by="the operator", note=REASON
    )
    *answers, _ = await asyncio.gather(
        act(house, "approve"),
        act(house, "approve"),
        act(house, "approve", reason="another reason than that"),
        worker_of(house, after, acts=3),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
    assert answers[2].status_code == 409
    rows = await audit.list_entries(house.served.database)
    acts = sorted(row.act for row in rows)
    assert acts == ["decision.approve"] * 3 + ["decision.approve.refused"] * 2


async def test_a_grant_in_force_is_released_a_proposal_is_not(house: House) -> None:
    show(house, proposal())
    assert (await act(house, "release")).status_code == 409
    show(house, replace(proposal(), version=2, state=DecisionState.ISSUED))
    async with house.client(Role.OPERATOR) as client:
        mine = (await client.get("/api/v1/decisions/p-1")).json()["decision"]
    async with house.client(Role.VIEWER) as client:
        theirs = (await client.get("/api/v1/decisions/p-1")).json()["decision"]
        refused = await client.post("/api/v1/decisions/p-1/release", json={})
    assert (mine["can_release"], theirs["can_release"]) == (True, False)
    assert refused.status_code == 403
    assert (await act(house, "release", seen_version=2)).status_code == 202


async def test_facts_age_with_the_service_since_they_were_true(house: House) -> None:
    facts = (Fact(name="delay now", value=1.0, age_s=4.0), Fact(name="sure", value="yes"))
    first = proposal(facts=facts)
    later_us = NOW_US + 30 * SECOND_US
    second = replace(
        first, version=2, state=DecisionState.APPROVED, time=datetime_from_us(later_us)
    )
    await keep(house, first)
    show(house, first)
    house.clock.advance_to(NOW_US + 60 * SECOND_US)

    async def ages() -> list[list[float | None]]:
        async with house.client(Role.OPERATOR) as client:
            (one,) = (await client.get("/api/v1/decisions")).json()["decisions"]
            alone = (await client.get("/api/v1/decisions/p-1")).json()["decision"]
        return [[fact["age_s"] for fact in view["facts"]] for view in (one, alone)]

    assert await ages() == [[64.0, None]] * 2
    show(house, second)
    assert await ages() == [[64.0, None]] * 2
    house.served.board._made_us.clear()  # as after a restart: the store knows
    assert await ages() == [[64.0, None]] * 2


async def test_an_incident_is_cleared_by_a_person(house: House) -> None:
    show(house)
    path = "/api/v1/incidents/i-1/clear"
    async with house.client(Role.OPERATOR) as client:
        done = await client.post(path, json={"reason": REASON})
        short = await client.post(path, json={"reason": "          no"})
        unknown = await client.post(path.replace("i-1", "i-9"), json={"reason": REASON})
    async with house.client(Role.VIEWER) as client:
        refused = await client.post(path, json={"reason": REASON})
    answers = (done, short, unknown, refused)
    assert [answer.status_code for answer in answers] == [202, 422, 404, 403]
    ((_, value, _),) = await house.records("act")
    made = msgspec.json.decode(value, type=OperatorAct)
    assert (made.act, made.target, made.person) == (Act.CLEAR_INCIDENT, "i-1", "the operator")
    (row,) = await audit.list_entries(house.served.database)
    assert (row.act, row.target) == ("incident.clear", "i-1")


async def test_an_expired_proposal_is_a_conflict(house: House) -> None:
    show(house, proposal())
    house.clock.advance_to(NOW_US + 301 * SECOND_US)
    answer = await act(house, "approve")
    assert answer.status_code == 409
    assert answer.json()["errors"][0]["reason"] == "expired"


async def test_a_decision_that_went_another_way_meanwhile_is_a_conflict(house: House) -> None:
    show(house, proposal())
    house.served.approve_wait_s = 5.0
    expired = replace(proposal(), version=2, state=DecisionState.EXPIRED)
    answer, _ = await asyncio.gather(act(house, "approve"), worker(house, expired))
    assert answer.status_code == 409
    assert "expired" in answer.text


@pytest.mark.parametrize("reason", ["too short", "          ", ""])
async def test_a_reason_is_needed(house: House, reason: str) -> None:
    show(house, proposal())
    answer = await act(house, "reject", reason=reason)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "reason"


async def test_an_access_decision_cannot_be_approved(house: House) -> None:
    show(house, access("p-1"))
    answer = await act(house, "approve")
    assert answer.status_code == 409


async def test_open_and_all(house: House) -> None:
    old = replace(proposal("old"), state=DecisionState.PROPOSED)
    over = replace(old, version=2, state=DecisionState.EXPIRED)
    await keep(house, old, over, proposal())
    show(house, proposal())
    async with house.client(Role.OPERATOR) as client:
        one = (await client.get("/api/v1/decisions")).json()["decisions"]
        every = (await client.get("/api/v1/decisions?state=all")).json()["decisions"]
        life = (await client.get("/api/v1/decisions/old")).json()
    assert [view["id"] for view in one] == ["p-1"]
    assert {view["id"] for view in every} == {"old", "p-1"}
    assert [event["version"] for event in life["history"]] == [1, 2]
    assert life["decision"]["state"] == "expired"


async def test_a_view_says_in_words_what_may_be_done(house: House) -> None:
    show(house, proposal())
    house.clock.advance_to(NOW_US + 60 * SECOND_US)
    async with house.client(Role.OPERATOR) as client:
        (view,) = (await client.get("/api/v1/decisions")).json()["decisions"]
    async with house.client(Role.VIEWER) as client:
        (seen,) = (await client.get("/api/v1/decisions")).json()["decisions"]
    assert "J1" in view["text"]
    assert (view["valid_for_s"], view["can_approve"], view["why_not"]) == (240.0, True, "")
    assert not seen["can_approve"]
    assert "viewer" in seen["why_not"]


async def test_viewers_do_not_see_single_vehicles(house: House) -> None:
    await keep(house, access(), proposal())
    show(house, access(), proposal())
    for role, wanted in ((Role.OPERATOR, {"a-1", "p-1"}), (Role.PLANNER, {"p-1"})):
        async with house.client(role) as client:
            for which in ("open", "all"):
                found = (await client.get(f"/api/v1/decisions?state={which}")).json()
                assert {view["id"] for view in found["decisions"]} == wanted
            single = await client.get("/api/v1/decisions/a-1")
            assert single.status_code == (200 if role is Role.OPERATOR else 404)


async def test_commands_reach_the_device_that_polls(house: House) -> None:
    issued = replace(
        access(),
        version=2,
        state=DecisionState.ISSUED,
        lease_until=datetime_from_us(NOW_US + 10**7),
    )
    house.served.board.publish_decisions([access(), issued])
    async with house.client(Role.GATE) as client:
        mine = (await client.get("/api/v1/street/commands?device=G1")).json()
        other = (await client.get("/api/v1/street/commands?device=J1")).json()
        every = (await client.get("/api/v1/street/commands")).json()
        later = (await client.get(f"/api/v1/street/commands?after={mine['after']}")).json()
    assert [event["id"] for event in mine["commands"]] == ["a-1"]
    assert mine["commands"][0]["command"] == {"gate": "open"}
    assert other["commands"] == []
    assert every["commands"] == mine["commands"]
    assert later == {"after": mine["after"], "commands": []}


async def test_gates_and_their_events_show_no_plate_and_no_token(house: House) -> None:
    await keep(house, access())
    house.served.board.publish_decisions([access()])
    async with house.client(Role.OPERATOR) as client:
        (gate,) = (await client.get("/api/v1/gates")).json()
        (event,) = (await client.get("/api/v1/gates/events")).json()
        (zone,) = (await client.get("/api/v1/zones")).json()
    assert (gate["entries"], gate["exits"], gate["authorised_pct"]) == (1, 0, 100.0)
    assert gate["last_event"] == "2026-06-16T07:59:59Z"
    assert gate["last_event_age_s"] == 1.0
    assert event["vehicle"] == "v·7F3A"
    assert event["profile"] == "RESIDENT"
    assert event["confidence"] == 0.97
    assert set(event) == {
        "id", "time", "gate", "direction", "state", "reason", "text", "profile", "confidence",
        "vehicle",
    }  # fmt: skip
    assert zone == {"id": "Z1", "name": "", "kind": "access", "links": ["L2"], "gates": ["G1"]}
    assert json.dumps(event)
