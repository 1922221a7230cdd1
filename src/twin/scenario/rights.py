"""Who may drive where: bans, zones and the map's allowed uses, as kinds of vehicles."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from twin.columns import Bools, Ints
from twin.errors import SimulationError
from twin.network.model import SingleMap
from twin.scenario.doors import Doors, is_partial
from twin.scenario.draws import Keys, uniform
from twin.scenario.form import VehicleClass
from twin.scenario.study import Ban, Study
from twin.simulate.access import Access

_MOTOR: Final = frozenset(
    {"all", "any", "auto", "car", "cars", "motor", "motor_vehicle", "vehicle"}
)
_WORDS: Final = re.compile(r"[\s,;|]+")
_MOST_KINDS: Final = 120


@dataclass(frozen=True, slots=True)
class Rights:
    """What a side forbids: bans with rows of links; uses (classes, links) by the map, for ever."""

    bans: tuple[tuple[Ban, Ints], ...]
    classes: tuple[str, ...]
    uses: Bools


def rights_of(study: Study, classes: Sequence[VehicleClass], doors: Doors) -> Rights:
    """Read the bans of links, turns and zones, and the allowed uses of a study."""
    bans = [*study.bans, *zone_bans(study)]
    placed = [
        (ban, _rows(ban, study, doors)) for ban in bans if ban.turn is None or is_partial(ban)
    ]
    names = tuple(one.name for one in classes)
    uses = _uses(study.network, classes)
    wider = np.zeros((len(classes), len(doors.owner)), np.bool_)
    for link in range(uses.shape[1]):
        wider[:, list(doors.entries(link))] |= uses[:, [link]]
    return Rights(tuple(placed), names, wider)


def _rows(ban: Ban, study: Study, doors: Doors) -> Ints:
    """Return the rows whose entry a ban closes."""
    if ban.turn is not None:
        return np.array([doors.of_turn[ban.turn]], np.int64)
    rows = study.network.link_rows
    entries = [row for name in ban.links for row in doors.entries(rows[name])]
    return np.array(entries, np.int64)


def zone_bans(study: Study) -> list[Ban]:
    """Return zones as bans for all who are not authorised."""
    links = {str(zone.id): zone.links for zone in study.network.zones}
    return [
        Ban(
            links=tuple(str(link) for link in links[rule.zone]),
            share=tuple((name, 1.0 - share) for name, share in rule.authorised),
            key=f"zone {rule.zone}",
            from_s=max(rule.from_s, 0.0),
            until_s=rule.until_s,
        )
        for rule in study.zones
        if not rule.open and rule.until_s > 0
    ]


def struck(ban: Ban, vclass: Ints, classes: tuple[str, ...], keys: Keys, seed: int) -> Bools:
    """Return which vehicles a ban is for, (vehicles,)."""
    shares = dict(ban.share)
    share = np.array([shares.get(name, ban.others) for name in classes], np.float64)[vclass]
    if np.isin(share, (0.0, 1.0)).all():
        return np.asarray(share > 0.5, np.bool_)
    return np.asarray(uniform(keys, ban.key, seed) < share, np.bool_)


def kinds_of(
    rights: Rights, vclass: Ints, keys: Keys, *, seed: int, links: int
) -> tuple[Ints, Access]:
    """Sort vehicles into kinds with equal rights: (vehicles,) rows of the access that is returned.

    vclass (vehicles,) rows of the classes. Raises SimulationError for too many kinds.
    """
    columns = [vclass]
    for ban, _ in rights.bans:
        columns.append(struck(ban, vclass, rights.classes, keys, seed).astype(np.int64))
    table = np.stack(columns, axis=1)
    found, kind = np.unique(table, axis=0, return_inverse=True)
    if len(found) > _MOST_KINDS:
        message = f"{len(found)} kinds of vehicles with rights of their own, at most {_MOST_KINDS}"
        raise SimulationError(message)
    access = Access.open_to_all(links, max(len(found), 1))
    for row, pattern in enumerate(found.tolist()):
        closed = np.flatnonzero(rights.uses[pattern[0]])
        if len(closed):
            access = access.forbid(row, closed)
        for (ban, places), is_struck in zip(rights.bans, pattern[1:], strict=True):
            if is_struck:
                access = access.forbid(row, places, from_s=ban.from_s, until_s=ban.until_s)
    return kind.reshape(-1).astype(np.int64), access


def _uses(network: SingleMap, classes: Sequence[VehicleClass]) -> Bools:
    """Return the links whose allowed uses leave a class out, (classes, links)."""
    closed = np.zeros((len(classes), len(network.links)), np.bool_)
    for row, link in enumerate(network.links):
        words = {word.lower() for word in _WORDS.split(link.allowed_uses) if word}
        if not words:
            continue
        for number, one in enumerate(classes):
            own = {use.lower() for use in one.uses} or {one.name.lower()} | _MOTOR
            closed[number, row] = not words & own
    return closed
