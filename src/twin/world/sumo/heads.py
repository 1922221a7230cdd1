"""From what a controller decides to the letters that SUMO's traffic lights show."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from twin.network.model import Junction, SingleMap
from twin.network.sumo.programs import SignalDesign
from twin.units import SECOND_US
from twin.world.cabinet import Aspect, Cabinet
from twin.world.monitor import walkers
from twin.world.sumo.city import LampLink

_RED: Final = "r"


class Head:
    """The heads of one junction: one letter a link index."""

    def __init__(self, cabinet: Cabinet, design: SignalDesign) -> None:
        """Show what `cabinet` decides on the links of `design`."""
        self.cabinet = cabinet
        self._links = design.links
        self._protected = {
            link: name
            for name, group in design.groups.items()
            if group.protected
            for link in group.links
        }
        self._yielding = {
            link: name
            for name, group in design.groups.items()
            if not group.protected
            for link in group.links
        }
        self._walking = {
            link for group in design.groups.values() if group.pedestrian for link in group.links
        }
        self._stages = {str(stage.id): frozenset(stage.groups) for stage in design.junction.stages}
        self._last = _RED * design.links

    def state(self) -> str:
        """Return the letters at the cabinet's last beat."""
        aspects = self.cabinet.aspects()
        self._last = "".join(self._letter(link, aspects) for link in range(self._links))
        return self._last

    def seen(self, shown: str) -> str:
        """Return what everybody sees who stands here: in a net crossings are links themselves."""
        return shown

    def _letter(self, link: int, aspects: dict[str, Aspect]) -> str:
        protected, yielding = self._protected.get(link), self._yielding.get(link)
        shown = {aspects[name] for name in (protected, yielding) if name is not None}
        if protected is not None and aspects[protected] is Aspect.GREEN:
            return "G"
        if yielding is not None and aspects[yielding] is Aspect.GREEN:
            return "g"
        if self._last[link] == "g" and self._rises(protected):
            return "g"  # it goes on to yield until its own stage gives it priority
        if Aspect.YELLOW in shown and link not in self._walking:
            return "y"
        return _RED

    def _rises(self, protected: str | None) -> bool:
        """Say whether a link that yields now is about to get priority."""
        shown = self.cabinet.shown
        return protected is not None and shown.changing and protected in self._stages[shown.stage]


class LampHead:
    """The heads of one junction of a city, whose table says which group rules which link."""

    def __init__(self, cabinet: Cabinet, links: tuple[LampLink, ...]) -> None:
        """Show what `cabinet` decides."""
        self.cabinet = cabinet
        self._links = links
        self._walkers = walkers(cabinet.junction, (link.group for link in links))

    def state(self) -> str:
        """Return the letters at the cabinet's last beat."""
        aspects = self.cabinet.aspects()
        return "".join(_lamp(aspects[link.group], yields=link.yields) for link in self._links)

    def seen(self, shown: str) -> str:
        """Add what people on foot see to what SUMO's light shows: it has no link for them."""
        aspects = self.cabinet.aspects()
        return shown + "".join(_lamp(aspects[name], yields=False) for name in self._walkers)


def _lamp(aspect: Aspect, *, yields: bool) -> str:
    if aspect is Aspect.GREEN:
        return "g" if yields else "G"
    return "y" if aspect is Aspect.YELLOW else _RED


def street_map(network: SingleMap, *, begin_s: float, start_us: int) -> SingleMap:
    """Return the map with its plans in step with SUMO's clock.

    A plan counts from 1970; SUMO's offsets count from SUMO's zero, which is `begin_s` before
    `start_us`.
    """
    zero_s = start_us / SECOND_US - begin_s

    def shifted(junction: Junction) -> Junction:
        plans = tuple(
            replace(plan, offset_s=(plan.offset_s + zero_s) % plan.cycle_s)
            for plan in junction.plans
        )
        return replace(junction, plans=plans)

    return replace(network, junctions=tuple(shifted(one) for one in network.junctions))
