"""The control points and zones, and what was decided at them - never a plate."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Query
from starlette.responses import Response

from twin.api.auth import House
from twin.api.gate_tally import fact, passed_at
from twin.api.routes import Endpoint, json_answer
from twin.api.schemas import GateEventView, GateView, ZoneView
from twin.api.served import Served
from twin.clock import datetime_from_us
from twin.control.explain import sentence
from twin.events import DecisionEvent, DecisionKind
from twin.network.model import Gate
from twin.store.decisions import list_decisions
from twin.units import SECOND_US


async def gates(served: House) -> Response:
    """List the control points with their counts of the local day."""
    return json_answer([_gate(served, gate) for gate in served.network.gates])


def _gate(served: Served, gate: Gate) -> GateView:
    now_us = served.clock.now_us()
    counts = served.board.gates.of(gate.id, datetime_from_us(now_us))
    seen = counts.last_us >= 0
    return GateView(
        id=gate.id,
        name=gate.name,
        link=gate.link,
        inbound=gate.inbound,
        barrier=gate.barrier,
        zones=list(gate.zones),
        last_event=datetime_from_us(counts.last_us) if seen else None,
        last_event_age_s=round((now_us - counts.last_us) / SECOND_US, 1) if seen else None,
        entries=counts.entries,
        exits=counts.exits,
        authorised_pct=round(100 * counts.admitted / counts.entries, 1) if counts.entries else None,
    )


async def gate_events(
    served: House, limit: Annotated[int, Query(ge=1, le=500, description="at most")] = 100
) -> Response:
    """List decisions about passages, newest first; the vehicle is a word of the day."""
    found = await list_decisions(served.database, kind=DecisionKind.ACCESS, limit=limit)
    return json_answer([gate_event_view(event) for event in found])


def gate_event_view(event: DecisionEvent) -> GateEventView:
    """Show an access decision as an event of its gate."""
    confidence = fact(event, "confidence")
    state = fact(event, "state")
    profile = fact(event, "profile")
    return GateEventView(
        id=event.id,
        time=passed_at(event),
        gate=event.target,
        direction=fact(event, "direction"),
        state=state,
        reason=event.reason,
        text=sentence(event),
        profile=profile,
        confidence=float(confidence) if confidence else None,
        vehicle=fact(event, "vehicle"),
    )


async def zones(served: House) -> Response:
    """List the zones with their links and gates."""
    views = [
        ZoneView(
            id=zone.id,
            name=zone.name,
            kind=zone.kind,
            links=list(zone.links),
            gates=[gate.id for gate in served.network.gates if zone.id in gate.zones],
        )
        for zone in served.network.zones
    ]
    return json_answer(views)


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/gates",
        handler=gates,
        summary="The control points",
        tag="access",
        answer=list[GateView],
    ),
    Endpoint(
        method="GET",
        path="/gates/events",
        handler=gate_events,
        summary="What was decided at the gates",
        tag="access",
        answer=list[GateEventView],
        errors=(422,),
    ),
    Endpoint(
        method="GET",
        path="/zones",
        handler=zones,
        summary="The zones",
        tag="access",
        answer=list[ZoneView],
    ),
)
