"""Edits of the road: links, lanes, turns, capacity, speed, new links, works, incidents, meters."""

from __future__ import annotations

from dataclasses import replace
from math import inf

from twin.ids import LinkId, MovementId, NodeId
from twin.network import settle
from twin.network.geometry import line_length_m
from twin.network.model import Link, Movement, Point, TurnKind
from twin.scenario.edits.form import (
    Capacity,
    CloseLanes,
    CloseLink,
    CloseTurn,
    Edit,
    FreeSpeed,
    Incident,
    NewLink,
    RampMeter,
    WeatherChange,
    WorkZone,
)
from twin.scenario.edits.place import Here
from twin.scenario.study import Ban, Limit, Place, SpeedRule, Swap, appended
from twin.units import mps_from_kph, vps_from_vph

_ONE_DIAGRAM = "a weather holds for the whole scenario"


def close_link(edit: CloseLink, here: Here) -> list[Swap]:
    """Ban the links, and stop their entries where nobody may enter."""
    from_s, until_s = here.window(edit)
    links = tuple(str(link.id) for link in here.links(edit.links))
    classes = here.known_classes(edit.classes)
    ban = Ban(links, None, *_whom(classes), from_s=from_s, until_s=until_s)
    closed = [Limit(link, Place.ENTRY, from_s, until_s, share=0.0) for link in links]
    shut = not classes or set(classes) == set(here.classes)
    swaps = appended(here.study, "bans", ban)
    return swaps + (appended(here.study, "limits", *closed) if shut else [])


def close_lanes(edit: CloseLanes, here: Here) -> list[Swap]:
    """Leave the capacity of the open lanes, at both ends of the link."""
    link = here.link(edit.link, "link")
    if edit.lanes > link.lanes:
        here.refuse("lanes", edit.lanes, f"is at most {link.lanes}, the lanes of {link.id}")
    share = (link.lanes - edit.lanes) / link.lanes
    return appended(here.study, "limits", *_both_ends(link, edit, here, share))


def close_turn(edit: CloseTurn, here: Here) -> list[Swap]:
    """Ban one turn."""
    from_s, until_s = here.window(edit)
    turn = here.turn(edit.from_link, edit.to_link)
    whom = _whom(here.known_classes(edit.classes))
    return appended(here.study, "bans", Ban((), turn, *whom, from_s=from_s, until_s=until_s))


def capacity(edit: Capacity, here: Here) -> list[Swap]:
    """Change the map where it holds for ever, limit the link where it holds for a time.

    More than the map's for a time: the map gets more, and the link is limited outside the hours.
    """
    if (edit.vph is None) == (edit.factor is None):
        here.refuse("vph", edit.vph, "is given, or `factor`, not both")
    links = here.links(edit.links)
    wanted = [_new_capacity(link, edit) for link in links]
    if edit.from_ is None and edit.until is None and all(value > 0 for value in wanted):
        pairs = zip(links, wanted, strict=True)
        return [_link_swap(here, link, replace(link, capacity_vps=vps)) for link, vps in pairs]
    swaps, limits = list[Swap](), list[Limit]()
    for link, vps in zip(links, wanted, strict=True):
        if vps <= link.capacity_vps:
            limits += _both_ends(link, edit, here, vps / link.capacity_vps)
            continue
        swaps.append(_link_swap(here, link, replace(link, capacity_vps=vps)))
        limits += [
            Limit(str(link.id), place, *span, vps=link.capacity_vps)
            for span in _outside(edit, here)
            for place in Place
        ]
    return swaps + appended(here.study, "limits", *limits)


def _outside(edit: Edit, here: Here) -> list[tuple[float, float]]:
    """Return the time of the scenario in which an edit does not hold."""
    from_s, until_s = here.window(edit)
    spans = [(0.0, from_s), (until_s, inf)]
    return [(start, end) for start, end in spans if end > start]


def _new_capacity(link: Link, edit: Capacity) -> float:
    if edit.vph is not None:
        return vps_from_vph(edit.vph)
    return link.capacity_vps * (edit.factor if edit.factor is not None else 1.0)


def free_speed(edit: FreeSpeed, here: Here) -> list[Swap]:
    """Give links another free speed, in the map or for a time."""
    if (edit.kph is None) == (edit.factor is None):
        here.refuse("kph", edit.kph, "is given, or `factor`, not both")
    links = here.links(edit.links)
    wanted = [link.free_speed_mps * (edit.factor or 1.0) for link in links]
    if edit.kph is not None:
        wanted = [mps_from_kph(edit.kph)] * len(links)
    return _speeds(links, wanted, edit, here)


def _speeds(links: list[Link], wanted: list[float], edit: Edit, here: Here) -> list[Swap]:
    """Change the map where a speed holds for ever, else date it."""
    pairs = list(zip(links, wanted, strict=True))
    if edit.from_ is None and edit.until is None:
        return [_link_swap(here, link, replace(link, free_speed_mps=mps)) for link, mps in pairs]
    from_s, until_s = here.window(edit)
    rules = [SpeedRule(str(link.id), mps, from_s, until_s) for link, mps in pairs]
    return appended(here.study, "speeds", *rules)


def new_link(edit: NewLink, here: Here) -> list[Swap]:
    """Put a link into the map, with its turns; shut it outside its hours."""
    network = here.study.network
    if edit.id in network.link_rows:
        here.refuse("id", edit.id, "is the id of no link that the map has")
    for field, name in (("from_node", edit.from_node), ("to_node", edit.to_node)):
        if name not in network.node_rows:
            here.refuse(field, name, "is a node of the map")
    line = line_of(edit, here)
    length_m = edit.length_m if edit.length_m is not None else line_length_m(line)
    link = Link(
        id=LinkId(edit.id),
        from_node=NodeId(edit.from_node),
        to_node=NodeId(edit.to_node),
        line=line,
        length_m=length_m,
        lanes=edit.lanes,
        free_speed_mps=mps_from_kph(edit.free_speed_kph),
        capacity_vps=vps_from_vph(edit.capacity_vph),
        link_class=edit.class_,
    )
    swaps = appended(here.study, "links", settle.link(link))
    swaps += appended(here.study, "movements", *_new_turns(link, here))
    shut = _outside(edit, here)
    limits = [Limit(edit.id, Place.ENTRY, start, end, share=0.0) for start, end in shut]
    bans = [Ban(links=(edit.id,), from_s=start, until_s=end) for start, end in shut]
    return swaps + appended(here.study, "limits", *limits) + appended(here.study, "bans", *bans)


def line_of(edit: NewLink, here: Here) -> tuple[Point, ...]:
    """Return the line of a new link from node to node."""
    nodes, rows = here.study.network.nodes, here.study.network.node_rows
    ends = nodes[rows[edit.from_node]].point, nodes[rows[edit.to_node]].point
    inner = [point for point in edit.line if point not in ends]
    return (ends[0], *inner, ends[1])


def _new_turns(link: Link, here: Here) -> list[Movement]:
    """Return the turns of a new link at nodes that list theirs; elsewhere all are permitted."""
    network = here.study.network
    listed = {movement.node for movement in network.movements}
    turns = []
    for other in network.links:
        if other.to_node == link.from_node in listed and other.from_node != link.to_node:
            turns.append(_turn(other.id, link.id, link.from_node))
        if other.from_node == link.to_node in listed and other.to_node != link.from_node:
            turns.append(_turn(link.id, other.id, link.to_node))
    return turns


def _turn(first: LinkId, second: LinkId, node: NodeId) -> Movement:
    return Movement(MovementId(f"{first}>{second}"), node, first, second, TurnKind.THRU)


def ramp_meter(edit: RampMeter, here: Here) -> list[Swap]:
    """Limit the exit of a link."""
    from_s, until_s = here.window(edit)
    link = here.link(edit.link, "link")
    limit = Limit(str(link.id), Place.EXIT, from_s, until_s, vps=vps_from_vph(edit.vph))
    return appended(here.study, "limits", limit)


def incident(edit: Incident, here: Here) -> list[Swap]:
    """Leave a share of the capacity at the end of a link."""
    from_s, until_s = here.window(edit)
    link = str(here.link(edit.link, "link").id)
    limit = Limit(link, Place.EXIT, from_s, until_s, share=edit.capacity_share)
    return appended(here.study, "limits", limit)


def work_zone(edit: WorkZone, here: Here) -> list[Swap]:
    """Close lanes, slow the open ones down, limit the speed."""
    links = here.links(edit.links)
    limits: list[Limit] = []
    for link in links:
        if edit.lanes_closed > link.lanes:
            rule = f"is at most {link.lanes}, the lanes of {link.id}"
            here.refuse("lanes_closed", edit.lanes_closed, rule)
        share = (link.lanes - edit.lanes_closed) / link.lanes * edit.open_lane_factor
        limits += _both_ends(link, edit, here, share)
    swaps = appended(here.study, "limits", *limits)
    if edit.speed_kph is not None:
        limit_mps = mps_from_kph(edit.speed_kph)
        swaps += _speeds(links, [min(one.free_speed_mps, limit_mps) for one in links], edit, here)
    return swaps


def weather(edit: WeatherChange, here: Here) -> list[Swap]:
    """Change capacity and free speed of every link of the map."""
    here.undated(edit, _ONE_DIAGRAM)
    return [
        _link_swap(
            here,
            link,
            replace(
                link,
                capacity_vps=link.capacity_vps * edit.capacity_factor,
                free_speed_mps=link.free_speed_mps * edit.speed_factor,
            ),
        )
        for link in here.study.network.links
    ]


def _both_ends(link: Link, edit: Edit, here: Here, share: float) -> list[Limit]:
    from_s, until_s = here.window(edit)
    return [Limit(str(link.id), place, from_s, until_s, share=share) for place in Place]


def _link_swap(here: Here, link: Link, new: Link) -> Swap:
    """Return the swap of a link; on the map's grid of numbers, so that it can be undone."""
    return Swap("links", here.study.network.link_rows[link.id], link, settle.link(new))


def _whom(classes: tuple[str, ...]) -> tuple[tuple[tuple[str, float], ...], float]:
    """Return the shares of a ban for all drivers of some classes; of all when none is named."""
    return (tuple((name, 1.0) for name in classes), 0.0) if classes else ((), 1.0)
