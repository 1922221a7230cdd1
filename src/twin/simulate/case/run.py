"""A case run step by step, and all that was counted on the way."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np

from twin.columns import Bools, Floats
from twin.errors import SimulationError
from twin.simulate.case.cells import CellBook, CellRecord, CellRun
from twin.simulate.case.dated import Dated, mean_over
from twin.simulate.case.form import Kernel
from twin.simulate.case.wiring import Wired
from twin.simulate.curves import Curves
from twin.simulate.ltm import LinkTransmission
from twin.simulate.steps import choose_step, expected_vehicles

MOST_STEPS = 1_000_000
NEAR_S = 1e-6  # a change this near to the edge of a step falls on it


class Run(Protocol):
    """What every kernel's face does for a case."""

    step_s: float

    def share_turns(self, turn_share: Floats, exit_share: Floats) -> Self:
        """Set the shares from now on."""
        ...

    def demand(self, vps: Floats) -> Self:
        """Set the demand from now on."""
        ...

    def limit(self, *, in_vps: Floats, out_vps: Floats, turn_vps: Floats, node_vps: Floats) -> Self:
        """Set the capacities from now on."""
        ...

    def run(self, duration_s: float) -> Self:
        """Advance by whole steps."""
        ...

    @property
    def time_s(self) -> float:
        """Return the time since the start."""
        ...

    @property
    def entered(self) -> Floats:
        """Return how many entered each link, (links,)."""
        ...

    @property
    def left(self) -> Floats:
        """Return how many left each link, (links,)."""
        ...

    @property
    def waiting(self) -> Floats:
        """Return how many wait at each origin, (origins,)."""
        ...

    @property
    def appeared(self) -> Floats:
        """Return how many appeared at each origin, (origins,)."""
        ...

    @property
    def ended(self) -> Floats:
        """Return how many ended their trip behind each approach, (approaches,)."""
        ...

    @property
    def dropped(self) -> Bools:
        """Return where the capacity drop holds, (links,)."""
        ...


@dataclass(frozen=True, slots=True)
class Record:
    """A finished run: a row every step, the start included.

    turned   (moments, turns) vehicles through each turn so far
    waiting, appeared   (moments, origins);  ended (moments, approaches)
    dropped_s   (links,) how long the capacity drop held
    cells   what the cell model says of every cell; None with the link model
    """

    wired: Wired
    step_s: float
    curves: Curves
    turned: Floats
    waiting: Floats
    appeared: Floats
    ended: Floats
    dropped_s: Floats
    cells: CellRecord | None

    @property
    def time_s(self) -> Floats:
        """Return the moments, (moments,)."""
        return np.array(self.curves.time_s)

    def tail_m(self, link: int, moment: int) -> float:
        """Return where the queue at the end of a link begins, from its start."""
        time_s = self.curves.time_s[moment]
        if self.cells is not None:
            return self.cells.tail_m(link, time_s)
        return self.curves.tail_m(link, time_s)

    def rounded(self) -> list[tuple[str, float]]:
        """Return the links whose travel time was rounded up to a step, and the seconds added."""
        if self.cells is not None:
            return []
        added_s = self.step_s - self.wired.roads.free_s
        short = np.flatnonzero(added_s > 1e-9 * self.step_s)
        return [(self.wired.approach_ids[row], float(added_s[row])) for row in short.tolist()]


def run_case(wired: Wired) -> Record:
    """Run a case from its start to its horizon. Raises SimulationError when it cannot run."""
    run = _kernel(wired)
    steps = round(wired.case.horizon_s / run.step_s)
    if steps > MOST_STEPS:
        message = f"UnstableStep: {steps} steps of {run.step_s:g} s; at most {MOST_STEPS}"
        raise SimulationError(message)
    moments = _moments(wired)
    book = _Book(wired, run)
    before: tuple[Floats, ...] | None = None
    for step in range(steps):
        from_s, until_s = step * run.step_s, (step + 1) * run.step_s
        near = moments[(moments > from_s - run.step_s - NEAR_S) & (moments < until_s - NEAR_S)]
        inside = near[near > from_s + NEAR_S].tolist()
        if before is None or len(near):
            before = _set_limits(wired, run, inside, from_s, until_s)
        run.run(run.step_s)
        book.take(before[0])
    return book.close()


def _moments(wired: Wired) -> Floats:
    """Return when any value changes; a change also matters to the step after it."""
    sites = wired.sites
    columns: tuple[Dated, ...] = (wired.shares, wired.demand, *sites.columns())
    found = {moment for column in columns for moment in column.moments()}
    return np.array(sorted(found), np.float64)


def _set_limits(
    wired: Wired, run: Run, inside: list[float], from_s: float, until_s: float
) -> tuple[Floats, ...]:
    """Set the means over one step of all that changes; return the turning shares."""
    shares = mean_over(wired.shares, inside, from_s, until_s)
    turns = len(wired.turns.link)
    run.share_turns(shares[:turns], shares[turns:])
    run.demand(mean_over(wired.demand, inside, from_s, until_s))
    sites = wired.sites
    turn_vps = mean_over(sites.turn, inside, from_s, until_s)
    # A turn at its base is not limited: the link after it is, and may drop under the queue.
    turn_vps[turn_vps >= sites.turn.base * (1.0 - 1e-12)] = np.inf
    run.limit(
        in_vps=mean_over(sites.entry, inside, from_s, until_s),
        out_vps=mean_over(sites.exit, inside, from_s, until_s),
        turn_vps=turn_vps,
        node_vps=mean_over(sites.node, inside, from_s, until_s),
    )
    return (shares[:turns],)


def _kernel(wired: Wired) -> Run:
    """Make the run of the kernel that the case asks for."""
    case = wired.case
    wanted_s = case.horizon_s / math.ceil(case.horizon_s / case.step_s - 1e-9)
    if case.kernel is Kernel.CTM:
        return CellRun(wired, wanted_s)
    return _link_transmission(wired, wanted_s)


def _vehicles(wired: Wired) -> Floats:
    """Return how many vehicles each link is to carry, (links,); all alike where none is asked."""
    horizon_s = wired.case.horizon_s
    columns = []
    for column in (wired.shares, wired.demand):
        inside = sorted({moment for moment in column.moments() if 0.0 < moment < horizon_s})
        columns.append(mean_over(column, inside, 0.0, horizon_s))
    shares, demand_vps = columns
    found = expected_vehicles(
        wired.turns,
        shares[: len(wired.turns.link)],
        wired.density_vpm * wired.roads.length_m,
        demand_vps * horizon_s,
    )
    return found if found.any() else np.ones(len(found))


def _link_transmission(wired: Wired, wanted_s: float) -> LinkTransmission:
    for row, link in enumerate(wired.case.links):
        if link.diagram is not None:
            message = f"links[{row}].diagram: a table needs the kernel {Kernel.CTM.value}"
            raise SimulationError(message)
    choice = choose_step(wired.roads, _vehicles(wired), wanted_s=wanted_s)
    return LinkTransmission(
        wired.roads,
        wired.turns,
        step_s=choice.step_s,
        density_vpm=wired.density_vpm,
        priority_vps=wired.priority_vps,
        drop_share=wired.drop_share,
        gate_node=wired.sites.gate_node,
    )


class _Book:
    """Takes the counts down, step by step."""

    def __init__(self, wired: Wired, run: Run) -> None:
        self._wired = wired
        self._run = run
        self._curves = Curves(wired.roads)
        self._turned = [np.zeros(len(wired.turns.link))]
        self._waiting: list[Floats] = []
        self._appeared: list[Floats] = []
        self._ended: list[Floats] = []
        self._dropped_s = np.zeros(len(wired.roads))
        self._gone = np.zeros(len(wired.approach_ids))
        self._cells = CellBook(run) if isinstance(run, CellRun) else None
        self._count()

    def take(self, turn_share: Floats) -> None:
        """Take down one step that ran with these shares."""
        before = self._gone
        self._count()
        moved = (self._gone - before)[self._wired.turns.approach]
        self._turned.append(self._turned[-1] + moved * turn_share)
        self._dropped_s += self._run.dropped * self._run.step_s

    def _count(self) -> None:
        run = self._run
        self._curves.take(run)
        self._waiting.append(run.waiting)
        self._appeared.append(run.appeared)
        self._ended.append(run.ended)
        self._gone = np.concatenate([run.left, run.appeared - run.waiting])
        if self._cells is not None:
            self._cells.take()

    def close(self) -> Record:
        """Return the record."""
        return Record(
            wired=self._wired,
            step_s=self._run.step_s,
            curves=self._curves,
            turned=np.array(self._turned),
            waiting=np.array(self._waiting),
            appeared=np.array(self._appeared),
            ended=np.array(self._ended),
            dropped_s=self._dropped_s,
            cells=None if self._cells is None else self._cells.close(),
        )
