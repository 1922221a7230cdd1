"""Edits in words and on the map."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from twin.network.model import SingleMap
from twin.scenario.edits import form
from twin.scenario.study import Study

_NAMED = 4  # links of a list that a text names; it counts the rest


def told(edit: form.AnyEdit, network: SingleMap) -> str:
    """Return an edit as one sentence; `network` is the map after it."""
    words: str = _WORDS[type(edit)](edit, network)
    hours = _hours(edit)
    note = f" ({edit.note})" if edit.note else ""
    return f"{words}{hours}{note}."


def _hours(edit: form.Edit) -> str:
    if edit.from_ and edit.until:
        return f", {edit.from_} to {edit.until}"
    if edit.from_:
        return f", from {edit.from_}"
    return f", until {edit.until}" if edit.until else ""


def _link(name: str, network: SingleMap) -> str:
    row = network.link_rows.get(name)
    street = network.links[row].name if row is not None else ""
    return f"{name} ({street})" if street else name


def _links(names: Iterable[str], network: SingleMap) -> str:
    found = [_link(name, network) for name in names]
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return ", ".join(found[:_NAMED]) + more


def _for(classes: tuple[str, ...]) -> str:
    return f" for {', '.join(classes)}" if classes else ""


def _trips(edit: form.DemandFactor | form.DemandShift) -> str:
    origins = f" from {', '.join(edit.origins)}" if edit.origins else ""
    to = f" to {', '.join(edit.destinations)}" if edit.destinations else ""
    return f"trips{_for(edit.classes)}{origins}{to}"


def _amount(edit: form.Capacity | form.FreeSpeed) -> str:
    if edit.factor is not None:
        return f"times {edit.factor:g}"
    value, unit = (edit.vph, "veh/h") if isinstance(edit, form.Capacity) else (edit.kph, "km/h")
    return f"{value:g} {unit}"


def _zone(edit: form.NewZoneHours, network: SingleMap) -> str:
    del network
    if edit.open:
        return f"Zone {edit.zone} open to all"
    shares = [f"{share:.0%} of {name}" for name, share in edit.authorised.items()]
    return f"Zone {edit.zone} restricted to {', '.join(shares) or 'nobody'}"


def _works(edit: form.WorkZone, network: SingleMap) -> str:
    speed = f", {edit.speed_kph:g} km/h" if edit.speed_kph is not None else ""
    factor = edit.open_lane_factor
    slower = f", open lanes at {factor:.0%} of their capacity" if factor < 1 else ""
    links = _links(edit.links, network)
    return f"Works on {links}: {edit.lanes_closed} lanes closed{slower}{speed}"


def _plan(edit: form.NewPlan, network: SingleMap) -> str:
    del network
    stages = ", ".join(f"{step.stage} {step.seconds:g} s" for step in edit.stages)
    cycle = sum(step.seconds for step in edit.stages)
    return f"Junction {edit.junction} runs stages {stages} in a cycle of {cycle:g} s"


def _shift(edit: form.DemandShift, network: SingleMap) -> str:
    del network
    way = "later" if edit.minutes >= 0 else "earlier"
    return f"{edit.share:.0%} of the {_trips(edit)} leave {abs(edit.minutes):g} min {way}"


_WORDS: Final[dict[type[form.Edit], Callable[[Any, SingleMap], str]]] = {
    form.CloseLink: lambda e, m: f"{_links(e.links, m)} closed{_for(e.classes)}",
    form.CloseLanes: lambda e, m: f"{e.lanes} lanes of {_link(e.link, m)} closed",
    form.CloseTurn: lambda e, m: (
        f"Turn from {_link(e.from_link, m)} into {_link(e.to_link, m)} closed{_for(e.classes)}"
    ),
    form.Capacity: lambda e, m: f"Capacity of {_links(e.links, m)}: {_amount(e)}",
    form.FreeSpeed: lambda e, m: f"Free speed of {_links(e.links, m)}: {_amount(e)}",
    form.NewLink: lambda e, m: (
        f"New {e.class_} link {e.id} from {e.from_node} to {e.to_node}: {e.lanes} lanes, "
        f"{e.free_speed_kph:g} km/h, {e.capacity_vph:g} veh/h"
    ),
    form.NewPlan: _plan,
    form.RampMeter: lambda e, m: f"{_link(e.link, m)} metered to {e.vph:g} veh/h",
    form.NewZoneHours: _zone,
    form.DemandFactor: lambda e, m: f"{_trips(e).capitalize()}: times {e.factor:g}",
    form.DemandTrips: lambda e, m: (
        f"{e.trips:g} more trips by {e.class_} from {e.origin} to {e.destination}"
    ),
    form.DemandShift: _shift,
    form.Incident: lambda e, m: (
        f"Incident on {_link(e.link, m)}: {e.capacity_share:.0%} of its capacity left"
    ),
    form.WorkZone: _works,
    form.WeatherChange: lambda e, m: (
        f"{e.name}: capacity of every link times {e.capacity_factor:g}, free speed times "
        f"{e.speed_factor:g}, after {e.source}"
    ),
    form.Split: lambda e, m: (
        f"{e.divert_share:.0%} of drivers{_for(e.classes)} sent round the turn from "
        f"{_link(e.from_link, m)} into {_link(e.to_link, m)}"
    ),
}


def shape(edit: form.AnyEdit, study: Study) -> dict[str, Any] | None:
    """Return where an edit is, as a GeoJSON geometry in WGS84; None when it is everywhere.

    study   the one after the edit
    """
    network = study.network
    names = [str(name) for name in getattr(edit, "links", ())]
    for field in ("link", "from_link", "to_link", "id"):
        names += [getattr(edit, field)] if hasattr(edit, field) else []
    if isinstance(edit, form.NewZoneHours):
        names = [str(link) for zone in network.zones if zone.id == edit.zone for link in zone.links]
    rows = [network.link_rows[name] for name in names if name in network.link_rows]
    if rows:
        lines = [[list(point) for point in network.links[row].line] for row in rows]
        return {"type": "MultiLineString", "coordinates": lines}
    points = [list(_point(name, network)) for name in _nodes(edit, network)]
    return {"type": "MultiPoint", "coordinates": points} if points else None


def _nodes(edit: form.AnyEdit, network: SingleMap) -> list[str]:
    if isinstance(edit, form.NewPlan):
        return [network.junctions[network.junction_rows[edit.junction]].node]
    if isinstance(edit, form.DemandTrips):
        return [edit.origin, edit.destination]
    if isinstance(edit, form.DemandFactor | form.DemandShift):
        return [*edit.origins, *edit.destinations]
    return []


def _point(name: str, network: SingleMap) -> tuple[float, float]:
    row = network.node_rows.get(name)
    if row is None:
        row = next(row for row, node in enumerate(network.nodes) if node.zone == name)
    return network.nodes[row].point
