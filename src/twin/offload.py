"""Runs a pure function beside the event loop: in a worker thread, or in a process of its own.

One thread serves the live forecast, whose kernels release the interpreter's lock; what builds
many Python objects (an edited map) goes to a process.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Final, ParamSpec, TypeVar

from twin.errors import SimulationError

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_THREADS: Final = 1


class Offload:
    """One worker thread, and up to `processes` processes that start when first needed."""

    def __init__(self, *, processes: int = 1) -> None:
        """Start nothing yet."""
        self._processes = processes
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="twin-offload")
        self._pool: ProcessPoolExecutor | None = None

    async def run(
        self,
        function: Callable[Arguments, Result],
        *args: Arguments.args,
        **options: Arguments.kwargs,
    ) -> Result:
        """Run in the worker thread, after what was asked before. Raises what `function` raises."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: function(*args, **options))

    async def run_process(self, function: Callable[..., Result], *args: object) -> Result:
        """Run in another process; function, arguments and result must be picklable.

        Raises what `function` raises, SimulationError when the process died.
        """
        if self._pool is None:
            # spawned, not forked: a fork would copy locks that other threads hold
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._processes, mp_context=context)
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._pool, function, *args)
        except BrokenProcessPool as error:
            self._pool = None
            name = getattr(function, "__qualname__", repr(function))
            raise SimulationError(f"the process that ran {name} died") from error

    def close(self) -> None:
        """Let the running function end, forget those that wait, end thread and processes."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None
