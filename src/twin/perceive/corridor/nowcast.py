"""The field of speed at each moment: kriging under several hypotheses, weighed as it goes.

Each hypothesis foretells the next report of every detector; how well it did so far is what it
counts for. So wave speed and persistence are learned on line from the detectors alone. Off line
the same is done with reports from both sides of each moment.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from twin.columns import Floats
from twin.perceive.corridor.kriging import Piece
from twin.perceive.corridor.reports import Grid, Reports
from twin.perceive.corridor.waves import Hypotheses, literature

LEAST_BLOCK_S: Final = 15.0  # shorter reports are averaged: single vehicles are no waves
MEMORY_S: Final = 480.0  # of reports that one estimate uses
HALF_LIFE_S: Final = 900.0  # after which an old success of a hypothesis counts half
UPSTREAM: Final = 2  # detectors that speak about a piece of road between two of them
DOWNSTREAM: Final = 4  # from where waves come: what is under way to a near one has passed them
FIRST_VAR_M2PS2: Final = 4.0  # variance of speeds before any error was seen; counts as one error


class Field(NamedTuple):
    """Estimate and standard deviation, (cells, columns) m/s."""

    speed_mps: Floats
    sd_mps: Floats


class Learned(NamedTuple):
    """After so many reports, (reports + 1, hypotheses): weights, and the variance of the field."""

    weight: Floats
    var_m2ps2: Floats


class Nowcast:
    """Estimates of one road from its reports."""

    def __init__(self, reports: Reports, grid: Grid, *, first_mps: float) -> None:
        """Take the reports; `first_mps` is said as long as nothing has arrived."""
        self._reports = reports
        self._grid = grid
        self._first_mps = first_mps
        self._hypotheses: Hypotheses = literature()
        self._width = max(1, math.ceil(LEAST_BLOCK_S / reports.period_s - 1e-9))
        block_s = self._width * reports.period_s
        self._blocks = max(2, round(MEMORY_S / block_s))
        self._pieces, self._cells, self._stations = _pieces(
            self._hypotheses, reports, grid, self._blocks, block_s
        )
        self.learned: Learned = self._learn()

    def online(self) -> Field:
        """Return each column from the reports that have arrived at its moment."""
        return self._field(ahead=0, online=True)

    def offline(self) -> Field:
        """Return each column from the reports before and after it."""
        return self._field(ahead=self._blocks // 2 * self._width, online=False)

    def _field(self, *, ahead: int, online: bool) -> Field:
        grid, reports = self._grid, self._reports
        speed = np.full((grid.cells, grid.columns), self._first_mps)
        sd = np.full_like(speed, math.sqrt(self.learned.var_m2ps2[0, 0]))
        count = len(reports.end_s)
        for column, moment_s in enumerate(grid.moment_s):
            newest = min(reports.arrived(moment_s) + ahead, count)
            if newest:
                at = newest if online else count
                speed[:, column], sd[:, column] = self._column(newest, at, moment_s)
        return Field(speed, sd)

    def _column(self, newest: int, learned: int, moment_s: float) -> tuple[Floats, Floats]:
        """Return one moment from the reports before `newest`, and its standard deviation."""
        weight, var = self.learned.weight[learned], self.learned.var_m2ps2[learned]
        ahead_s = moment_s + 0.5 * self._grid.step_s - self._reports.end_s[newest - 1]
        values = self._values(newest)
        known = values[np.isfinite(values)]
        usual = float(known.mean()) if len(known) else self._first_mps
        speed, sd = np.full(self._grid.cells, usual), np.full(self._grid.cells, math.sqrt(var[0]))
        for piece, cells, stations in zip(self._pieces, self._cells, self._stations, strict=True):
            near = values[:, stations]
            if not piece.speaks(near):
                continue
            said = piece.at(near, ahead_s)
            mean = weight @ said.mean
            spread = weight @ (said.var_share * var[:, None] + (said.mean - mean) ** 2)
            speed[cells], sd[cells] = mean, np.sqrt(spread)
        # A line through noisy points overshoots; nobody was seen to drive faster, nor backwards.
        return np.clip(speed, 0.0, known.max() if len(known) else math.inf), sd

    def _values(self, newest: int) -> Floats:
        """Return the newest blocks of reports before `newest`, (blocks, stations), newest first."""
        seen = self._reports.speed_mps[max(0, newest - self._blocks * self._width) : newest][::-1]
        short = self._blocks * self._width - len(seen)
        filled = np.pad(seen, ((0, short), (0, 0)), constant_values=np.nan)
        blocks = filled.reshape(self._blocks, self._width, -1)
        count = np.isfinite(blocks).sum(axis=1)
        total = np.where(np.isfinite(blocks), blocks, 0.0).sum(axis=1)
        mean = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
        return np.asarray(mean, np.float64)

    def _learn(self) -> Learned:
        """Weigh the hypotheses by what they foretold, report after report."""
        kept = 0.5 ** (self._width * self._reports.period_s / HALF_LIFE_S)
        count, number = len(self._reports.end_s), len(self._hypotheses.belief)
        weight = np.tile(self._hypotheses.belief, (count + 1, 1))
        var = np.full((count + 1, number), FIRST_VAR_M2PS2)
        squares, errors = np.full(number, FIRST_VAR_M2PS2), 1.0
        doubt = np.zeros(number)
        for newest in range(1, count + 1):
            if newest % self._width == 0 and newest > self._width:
                new_squares, new_errors, new_doubt = self._judge(newest)
                squares = kept * squares + new_squares
                errors = kept * errors + new_errors
                doubt = kept * doubt + new_doubt
            # The probability of what came, with the variance of the field at its most likely.
            fit = np.log(self._hypotheses.belief) - 0.5 * (errors * np.log(squares) + doubt)
            likely = np.exp(fit - fit.max())
            weight[newest] = likely / likely.sum()
            var[newest] = squares / errors
        return Learned(weight, var)

    def _judge(self, newest: int) -> tuple[Floats, int, Floats]:
        """Return squared errors over their stated share, their number, and the log of shares."""
        came = self._values(newest)[0]
        before = self._values(newest - self._width)
        squares = np.zeros(len(self._hypotheses.belief))
        doubt, errors = np.zeros_like(squares), 0
        for at, (piece, stations) in enumerate(zip(self._pieces, self._stations, strict=True)):
            near = before[:, stations]
            last = len(came) if at == len(self._pieces) - 1 else at + 1
            own = slice(at - stations.start, last - stations.start)
            there = np.isfinite(came[at:last])
            if not piece.speaks(near) or not there.any():
                continue
            said = piece.next_reports(near, own)
            off = (came[at:last] - said.mean)[:, there] ** 2 / said.var_share[:, there]
            squares += off.sum(axis=1)
            doubt += np.log(said.var_share[:, there]).sum(axis=1)
            errors += int(there.sum())
        return squares, errors, doubt


def _pieces(
    hypotheses: Hypotheses, reports: Reports, grid: Grid, blocks: int, block_s: float
) -> tuple[list[Piece], list[slice], list[slice]]:
    """Cut the road at its detectors; those around a piece speak about it."""
    inner = reports.row[1:-1].tolist()
    cells = [slice(a, b) for a, b in pairwise([0, *inner, grid.cells])]
    count = len(reports.row)
    stations = [
        slice(max(at + 1 - UPSTREAM, 0), min(at + 1 + DOWNSTREAM, count))
        for at in range(len(cells))
    ]
    pieces = [
        Piece(
            hypotheses,
            cell_m=grid.middle_m[of],
            station_m=reports.place_m[by],
            blocks=blocks,
            block_s=block_s,
        )
        for of, by in zip(cells, stations, strict=True)
    ]
    return pieces, cells, stations
