"""Put pieces together that follow each other and are equal: what becomes one link a direction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from twin.network.osm.courses import Course
from twin.network.osm.pieces import Piece, Rows


@dataclass(frozen=True, slots=True)
class Chain:
    """Pieces in a row. It is called as its piece of the lowest way, and runs as that one does."""

    way: int
    part: int
    rows: Rows
    forward: Course | None
    backward: Course | None
    ways: tuple[int, ...]  # of its pieces, in order

    @property
    def ends(self) -> tuple[int, int]:
        """The nodes at its start and its end."""
        return self.rows[0], self.rows[-1]


Step = tuple[int, bool]  # a piece, and whether it is passed against its own direction


def chain_up(pieces: list[Piece], *, kept: Collection[int]) -> list[Chain]:
    """Return the chains, by way and part. Nothing is joined at a node of `kept`.

    Two pieces are joined where only they meet and both directions go on unchanged. No chain ends
    where it starts.
    """
    joined = _joints(pieces, set(kept))
    used: set[int] = set()
    chains = []
    open_first = sorted(range(len(pieces)), key=lambda at: _is_inner(pieces[at], joined))
    for at in open_first:
        if at not in used:
            steps = _walk(at, pieces, joined)
            used.update(piece for piece, _ in steps)
            chains += [_chain(part, pieces) for part in _opened(steps, pieces)]
    return sorted(chains, key=lambda chain: (chain.way, chain.part))


def _is_inner(piece: Piece, joined: dict[int, tuple[int, int]]) -> bool:
    return piece.rows[0] in joined and piece.rows[-1] in joined


def _joints(pieces: list[Piece], kept: set[int]) -> dict[int, tuple[int, int]]:
    """Return the nodes at which two pieces become one, with the two."""
    ends: dict[int, list[int]] = defaultdict(list)
    for at, piece in enumerate(pieces):
        ends[piece.rows[0]].append(at)
        ends[piece.rows[-1]].append(at)
    return {
        row: (meeting[0], meeting[1])
        for row, meeting in ends.items()
        if len(meeting) == 2
        and row not in kept
        and _goes_on(pieces[meeting[0]], pieces[meeting[1]], row)
    }


def _goes_on(one: Piece, other: Piece, row: int) -> bool:
    into = (one.forward, one.backward) if one.rows[-1] == row else (one.backward, one.forward)
    away = (other.forward, other.backward)
    return into == (away if other.rows[0] == row else away[::-1])


def _walk(first: int, pieces: list[Piece], joined: dict[int, tuple[int, int]]) -> list[Step]:
    """Follow the joints from a piece to the end; a closed round is walked once."""
    starts_at_joint = pieces[first].rows[0] in joined
    ends_at_joint = pieces[first].rows[-1] in joined
    is_against = starts_at_joint and not ends_at_joint
    steps = [(first, is_against)]
    while True:
        at, is_against = steps[-1]
        row = pieces[at].rows[0 if is_against else -1]
        if row not in joined:
            return steps
        one, other = joined[row]
        following = other if one == at else one
        if following == first:
            return steps
        steps.append((following, pieces[following].rows[-1] == row))


def _opened(steps: list[Step], pieces: list[Piece]) -> list[list[Step]]:
    """Cut a chain that ends where it starts into two."""
    first, last = _rows(steps[0], pieces), _rows(steps[-1], pieces)
    if first[0] != last[-1]:
        return [steps]
    return [steps[: len(steps) // 2], steps[len(steps) // 2 :]]


def _rows(step: Step, pieces: list[Piece]) -> Rows:
    at, is_against = step
    return pieces[at].rows[::-1] if is_against else pieces[at].rows


def _chain(steps: list[Step], pieces: list[Piece]) -> Chain:
    namer = min(steps, key=lambda step: (pieces[step[0]].way, pieces[step[0]].part))
    if namer[1]:
        steps = [(at, not is_against) for at, is_against in reversed(steps)]
    name = pieces[namer[0]]
    rows = list(_rows(steps[0], pieces))
    for step in steps[1:]:
        rows += _rows(step, pieces)[1:]
    return Chain(
        way=name.way,
        part=name.part,
        rows=tuple(rows),
        forward=name.forward,
        backward=name.backward,
        ways=tuple(pieces[at].way for at, _ in steps),
    )
