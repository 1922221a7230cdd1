"""The tables of GMNS 0.96, as far as a reader needs them: columns, kinds, keys, references.

A column is written `name:kind`; the kinds are

    t text          n number      i whole number     b boolean
    s length in the dataset's short unit             l length in its long unit
    v speed in its speed unit     x, y coordinates   w geometry as WKT
    k the key of the table        r a reference to another table
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final


@dataclass(frozen=True)
class TableSchema:
    """One table: its columns in order with their kinds, its key, whom its columns refer to."""

    name: str
    columns: Mapping[str, str]
    references: Mapping[str, str]

    @cached_property
    def key(self) -> str:
        """The column that identifies a row."""
        return next((name for name, kind in self.columns.items() if kind == "k"), "")


def _table(name: str, columns: str, **references: str) -> TableSchema:
    pairs = (column.partition(":") for column in columns.split())
    return TableSchema(name, {column: kind or "t" for column, _, kind in pairs}, references)


_USES: Final = "bike_facility ped_facility parking allowed_uses toll:n jurisdiction row_width:s"
_LANE: Final = "lane_num:i allowed_uses r_barrier l_barrier width:s"
_MOVEMENT: Final = (
    "ib_link_id:r start_ib_lane:i end_ib_lane:i ob_link_id:r start_ob_lane:i end_ob_lane:i type"
    " penalty:n capacity:n ctrl_type mvmt_code allowed_uses"
)

_TABLES: Final = (
    _table(
        "config",
        "dataset_name short_length long_length speed crs geometry_field_format currency"
        " version_number:n id_type",
    ),
    _table(
        "node",
        "node_id:k name x_coord:x y_coord:y z_coord:s node_type ctrl_type zone_id:r"
        " parent_node_id:r",
        zone_id="zone",
        parent_node_id="node",
    ),
    _table(
        "link",
        "link_id:k name from_node_id:r to_node_id:r directed:b geometry_id:r geometry:w"
        " parent_link_id:r dir_flag:i length:l grade:n facility_type capacity:n free_speed:v"
        f" lanes:i {_USES}",
        from_node_id="node",
        to_node_id="node",
        geometry_id="geometry",
        parent_link_id="link",
    ),
    _table("geometry", "geometry_id:k geometry:w"),
    _table("lane", f"lane_id:k link_id:r {_LANE}", link_id="link"),
    _table(
        "lane_tod",
        f"lane_tod_id:k lane_id:r timeday_id:r time_day {_LANE}",
        lane_id="lane",
        timeday_id="time_set_definitions",
    ),
    _table(
        "link_tod",
        "link_tod_id:k link_id:r timeday_id:r time_day capacity:n free_speed:v lanes:i"
        " bike_facility ped_facility parking allowed_uses toll:n",
        link_id="link",
        timeday_id="time_set_definitions",
    ),
    _table(
        "location",
        "loc_id:k link_id:r ref_node_id:r lr:s x_coord:x y_coord:y z_coord:s loc_type zone_id"
        " gtfs_stop_id",
        link_id="link",
        ref_node_id="node",
    ),
    _table(
        "movement",
        f"mvmt_id:k node_id:r name {_MOVEMENT} geometry:w",
        node_id="node",
        ib_link_id="link",
        ob_link_id="link",
    ),
    _table(
        "movement_tod",
        f"mvmt_tod_id:k mvmt_id:r time_day timeday_id:r {_MOVEMENT}",
        mvmt_id="movement",
        timeday_id="time_set_definitions",
        ib_link_id="link",
        ob_link_id="link",
    ),
    _table(
        "segment",
        "segment_id:k link_id:r ref_node_id:r start_lr:s end_lr:s grade:n capacity:n free_speed:v"
        f" lanes:i l_lanes_added:i r_lanes_added:i {_USES}",
        link_id="link",
        ref_node_id="node",
    ),
    _table(
        "segment_lane",
        "segment_lane_id:k segment_id:r lane_num:i parent_lane_id allowed_uses r_barrier l_barrier"
        " width:s",
        segment_id="segment",
    ),
    _table(
        "segment_lane_tod",
        f"segment_lane_tod_id:k segment_lane_id:r timeday_id:r time_day {_LANE}",
        segment_lane_id="segment_lane",
        timeday_id="time_set_definitions",
    ),
    _table(
        "segment_tod",
        "segment_tod_id:k segment_id:r timeday_id:r time_day capacity:n free_speed:v lanes:i"
        " l_lanes_added:i r_lanes_added:i bike_facility ped_facility parking toll:n allowed_uses",
        segment_id="segment",
        timeday_id="time_set_definitions",
    ),
    _table("signal_controller", "controller_id:k"),
    _table(
        "signal_coordination",
        "coordination_id:k timing_plan_id:r controller_id:r coord_contr_id:r coord_phase:i"
        " coord_ref_to offset:n",
        timing_plan_id="signal_timing_plan",
        controller_id="signal_controller",
        coord_contr_id="signal_controller",
    ),
    _table(
        "signal_detector",
        "detector_id:k controller_id:r signal_phase_num:i link_id:r start_lane:i end_lane:i"
        " ref_node_id:r det_zone_lr:s det_zone_front:s det_zone_back:s det_type",
        controller_id="signal_controller",
        link_id="link",
        ref_node_id="node",
    ),
    _table(
        "signal_phase_mvmt",
        "signal_phase_mvmt_id:k timing_phase_id:r mvmt_id:r link_id:r protection",
        timing_phase_id="signal_timing_phase",
        mvmt_id="movement",
        link_id="link",
    ),
    _table(
        "signal_timing_phase",
        "timing_phase_id:k timing_plan_id:r signal_phase_num:i min_green:n max_green:n extension:n"
        " clearance:n walk_time:n ped_clearance:n ring:i barrier:i position:i",
        timing_plan_id="signal_timing_plan",
    ),
    _table(
        "signal_timing_plan",
        "timing_plan_id:k controller_id:r timeday_id:r time_day cycle_length:n",
        controller_id="signal_controller",
        timeday_id="time_set_definitions",
    ),
    _table(
        "time_set_definitions",
        "timeday_id:k monday:b tuesday:b wednesday:b thursday:b Friday:b saturday:b sunday:b"
        " holiday:b start_time end_time",
    ),
    _table(
        "use_definition",
        "use:k persons_per_vehicle:n pce:n special_conditions description",
    ),
    _table("use_group", "use_group:k uses description"),
    _table("zone", "zone_id:k name boundary:w super_zone"),
    _table(
        "curb_seg",
        "curb_seg_id:k link_id:r ref_node_id:r start_lr:s end_lr:s regulation width:s",
        link_id="link",
        ref_node_id="node",
    ),
)

SCHEMA: Final[Mapping[str, TableSchema]] = {table.name: table for table in _TABLES}
MODELLED: Final = frozenset({"config", "node", "link", "geometry", "lane", "movement", "zone"})
