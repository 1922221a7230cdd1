"""The short form of the fault suite: every kind of fault, on both engines.

`make faults` runs the whole one. What the books compare is in tools/faults/fault_books.py.
"""

from __future__ import annotations

import ast
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import broker
import postgis
import pytest
from fault_plan import IN_FILE, KINDS, WEIGHTS
from fault_run import Outcome, Run, Setup
from fault_servers import may_mount
from fault_service import Launcher
from fault_suite import clear

from real_parts import require

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / "tools" / "faults"
CORRIDOR = ROOT / "scenarios" / "corridor"
EVENTS = 3000
EMBEDDED = ("killed_written", "killed_committed", "killed_published", "killed", "disk")
WORKERS = ("rebalance", "killed_committed", "broker", "database", "disk")
"""Together every kind; what several processes add is tried on three workers."""

pytestmark = pytest.mark.timeout(500)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder that the database's own user may enter, and leave no disk mounted."""
    place = Path(tempfile.mkdtemp(prefix="twin-faults-"))
    place.chmod(0o755)
    yield place
    clear(place)


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    """Give what starts services quickly."""
    started = Launcher(CORRIDOR / "network")
    yield started
    started.close()


@pytest.fixture
def run(folder: Path, launcher: Launcher) -> Callable[..., Outcome]:
    """Give what runs an engine over the corridor."""

    def go(engine: str, kinds: Sequence[str], *, broken: str = "") -> Outcome:
        setup = Setup(
            engine,
            folder,
            CORRIDOR,
            EVENTS,
            len(kinds),
            seed=3,
            size_mb=700,
            broken=broken,
            forecasters=1,
            kinds=tuple(kinds),
        )
        return Run(setup, lambda *_: None, launcher).go()

    return go


def check(outcome: Outcome) -> None:
    """Nothing lost, nothing twice; every kind happened; the hashes are those of the oracle."""
    assert outcome.books.wrong == []
    assert set(outcome.hashes.values()) == {outcome.books.oracle_hash}
    happened = {fault["kind"] for fault in outcome.faults}
    assert happened == set(outcome.setup.kinds) - (set() if may_mount() else {"disk"})
    assert all(outcome.bursts[kind] for kind in IN_FILE)
    assert outcome.books.received >= outcome.books.acknowledged == outcome.events


def test_embedded(run: Callable[..., Outcome]) -> None:
    check(run("embedded", EMBEDDED))


@pytest.mark.kafka
@pytest.mark.postgis
def test_three_workers(run: Callable[..., Outcome]) -> None:
    require(broker.missing() or postgis.missing())
    check(run("workers", WORKERS))


def test_offsets_apart_from_their_rows_are_noticed(run: Callable[..., Outcome]) -> None:
    outcome = run("embedded", EMBEDDED[:2], broken="offset")
    assert any("stored" in words for words in outcome.books.wrong)


def test_every_kind_of_fault_is_named() -> None:
    planned = {kind for weights in WEIGHTS.values() for kind in weights} | set(IN_FILE)
    assert planned == set(KINDS)
    assert {*EMBEDDED, *WORKERS, *IN_FILE} == set(KINDS)


@pytest.mark.parametrize("name", ["recount.py", "fault_file.py"])
def test_the_recount_shares_nothing_with_the_service(name: str) -> None:
    tree = ast.parse((TOOLS / name).read_text(encoding="utf-8"))
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    } | {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    ours = {module for module in imported if module.partition(".")[0] == "twin"}
    assert ours == set()
    local = {path.stem for path in TOOLS.glob("*.py")} & imported
    assert local <= {"fault_file"}
