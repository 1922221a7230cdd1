"""The morning's demand as a table: how many leave one node for another, class by class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from metropolis.routes import Router
from metropolis.trips import END_S, Trip
from metropolis.visitors import Visit
from twin.network.model import SingleMap

SLOT_S = 300
COLUMNS = ("origin", "destination", "class", "depart_s", "vehicles")

Row = tuple[str, str, str, int, int]


def demand_rows(
    network: SingleMap, trips: Iterable[Trip], visits: Iterable[Visit]
) -> tuple[Row, ...]:
    """Return the rows of the table: every vehicle of SUMO but the buses, counted once a drive.

    A row holds the node where a way begins, the node where it ends, the class, the beginning of
    the five minutes of departure in seconds of the day, and how many vehicles. A visit to the old
    town is two drives: to where it stands, and away from there when its stay is over.
    """
    starts = {str(link.id): str(link.from_node) for link in network.links}
    ends = {str(link.id): str(link.to_node) for link in network.links}
    counts: Counter[tuple[str, str, str, int]] = Counter()
    for trip in trips:
        pair = (starts[trip.links[0]], ends[trip.links[-1]])
        counts[*pair, trip.kind, _slot(trip.depart_s)] += 1
    router = Router(network, None, frozenset())
    for visit in visits:
        for links, depart_s in _drives(router, visit):
            pair = (starts[links[0]], ends[links[-1]])
            if depart_s < END_S and pair[0] != pair[1]:
                counts[*pair, visit.kind, _slot(depart_s)] += 1
    rows = ((*key, vehicles) for key, vehicles in counts.items())
    return tuple(sorted(rows, key=lambda row: (row[3], *row[:3])))


def _slot(depart_s: float) -> int:
    return int(depart_s // SLOT_S) * SLOT_S


def _drives(router: Router, visit: Visit) -> Iterator[tuple[tuple[str, ...], float]]:
    """Yield the links and the departure of each drive of a visit."""
    if not visit.stand:
        yield visit.links, visit.depart_s
        return
    cut = visit.links.index(visit.stand) + 1
    yield visit.links[:cut], visit.depart_s
    back_s = visit.depart_s + router.drive_s(visit.links[:cut]) + visit.stay_s
    if len(visit.links) > cut:
        yield visit.links[cut:], back_s
