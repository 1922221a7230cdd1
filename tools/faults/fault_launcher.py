"""Starts `twin` again and again, quickly, and lets it die at a chosen moment of a commit.

One process imports the program and compiles its kernels once; each start is a fork of it that has
run nothing yet, so that a restart costs a tenth of a second and a hundred of them can be afforded.
What a fork then does is `twin serve`, unchanged but for three watched moments:

    written     all rows of a batch are written, nothing is committed
    committed   the batch is committed, what it says to the outside is not published
    published   the log has what was said, the outbox does not know it yet

A file named by FAULTS_ARM holds a moment and a number: the process kills itself (SIGKILL) the
n-th time that it comes to this moment. At an ordinary stop it writes the hash of its live state to
the file that FAULTS_STATE names. FAULTS_BREAK breaks the program on purpose, for the test that
shows that the suite can fail.

Commands come as lines of JSON on standard input, answers go to standard output.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

import numpy as np

from twin.__main__ import app
from twin.commands.warm import warm_kernels
from twin.forecast.first import make_forecast
from twin.ingest import readings, worker
from twin.ingest.order import Verdict
from twin.live import Live
from twin.network.gmns import read_gmns
from twin.store import commit as commits
from twin.store import outbox
from twin.store.records import Commit

_LOOK_S: Final = 0.02
MOMENTS: Final = ("written", "committed", "published")
_LOADED: Final = (
    "twin.commands.serve",
    "twin.log.kafka",
    "twin.log.embedded",
    "alembic.command",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.dialects.sqlite.aiosqlite",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
    "uvicorn.lifespan.on",
)
"""What a service would import only once it runs."""


class Fuse:
    """Counts down to the process's own end."""

    def __init__(self, path: Path) -> None:
        """Watch the file at `path`."""
        self._path = path
        self._armed = ""
        self._left = 0

    def comes_to(self, moment: str) -> None:
        """Die here if this is the time."""
        try:
            armed = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return
        chosen, _, number = armed.partition(" ")
        if chosen != moment or not number:
            return
        if armed != self._armed:
            self._armed, self._left = armed, int(number.split()[0])
        self._left -= 1
        if self._left <= 0:
            try:
                self._path.unlink()
            except FileNotFoundError:  # taken away this moment: whoever removes the file decides
                return
            os.kill(os.getpid(), signal.SIGKILL)


def watch(fuse: Fuse) -> None:
    """Let the fuse see the three moments."""
    move, write, done = commits._move, commits.write_commit, outbox.done

    async def watched_move(connection: Any, commit: Commit) -> None:
        await move(connection, commit)
        if commit.positions:
            fuse.comes_to("written")

    async def watched_write(database: Any, commit: Commit) -> bool:
        stored = await write(database, commit)
        if commit.positions:
            fuse.comes_to("committed")
        return stored

    async def watched_done(database: Any, ids: Sequence[str]) -> None:
        if ids:
            fuse.comes_to("published")
        await done(database, ids)

    commits.__dict__["_move"] = watched_move
    outbox.__dict__["done"] = watched_done
    _replace(write, watched_write)


def _replace(write: Any, by: Any) -> None:
    """Put another `write_commit` wherever it was imported."""
    for name, module in list(sys.modules.items()):
        if name.startswith("twin.") and getattr(module, "write_commit", None) is write:
            module.__dict__["write_commit"] = by


def tell_state(path: Path) -> None:
    """Write the hash of the live state when a worker closes."""
    close = worker.Worker.close

    async def watched_close(self: Any) -> None:
        await close(self)
        positions = {str(place): offset for place, offset in self.positions.items()}
        document = {"state_hash": self._live.state_hash(), "positions": positions}
        path.write_text(json.dumps(document), encoding="utf-8")  # noqa: ASYNC240 - at its end

    worker.Worker.close = watched_close  # type: ignore[method-assign]


def break_it(how: str) -> None:
    """Break the program, which is watched already.

    offset   the next offset is committed apart from its rows
    keys     keys of one batch are not compared with each other
    """
    if how == "offset":
        move, write = commits._move, commits.write_commit

        async def stay(connection: Any, commit: Commit) -> None:
            """Leave the stored offset where it is."""

        async def write_apart(database: Any, commit: Commit) -> bool:
            stored = await write(database, commit)
            async with database.write() as connection:
                await move(connection, commit)
            return stored

        commits.__dict__["_move"] = stay
        _replace(write, write_apart)
    elif how == "keys":

        def anything(batch: Any, content: Any, known: Any, stored: Any) -> Any:
            verdicts = np.full(len(batch), Verdict.APPLIED, np.uint8)
            verdicts[known & (content != stored)] = Verdict.CONFLICT
            return verdicts

        readings.__dict__["_repeated"] = anything


def child(order: dict[str, Any]) -> NoReturn:
    """Become `twin` with these arguments and this environment, and never come back."""
    os.setsid()
    null, out = os.open(os.devnull, os.O_RDWR), os.open(order["out"], os.O_WRONLY | os.O_CREAT)
    os.lseek(out, 0, os.SEEK_END)
    for target, source in ((0, null), (1, out), (2, out)):
        os.dup2(source, target)
    for name in [name for name in os.environ if name.startswith("TWIN_")]:
        del os.environ[name]
    os.environ.update(order["env"])
    code = 1
    try:
        watch(Fuse(Path(order["env"]["FAULTS_ARM"])))
        break_it(order["env"].get("FAULTS_BREAK", ""))
        tell_state(Path(order["env"]["FAULTS_STATE"]))
        app(order["args"])
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    finally:
        sys.stderr.flush()
        os._exit(code)


def warm_up(folder: Path) -> None:
    """Import and compile all that one beat of the service over this map needs."""
    for name in _LOADED:
        importlib.import_module(name)
    warm_kernels()
    network, _ = read_gmns(folder)
    live = Live(network, rules=None, automatic=frozenset(), lease_s=15.0, timezone=network.timezone)
    now_us = time.time_ns() // 1000
    live.decide(now_us, offsets={})
    live.picture(now_us)
    make_forecast(live.forecast_input(now_us))


def main(folder: str) -> None:
    """Start what is asked for and report what ended, until standard input ends."""
    warm_up(Path(folder))
    running: dict[int, str] = {}
    _say({"ready": True})
    while True:
        readable, _, _ = select.select([0], [], [], _LOOK_S)
        if readable:
            line = sys.stdin.buffer.readline()
            if not line:
                break
            order = json.loads(line)
            pid = os.fork()
            if pid == 0:
                child(order)
            running[pid] = order["name"]
            _say({"name": order["name"], "pid": pid})
        for pid in list(running):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                code = os.waitstatus_to_exitcode(status)
                _say({"name": running.pop(pid), "pid": pid, "ended": code})
    for pid in running:
        os.kill(pid, signal.SIGKILL)


def _say(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
