"""What a case file holds, in the units of the textbook: km/h, veh/h, veh/km, metres, seconds.

The JSON Schema of the documentation is made from these types.
"""

from __future__ import annotations

import enum
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from twin.errors import Fault, InputError

Positive = Annotated[float, Meta(gt=0)]
AtLeast0 = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
Name = Annotated[str, Meta(min_length=1)]


class Kernel(enum.Enum):
    """Which physics runs: link transmission, or cell transmission."""

    LTM = "ltm"
    CTM = "ctm"


class End(enum.Enum):
    """Which end of a link an event limits."""

    ENTRY = "entry"
    EXIT = "exit"


class Link(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A road with one direction, all lanes together.

    Of a triangular diagram two of `wave_speed_kph`, `jam_vpkm` and `capacity_vph` are given; the
    third follows. `diagram` gives a concave diagram as points instead (cell model only).
    """

    id: Name
    from_node: Name
    to_node: Name
    length_m: Positive
    free_speed_kph: Positive | None = None
    wave_speed_kph: Positive | None = None
    jam_vpkm: Positive | None = None
    capacity_vph: Positive | None = None
    diagram: Annotated[
        list[tuple[AtLeast0, AtLeast0]] | None,
        Meta(description="Points (veh/km, veh/h) from (0, 0) to (jam, 0), concave."),
    ] = None
    lanes: Annotated[int, Meta(ge=1)] = 1
    priority: Annotated[
        Positive | None, Meta(description="Weight at the node after it; its capacity if empty.")
    ] = None
    density_vpkm: Annotated[AtLeast0, Meta(description="At the start, evenly along the link.")] = (
        0.0
    )


class FlowFrom(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A flow from a moment on, until the next one of the list."""

    from_s: AtLeast0 = 0.0
    flow_vph: AtLeast0


class ShareFrom(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A share from a moment on, until the next one of the list."""

    from_s: AtLeast0 = 0.0
    share: Share


class Origin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where vehicles appear: a point queue in front of the links that leave its node."""

    id: Name
    node: Name
    demand: list[FlowFrom]
    priority: Positive | None = None


class Turn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The share of an approach (a link or an origin) that goes on to a link.

    What is missing to 1 ends its trip at the node.
    """

    approach: Name
    link: Name
    share: Share | list[ShareFrom]
    capacity_vph: AtLeast0 | None = None


class Green(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When an approach, or one turn of it, may go, in seconds of the cycle."""

    approach: Name
    link: Annotated[Name | None, Meta(description="All turns of the approach if empty.")] = None
    start_s: AtLeast0
    end_s: AtLeast0


class Signal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fixed-time signal: what is listed is red outside its greens."""

    node: Name
    cycle_s: Annotated[float, Meta(ge=1)]
    offset_s: float = 0.0
    greens: list[Green]


class Event(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"
):
    """Something that holds from a moment on, to another or to the end."""

    from_s: AtLeast0 = 0.0
    until_s: AtLeast0 | None = None


class LinkCapacity(
    Event, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="link_capacity"
):
    """The entry or the exit of a link passes at most this flow: incident, work, exit."""

    link: Name
    at: End = End.EXIT
    capacity_vph: AtLeast0


class LanesClosed(Event, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="lanes_closed"):
    """So many lanes of a link are closed, at both its ends."""

    link: Name
    closed: Annotated[int, Meta(ge=1)]


class NodeCapacity(
    Event, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="node_capacity"
):
    """A node passes at most this flow on, shared by priority, in the turning shares."""

    node: Name
    capacity_vph: AtLeast0


class Metered(Event, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="meter"):
    """An approach (a link or an origin) is released at this flow."""

    approach: Name
    flow_vph: AtLeast0


class CapacityDrop(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A link that takes less than its capacity while vehicles queue to enter it."""

    link: Name
    share: Annotated[float, Meta(ge=0.5, le=1)]


AnyEvent = LinkCapacity | LanesClosed | NodeCapacity | Metered


class NetworkCase(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="type",
    tag="network",
):
    """A network, what it is asked to carry, and how it is to be computed."""

    name: Name
    links: Annotated[list[Link], Meta(min_length=1)]
    origins: list[Origin] = []
    turns: list[Turn] = []
    signals: list[Signal] = []
    events: list[AnyEvent] = []
    capacity_drops: list[CapacityDrop] = []
    horizon_s: Annotated[float, Meta(gt=0, le=1e7)]
    step_s: Annotated[
        float,
        Meta(ge=0.01, description="Wanted; the largest whole part of it that works is taken."),
    ] = 5.0
    report_s: Annotated[float, Meta(ge=0.01, description="Between two rows of the results.")] = 60.0
    kernel: Kernel = Kernel.LTM
    cell_m: Annotated[float, Meta(ge=0.1, description="Wanted length of a cell (cell model).")] = (
        100.0
    )


class Approach(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A way into a node."""

    id: Name
    demand_vph: AtLeast0
    priority: Positive


class Exit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A way out of a node."""

    id: Name
    supply_vph: AtLeast0


class NodeTurn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The share of an approach that goes to an exit."""

    approach: Name
    exit: Name
    share: Share


class NodeCase(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="type",
    tag="node",
):
    """One node on its own: demands, supplies and shares; the result is flows."""

    name: Name
    approaches: Annotated[list[Approach], Meta(min_length=1)]
    exits: Annotated[list[Exit], Meta(min_length=1)]
    turns: list[NodeTurn]


Case = NetworkCase | NodeCase


_DECODER: msgspec.json.Decoder[Case] = msgspec.json.Decoder(Case)


def read_case(content: bytes) -> Case:
    """Read a case file. Raises InputError naming the field that is wrong."""
    try:
        return _DECODER.decode(content)
    except msgspec.MsgspecError as error:
        text, _, where = str(error).partition(" - at ")
        raise InputError(Fault(where.strip("`") or "$", "", text)) from error


def case_schema() -> dict[str, Any]:
    """Return the JSON Schema of a case file."""
    schema = msgspec.json.schema(Case)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A case of twin simulate",
        **schema,
    }
