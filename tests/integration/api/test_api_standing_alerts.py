"""Alerts of the detectors are served with their reason in words."""

from __future__ import annotations

from dataclasses import replace

from api_house import NOW_US, House, picture
from twin.api.roles import Role
from twin.perceive.alerting import Alerts
from twin.perceive.incident_watch import IncidentAlert
from twin.perceive.queue_tails import QueueTail


async def test_an_incident_and_a_tail(house: House) -> None:
    links = [link.id for link in house.served.network.links]
    incident = IncidentAlert(
        id="a1",
        road="R1",
        link=links[0],
        position_m=500.0,
        before=links[0],
        behind=links[1],
        since_us=NOW_US - 120_000_000,
        seen_us=NOW_US,
        confidence=0.83,
        reason="piled",
        piled=41.0,
        speed_before=0.5,
        speed_behind=0.9,
        load=0.45,
    )
    tail = QueueTail("R1", links[0], 120.0, float("nan"), 900.0, 5.0, 25.0, warn=True)
    shown = replace(picture(house.served.network), alerts=Alerts((incident,), (tail,)))
    house.served.board.publish(shown)
    async with house.client(Role.VIEWER) as client:
        view = (await client.get("/api/v1/alerts")).json()
    (told,) = view["incidents"]
    assert told["id"] == "a1"
    assert "41 vehicles went in and did not come out; 45 % of capacity" in told["text"]
    (end,) = view["queue_tails"]
    assert end["growth_kph"] is None
    assert end["warn"]
    assert end["text"].endswith("90 km/h meets 18")


async def test_without_any_the_lists_are_empty(house: House) -> None:
    house.served.board.publish(picture(house.served.network))
    async with house.client(Role.VIEWER) as client:
        view = (await client.get("/api/v1/alerts")).json()
    assert view["incidents"] == view["queue_tails"] == []
