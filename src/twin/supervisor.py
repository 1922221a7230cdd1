"""Watches the tasks of a process: whichever ends first, and why, ends the others too.

A service that answers while its worker is dead is the worst fault of all.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from twin.errors import BackendError, FencedError, InputError

_LOG: Final = logging.getLogger(__name__)


async def first_death(
    told: asyncio.Task[bool], tasks: Sequence[asyncio.Task[None]], *, may_end: str
) -> BaseException | None:
    """Wait until we are told to stop or a task ends before that; log which, return why.

    Tasks named `may_end` may end by themselves, but not with an exception.
    """
    running: set[asyncio.Task[None]] = set(tasks)
    while True:
        done, _ = await asyncio.wait({told, *running}, return_when=asyncio.FIRST_COMPLETED)
        for task in running & done:
            running.discard(task)
            death = task.exception()
            if death is None and task.get_name() == may_end:
                continue
            death = death or RuntimeError(f"{task.get_name()} ended by itself")
            _tell(task.get_name(), death)
            return death
        if told in done:
            return None


async def settle(tasks: Sequence[asyncio.Task[None]], timeout_s: float) -> None:
    """Wait for tasks to end by themselves; their exceptions were told already."""
    await asyncio.wait(tasks, timeout=timeout_s)


async def end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait for them."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def signals(stop: Callable[[], None]) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM call `stop` for the length of the block."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def _tell(task: str, death: BaseException) -> None:
    """Log which task died of what; a traceback only where it helps to find the fault."""
    if isinstance(death, InputError | BackendError):
        return  # the command says it in one line to whoever can mend it
    extra = {"task": task, "problem": str(death) or type(death).__name__}
    outside = isinstance(death, FencedError)
    _LOG.error("task_died", extra=extra, exc_info=None if outside else death)
