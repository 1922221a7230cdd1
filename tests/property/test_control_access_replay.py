"""Two evaluators, one table: the columns decide as the explaining evaluator does, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from access_days import BOOK
from access_fuzz import facts_of, reads, town, utc
from twin.control.access.casebook.columns import compile_table
from twin.control.access.casebook.compared import differences
from twin.control.access.casebook.evaluate import Evaluator
from twin.control.access.casebook.fact_columns import columns_of
from twin.control.access.casebook.passages import PassageReader
from twin.control.access.casebook.replay import replay
from twin.control.access.kernels import columns

pytestmark = pytest.mark.timeout(600)  # kernels compile the first time


@pytest.mark.parametrize(
    ("start", "seed"),
    [
        ("2026-06-15T22:00:00", 1),
        ("2026-03-28T12:00:00", 2),  # the clock goes forward
        ("2026-10-24T12:00:00", 3),  # and back
        ("2026-03-18T20:00:00", 4),  # a holiday
        ("2026-06-30T18:00:00", 5),  # month's end
    ],
)
def test_both_evaluators_agree(start: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    made = town(BOOK, rng, vehicles=150, start=utc(start))
    facts = facts_of(made, reads(made, rng, 2000, days=1.5))
    passages = PassageReader(BOOK).passages(facts, favour=True)
    compiled = compile_table(BOOK, gates=facts.world.gates, travel=facts.world.travel)
    given = columns_of(facts, passages, BOOK, compiled)
    found = replay(compiled, given)
    assert differences(Evaluator(BOOK).evaluate(facts), compiled, given, found) == []
    code = found.decisions.code
    assert (np.bincount(code[:, columns.S_STATE], minlength=5) > 0).all()
    assert len(set(code[:, columns.S_REASON].tolist())) > 15
    assert len(found.proved.kind) > 20
