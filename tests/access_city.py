"""A restricted zone with three gates, and plates made into facts as ingest makes them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from twin.clock import us_from_datetime
from twin.columns import PassageFact
from twin.control.access.identity import canonical, tokens
from twin.events import Authorisation
from twin.ids import GateId, LinkId, NodeId, ZoneId
from twin.keys import Key
from twin.network.model import Gate, Link, LinkClass, Node, SingleMap, Zone

KEY = Key(id="test-access-1", secret=bytes(range(32)))


def old_town(gates: tuple[str, ...] = ("G1", "G2", "G7")) -> SingleMap:
    """Make the map; G2 has a bollard."""
    link = Link(
        id=LinkId("L"),
        from_node=NodeId("A"),
        to_node=NodeId("B"),
        line=((0.0, 0.0), (0.001, 0.0)),
        length_m=100.0,
        lanes=1,
        free_speed_mps=8.0,
        capacity_vps=0.3,
        link_class=LinkClass.LOCAL,
    )
    return SingleMap(
        name="old town",
        version="a" * 32,
        timezone="Europe/Madrid",
        nodes=(Node(NodeId("A"), (0.0, 0.0)), Node(NodeId("B"), (0.001, 0.0))),
        links=(link,),
        gates=tuple(
            Gate(
                GateId(name),
                LinkId("L"),
                50.0,
                (0.0005, 0.0),
                inbound=True,
                zones=(ZoneId("OLD"),),
                barrier=name == "G2",
            )
            for name in gates
        ),
        zones=(Zone(ZoneId("OLD"), "access", (LinkId("L"),)),),
    )


def moment_us(text: str) -> int:
    """Read a moment."""
    return us_from_datetime(datetime.fromisoformat(text))


def passage(event: dict[str, Any], name: str) -> PassageFact:
    """Make one read of a case into a fact, by the steps of ingest."""
    identity = canonical(event["plate"], event["country"])
    token, candidates = tokens(identity, key=KEY)
    return PassageFact(
        id=name,
        gate=event["gate"],
        time_us=moment_us(event["time"]),
        inbound=event["direction"] == "in",
        token=token,
        candidates=candidates,
        country=event["country"],
        confidence=event["confidence"],
        track=event.get("track", ""),
        sealed="",
        payload_hash=name,
        quality=str(identity.quality),
    )


def authorisation(row: dict[str, Any], name: str) -> Authorisation:
    """Make one authorisation of a case."""
    made = [tokens(canonical(plate, country), key=KEY)[0] for country, plate in row["plates"]]
    return Authorisation(
        id=name,
        time=datetime.fromisoformat(row.get("time", "2026-01-01T00:00:00Z")),
        authorisation=row["authorisation"],
        profile=row["profile"],
        zone=row["zone"],
        tokens=tuple(made),
        valid_from=datetime.fromisoformat(row["valid_from"]),
        valid_to=datetime.fromisoformat(row["valid_to"]) if row.get("valid_to") else None,
        revoked=row.get("revoked", False),
    )
