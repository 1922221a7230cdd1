"""Turns that only some drivers, or only at some times, may take.

The kernel knows rights of links, not of turns. A turn from a into b that an edit closes in part
gets a door: the first piece of b, of its own for those who come from a, beside the piece for all
others; the rest of b follows both. A ban of the turn is then a ban of the door. Base and edited
get the same doors, and counts are put together again, so that nothing of it shows in results.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from twin.columns import Floats, Ints
from twin.scenario.study import Ban, Study
from twin.simulate.fleet import keys_of
from twin.simulate.roads import Roads, Turns

Turn = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Doors:
    """Which rows pieces have, and which link each belongs to.

    owner    (all links,) row of the link of the map that a link is, or is a piece of
    starts   rows of the pieces in front of a link that was cut: where it is entered now
    of_turn  row of the door of a turn
    """

    owner: Ints
    starts: dict[int, tuple[int, ...]]
    of_turn: dict[Turn, int]

    def entries(self, link: int) -> tuple[int, ...]:
        """Return the rows over which a link is entered."""
        return self.starts.get(link, (link,))

    def together(self, counts: Floats) -> Floats:
        """Add columns of pieces to those of their links: (T, all links) to (T, links)."""
        links = int(self.owner.max(initial=-1)) + 1
        whole = counts[:, :links].copy()
        for row in range(links, len(self.owner)):
            whole[:, self.owner[row]] += counts[:, row]
        return whole

    def longest(self, times_s: Floats) -> Floats:
        """Return travel times of whole links, over the longest of their pieces, (links,)."""
        whole = times_s[: int(self.owner.max(initial=-1)) + 1].copy()
        for link, rows in self.starts.items():
            whole[link] += times_s[list(rows)].max()
        return whole

    def entered(self, counts: Floats) -> Floats:
        """Return how many entered each link of the map, (T, links)."""
        whole = counts[:, : int(self.owner.max(initial=-1)) + 1].copy()
        for link, rows in self.starts.items():
            whole[:, link] = counts[:, list(rows)].sum(axis=1)
        return whole


def is_partial(ban: Ban) -> bool:
    """Say whether a ban of a turn leaves it open to some drivers, or for some time."""
    shares = [share for _, share in ban.share]
    everybody = ban.others >= 1.0 and all(share >= 1.0 for share in shares)
    return not (everybody and ban.from_s <= 0.0 and np.isinf(ban.until_s))


def partial_turns(*studies: Study) -> tuple[Turn, ...]:
    """Return the turns that need a door in any of the studies."""
    found = {
        ban.turn: None
        for study in studies
        for ban in study.bans
        if ban.turn is not None and is_partial(ban)
    }
    return tuple(found)


def without_turns(turns: Turns, closed: set[tuple[int, int]]) -> Turns:
    """Return the turns without those from one row into another."""
    if not closed:
        return turns
    pairs = zip(turns.approach.tolist(), turns.link.tolist(), strict=True)
    keep = np.array([pair not in closed for pair in pairs], np.bool_)
    return _sorted(turns, turns.approach[keep], turns.link[keep], np.flatnonzero(keep), 0)


def with_doors(
    roads: Roads, turns: Turns, wanted: tuple[Turn, ...], rows: dict[str, int], step_s: float
) -> tuple[Roads, Turns, Doors]:
    """Cut the links that turns lead into, and give each turn its door."""
    links, owner, of_turn = len(roads), list(range(len(roads))), {}
    into: dict[int, list[tuple[Turn | None, int]]] = {}
    for turn in wanted:
        after = rows[turn[1]]
        pieces = into.setdefault(after, [(None, len(owner))])
        if pieces[-1][1] == len(owner):
            owner.append(after)
        pieces.append((turn, len(owner)))
        of_turn[turn] = len(owner)
        owner.append(after)
    starts = {link: tuple(row for _, row in pieces) for link, pieces in into.items()}
    doors = Doors(np.array(owner, np.int64), starts, of_turn)
    if not wanted:
        return roads, turns, doors
    return _cut(roads, doors, step_s), _led(turns, doors, links, rows), doors


def _cut(roads: Roads, doors: Doors, step_s: float) -> Roads:
    """Return the roads with the pieces behind them, each link shortened by its first piece."""
    links = len(roads)
    piece_of = doors.owner[links:]
    piece_m = np.minimum(roads.free_speed_mps * step_s, 0.5 * roads.length_m)
    length_m = roads.length_m.copy()
    from_node = roads.from_node.copy()
    node = {link: roads.nodes + number for number, link in enumerate(doors.starts)}
    for link, at in node.items():
        length_m[link] -= piece_m[link]
        from_node[link] = at
    ends = np.array([node[link] for link in piece_of.tolist()], np.int64)
    return Roads(
        from_node=np.concatenate([from_node, roads.from_node[piece_of]]),
        to_node=np.concatenate([roads.to_node, ends]),
        length_m=np.concatenate([length_m, piece_m[piece_of]]),
        free_speed_mps=np.concatenate([roads.free_speed_mps, roads.free_speed_mps[piece_of]]),
        capacity_vps=np.concatenate([roads.capacity_vps, roads.capacity_vps[piece_of]]),
        jam_vpm=np.concatenate([roads.jam_vpm, roads.jam_vpm[piece_of]]),
        nodes=roads.nodes + len(node),
    )


def _led(turns: Turns, doors: Doors, links: int, rows: dict[str, int]) -> Turns:
    """Lead every turn into a cut link to its piece; from each piece one turn goes on."""
    pieces = len(doors.owner) - links
    link = turns.link.copy()
    for after, starts in doors.starts.items():
        link[turns.link == after] = starts[0]
    for (before, into), row in doors.of_turn.items():
        link[(turns.approach == rows[before]) & (turns.link == rows[into])] = row
    # origins stand behind all links: they move up by the pieces
    approach = np.where(turns.approach >= links, turns.approach + pieces, turns.approach)
    onward = np.arange(links, links + pieces, dtype=np.int64)
    approach = np.concatenate([approach, onward])
    link = np.concatenate([link, doors.owner[links:]])
    source = np.concatenate([np.arange(len(turns.link)), np.full(pieces, -1)])
    return _sorted(turns, approach, link, source, pieces)


def _sorted(turns: Turns, approach: Ints, link: Ints, source: Ints, pieces: int) -> Turns:
    """Return turns by approach; source: row that a turn had, -1 for one that is new."""
    order = np.argsort(approach, kind="stable")
    approach, link, source = approach[order], link[order], source[order]
    there = source >= 0
    counts = np.bincount(approach, minlength=len(turns.start) - 1 + pieces)
    return replace(
        turns,
        start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        approach=approach.astype(np.int64),
        link=link.astype(np.int64),
        seconds=np.where(there, turns.seconds[source], 0.0),
        share=np.where(there, turns.share[source], 1.0),
        movement=np.where(there, turns.movement[source], -1).astype(np.int64),
    )


def door_keys(ids: list[str], doors: Doors) -> Ints:
    """Return names of all rows for random draws, (all links,)."""
    pieces = [
        f"{ids[owner]} piece {row}" for row, owner in enumerate(doors.owner) if row >= len(ids)
    ]
    return keys_of([*ids, *pieces])
