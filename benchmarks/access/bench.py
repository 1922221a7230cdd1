"""Access decided in columns beside the evaluator that explains, in one run.

python benchmarks/access/bench.py [--passages N] [--rights N] [--explained N]

Prints Markdown. A passage of the replay has one right in most cases, as in a town; the explaining
evaluator decides the first ones of the same day, and both must say the same of them.
"""

from __future__ import annotations

import argparse
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
from access_days import BOOK
from access_fuzz import facts_of, reads, town
from twin.control.access.casebook.columns import Compiled, compile_table
from twin.control.access.casebook.compared import differences
from twin.control.access.casebook.evaluate import Evaluator
from twin.control.access.casebook.fact_columns import Columns, Vehicles, columns_of
from twin.control.access.casebook.passages import PassageReader
from twin.control.access.casebook.replay import replay
from twin.control.access.kernels import columns as c

DAY_US = 86_400_000_000
START = datetime(2026, 6, 15, 22, tzinfo=UTC)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--passages", type=int, default=1_000_000)
    parser.add_argument("--rights", type=int, default=200_000)
    parser.add_argument("--explained", type=int, default=20_000)
    parser.add_argument("--fuzz", type=int, default=0, help="compare so many odd passages, too")
    asked = parser.parse_args()
    compiled = compile_table(BOOK)
    replay(compiled, big_day(compiled, 1000, 1000))  # compiles, or reads the cache
    explained_s = explain(asked.explained)
    day = big_day(compiled, asked.rights, asked.passages)
    began = time.perf_counter()
    found = replay(compiled, day)
    replayed_s = (time.perf_counter() - began) / asked.passages
    million = big_day(compiled, 1_000_000, 1)
    rights_mb = sum(one.nbytes for one in million.rights) / 1e6
    share = np.bincount(found.decisions.code[:, c.S_STATE], minlength=5) / asked.passages
    print("| what | result |\n|---|---|")
    rate = 1e-6 / replayed_s
    print(f"| replay, one core, {asked.rights:,} rights | {rate:.2f} M passages/s |")
    print(f"| the explaining evaluator, whole histories | {1 / explained_s:,.0f} passages/s |")
    print(f"| ratio | {explained_s / replayed_s:.0f} × |")
    print(f"| admitted, flagged, unread, review, denied | {np.round(100 * share, 1).tolist()} % |")
    print(f"| 1,000,000 rights in columns | {rights_mb:.0f} MB |")
    if asked.fuzz:
        print(f"| differences in {asked.fuzz:,} odd passages | {compare(asked.fuzz)} |")


def explain(count: int) -> float:
    """Return seconds a passage of the explaining evaluator, on an ordinary day."""
    rng = np.random.default_rng(7)
    made = town(BOOK, rng, vehicles=count // 2, start=START)
    facts = facts_of(made, reads(made, rng, count, days=1.0))
    began = time.perf_counter()
    Evaluator(BOOK).evaluate(facts)
    return (time.perf_counter() - began) / count


def compare(count: int) -> int:
    """Return how many statements differ over odd towns of 20,000 passages each."""
    wrong = 0
    for seed in range(-(-count // 20_000)):
        rng = np.random.default_rng(1000 + seed)
        made = town(BOOK, rng, vehicles=2000, start=START)
        facts = facts_of(made, reads(made, rng, 20_000, days=2.0))
        passages = PassageReader(BOOK).passages(facts, favour=True)
        compiled = compile_table(BOOK, gates=facts.world.gates, travel=facts.world.travel)
        given = columns_of(facts, passages, BOOK, compiled)
        outcome = Evaluator(BOOK).evaluate(facts)
        wrong += len(differences(outcome, compiled, given, replay(compiled, given)))
    return wrong


def big_day(compiled: Compiled, rights: int, passages: int) -> Columns:
    """Make a day in columns: one right a vehicle, one passage in five of a stranger."""
    rng = np.random.default_rng(3)
    vehicles = rights + rights // 4
    starts = np.minimum(np.arange(vehicles + 1), rights).astype(np.int64)
    row = np.zeros((rights, c.ROW_FIELDS), np.int32)
    row[:, c.ROW_PROFILE] = rng.integers(0, len(compiled.words.profiles), rights)
    row[:, c.ROW_HOLDER] = -1
    row[:, c.ROW_ORDER] = np.arange(rights)
    begin_us = int(START.timestamp()) * 1_000_000
    ends = np.where(rng.random(rights) < 0.02, begin_us + DAY_US // 2, c.NEVER_US)
    ever = np.full(rights, -c.NEVER_US)
    one_each = np.arange(rights + 1, dtype=np.int64)
    none = np.zeros(vehicles + 1, np.int64)
    columns = c.Rights(
        row=row,
        time=np.stack([ever, ends, ever, ever], axis=1),
        of_vehicle=np.stack([starts, none]),
        right=np.arange(rights, dtype=np.int32),
        of_right=np.stack([one_each, np.zeros(rights + 1, np.int64)]),
        plates_of=one_each,
        plate=np.arange(rights, dtype=np.int32),
        too_large=np.zeros((len(BOOK.versions), rights), np.bool_),
        revoked=np.zeros((0, 2), np.int64),
        held=np.zeros((0, 3), np.int64),
        near_of=np.zeros(len(BOOK.versions) * vehicles + 1, np.int64),
        near=np.zeros(0, np.int32),
        near_over=np.zeros((len(BOOK.versions), vehicles), np.bool_),
    )
    code = np.empty((passages, 4), np.int32)
    code[:, c.GATE] = rng.integers(0, 30, passages)
    code[:, c.INBOUND] = rng.random(passages) < 0.5
    code[:, c.CLOCK] = c.TRUSTED
    code[:, c.READING] = rng.integers(0, vehicles, passages)
    time_us = begin_us + np.sort(rng.integers(0, DAY_US, passages))
    who = np.arange(vehicles, dtype=np.int32)
    readings = c.Readings(
        np.arange(vehicles + 1, dtype=np.int64),
        who,
        np.stack([who, np.zeros_like(who), np.ones_like(who)], axis=1),
    )
    used = c.Used(
        np.zeros((rights, len(compiled.months)), np.int16),
        np.zeros((rights, len(compiled.years)), np.int16),
    )
    return Columns(
        columns,
        used,
        c.Passages(
            code,
            np.stack([time_us, np.full(passages, 500_000)], axis=1),
            np.full(passages, 0.98),
        ),
        readings,
        Vehicles(dict.fromkeys(range(vehicles), 0)),  # type: ignore[arg-type]
        tuple(str(at) for at in range(rights)),
        tuple(str(at) for at in range(passages)),
    )


if __name__ == "__main__":
    main()
