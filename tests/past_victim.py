"""Lives the short day and dies by kill -9 at its Nth commit, before or after it is stored.

python past_victim.py FILE before|after N
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from past_house import City
from twin.ingest import worker
from twin.log import open_log
from twin.store.commit import write_commit
from twin.store.database import Database
from twin.store.records import Commit


async def main(file: str, when: str, fatal: int) -> None:
    """Live until the fatal commit."""
    seen = 0

    async def watched(database: Database, commit: Commit) -> bool:
        nonlocal seen
        seen += 1
        if seen == fatal and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        stored = await write_commit(database, commit)
        if seen == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return stored

    worker.__dict__["write_commit"] = watched
    database = await Database.open(f"sqlite:///{file}")
    city = City(open_log("embedded", database.path, ""), database)
    await city.open()
    await city.live_through(0, 340)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
