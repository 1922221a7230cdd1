"""What is known: the world before the first event, and the events, one JSON line each.

`time` is when something happened, `recorded` when its writer noted it, `arrived` when the centre
heard of it. All three carry their offset from UTC.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from twin.events import Direction, Id, Moment, Name, Text

PlateText = Annotated[
    str, Meta(pattern=r"^[A-Z]{2} [A-Z0-9]+$", description="country and plate: `ES 1234BCD`")
]
Seconds = Annotated[float, Meta(ge=0)]


class _Form(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class GateRow(_Form, frozen=True, kw_only=True):
    """A gate: with a bollard or only a camera; its clock's offset (raw - true) and uncertainty."""

    kind: Literal["camera", "bollard"] = "camera"
    offset_s: float | None = 0.0
    uncertainty_s: Seconds = 0.5


class TravelRow(_Form, frozen=True, kw_only=True):
    """The shortest time that a vehicle needs between two gates, either way."""

    gates: tuple[Name, Name]
    shortest_s: Seconds


class AuthorisationRow(_Form, frozen=True, kw_only=True):
    """One version of an authorisation. `used` counts entries before the first event, by month."""

    id: Name
    version: Annotated[int, Meta(ge=1)] = 1
    profile: Name
    zone: Name
    plates: list[PlateText]
    holder: str = ""
    valid_from: Moment
    valid_to: Moment | None = None
    used: dict[Annotated[str, Meta(pattern=r"^\d{4}-\d{2}$")], Annotated[int, Meta(ge=0)]] = {}
    correction: Text = ""


class VehicleRow(_Form, frozen=True, kw_only=True):
    """What the vehicle register says of a plate at the beginning."""

    plate: PlateText
    holder: str = ""
    mass_kg: float | None = None
    height_m: float | None = None


class PastCase(_Form, frozen=True, kw_only=True):
    """A case of before, that counts as history."""

    plate: PlateText
    holder: str = ""
    zone: Name
    time: Moment


class World(_Form, frozen=True, kw_only=True):
    """Everything that stands before the first event."""

    gates: dict[Name, GateRow] = {}
    travel: list[TravelRow] = []
    authorisations: list[AuthorisationRow] = []
    vehicles: list[VehicleRow] = []
    past_cases: list[PastCase] = []
    mode: Literal["in_force", "warnings", "pre_exercise"] = "in_force"
    until: Moment | None = None


class _Event(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    id: Id
    arrived: Moment


class Read(_Event, tag="read", frozen=True, kw_only=True):
    """One read of a gate's camera; `time` by the gate's own clock. An empty plate is unread."""

    gate: Name
    direction: Direction
    time: Moment
    recorded: Moment | None = None
    plate: Annotated[str, Meta(max_length=32)] = ""
    country: Annotated[str, Meta(max_length=3)] = ""
    confidence: Annotated[float, Meta(ge=0, le=1)] = 1.0
    track: Annotated[str, Meta(max_length=128)] = ""


class Granted(_Event, tag="authorisation", frozen=True, kw_only=True):
    """A version of an authorisation, noted by the office or its holder at `recorded`."""

    recorded: Moment
    authorisation: AuthorisationRow


class Revoked(_Event, tag="revocation", frozen=True, kw_only=True):
    """An authorisation ends at the later of `time` and `recorded`."""

    authorisation: Name
    time: Moment
    recorded: Moment


class HolderChanged(_Event, tag="holder_change", frozen=True, kw_only=True):
    """The vehicle register has a new holder for a plate from `time` on."""

    plate: PlateText
    holder: str
    time: Moment


class ClockReport(_Event, tag="clock", frozen=True, kw_only=True):
    """What a gate's clock was from `time` to before `until`; no offset means nobody knows."""

    gate: Name
    time: Moment
    until: Moment
    offset_s: float | None = None
    uncertainty_s: Seconds = 0.5


class Outage(_Event, tag="outage", frozen=True, kw_only=True):
    """A gate decided alone from `time` to before `until`, from a list of `snapshot`."""

    gate: Name
    time: Moment
    until: Moment
    snapshot: Moment


class CountrySet(_Event, tag="country", frozen=True, kw_only=True):
    """A person says of which country a read plate is."""

    read: Id
    country: Annotated[str, Meta(pattern=r"^[A-Z]{2}$")]


class OfficerAct(_Event, tag="officer", frozen=True, kw_only=True):
    """An officer decides the case that a passage belongs to, typing the plate without seeing it."""

    passage: Id
    act: Literal["confirm", "reject"]
    officer: Name
    typed: Annotated[str, Meta(max_length=32)] = ""


class Notified(_Event, tag="notified", frozen=True, kw_only=True):
    """The case that a passage belongs to was exported and notified."""

    passage: Id


class WhatIf(_Event, tag="what_if", frozen=True, kw_only=True):
    """Ask what the rules would have decided without some rows of the table of days."""

    without_days: Annotated[list[date], Meta(min_length=1)]


class AccessRequest(_Event, tag="access_request", frozen=True, kw_only=True):
    """A holder asks what is known of a plate while it is theirs."""

    plate: PlateText
    holder: Name


Event = (
    Read
    | Granted
    | Revoked
    | HolderChanged
    | ClockReport
    | Outage
    | CountrySet
    | OfficerAct
    | Notified
    | WhatIf
    | AccessRequest
)


def recorded_of(read: Read) -> datetime:
    """Return when the gate noted a read."""
    return read.time if read.recorded is None else read.recorded
