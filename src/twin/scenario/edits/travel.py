"""Edits of travel and rules: demand, zone hours, signal plans, splits."""

from __future__ import annotations

from twin.ids import PlanId, StageId
from twin.network.model import SignalPlan
from twin.scenario.demand import Factor, Shift, Stream, Whose
from twin.scenario.edits.form import (
    DemandFactor,
    DemandShift,
    DemandTrips,
    NewPlan,
    NewZoneHours,
    Split,
)
from twin.scenario.edits.place import Here
from twin.scenario.study import Ban, PlanRun, Swap, ZoneRule, appended
from twin.scenario.words import seconds_of_day


def demand_factor(edit: DemandFactor, here: Here) -> list[Swap]:
    """Multiply the trips of some."""
    return appended(here.study, "changes", Factor(_whose(edit, here), edit.factor))


def demand_shift(edit: DemandShift, here: Here) -> list[Swap]:
    """Let some leave at another time."""
    shift = Shift(_whose(edit, here), edit.share, edit.minutes * 60.0, key=here.field)
    return appended(here.study, "changes", shift)


def _whose(edit: DemandFactor | DemandShift, here: Here) -> Whose:
    from_s, until_s = here.window(edit)
    return Whose(
        origins=tuple(here.place(name, "origins") for name in edit.origins),
        destinations=tuple(here.place(name, "destinations") for name in edit.destinations),
        classes=here.known_classes(edit.classes),
        from_s=from_s,
        until_s=until_s,
    )


def demand_trips(edit: DemandTrips, here: Here) -> list[Swap]:
    """Add trips from one zone to another; those that leave outside the scenario are left out."""
    here.window(edit)
    from_s, until_s = 0.0, here.end_s - here.start_s
    if edit.from_ is not None:
        from_s = seconds_of_day(edit.from_) - here.start_s
    if edit.until is not None:
        until_s = seconds_of_day(edit.until) - here.start_s
    here.known_classes([edit.class_], "class")
    stream = Stream(
        key=f"{here.field} {edit.origin} {edit.destination} {edit.class_}",
        origin=here.place(edit.origin, "origin"),
        destination=here.place(edit.destination, "destination"),
        vclass=edit.class_,
        trips=edit.trips,
        from_s=from_s,
        until_s=until_s,
    )
    return appended(here.study, "streams", stream)


def signal_plan(edit: NewPlan, here: Here) -> list[Swap]:
    """Let a junction run another plan."""
    junction = here.junction(edit.junction)
    known = {str(stage.id) for stage in junction.stages}
    for row, step in enumerate(edit.stages):
        if step.stage not in known:
            rule = f"is a stage of {junction.id}: {', '.join(sorted(known))}"
            here.refuse(f"stages[{row}].stage", step.stage, rule)
    plan = SignalPlan(
        id=PlanId(here.field),
        cycle_s=sum(step.seconds for step in edit.stages),
        offset_s=edit.offset_s,
        steps=tuple((StageId(step.stage), step.seconds) for step in edit.stages),
    )
    from_s, until_s = here.window(edit)
    return appended(here.study, "plans", PlanRun(edit.junction, plan, from_s, until_s))


def zone_hours(edit: NewZoneHours, here: Here) -> list[Swap]:
    """Put another rule in the place of the zone's, or the first one."""
    known = {str(zone.id): zone for zone in here.study.network.zones}
    if edit.zone not in known or not known[edit.zone].links:
        with_links = sorted(name for name, zone in known.items() if zone.links)
        here.refuse("zone", edit.zone, f"is a zone of links: {', '.join(with_links) or 'none'}")
    here.known_classes(edit.authorised, "authorised")
    from_s, until_s = here.window(edit)
    shares = tuple(sorted(edit.authorised.items()))
    rule = ZoneRule(edit.zone, from_s, until_s, shares, open=edit.open)
    for row, old in enumerate(here.study.zones):
        if old.zone == edit.zone:
            return [Swap("zones", row, old, rule)] if old != rule else []
    return appended(here.study, "zones", rule)


def split(edit: Split, here: Here) -> list[Swap]:
    """Ban a turn for a share of the drivers."""
    from_s, until_s = here.window(edit)
    names = here.known_classes(edit.classes)
    ban = Ban(
        turn=here.turn(edit.from_link, edit.to_link),
        share=tuple((name, edit.divert_share) for name in names),
        others=0.0 if names else edit.divert_share,
        key=f"split {edit.from_link} {edit.to_link}",
        from_s=from_s,
        until_s=until_s,
    )
    return appended(here.study, "bans", ban)
