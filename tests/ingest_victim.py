"""Runs `twin` and dies by kill -9 at its Nth commit with records, before or after it is stored.

python ingest_victim.py before|after N -- ARGUMENTS OF TWIN
"""

from __future__ import annotations

import os
import signal
import sys

from twin.__main__ import app
from twin.ingest import worker
from twin.store.commit import write_commit
from twin.store.database import Database
from twin.store.records import Commit


def main(when: str, fatal: int, arguments: list[str]) -> None:
    """Run the command line until the fatal commit."""
    seen = 0

    async def watched(database: Database, commit: Commit) -> bool:
        nonlocal seen
        seen += bool(commit.tallies)
        if commit.tallies and seen == fatal and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        stored = await write_commit(database, commit)
        if commit.tallies and seen == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return stored

    worker.__dict__["write_commit"] = watched
    app(arguments)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[4:])
