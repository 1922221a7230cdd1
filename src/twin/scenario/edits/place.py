"""Where an edit stands: finds what it names, and says which field names nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn

from twin.errors import Fault, InputError
from twin.network.model import Junction, Link
from twin.scenario.edits.form import Edit
from twin.scenario.study import Study
from twin.scenario.words import clock_of, seconds_of_day


@dataclass(frozen=True, slots=True)
class Here:
    """A study, the hours that it covers, and the place of an edit in the file.

    start_s, end_s   seconds after midnight;  classes: names that the demand knows
    """

    study: Study
    start_s: float
    end_s: float
    classes: tuple[str, ...]
    field: str

    def refuse(self, field: str, value: object, rule: str) -> NoReturn:
        """Raise InputError for a field of the edit."""
        raise InputError(Fault(f"{self.field}.{field}", str(value), rule))

    def link(self, name: str, field: str) -> Link:
        """Return a link by id. Raises InputError."""
        row = self.study.network.link_rows.get(name)
        if row is None:
            self.refuse(field, name, "is no link of the map")
        return self.study.network.links[row]

    def links(self, names: Iterable[str]) -> list[Link]:
        """Return links by id, each once. Raises InputError naming the first that there is not."""
        return [self.link(name, "links") for name in dict.fromkeys(names)]

    def turn(self, from_link: str, to_link: str) -> tuple[str, str]:
        """Return a turn that the map permits. Raises InputError."""
        first, second = self.link(from_link, "from_link"), self.link(to_link, "to_link")
        if first.to_node != second.from_node:
            self.refuse("to_link", to_link, f"begins where {from_link} ends, at {first.to_node}")
        listed = [one for one in self.study.network.movements if one.node == first.to_node]
        pairs = {(one.from_link, one.to_link) for one in listed}
        if listed and (first.id, second.id) not in pairs:
            self.refuse("to_link", to_link, f"is a turn that the map permits from {from_link}")
        return from_link, to_link

    def junction(self, name: str) -> Junction:
        """Return a junction with signals. Raises InputError."""
        row = self.study.network.junction_rows.get(name)
        if row is None:
            self.refuse("junction", name, "is no junction with signals of the map")
        return self.study.network.junctions[row]

    def known_classes(self, names: Iterable[str], field: str = "classes") -> tuple[str, ...]:
        """Return class names. Raises InputError for one that nobody of the demand has."""
        for name in names:
            if name not in self.classes:
                self.refuse(field, name, f"is one of the classes {', '.join(self.classes)}")
        return tuple(names)

    def place(self, name: str, field: str) -> str:
        """Return a node or a zone with a node. Raises InputError."""
        network = self.study.network
        if name not in network.node_rows and all(node.zone != name for node in network.nodes):
            self.refuse(field, name, "is a node of the map, or a zone that a node names")
        return name

    def window(self, edit: Edit) -> tuple[float, float]:
        """Return when an edit holds, seconds of the scenario; open ends are 0 and infinity."""
        from_s = 0.0 if edit.from_ is None else seconds_of_day(edit.from_) - self.start_s
        until_s = math.inf if edit.until is None else seconds_of_day(edit.until) - self.start_s
        if until_s <= max(from_s, 0.0):
            self.refuse("until", edit.until, "is after `from`, and after the start of the scenario")
        if from_s >= self.end_s - self.start_s:
            rule = f"is before the end of the scenario, {clock_of(self.end_s)}"
            self.refuse("from", edit.from_, rule)
        return max(from_s, 0.0), until_s

    def undated(self, edit: Edit, reason: str) -> None:
        """Refuse hours for an edit that cannot have them. Raises InputError."""
        if edit.from_ is not None or edit.until is not None:
            field = "from" if edit.from_ is not None else "until"
            self.refuse(field, edit.from_ or edit.until, f"is left out: {reason}")
