"""Open decisions on another version of the map: carried where their place stayed, else withdrawn.

A decision that is carried gets a version of its own that names the new map: the safety gates let
nothing out that was decided on another one.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from msgspec.structs import replace

from twin.clock import datetime_from_us
from twin.control.decision import DecisionBook, step
from twin.events import DEVICE_KINDS, DecisionEvent, DecisionKind, DecisionState
from twin.network.difference import MapDifference

_S = DecisionState
_WITHDRAWN: Final = {
    _S.PROPOSED: _S.EXPIRED,
    _S.APPROVED: _S.RELEASED,
    _S.ISSUED: _S.RELEASED,
    _S.ACKNOWLEDGED: _S.RELEASED,
}


class HandoverReason(StrEnum):
    """Why a version of a decision was made that nobody asked for."""

    MAP_CHANGED = "MAP_CHANGED"


def hand_over(
    before: DecisionBook,
    after: DecisionBook,
    *,
    stays: MapDifference,
    map_version: str,
    now_us: int,
) -> tuple[DecisionEvent, ...]:
    """Fill the book of the new map and return the versions that this makes.

    Decisions about single vehicles are done as soon as they are made: they go on as they are. A
    stage that was decided and never issued is forgotten: nobody outside has heard of it.
    """
    made: list[DecisionEvent] = []
    reasons = stays.reasons()
    for event in before.open():
        place = str(event.kind) if event.kind in DEVICE_KINDS else "junction"
        why = reasons.get((place, event.target), "")
        if event.kind is DecisionKind.ACCESS:
            after.take_over(event)
        elif not why:
            made.append(_carried(event, map_version, now_us))
            after.take_over(made[-1])
        elif event.state in _WITHDRAWN:
            made.append(_withdrawn(event, why, map_version, now_us))
            after.take_over(made[-1])
    return tuple(made)


def _carried(event: DecisionEvent, map_version: str, now_us: int) -> DecisionEvent:
    return replace(
        event,
        version=event.version + 1,
        time=datetime_from_us(now_us),
        map_version=map_version,
    )


def _withdrawn(event: DecisionEvent, why: str, map_version: str, now_us: int) -> DecisionEvent:
    ended = step(
        event,
        _WITHDRAWN[event.state],
        now_us=now_us,
        reason=str(HandoverReason.MAP_CHANGED),
        note=f"the map was changed: {event.target}: {why}",
    )
    return replace(ended, map_version=map_version)
