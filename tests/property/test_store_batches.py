"""Where a stream is cut into batches changes nothing: neither in the log nor in the history."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store_samples import IDS, NETWORK, READ, START_US, readings
from twin.log.contract import Place, TopicSpec
from twin.log.embedded import EmbeddedLog
from twin.store.commit import assign, write_commit
from twin.store.database import Database
from twin.store.observations import known_keys, readings_between
from twin.store.records import Commit, Observations

ONE = Place("readings", 0)

few = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@few
@given(
    appends=st.lists(st.lists(st.binary(max_size=40), min_size=1, max_size=9), max_size=8),
    fetches=st.lists(st.integers(1, 12), min_size=1, max_size=4),
    start=st.integers(0, 5),
)
def test_any_appends_and_any_fetches_give_the_same_records(
    appends: list[list[bytes]], fetches: list[int], start: int
) -> None:
    """Records come out in order, each once, however they went in and are asked for."""
    asyncio.run(check_log(appends, fetches, start))


async def check_log(appends: list[list[bytes]], fetches: list[int], start: int) -> None:
    """Append, read in pieces, compare."""
    with tempfile.TemporaryDirectory() as folder:
        log = EmbeddedLog(Path(folder) / "log.db")
        await log.start()
        await log.create_topics([TopicSpec("readings")])
        for number, values in enumerate(appends):
            times = [number * 1000 + row for row in range(len(values))]
            await log.append(ONE, values, arrival_us=times, headers={"n": str(number)})
        every = [value for values in appends for value in values]
        start = min(start, len(every))
        reader = await log.reader({ONE: start})
        found: list[bytes] = []
        headers: list[str] = []
        while len(found) < len(every) - start:
            for size in fetches:
                for records in await reader.fetch(max_records=size, timeout_s=0.0):
                    assert len(records) <= size
                    assert records.offsets[0] == start + len(found)
                    found += records.values
                    headers += [entry["n"] for entry in records.headers]
        owners = [str(number) for number, values in enumerate(appends) for _ in values]
        assert found == every[start:]
        assert headers == owners[start:]
        assert await reader.fetch(max_records=1, timeout_s=0.0) == []
        await log.close()


@few
@given(
    cuts=st.lists(st.integers(1, 29), max_size=6, unique=True),
    repeated=st.integers(0, 6),
    order=st.permutations(range(30)),
)
def test_any_cut_of_the_same_readings_gives_the_same_history(
    migrated_file: Path, cuts: list[int], repeated: int, order: list[int]
) -> None:
    """Thirty readings in any order and any batches, some commits sent again: one history."""
    asyncio.run(check_history(migrated_file, sorted(cuts), repeated, np.array(order)))


async def check_history(
    migrated: Path, cuts: list[int], repeated: int, order: np.ndarray[tuple[int], np.dtype[np.int_]]
) -> None:
    """Commit piece by piece, repeat one, compare with what was sent."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "twin.db"
        shutil.copyfile(migrated, path)
        database = await Database.open(f"sqlite:///{path}")
        _, epochs = await assign(database, [READ], "worker")
        whole = readings(30)
        pieces = np.split(order, cuts)
        end = 0
        for number, rows in enumerate(pieces):
            end += len(rows)
            part = whole.take(rows)
            names = [f"e{row}" for row in rows]
            late = np.zeros(len(rows), np.bool_)
            entries = Observations(part, IDS, names, late, rows.astype(np.int64))
            commit = Commit(epochs=epochs, positions={READ: end}, observations=entries)
            assert await write_commit(database, commit) is True
            if number == repeated:
                assert await write_commit(database, commit) is False
        found = await readings_between(database, NETWORK, 0, 2 * START_US)
        assert found.time_us.tolist() == whole.time_us.tolist()
        np.testing.assert_array_equal(found.speed_mps, whole.speed_mps)
        np.testing.assert_array_equal(found.count, whole.count)
        known, content = await known_keys(database, IDS, whole)
        assert known.all()
        assert content.tolist() == list(range(30))
        await database.close()
