"""What the answers about ramp meters, signs and gates look like, and the body of an order."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from twin.api.schemas import Kph, Moment, Seconds
from twin.control.devices.safety import DeviceLimits
from twin.control.explain import sentence
from twin.events import DecisionEvent, DecisionState
from twin.network.devices import DeviceKind, RoadDevice
from twin.units import SECOND_US

Word = Annotated[str, Meta(min_length=1, max_length=64)]


class CommandBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An operator's order to one device."""

    kind: DeviceKind
    target: Annotated[str, Meta(min_length=1, max_length=128, description="id of the device")]
    command: Annotated[
        dict[Word, Annotated[str, Meta(max_length=200)]],
        Meta(
            min_length=1,
            max_length=2,
            description=(
                "ramp_meter: rate_vph or rate=off; sign: limit_kph, close_lane or text; "
                "gate: gate=closed, open or by_rule"
            ),
        ),
    ]
    reason: Annotated[
        str,
        Meta(min_length=10, max_length=2000, description="why, in words; kept with the decision"),
    ]
    for_s: Annotated[float, Meta(ge=60, le=14_400, description="how long it shall stand, s")]


class BoundsView(Struct, frozen=True, kw_only=True):
    """What a number of a command may be."""

    name: Annotated[str, Meta(description="of the number in the command")]
    least: float
    most: float
    step: float


class DeviceView(Struct, frozen=True, kw_only=True):
    """One ramp meter, sign or gate: where it stands, what it was told, by whom, until when.

    `shows` is the command in force, empty while the device follows its own programme. `confirmed`
    says that the device answered that it took it.
    """

    id: str
    kind: DeviceKind
    name: str
    link: str
    position_m: float
    longitude: float
    latitude: float
    road: str
    lanes: int
    legal_kph: Kph
    inbound: bool
    barrier: bool
    accepts: list[BoundsView]
    can_close: Annotated[bool, Meta(description="a gate with a barrier that is no exit")]
    shows: dict[str, str]
    text: Annotated[str, Meta(description="the command in one sentence; empty without one")]
    confirmed: bool
    age_s: Annotated[Seconds | None, Meta(description="since the device answered last")]
    by: str
    reason: str
    until: Moment | None
    lease_until: Moment | None
    decision: Annotated[str, Meta(description="its id; empty without one")]
    version: int


class DevicesView(Struct, frozen=True, kw_only=True):
    """The ramp meters, signs and gates of the map."""

    devices: list[DeviceView]


def device_view(
    device: RoadDevice, standing: DecisionEvent | None, *, limits: DeviceLimits, now_us: int
) -> DeviceView:
    """Show a device with the command in force, if there is one."""
    taken = standing is not None and standing.state is DecisionState.ACKNOWLEDGED
    since_s = now_us / SECOND_US - standing.time.timestamp() if standing and taken else None
    return DeviceView(
        id=device.id,
        kind=device.kind,
        name=device.name,
        link=device.link,
        position_m=device.position_m,
        longitude=device.point[0],
        latitude=device.point[1],
        road=device.road,
        lanes=device.lanes,
        legal_kph=device.legal_kph,
        inbound=device.inbound,
        barrier=device.barrier,
        accepts=_bounds(device, limits),
        can_close=device.barrier and device.inbound,
        shows=dict(standing.command) if standing else {},
        text=sentence(standing) if standing else "",
        confirmed=taken,
        age_s=None if since_s is None else max(0.0, round(since_s, 1)),
        by=standing.by if standing else "",
        reason=standing.note if standing else "",
        until=standing.expires if standing else None,
        lease_until=standing.lease_until if standing else None,
        decision=standing.id if standing else "",
        version=standing.version if standing else 0,
    )


def _bounds(device: RoadDevice, limits: DeviceLimits) -> list[BoundsView]:
    if device.kind is DeviceKind.RAMP_METER:
        lanes = max(device.lanes, 1)
        least, most = limits.least_rate_vph * lanes, limits.most_rate_vph * lanes
        return [BoundsView(name="rate_vph", least=least, most=most, step=30.0)]
    if device.kind is DeviceKind.SIGN:
        step, least = limits.step_kph, limits.least_limit_kph
        most = device.legal_kph - device.legal_kph % step
        found = [BoundsView(name="limit_kph", least=least, most=most, step=step)]
        if device.lanes > 1:
            lane = BoundsView(name="close_lane", least=1.0, most=float(device.lanes), step=1.0)
            found.append(lane)
        return found
    return []
