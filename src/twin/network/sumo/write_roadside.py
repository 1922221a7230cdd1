"""What stands beside the road in SUMO: loops at the sensors of a map, its bus stops."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from twin.network.model import SingleMap
from twin.network.sumo.write_xml import Element

STOPS_TABLE: Final = "location"  # of GMNS; rows with this type are stops
STOP_TYPE: Final = "bus_stop"
STOP_M: Final = 25.0
_DETECTOR_FILE: Final = "NUL"  # SUMO's word for nowhere: loops are asked, not written


def loops(network: SingleMap) -> Iterator[Element]:
    """Write one loop for each lane a sensor covers: `SENSOR_0` is its rightmost lane."""
    for sensor in network.sensors:
        link = network.links[network.link_rows[sensor.link]]
        for lane in range(min(sensor.lanes, link.lanes)):
            yield Element(
                "inductionLoop",
                {
                    "id": f"{sensor.id}_{lane}",
                    "lane": f"{link.id}_{lane}",
                    "pos": sensor.position_m,
                    "period": sensor.period_s,
                    "file": _DETECTOR_FILE,
                    "friendlyPos": "true",
                },
            )


def bus_stops(network: SingleMap) -> Iterator[Element]:
    """Write the stops of the table `location` (type `bus_stop`); `lr` is the metre they end at."""
    for row in stop_rows(network):
        link = network.links[network.link_rows[row["link_id"]]]
        end_m = min(max(float(row["lr"]), STOP_M + 1.0), link.length_m - 1.0)
        yield Element(
            "busStop",
            {
                "id": row["loc_id"],
                "lane": f"{link.id}_0",
                "startPos": max(end_m - STOP_M, 0.0),
                "endPos": end_m,
                "friendlyPos": "true",
            },
        )


def stop_rows(network: SingleMap) -> list[dict[str, str]]:
    """Return the rows of the table `location` that are bus stops on links of the map."""
    return [
        named
        for table in network.tables
        if table.name == STOPS_TABLE
        for row in table.rows
        for named in [dict(zip(table.columns, row, strict=True))]
        if named.get("loc_type") == STOP_TYPE and named.get("link_id") in network.link_rows
    ]
