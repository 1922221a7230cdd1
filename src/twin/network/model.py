"""The parts of the single map, and the map itself.

Everything here is frozen. A changed map is another map with another version. The version is a
hash of the content (`network/version.py`), so that equal content has equal versions whatever file
it came from. Coordinates are WGS84 longitude and latitude; lengths are metres.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from twin.ids import (
    GateId,
    GroupId,
    JunctionId,
    LaneId,
    LinkId,
    MovementId,
    NodeId,
    PlanId,
    SensorId,
    StageId,
    ZoneId,
)

Point = tuple[float, float]
Line = tuple[Point, ...]
Extra = tuple[tuple[str, str], ...]  # fields of the file that the model has no word for


class LinkClass(StrEnum):
    """What kind of road a link is."""

    MOTORWAY = "motorway"
    RAMP = "ramp"
    ARTERIAL = "arterial"
    COLLECTOR = "collector"
    LOCAL = "local"
    CONNECTOR = "connector"
    PATH = "path"


class TurnKind(StrEnum):
    """Which way a movement turns."""

    THRU = "thru"
    LEFT = "left"
    RIGHT = "right"
    UTURN = "uturn"
    MERGE = "merge"
    DIVERGE = "diverge"


class Layer(StrEnum):
    """What a feature beside the road is."""

    RAILWAY = "railway"
    URBAN_RAIL = "urban_rail"
    PLANNING_AREA = "planning_area"
    LAND_USE = "land_use"
    WORKS = "works"
    SIGN = "sign"
    RAMP_METER = "ramp_meter"


@dataclass(frozen=True, slots=True)
class Node:
    """A point where links meet. `zone` names the zone whose trips start and end here."""

    id: NodeId
    point: Point
    name: str = ""
    kind: str = ""
    control: str = ""
    zone: str = ""
    extra: Extra = ()


@dataclass(frozen=True, slots=True)
class Link:
    """One directed carriageway. `capacity_vps` is for all its lanes together.

    `road` groups the links of one carriageway of one road for corridors (`A1-N`). `guessed`
    names the fields that were filled in because the source did not give them. `valid_from_us`
    and `valid_to_us` bound the time in which the link exists (None: always).
    """

    id: LinkId
    from_node: NodeId
    to_node: NodeId
    line: Line
    length_m: float
    lanes: int
    free_speed_mps: float
    capacity_vps: float
    link_class: LinkClass
    name: str = ""
    road: str = ""
    authority: str = ""
    allowed_uses: str = ""
    valid_from_us: int | None = None
    valid_to_us: int | None = None
    guessed: tuple[str, ...] = ()
    extra: Extra = ()


@dataclass(frozen=True, slots=True)
class Lane:
    """One lane of a link. `span` is (start_m, end_m) for a pocket, None for the whole link."""

    id: LaneId
    link: LinkId
    number: int
    width_m: float | None = None
    allowed_uses: str = ""
    span: tuple[float, float] | None = None
    extra: Extra = ()


@dataclass(frozen=True, slots=True)
class Movement:
    """A permitted way over a node. `share` is the usual fraction of `from_link` that takes it."""

    id: MovementId
    node: NodeId
    from_link: LinkId
    to_link: LinkId
    kind: TurnKind
    from_lanes: tuple[int, int] | None = None
    to_lanes: tuple[int, int] | None = None
    capacity_vps: float | None = None
    share: float | None = None
    penalty_s: float = 0.0
    control: str = ""
    extra: Extra = ()


@dataclass(frozen=True, slots=True)
class SignalGroup:
    """Movements of one junction that always show the same signal; `pedestrian` has no movements."""

    id: GroupId
    movements: tuple[MovementId, ...]
    min_green_s: float
    yellow_s: float
    pedestrian: bool = False
    max_red_s: float = 120.0


@dataclass(frozen=True, slots=True)
class Stage:
    """Groups that are green together."""

    id: StageId
    groups: tuple[GroupId, ...]


@dataclass(frozen=True, slots=True)
class SignalPlan:
    """A fixed cycle: stages in order with the seconds from one stage's start to the next's."""

    id: PlanId
    cycle_s: float
    offset_s: float
    steps: tuple[tuple[StageId, float], ...]


@dataclass(frozen=True, slots=True)
class Junction:
    """The signals that one controller runs: at its node, and at others close by.

    `intergreen_s` holds (ending group, starting group, seconds). A pair that stands in it in
    either direction is in conflict: the two may never be green together.
    """

    id: JunctionId
    node: NodeId
    groups: tuple[SignalGroup, ...]
    stages: tuple[Stage, ...]
    intergreen_s: tuple[tuple[GroupId, GroupId, float], ...]
    plans: tuple[SignalPlan, ...]
    name: str = ""
    extra: Extra = ()


@dataclass(frozen=True, slots=True)
class Sensor:
    """A detector at `position_m` from the start of a link. `lanes` is how many it covers."""

    id: SensorId
    link: LinkId
    position_m: float
    point: Point
    period_s: float
    kind: str = "loop"
    lanes: int = 1
    station: str = ""
    region: str = ""
    extra: Extra = ()


@dataclass(frozen=True, slots=True)
class Gate:
    """A directed point on a link where plates are read; `inbound` as seen from its zones."""

    id: GateId
    link: LinkId
    position_m: float
    point: Point
    inbound: bool
    zones: tuple[ZoneId, ...]
    name: str = ""
    barrier: bool = False


@dataclass(frozen=True, slots=True)
class Zone:
    """A set of links with a purpose: `access` (restricted), `trips` (origin and destination)."""

    id: ZoneId
    kind: str
    links: tuple[LinkId, ...] = ()
    name: str = ""
    boundary_wkt: str = ""
    extra: Extra = ()


@dataclass(frozen=True, slots=True)
class Feature:
    """Something beside the road, in one of the layers; geometry as WKT in WGS84."""

    id: str
    layer: Layer
    wkt: str
    name: str = ""
    authority: str = ""
    valid_from_us: int | None = None
    valid_to_us: int | None = None
    links: tuple[LinkId, ...] = ()
    extra: Extra = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the source that the model keeps whole, because it has no words for it yet."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class SingleMap:
    """The whole network at one version. Row numbers are positions in these tuples."""

    name: str
    version: str
    timezone: str
    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    lanes: tuple[Lane, ...] = ()
    movements: tuple[Movement, ...] = ()
    junctions: tuple[Junction, ...] = ()
    sensors: tuple[Sensor, ...] = ()
    gates: tuple[Gate, ...] = ()
    zones: tuple[Zone, ...] = ()
    features: tuple[Feature, ...] = ()
    tables: tuple[Table, ...] = ()
    meta: Extra = field(default=())

    @cached_property
    def node_rows(self) -> dict[str, int]:
        """Row of each node by id."""
        return {node.id: row for row, node in enumerate(self.nodes)}

    @cached_property
    def link_rows(self) -> dict[str, int]:
        """Row of each link by id."""
        return {link.id: row for row, link in enumerate(self.links)}

    @cached_property
    def movement_rows(self) -> dict[str, int]:
        """Row of each movement by id."""
        return {movement.id: row for row, movement in enumerate(self.movements)}

    @cached_property
    def sensor_rows(self) -> dict[str, int]:
        """Row of each sensor by id."""
        return {sensor.id: row for row, sensor in enumerate(self.sensors)}

    @cached_property
    def gate_rows(self) -> dict[str, int]:
        """Row of each gate by id."""
        return {gate.id: row for row, gate in enumerate(self.gates)}

    @cached_property
    def junction_rows(self) -> dict[str, int]:
        """Row of each signalised junction by id."""
        return {junction.id: row for row, junction in enumerate(self.junctions)}
