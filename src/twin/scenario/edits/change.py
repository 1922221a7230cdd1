"""From the edits of a file to the swaps that carry them out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from twin.errors import MapError
from twin.scenario.edits import form, roads, travel
from twin.scenario.edits.place import Here
from twin.scenario.study import Study, Swap, swapped

_SWAPS: Final[dict[type[form.Edit], Callable[[Any, Here], list[Swap]]]] = {
    form.CloseLink: roads.close_link,
    form.CloseLanes: roads.close_lanes,
    form.CloseTurn: roads.close_turn,
    form.Capacity: roads.capacity,
    form.FreeSpeed: roads.free_speed,
    form.NewLink: roads.new_link,
    form.NewPlan: travel.signal_plan,
    form.RampMeter: roads.ramp_meter,
    form.NewZoneHours: travel.zone_hours,
    form.DemandFactor: travel.demand_factor,
    form.DemandTrips: travel.demand_trips,
    form.DemandShift: travel.demand_shift,
    form.Incident: roads.incident,
    form.WorkZone: roads.work_zone,
    form.WeatherChange: roads.weather,
    form.Split: travel.split,
}


@dataclass(frozen=True, slots=True)
class Done:
    """An edit that was carried out: the swaps undo it (`study.undo`)."""

    edit: form.AnyEdit
    swaps: tuple[Swap, ...]


def swaps_of(edit: form.AnyEdit, here: Here) -> tuple[Swap, ...]:
    """Return what an edit changes in a study. Raises InputError naming the field that is wrong."""
    return tuple(_SWAPS[type(edit)](edit, here))


def changed(
    edits: Sequence[form.AnyEdit], here: Here, *, part: str = "edits"
) -> tuple[Study, tuple[Done, ...]]:
    """Carry edits out, one after the other, on the study of `here`.

    part   the member of the file that lists them
    Raises InputError with the field of the first edit that cannot be, `edits[3].links`.
    """
    study, done = here.study, []
    for number, edit in enumerate(edits):
        place = replace(here, study=study, field=f"{part}[{number}]")
        try:
            swaps = swaps_of(edit, place)
            study = swapped(study, swaps)
        except MapError as error:
            place.refuse("edit", edit.__struct_config__.tag, str(error))
        done.append(Done(edit, swaps))
    return study, tuple(done)
