"""Types of identifiers, and identifiers that can be computed again.

An id is text as the map or the sender wrote it. A row number in an array is never called an id:
it is `link`, `node`, `sensor`.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import NewType

NodeId = NewType("NodeId", str)
LinkId = NewType("LinkId", str)
LaneId = NewType("LaneId", str)
MovementId = NewType("MovementId", str)
SensorId = NewType("SensorId", str)
GateId = NewType("GateId", str)
ZoneId = NewType("ZoneId", str)
JunctionId = NewType("JunctionId", str)
StageId = NewType("StageId", str)
GroupId = NewType("GroupId", str)
PlanId = NewType("PlanId", str)
EventId = NewType("EventId", str)
DecisionId = NewType("DecisionId", str)


def derived_id(*parts: str | int) -> str:
    """Compute the same 128-bit id (32 hex digits) from the same parts, on any machine."""
    digest = blake2b(digest_size=16)
    for part in parts:
        encoded = str(part).encode()
        digest.update(len(encoded).to_bytes(4, "big"))  # "ab","c" must differ from "a","bc"
        digest.update(encoded)
    return digest.hexdigest()
